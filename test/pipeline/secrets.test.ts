/** A pipeline file with passwords and keys in it: neither mistakes nor records of a run show them. */
import { readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { formatError } from "../../src/base/index.js";
import type { DraftsmithEvent } from "../../src/events/index.js";
import { dryRun, planPipeline, runPipeline, SERVICE_TYPES, Source, whyStep } from "../../src/pipeline/index.js";
import { draftsmith } from "../cli/command.js";
import { scratchDirectory } from "../scratch/scratch.js";
import { smallStages } from "./small-stages.js";

const MARK = "Xq7";
let root: string;
let server: Server;
let port: number;
const asked: (string | undefined)[] = [];

beforeAll(async () => {
  root = scratchDirectory("secrets");
  server = createServer((request, response) => {
    asked.push(request.headers.authorization);
    response.end("7");
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  port = (server.address() as AddressInfo).port;
});
afterAll(() => {
  server.close();
  rmSync(root, { recursive: true, force: true });
});

const secret = fc
  .array(fc.constantFrom(...`aZ09!$&'()*+,;=~._-%@:/?#[]"\\|{}<>`), { maxLength: 10 })
  .map((characters) => `${MARK}${characters.join("")}${MARK}`)
  .filter((text) => !/["'`,;|\]})]+[a-z][a-z0-9+.-]*:[\\/]{2}/i.test(text));
const addresses = fc
  .tuple(secret, fc.constantFrom("ftp://user:", "ftp://", "ftp://:", "user:", "ftp:/user:"), fc.boolean())
  .map(([word, start, isEncoded]) => `${start}${isEncoded ? encodeURIComponent(word) : word}@host:1`);

const quoted = (text: string): string => JSON.stringify(text);
const escaped = (text: string): string =>
  `"${[...text].map((c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, "0")}`).join("")}"`;
const single = (text: string): string => `'${text.replaceAll("'", "''")}'`;
/** Each gives a file that the schema refuses close to the secret. */
const SPELLINGS: readonly ((value: string) => string)[] = [
  (value) => `with: {servers: [${quoted(value)}]}`,
  (value) => `with: {servers: [http://a:1, ${single(value)}]}`,
  (value) => `with:\n      servers:\n        - ${escaped(value)}`,
  (value) => `with:\n      servers:\n        - >-\n          ${value}\n`,
  (value) => `with:\n      servers: |\n        http://a:1\n        ${value}\n`,
  (value) => `with:\n      servers:\n        - {url: ${quoted(value)}, concurrency: 0}`,
  (value) => `with:\n      # before: ${value}\n      servers: 3`,
  (value) => `with:\n      servers: [http://a:1]\n      concurency: 3 # was ${value}`,
  (value) => `with:\n      servers: [&a ${quoted(value)}, *a]`,
  (value) => `with: {${quoted(value)}: 3}`,
  (value) => `with: {servers: [${quoted(value)}`,
];
/** Fields whose name tells, whatever stands in them. */
const FIELDS: readonly ((value: string) => string)[] = [
  (value) => `with: {servers: [http://a:1], apiKey: ${quoted(value)}}`,
  (value) => `with: {servers: [http://a:1], apiKeyEnv: ${quoted(value)}}`,
  (value) => `with:\n      headers:\n        x-anything: ${quoted(value)}\n        authorization: ${quoted(value)}`,
  (value) => `with:\n      authorization: >-\n        Bearer\n        ${value}\n      servers: 3`,
  (value) => `with:\n      password: [${quoted(value)}, ${escaped(value)}]`,
  (value) => `with:\n      "api_key":\n        ${single(value)}\n      serrvers: 1`,
];
const fileOf = (part: string): string => `name: p\nsteps:\n  regenerate:\n    uses: regenerate\n    ${part}\n`;

async function complaint(text: string, set: string[] = []): Promise<string> {
  writeFileSync(join(root, "p.yaml"), text);
  const error: unknown = await planPipeline({ file: "p.yaml", cwd: root, set }).catch((error: unknown) => error);
  expect(error).toHaveProperty("code");
  return formatError(error as Parameters<typeof formatError>[0]) + JSON.stringify(error);
}

describe("a mistake beside a secret", () => {
  it("shows its line without the password of an address, however it is spelled", async () => {
    await fc.assert(
      fc.asyncProperty(addresses, fc.constantFrom(...SPELLINGS), async (value, spell) => {
        expect(await complaint(fileOf(spell(value)))).not.toContain(MARK);
      }),
      { seed: 43, numRuns: 250 },
    );
  });

  it("shows no value of a field that is named like a key", async () => {
    await fc.assert(
      fc.asyncProperty(secret, fc.constantFrom(...FIELDS), async (value, spell) => {
        expect(await complaint(fileOf(spell(value)))).not.toContain(MARK);
      }),
      { seed: 44, numRuns: 200 },
    );
  });

  it("points at the place in the line as it is shown", async () => {
    const text = fileOf('with: {servers: ["ftp://user:Xq7password@host:1"], onLength: cut}');
    expect((await complaint(text)).split("\n").slice(2, 6).join("\n")).toBe(
      [
        "  3 |   regenerate:",
        "  4 |     uses: regenerate",
        '  5 |     with: {servers: ["ftp://...@host:1"], onLength: cut}',
        "    |                      ^^^^^^^^^^^^^^^^^^",
      ].join("\n"),
    );
  });

  it.each([
    "steps.regenerate.with.servers=[ftp://u:Xq7@h]",
    "steps.regenerate.with.apiKey=Xq7",
    "steps.regenerate.with.headers={x: Xq7}",
    "steps.regenerate.with.nothing={apiKey: Xq7, password: 'Xq7'}",
    "vars.server=ftp://u:Xq7@h",
    "vars.nobody=ftp://u:Xq7@h",
    "ftp://u:Xq7@h",
    "steps.x.with.password=Xq7",
  ])("given as --set %s", async (assignment) => {
    const text =
      'name: p\nvariables: {server: x}\nsteps:\n  regenerate: {uses: regenerate, with: {servers: ["${vars.server}"]}}\n';
    expect(await complaint(text, [assignment])).not.toContain(MARK);
  });

  it("given to a stage's command, by flag or by file", async () => {
    writeFileSync(join(root, "options.yaml"), "servers: [ftp://u:Xq7@h]\napiKey: Xq7\n");
    for (const args of [
      ["--servers", "ftp://u:Xq7@h"],
      ["--servers", '{"url":"ftp://u:Xq7@h"}'],
      ["--options", "options.yaml"],
      ["--api-key-env", "sk-Xq7"],
      ["--api-key-env", "sk_Xq7", "--servers", "http://127.0.0.1:1"],
      ["--in", "ftp://u:Xq7@h"],
      ["--in", "dialogues=ftp://u:Xq7@h"],
      ["--serverz", "ftp://u:Xq7@h"],
      ["--limit", "ftp://u:Xq7@h"],
    ]) {
      const { code, stdout, stderr } = await draftsmith(root, "regenerate", "--out", "o", "--events", "e", ...args);
      expect(code).not.toBe(0);
      expect(stdout + stderr + readFileSync(join(root, "e"), { encoding: "utf8", flag: "a+" })).not.toContain(MARK);
    }
    const { stderr } = await draftsmith(root, "http://u:Xq7@h");
    expect(stderr).toContain("http://...@h");
  });
});

describe("a run with credentials", () => {
  it("uses them and records none: dry run, events, history, manifests, why", async () => {
    const text = [
      "name: p",
      `variables: {url: "http://me:${MARK}%21@127.0.0.1:${port}", token: ${MARK}}`,
      'services: {target: {uses: external, with: {url: "${vars.url}"}}, lost: {uses: external, with: {url: "http://me:Xq7@127.0.0.1:1"}}}',
      "steps:",
      "  a: {uses: numbers}",
      `  b: {uses: fetch-word, in: {after: a}, with: {server: "${"${vars.url}"}"}}`,
      `  c: {uses: fetch-word, in: {after: a}, with: {server: "${"${services.target.url}"}"}}`,
      `  d: {uses: fetch-word, in: {after: a}, with: {server: "${"${services.lost.url}"}"}}`,
      "",
    ].join("\n");
    writeFileSync(join(root, "p.yaml"), text);
    const options = { file: "p.yaml", cwd: root, stages: smallStages, services: SERVICE_TYPES };
    const set = [`vars.token=${MARK}2`, `vars.url=http://me:${MARK}%21@127.0.0.1:${port}/x`];
    const planned = await dryRun({ ...options, set });
    const events: DraftsmithEvent[] = [];
    const result = await runPipeline({ ...options, set, events: { emit: (event) => events.push(event) } });
    // The stage of this test fetches, which refuses credentials: its failure quotes the address.
    expect(result.outcome).toBe("failed");
    expect(asked).toContain(`Basic ${Buffer.from(`me:${MARK}!`).toString("base64")}`);
    const why = await whyStep({ ...options, step: "b" });
    expect(JSON.stringify([planned, events, why])).not.toContain(MARK);
    const workspace = join(root, "runs/p");
    const files = readdirSync(workspace, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
    expect(files.map(({ name }) => name)).toEqual(
      expect.arrayContaining(["pipeline.yaml", "resolved.json", "events.jsonl", "run.json"]),
    );
    for (const { name, parentPath } of files) expect(readFileSync(join(parentPath, name), "utf8")).not.toContain(MARK);
    const copy = readFileSync(join(result.directory, "pipeline.yaml"), "utf8");
    expect(copy).toContain(`url: "http://...@127.0.0.1:${port}", token: ...`);
    expect(JSON.stringify(events)).toContain("http://...@127.0.0.1:1 is not ready");
  });

  it("keeps the rest of the file as it is", () => {
    const plain = "name: p\r\nsteps:\n  a:\n    uses: numbers # mail me@example.org\n";
    expect(new Source("p.yaml", plain).publicText).toBe(plain);
  });
});
