import { mkdtemp, readFile, rm } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, expect, it } from "vitest";
import { sha256 } from "../../../src/base/index.js";
import { importOptionsSchema } from "../../../src/stages/import/options.js";
import { makeWorld, picture, row, runStage, type World, writeRows } from "./world.js";

let world: World;
let origin: string;
let asked: string[] = [];
/** How often each address fails before it answers. */
let failures: Record<string, number> = {};
const server = createServer(async (request, response) => {
  const { pathname } = new URL(request.url!, "http://stub");
  asked.push(pathname);
  if ((failures[pathname] ?? 0) > 0) {
    failures[pathname]! -= 1;
    response.writeHead(503).end();
    return;
  }
  try {
    response.end(await readFile(join(world.images, pathname.replace("/set/", ""))));
  } catch {
    response.writeHead(404).end();
  }
});
beforeAll(async () => {
  world = await makeWorld();
  for (let k = 0; k < 4; k += 1) await picture(join(world.images, `${k}.png`), k);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
beforeEach(() => {
  asked = [];
  failures = {};
});
afterAll(async () => {
  server.closeAllConnections();
  server.close();
  await rm(world.top, { recursive: true, force: true });
});

const remote = (more: object = {}) => ({
  remoteImages: { allow: [`${origin}/set/`], retries: 2, retryDelaySeconds: 0, ...more },
});

it("gives the dialogues that local files give, asking for each address once", async () => {
  await writeRows(world, [row("a", "0.png"), row("b", "1.png"), row("c", "0.png")]);
  const local = await runStage(world, {});
  await writeRows(
    world,
    ["0.png", "1.png", "0.png"].map((name, k) => row("abc"[k]!, `${origin}/set/${name}?sig=s3cret`)),
  );
  failures = { "/set/1.png": 2 };
  const run = await runStage(world, remote());
  expect(run.dialogues).toEqual(local.dialogues);
  expect(asked.sort()).toEqual(["/set/0.png", "/set/1.png", "/set/1.png", "/set/1.png"]);
  expect(run.counts).toMatchObject({ kept: 3, images: 2, imagesFetched: 2 });
  expect(run.facts).toMatchObject({ remoteImages: { allow: [`${origin}/set/`] } });

  const text = await readFile(join(run.workDir, "remote-images.jsonl"), "utf8");
  expect(text).not.toContain("s3cret");
  const records = text
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as Record<string, string>);
  const hashes = new Set(
    run.dialogues.flatMap(({ messages }) =>
      messages[0]!.content.flatMap((part) => (part.type === "image" ? [part.hash] : [])),
    ),
  );
  expect(new Set(records.map(({ image }) => image))).toEqual(hashes);
  for (const { address, addressSha256, fileSha256 } of records) {
    const file = address!.replace(`${origin}/set/`, "");
    expect(fileSha256).toBe(sha256(await readFile(join(world.images, file))));
    expect(addressSha256).toBe(sha256(`${address}?sig=s3cret`));
  }
  expect((await runStage(world, { ...remote(), concurrency: 1 })).files).toEqual(run.files);
});

it("counts what is not there and what is not allowed, each under its reason", async () => {
  await writeRows(world, [
    row("ok", `${origin}/set/0.png`),
    row("gone", `${origin}/set/none.png`),
    row("elsewhere", `${origin}/other/0.png`),
    row("signed", "https://images.example.org/a.png?sig=s3cret"),
  ]);
  const run = await runStage(world, { ...remote(), maxRejectedShare: 1 });
  expect(run.counts.rejected).toEqual({ "image-remote-refused": 2, "image-remote-status": 1 });
  expect(JSON.stringify(run.rejected)).not.toContain("s3cret");
  expect(asked).toEqual(expect.not.arrayContaining(["/other/0.png"]));
});

it("stops when a server stays away, and goes on with what was fetched; or rejects the row when told", async () => {
  await writeRows(
    world,
    Array.from({ length: 4 }, (_, k) => row(`r${k}`, `${origin}/set/${k}.png`)),
  );
  const resumeDir = await mkdtemp(join(world.top, "resume-"));
  failures = { "/set/3.png": 1000 };
  const options = { ...remote(), concurrency: 1 };
  await expect(runStage(world, options, { resumeDir })).rejects.toMatchObject({ code: "SERVER_UNREACHABLE" });
  const before = asked.filter((path) => path !== "/set/3.png");
  expect(before.sort()).toEqual(["/set/0.png", "/set/1.png", "/set/2.png"]);

  const rejecting = await runStage(world, { ...options, ...remote({ onUnreachable: "reject" }) });
  expect(rejecting.counts.rejected).toEqual({ "image-remote-unreachable": 1 });

  failures = {};
  asked = [];
  const run = await runStage(world, options, { resumeDir });
  expect(asked).toEqual(["/set/3.png"]);
  expect(run.counts).toMatchObject({ kept: 4, imagesFetched: 4 });
  expect(run.files).toEqual((await runStage(world, options)).files);
});

it("refuses lists that would allow more than they seem to", () => {
  const parse = (allow: string[]) => importOptionsSchema.safeParse({ source: ["a"], remoteImages: { allow } });
  expect(parse(["https://a.example"]).error?.issues[0]?.message).toBeUndefined();
  expect(parse(["https://a.example/set"]).error?.issues[0]).toMatchObject({ path: ["remoteImages", "allow", 0] });
});
