/** Paths that a user names and that cannot be used: every command says which, why, and by what option it was named. */
import { execFileSync } from "node:child_process";
import { chmodSync, mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ERROR_CODES, type ErrorCode } from "../../src/base/index.js";
import { checkPaths, type PathOwner } from "../../src/pipeline/paths.js";
import { SERVICE_TYPES } from "../../src/pipeline/services/index.js";
import { allStages } from "../../src/pipeline/stage-registry.js";
import { scratchDirectory } from "../scratch/scratch.js";
import { draftsmith, draftsmithProcess, type Outcome } from "./command.js";

const LONG = "n".repeat(300);
const tinyGui = fileURLToPath(new URL("../../fixtures/tiny-gui", import.meta.url));

let root: string;
beforeAll(() => {
  root = scratchDirectory("paths");
  const row = {
    id: "a",
    messages: [
      { role: "user", content: "hello" },
      { role: "assistant", content: "good day" },
    ],
  };
  writeFileSync(join(root, "rows.jsonl"), `${JSON.stringify(row)}\n`);
  writeFileSync(join(root, "file"), "text");
  writeFileSync(join(root, "taken.resume"), "text");
  mkdirSync(join(root, "directory"));
  symlinkSync("loop", join(root, "loop"));
  execFileSync("mkfifo", [join(root, "pipe")]);
  writeFileSync(
    join(root, "p.yaml"),
    "name: small\nvariables: {rows: rows.jsonl, roots: []}\nsteps:\n  import:\n    uses: import\n    with:\n      source:\n        - ${vars.rows}\n      imageRoots: ${vars.roots}\n",
  );
  writeFileSync(join(root, "list.yaml"), "- 1\n");
});

function expectError({ code, stderr }: Outcome, name: ErrorCode, ...parts: string[]): void {
  for (const part of [`error ${name}: `, ...parts]) expect(stderr).toContain(part);
  expect(stderr).not.toContain("bug in draftsmith");
  expect(code).toBe(ERROR_CODES[name].exit);
}

/** Path, code for an option that takes a file and for one that takes a directory (null: nothing to refuse), words. */
const UNUSABLE: [string, ErrorCode | null, ErrorCode | null, RegExp][] = [
  ["nowhere", "INPUT_MISSING", "INPUT_MISSING", /nowhere does not exist$/],
  ["file/inside", "INPUT_MISSING", "INPUT_MISSING", /inside does not exist: a part of the path is a file/],
  ["directory", "INPUT_INVALID", null, /directory is a directory, but a file is needed/],
  ["file", null, "INPUT_INVALID", /file is a file, but a directory is needed/],
  ["loop", "INPUT_INVALID", "INPUT_INVALID", /loop cannot be resolved: its symbolic links form a loop/],
  [
    "pipe",
    "INPUT_INVALID",
    "INPUT_INVALID",
    /pipe is a (pipe, a socket or a device, but a regular file|file, but a d)/,
  ],
  [LONG, "INPUT_INVALID", "INPUT_INVALID", /n\.\.\. is too long for a path/],
  ["nul\0l", "INPUT_INVALID", "INPUT_INVALID", /nul\\0l is not a path: it contains a null character/],
];

describe("an option that names files", async () => {
  const owners: [string, PathOwner][] = [
    ...(await Promise.all(
      allStages.names.map(async (name): Promise<[string, PathOwner]> => [name, await allStages.load(name)]),
    )),
    ...Object.values(SERVICE_TYPES).map((type): [string, PathOwner] => [type.name, type]),
  ];
  const options = owners.flatMap(([name, owner]) =>
    Object.entries(owner.fileOptions ?? {}).map(([option, kind]) => ({ name, owner, option, kind })),
  );

  it("is known of every stage that has one", () => {
    const names = new Set(options.map(({ name }) => name));
    for (const name of ["import", "regenerate", "merge", "tokenize", "validate", "train", "evaluate", "export"])
      expect(names).toContain(name);
  });

  it.each(options)("$option of $name is refused with the path and the option's name", async (row) => {
    const { owner, option, kind } = row;
    for (const [path, forFile, forDirectory, words] of UNUSABLE) {
      const missing = kind === "any" && ["directory", "file"].includes(path);
      let code = missing ? null : kind === "directory" ? forDirectory : forFile;
      // A file that is read again during the run may still appear.
      if (code === "INPUT_MISSING" && owner.neutralOptions?.includes(option) === true) code = null;
      const paths: unknown = [`${root}/rows.jsonl`, join(root, path)].slice(1);
      const given = option.split(".").reduceRight((value, key) => ({ [key]: value }), paths);
      const checked = checkPaths(owner, given as Record<string, unknown>);
      if (code === null) await expect(checked, path).resolves.toBeUndefined();
      else {
        await expect(checked, path).rejects.toMatchObject({ code, location: { field: `${option}.0` } });
        await expect(checked, path).rejects.toThrow(words);
      }
    }
  });
});

describe("a stage's command", () => {
  const source = ["import", "--source", "rows.jsonl"];

  it.each<[string, string[], ErrorCode, string[]]>([
    [
      "a source that is a directory",
      ["import", "--source", "directory", "--out", "o"],
      "INPUT_INVALID",
      ["at source.0"],
    ],
    ["the second of two", [...source, "--source", "gone.jsonl", "--out", "o"], "INPUT_MISSING", ["at source.1"]],
    ["an image root", [...source, "--image-roots", "file", "--out", "o"], "INPUT_INVALID", ["at imageRoots.0"]],
    [
      "a model",
      ["tokenize", "--model", "file", "--in", "generations=directory", "--out", "o"],
      "INPUT_INVALID",
      ["at model"],
    ],
    ["a draft", ["validate", "--draft", "file", "--model", "directory"], "INPUT_INVALID", ["at draft"]],
    ["an input", ["merge", "--parts", "nowhere", "--out", "o"], "INPUT_MISSING", ["at parts.0"]],
    [
      "an input that is a file",
      ["shard", "--in", "rows=file", "--out", "o"],
      "ARTIFACT_INVALID",
      ["in.rows", "is a file"],
    ],
    ["an input's loop", ["shard", "--in", "rows=loop", "--out", "o"], "INPUT_INVALID", ["in.rows", "form a loop"]],
    [
      "an options file that is a directory",
      ["import", "--options", "directory", "--out", "o"],
      "INPUT_INVALID",
      ["(options)"],
    ],
    [
      "an options file that is no map",
      ["import", "--options", "list.yaml", "--out", "o"],
      "OPTIONS_INVALID",
      ["list.yaml"],
    ],
    ["events into a directory", [...source, "--out", "o", "--events", "directory"], "OUTPUT_INVALID", ["(events)"]],
    ["events below nothing", [...source, "--out", "o", "--events", "no/e.jsonl"], "OUTPUT_INVALID", ["no/e.jsonl"]],
    ["an output below /proc", [...source, "--out", "/proc/x"], "OUTPUT_INVALID", ["/proc", "(out)"]],
    ["an output below a file", [...source, "--out", "file/o"], "OUTPUT_INVALID", ["(out)", "file is a file"]],
    ["an output's loop", [...source, "--out", "loop/o"], "OUTPUT_INVALID", ["(out)"]],
    ["an output with a long name", [...source, "--out", `x/${LONG}`], "OUTPUT_INVALID", ["(out)", "too long"]],
    ["an output that is a file", [...source, "--out", "file"], "USAGE", ["(out)", "is not an artifact"]],
    ["an output that is somebody's", [...source, "--out", "directory"], "USAGE", ["(out)", "is not an artifact"]],
    ["a report that is missing", ["report", "nowhere"], "INPUT_MISSING", ["nowhere does not exist"]],
    ["a report that is a directory without one", ["report", "directory"], "INPUT_MISSING", ["report.json"]],
    ["a resume directory that is a file", [...source, "--out", "taken"], "OUTPUT_INVALID", ["taken.resume"]],
    ["schemas into a file", ["schema", "--write", "file"], "OUTPUT_INVALID", ["(write)"]],
    ["schemas below a file", ["schema", "--write", "file/x"], "OUTPUT_INVALID", ["(write)", "a part of the path is"]],
    ["schemas below /proc", ["schema", "--write", "/proc/x/y"], "OUTPUT_INVALID", ["(write)"]],
    ["an output far below /proc", [...source, "--out", "/proc/x/y/z"], "OUTPUT_INVALID", ["/proc/x/y", "(out)"]],
  ])("names %s", async (_, args, code, parts) => {
    expectError(await draftsmith(root, ...args), code, ...parts);
  });

  it("finds no temporary directory", async () => {
    const before = process.env.TMPDIR;
    process.env.TMPDIR = join(root, "nowhere");
    try {
      const args = ["validate", "--dialogues", "rows.jsonl", "--model", tinyGui];
      expectError(await draftsmith(root, ...args), "OUTPUT_INVALID", "TMPDIR");
    } finally {
      process.env.TMPDIR = before;
    }
  });
});

describe("a pipeline", () => {
  it.each<[string, string[], ErrorCode, string[]]>([
    ["a file that is a directory", ["run", "directory"], "INPUT_INVALID", ["directory is a directory"]],
    ["a source that is a directory", ["run", "p.yaml", "--set", "vars.rows=./directory"], "INPUT_INVALID", ["p.yaml:"]],
    ["a missing image root", ["run", "p.yaml", "--set", 'vars.roots=["nowhere"]'], "INPUT_MISSING", ["p.yaml:"]],
    ["a workspace below /proc", ["run", "p.yaml", "--workspace", "/proc/w"], "OUTPUT_INVALID", ["(workspace)"]],
    ["a workspace that is a file", ["run", "p.yaml", "--workspace", "file"], "OUTPUT_INVALID", ["(workspace)"]],
    ["a graph of a directory", ["graph", "directory"], "INPUT_INVALID", ["directory is a directory"]],
    ["why of a missing file", ["why", "gone.yaml", "import"], "INPUT_MISSING", ["gone.yaml does not exist"]],
  ])("names %s", async (_, args, code, parts) => {
    expectError(await draftsmith(root, ...args), code, ...parts);
  });

  it("says in a dry run what is wrong with a path, and goes on", async () => {
    const { code, stdout } = await draftsmith(root, "run", "p.yaml", "--dry-run", "--set", "vars.rows=./directory");
    expect(stdout).toContain("directory is a directory, but a file is needed");
    expect(code).toBe(0);
  });
});

/** What its owner made unreadable or unwritable is so for nobody, too. */
describe("without permission", () => {
  const MODES = { open: 0o777, shut: 0, readonly: 0o555, "rows.jsonl": 0o444, "secret.jsonl": 0, "p.yaml": 0o444 };
  let place: string;
  beforeAll(() => {
    place = scratchDirectory("permissions");
    for (const name of ["open", "shut", "readonly"]) mkdirSync(join(place, name));
    for (const name of ["rows.jsonl", "secret.jsonl"]) writeFileSync(join(place, name), "{}\n");
    writeFileSync(join(place, "p.yaml"), "name: s\nsteps: {import: {uses: import, with: {source: [rows.jsonl]}}}\n");
    chmodSync(place, 0o755);
    for (const [name, mode] of Object.entries(MODES)) chmodSync(join(place, name), mode);
  });
  // Whoever may not look into a directory may not remove it either.
  afterAll(() => chmodSync(join(place, "shut"), 0o700));

  it.each<[string, string[], ErrorCode, string[]]>([
    ["to read a source", ["--source", "secret.jsonl", "--out", "open/o"], "INPUT_MISSING", ["at source.0"]],
    [
      "to look into a root",
      ["--source", "rows.jsonl", "--image-roots", "shut", "--out", "open/o"],
      "INPUT_MISSING",
      ["at imageRoots.0"],
    ],
    ["to write", ["--source", "rows.jsonl", "--out", "shut/o"], "OUTPUT_INVALID", ["(out)"]],
    ["to add a directory", ["--source", "rows.jsonl", "--out", "readonly/a/o"], "OUTPUT_INVALID", ["(out)"]],
    [
      "to add events",
      ["--source", "rows.jsonl", "--out", "open/o", "--events", "shut/e"],
      "OUTPUT_INVALID",
      ["(events)"],
    ],
    ["to read options", ["--options", "secret.jsonl", "--out", "open/o"], "INPUT_MISSING", ["(options)"]],
  ])("%s, import names the path", async (_, args, code, parts) => {
    expectError(await asNobody("import", ...args), code, "permission denied", ...parts);
  });

  it("to write into a workspace, run names it", async () => {
    const outcome = await asNobody("run", "p.yaml", "--workspace", "readonly/w");
    expectError(outcome, "OUTPUT_INVALID", "permission denied", "(workspace)");
  });

  function asNobody(...args: string[]): Promise<Outcome> {
    const main = fileURLToPath(new URL("as-nobody.ts", import.meta.url));
    return draftsmithProcess(place, args, { main, env: { ...process.env, TMPDIR: join(place, "open") } });
  }
});
