import { appendFileSync, mkdirSync, readFileSync, rmSync, symlinkSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import {
  findDamage,
  listFiles,
  openArtifact,
  publishDirectory,
  readManifest,
  sealDirectory,
} from "../../src/artifacts/index.js";
import { sha256 } from "../../src/base/index.js";
import { scratchDirectory } from "../scratch/scratch.js";

let root: string;
let work: string;
beforeEach(() => {
  root = scratchDirectory("directory");
  work = join(root, "work");
  mkdirSync(join(work, "images/ab"), { recursive: true });
  writeFileSync(join(work, "rows.jsonl"), "{}\n");
  writeFileSync(join(work, "images/ab/x.png"), "picture");
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

const seal = (facts = {}) =>
  sealDirectory({
    directory: work,
    kind: "dialogues",
    producer: { stage: "import", version: "1", options: {} },
    inputs: {},
    draft: { counts: { read: 1, kept: 1 }, facts },
    fingerprint: { stage: "import" },
  });

describe("sealing", () => {
  it("lists every file with size and hash, sorted, and writes the manifest last", async () => {
    const manifest = await seal();
    expect(manifest.files).toEqual([
      { path: "images/ab/x.png", bytes: 7, sha256: sha256("picture") },
      { path: "rows.jsonl", bytes: 3, sha256: sha256("{}\n") },
    ]);
    expect(await readManifest(work)).toEqual(manifest);
    expect(await listFiles(work)).toEqual(["fingerprint.json", "images/ab/x.png", "manifest.json", "rows.jsonl"]);
  });

  it("gives equal digests to equal content, whatever the counts and the producer", async () => {
    const first = await seal();
    rmSync(join(work, "manifest.json"));
    writeFileSync(join(work, "rows.jsonl"), "{}\n");
    expect((await seal()).digest).toBe(first.digest);
    rmSync(join(work, "manifest.json"));
    expect((await seal({ seed: 2 })).digest).not.toBe(first.digest);
  });

  it("refuses links and a manifest that the stage wrote itself", async () => {
    symlinkSync("/etc/hostname", join(work, "link"));
    await expect(seal()).rejects.toThrow("neither a file nor a directory");
    rmSync(join(work, "link"));
    writeFileSync(join(work, "manifest.json"), "{}");
    await expect(seal()).rejects.toThrow("wrote its own manifest.json");
  });

  it("replaces an older artifact as a whole", async () => {
    const target = join(root, "steps/import");
    await seal();
    await publishDirectory(work, target, join(root, "aside"));
    mkdirSync(work);
    writeFileSync(join(work, "rows.jsonl"), "{}{}\n");
    await seal();
    await publishDirectory(work, target, join(root, "aside"));
    expect(await listFiles(target)).toEqual(["fingerprint.json", "manifest.json", "rows.jsonl"]);
    expect(await listFiles(root).then((files) => files.filter((file) => !file.startsWith("steps/")))).toEqual([]);
  });
});

describe("opening", () => {
  it("checks the kind", async () => {
    await seal();
    expect((await openArtifact(work, ["rows", "dialogues"])).manifest.kind).toBe("dialogues");
    await expect(openArtifact(work, "rows")).rejects.toMatchObject({
      code: "ARTIFACT_INVALID",
      message: `${work} holds dialogues, but rows is needed here`,
    });
  });

  it("tells a directory that is not there from one that is not finished", async () => {
    await expect(openArtifact(join(root, "nowhere"), "rows")).rejects.toMatchObject({ code: "INPUT_MISSING" });
    await expect(openArtifact(work, "rows")).rejects.toMatchObject({
      code: "ARTIFACT_INVALID",
      message: expect.stringContaining("has no manifest.json") as string,
    });
    await expect(openArtifact(join(work, "rows.jsonl"), "rows")).rejects.toMatchObject({
      message: expect.stringContaining("is a file") as string,
    });
  });

  it("finds a missing or shortened file at once, and a changed byte with verify", async () => {
    await seal();
    writeFileSync(join(work, "images/ab/x.png"), "pixture");
    await expect(openArtifact(work, "dialogues")).resolves.toBeDefined();
    await expect(openArtifact(work, "dialogues", { verify: true })).rejects.toMatchObject({
      message: expect.stringContaining("images/ab/x.png is not what the manifest says") as string,
    });
    truncateSync(join(work, "images/ab/x.png"), 3);
    await expect(openArtifact(work, "dialogues")).rejects.toMatchObject({ code: "ARTIFACT_INVALID" });
    rmSync(join(work, "images/ab/x.png"));
    await expect(openArtifact(work, "dialogues")).rejects.toMatchObject({
      message: expect.stringContaining("x.png is gone") as string,
    });
  });

  it("refuses a manifest that is no JSON, of another layout, or edited", async () => {
    await seal();
    const file = join(work, "manifest.json");
    const text = readFileSync(file, "utf8");
    writeFileSync(file, text.replace('"kind": "dialogues"', '"kind": "rows"'));
    await expect(readManifest(work)).rejects.toMatchObject({
      message: expect.stringContaining("was edited") as string,
    });
    writeFileSync(file, text.replace('"schemaVersion": 1', '"schemaVersion": 2'));
    await expect(readManifest(work)).rejects.toMatchObject({
      message: expect.stringContaining("schemaVersion") as string,
    });
    appendFileSync(file, "}");
    await expect(readManifest(work)).rejects.toMatchObject({
      message: expect.stringContaining("is not JSON") as string,
    });
  });

  it("reports the first damaged file in the order of the manifest", async () => {
    const manifest = await seal();
    expect(await findDamage(work, manifest, async () => true)).toBeUndefined();
    expect(await findDamage(work, manifest, async () => false)).toContain("images/ab/x.png");
  });
});
