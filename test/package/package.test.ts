/** What a user gets who installs the package in an empty folder: commands, pipelines, the library, types. */
import { execFile, execFileSync } from "node:child_process";
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { beforeAll, describe, expect, it } from "vitest";
import { plain } from "../images/pictures.js";
import { scratchDirectory } from "../scratch/scratch.js";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const PACKED = "node_modules/draftsmith";
const QUICKSTART = `${PACKED}/pipelines/quickstart.yaml`;

interface Outcome {
  code: number;
  stdout: string;
  stderr: string;
}

let home: string;
/** Set where the packages that draftsmith depends on cannot be had. */
let obstacle: string | undefined;

beforeAll(async () => {
  home = scratchDirectory("package");
  // Compiled output is up to date before tests run; packing must not touch it while others use it.
  execFileSync("npm", ["pack", "--ignore-scripts", "--silent", "--pack-destination", home], { cwd: ROOT });
  const tarball = readdirSync(home).find((name) => name.endsWith(".tgz"))!;
  writeFileSync(join(home, "package.json"), '{ "name": "users-own", "type": "module", "private": true }\n');
  const { code, stderr } = await run("npm", ["install", "--prefer-offline", "--no-audit", "--no-fund", `./${tarball}`]);
  if (code === 0) return;
  if (!/ENOTFOUND|ECONNREFUSED|EAI_AGAIN|ETIMEDOUT|ENETUNREACH|network/.test(stderr)) throw new Error(stderr);
  obstacle = "no package registry can be reached";
}, 300_000);

async function run(command: string, args: readonly string[]): Promise<Outcome> {
  try {
    const { stdout, stderr } = await promisify(execFile)(command, args, { cwd: home, maxBuffer: 1 << 26 });
    return { code: 0, stdout, stderr };
  } catch (error) {
    const { code, stdout = "", stderr = "" } = error as { code?: number; stdout?: string; stderr?: string };
    return { code: code ?? -1, stdout, stderr };
  }
}

function draftsmith(...args: string[]): Promise<Outcome> {
  return run("npx", ["--no-install", "draftsmith", ...args]);
}

/** Rows and a screenshot as a user has them, below the folder that the package is installed in. */
async function writeRows(): Promise<void> {
  const folder = join(home, "data");
  mkdirSync(join(folder, "shots"), { recursive: true });
  writeFileSync(join(folder, "shots", "a.png"), await plain(64, 64).png().toBuffer());
  const rows = ["first", "second", "third", "fourth"].map((word, k) => ({
    id: word,
    messages: [
      {
        role: "user",
        content: [
          { type: "text", text: `what is ${word}?` },
          ...(k === 0 ? [{ type: "image", image: "shots/a.png" }] : []),
        ],
      },
      { role: "assistant", content: `the ${word}` },
    ],
  }));
  writeFileSync(join(folder, "rows.jsonl"), rows.map((row) => `${JSON.stringify(row)}\n`).join(""));
}

describe("an installed package", () => {
  it("holds what it needs and nothing of development", ({ skip }) => {
    skip(obstacle !== undefined, obstacle);
    const files = readdirSync(join(home, PACKED), { recursive: true, encoding: "utf8" }).filter(
      (file) => !file.startsWith("node_modules"),
    );
    for (const file of [
      "dist/cli/main.js",
      "dist/index.d.ts",
      "fixtures/tiny-gui/model.safetensors",
      "pipelines/quickstart.yaml",
      "configs/schema/pipeline.schema.json",
      "src/trainer/requirements.txt",
      "LICENSE",
      "README.md",
      "CHANGELOG.md",
    ])
      expect(files).toContain(file);
    expect(files.filter((file) => /(^|\/)(test|__pycache__|\.ci|\.git)(\/|$)|\.map$|stamp$/.test(file))).toEqual([]);
  });

  it("knows the quickstart's whole plan", async ({ skip }) => {
    skip(obstacle !== undefined, obstacle);
    const { code, stdout, stderr } = await draftsmith("run", QUICKSTART, "--dry-run");
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    for (const step of ["raw", "import", "regenerate", "tokenize", "shard", "validate", "train", "export", "evaluate"])
      expect(stdout).toMatch(new RegExp(`^${step}\\b`, "m"));
    expect(stdout).not.toContain("does not exist");
  });

  it("runs the quickstart's data steps, servers and Python included", { timeout: 300_000 }, async ({ skip }) => {
    skip(obstacle !== undefined, obstacle);
    const { code, stdout, stderr } = await draftsmith(
      ...["run", QUICKSTART, "--until", "validate"],
      ...["--set", "vars.dialogues=6", "--set", "steps.raw.with.badRows=false"],
      ...["--set", "steps.regenerate.with.maxNewTokens=24", "--set", "steps.shard.with.heldoutShare=0.5"],
    );
    expect({ code, stderr }, stdout).toEqual({ code: 0, stderr: "" });
    expect(stdout).toMatch(/^validate +done/m);
    // In the folder of the user, not of the package.
    expect(readdirSync(join(home, "runs", "quickstart", "steps"))).toContain("shard");
  });

  it("runs a pipeline of the user's own, with paths relative to its file", { timeout: 120_000 }, async ({ skip }) => {
    skip(obstacle !== undefined, obstacle);
    await writeRows();
    mkdirSync(join(home, "pipelines"), { recursive: true });
    writeFileSync(
      join(home, "pipelines", "own.yaml"),
      `name: own
variables: { model: ../${PACKED}/fixtures/tiny-gui }
steps:
  import:
    uses: import
    with: { source: [../data/rows.jsonl], imageRoots: [../data] }
  tokenize:
    uses: tokenize
    in: { dialogues: import }
    with: { model: "\${vars.model}", source: fixed, maxLength: 512 }
  shard:
    uses: shard
    in: { rows: tokenize, dialogues: import }
    with: { heldoutShare: 0.3, seed: 1 }
`,
    );
    const { code, stdout, stderr } = await draftsmith("run", "pipelines/own.yaml");
    expect({ code, stderr }, stdout).toEqual({ code: 0, stderr: "" });
    expect(stdout).toMatch(/^import +done +\S+ s +4$/m);
    expect(stdout).toMatch(/^shard +done/m);
  });

  it("runs the README's example, and its types hold", { timeout: 120_000 }, async ({ skip }) => {
    skip(obstacle !== undefined, obstacle);
    await writeRows();
    const example = /```ts\n(.*?)```/s.exec(readFileSync(join(ROOT, "README.md"), "utf8"))?.[1];
    expect(example).toContain('from "draftsmith"');
    writeFileSync(join(home, "example.ts"), example!);
    // Written so that it is JavaScript as it stands.
    writeFileSync(join(home, "example.js"), example!);
    writeFileSync(
      join(home, "pipeline.yaml"),
      "name: small\nsteps: { import: { uses: import, with: { source: [data/rows.jsonl], imageRoots: [data] } } }\n",
    );
    const { code, stdout, stderr } = await run(process.execPath, ["example.js"]);
    expect({ code, stderr }, stdout).toEqual({ code: 0, stderr: "" });
    expect(stdout).toContain("kept 4");
    const checked = await run(process.execPath, [
      join(ROOT, "node_modules/typescript/bin/tsc"),
      ..."--noEmit --strict --skipLibCheck --target es2023 --module nodenext example.ts".split(" "),
    ]);
    expect(checked).toMatchObject({ code: 0, stdout: "" });
  });
});
