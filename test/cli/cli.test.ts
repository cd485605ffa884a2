import { execFile } from "node:child_process";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { beforeAll, describe, expect, it } from "vitest";
import { ERROR_CODES, VERSION } from "../../src/base/index.js";
import { formatDoctorReport } from "../../src/cli/doctor-text.js";
import { scratchDirectory } from "../scratch/scratch.js";
import { TINY_GUI } from "../tokens/reference.js";
import { draftsmith, draftsmithProcess } from "./command.js";

const ROWS = [
  {
    id: "a",
    messages: [
      { role: "user", content: "hello" },
      { role: "assistant", content: "good day" },
    ],
  },
  { id: "b", messages: [{ role: "assistant", content: "I begin" }] },
  {
    id: "c",
    messages: [
      { role: "user", content: "two" },
      { role: "assistant", content: "three" },
    ],
  },
];

let root: string;
beforeAll(() => {
  root = scratchDirectory("cli");
  writeFileSync(join(root, "rows.jsonl"), ROWS.map((row) => `${JSON.stringify(row)}\n`).join(""));
  writeFileSync(
    join(root, "p.yaml"),
    'name: small\nvariables: {rows: rows.jsonl}\nsteps:\n  import:\n    uses: import\n    with: {source: ["${vars.rows}"], maxRejectedShare: 1}\n',
  );
});

describe("draftsmith", () => {
  it("lists every command and stage", async () => {
    const { code, stdout } = await draftsmith(root, "--help");
    expect(code).toBe(0);
    for (const name of [
      "run",
      "graph",
      "why",
      "schema",
      "doctor",
      "errors",
      "import",
      "regenerate",
      "train",
      "export",
    ]) {
      expect(stdout).toMatch(new RegExp(`^ {2}draftsmith ${name}\\b`, "m"));
    }
  });

  it("tells its version", async () => {
    expect(await draftsmithProcess(root, ["--version"])).toEqual({ code: 0, stdout: `${VERSION}\n`, stderr: "" });
  });

  it.each([
    [[], "name a command"],
    [["rnu", "p.yaml"], "did you mean run?"],
    [["run"], "draftsmith run --help"],
    [["run", "p.yaml", "--form", "x"], "did you mean --from?"],
    [["run", "p.yaml", "--limit", "few"], "not a whole number"],
    [["run", "p.yaml", "--from", "imprt"], "did you mean import?"],
    [["import", "--out", "x", "--sorce", "y"], "did you mean --source?"],
    [["import", "--out", "x", "--in", "y"], "NAME=DIRECTORY"],
    [["schema", "imprt"], "did you mean import?"],
  ])("refuses %j with exit code 2 and a hint", async (args, hint) => {
    const { code, stderr, stdout } = await draftsmith(root, ...args);
    expect(stderr).toContain("error USAGE");
    expect(stderr).toContain(hint);
    expect(stdout).toBe("");
    expect(code).toBe(ERROR_CODES.USAGE.exit);
  });

  it("lists the error codes", async () => {
    const { stdout } = await draftsmith(root, "errors", "--json");
    const rows = JSON.parse(stdout) as { code: string; exit: number }[];
    expect(rows).toContainEqual(expect.objectContaining({ code: "PIPELINE_INVALID", exit: 3 }));
    expect(rows).toHaveLength(Object.keys(ERROR_CODES).length + 1);
  });
});

describe("draftsmith run", () => {
  it("ends with the report and with the command that shows the newest rows", async () => {
    const pipeline = `
name: whole
steps:
  import: {uses: import, with: {source: [rows.jsonl], maxRejectedShare: 1}}
  rows: {uses: tokenize, in: {dialogues: import}, with: {model: "${TINY_GUI}", source: fixed}}
`;
    writeFileSync(join(root, "whole.yaml"), pipeline);
    const workspace = join(root, "it's here");
    const { code, stdout } = await draftsmithProcess(root, ["run", "whole.yaml", "--workspace", workspace]);
    expect(code).toBe(0);
    expect(stdout).toMatch(/^report: .*\/report\.html$/m);
    const shown = /^rows: draftsmith (inspect .*)$/m.exec(stdout)![1]!;
    const { stdout: words } = await promisify(execFile)("bash", ["-c", `printf '%s\\n' ${shown}`]);
    const rows = await draftsmithProcess(root, words.trim().split("\n"));
    expect(rows).toMatchObject({ code: 0, stderr: "" });
    expect(rows.stdout.trim().split("\n").length).toBeGreaterThanOrEqual(2);
    const until = ["run", "whole.yaml", "--workspace", workspace, "--until", "import"];
    expect((await draftsmithProcess(root, until)).stdout).not.toContain("rows: ");
  });

  it("runs a file and ends with the table, and finds everything cached the second time", async () => {
    const { code, stdout, stderr } = await draftsmithProcess(root, ["run", "p.yaml"]);
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    expect(stdout).toMatch(/^import {2}done +\d+\.\d s +2 {2}1: /m);
    expect(stdout).not.toContain("\x1b");
    expect((await draftsmith(root, "run", "p.yaml")).stdout).toMatch(/^import {2}cached +2 {2}1: /m);
  });

  it("prints JSON lines with --json, and nothing else", async () => {
    const { stdout } = await draftsmith(root, "run", "p.yaml", "--json", "--workspace", "json");
    const types = stdout
      .trim()
      .split("\n")
      .map((line) => (JSON.parse(line) as { type: string }).type);
    expect(types[0]).toBe("run-started");
    expect(types.at(-1)).toBe("run-finished");
  });

  it("--dry-run needs no data and writes nothing", async () => {
    const { code, stdout } = await draftsmith(
      root,
      "run",
      "p.yaml",
      "--dry-run",
      "--workspace",
      "dry",
      "--set",
      "vars.rows=./nowhere.jsonl",
    );
    expect(code).toBe(0);
    expect(stdout).toContain("nowhere.jsonl does not exist");
    expect(existsSync(join(root, "dry"))).toBe(false);
  });

  it("fails with the error's own exit code", async () => {
    const missing = await draftsmith(root, "run", "p.yaml", "--set", "vars.rows=./nowhere.jsonl");
    expect(missing.code).toBe(ERROR_CODES.INPUT_MISSING.exit);
    const invalid = await draftsmithProcess(root, ["run", "p.yaml", "--set", "steps.import.with.sauce=1"]);
    expect(invalid.code).toBe(ERROR_CODES.PIPELINE_INVALID.exit);
    expect(invalid.stderr).toContain("did you mean source?");
  });

  it("draws the graph and answers why", async () => {
    expect((await draftsmith(root, "graph", "p.yaml", "--format", "mermaid")).stdout).toBe(
      'flowchart TD\n  import["import"]\n',
    );
    await draftsmith(root, "run", "p.yaml");
    const { stdout } = await draftsmith(
      root,
      "why",
      "p.yaml",
      "import",
      "--set",
      "steps.import.with.onDuplicateId=rename",
    );
    expect(stdout).toBe('import runs, because of these changes:\n  options.onDuplicateId "reject" -> "rename"\n');
  });
});

describe("a stage as a command", () => {
  const args = ["import", "--source", "rows.jsonl", "--max-rejected-share", "1", "--limits.max-bytes", "1000"];

  it("runs from flags, seals its output and says when nothing changed", async () => {
    const first = await draftsmith(root, ...args, "--out", "made/dialogues");
    expect(first).toMatchObject({ code: 0, stderr: "" });
    expect(first.stdout).toContain(`made: ${join(root, "made/dialogues")}`);
    const manifest = JSON.parse(readFileSync(join(root, "made/dialogues/manifest.json"), "utf8")) as {
      counts: { kept: number };
      producer: { options: object };
    };
    expect(manifest.counts.kept).toBe(2);
    expect(manifest.producer.options).toMatchObject({ limits: { maxBytes: 1000 } });
    expect((await draftsmith(root, ...args, "--out", "made/dialogues")).stdout).toContain("unchanged: ");
    for (const rest of [".work", ".resume", ".lock"])
      expect(existsSync(join(root, `made/dialogues${rest}`))).toBe(false);
  });

  it("adds its events to a file", async () => {
    const { stdout } = await draftsmith(root, ...args, "--out", "told", "--events", "told.jsonl");
    expect(stdout).not.toContain('"type"');
    await draftsmith(root, ...args, "--out", "told", "--events", "told.jsonl");
    const events = readFileSync(join(root, "told.jsonl"), "utf8").trim().split("\n");
    const types = events.map((line) => (JSON.parse(line) as { type: string }).type);
    expect(types.filter((type) => type !== "step-progress")).toEqual(["step-started", "step-finished", "step-cached"]);
    const nowhere = await draftsmith(root, ...args, "--out", "told", "--events", "no/such/directory.jsonl");
    expect(nowhere.stderr).toContain("no/such/directory.jsonl cannot be created");
    expect(nowhere.code).toBeGreaterThan(0);
  });

  it("refuses to overwrite what was made from something else, unless forced", async () => {
    await draftsmith(root, ...args, "--out", "twice");
    const refused = await draftsmith(root, ...args, "--on-duplicate-id", "rename", "--out", "twice");
    expect(refused).toMatchObject({ code: 2 });
    expect(refused.stderr).toContain('options.onDuplicateId "reject" -> "rename"');
    expect(refused.stderr).toContain("--force");
    expect(await draftsmith(root, ...args, "--on-duplicate-id", "rename", "--out", "twice", "--force")).toMatchObject({
      code: 0,
    });
    writeFileSync(join(root, "plain"), "a file");
    expect((await draftsmith(root, ...args, "--out", "plain", "--force")).stderr).toContain(
      "is not an artifact of draftsmith",
    );
    expect(readFileSync(join(root, "plain"), "utf8")).toBe("a file");
  });

  it("takes options from a file, and flags win", async () => {
    writeFileSync(
      join(root, "options.yaml"),
      "source: [rows.jsonl]\nmaxRejectedShare: 1\nonDuplicateId: rename\nlimits: {maxBytes: 5}\n",
    );
    await draftsmith(root, "import", "--options", "options.yaml", "--limits.max-bytes", "1000", "--out", "filed");
    const manifest = JSON.parse(readFileSync(join(root, "filed/manifest.json"), "utf8")) as {
      producer: { options: object };
    };
    expect(manifest.producer.options).toMatchObject({ onDuplicateId: "rename", limits: { maxBytes: 1000 } });
  });

  it("names a wrong value by its option", async () => {
    const { code, stderr } = await draftsmith(root, ...args, "--out", "wrong", "--concurrency", "lots");
    expect(code).toBe(ERROR_CODES.OPTIONS_INVALID.exit);
    expect(stderr).toBe(
      "error OPTIONS_INVALID: expected number, received string\n  at concurrency\n  hint: draftsmith import --help lists the options\n",
    );
  });

  it("opens its inputs with checks", async () => {
    const unfinished = await draftsmith(root, "tokenize", "--model", ".", "--in", "generations=.", "--out", "rows");
    expect(unfinished.code).toBe(ERROR_CODES.ARTIFACT_INVALID.exit);
    await draftsmith(root, ...args, "--out", "made/kind");
    const kind = await draftsmith(root, "tokenize", "--model", ".", "--in", "generations=made/kind", "--out", "rows");
    expect(kind.stderr).toContain("holds dialogues, but generations or traffic is needed here");
    const needed = await draftsmith(root, "regenerate", "--servers", "http://127.0.0.1:9", "--out", "g");
    expect(needed.stderr).toContain("--in dialogues=DIRECTORY");
  });
});

describe("draftsmith doctor", () => {
  it("marks what is missing and says what to do", () => {
    const text = formatDoctorReport({
      healthy: false,
      findings: [
        { name: "node", state: "ok", detail: "20.20.2" },
        { name: "python", state: "missing", detail: "none", advice: "install python3" },
      ],
    });
    expect(text.split("\n")).toEqual([
      "node    ok       20.20.2",
      "python  MISSING  none",
      "                 -> install python3",
      "",
      "something is missing; see the arrows above",
    ]);
  });
});
