// Puts a fresh clone into working order before anything else runs: Node packages from the lock file, compiled output.
// Plain JavaScript, because it runs before TypeScript or any package is there. Each part is skipped when up to date.
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = join(dirname(fileURLToPath(import.meta.url)), "..", "..");
const MIN_NODE = [20, 19];

function fail(message) {
  console.error(`error: ${message}`);
  process.exit(11);
}

function checkNode() {
  const [major, minor] = process.versions.node.split(".").map(Number);
  if (major > MIN_NODE[0] || (major === MIN_NODE[0] && minor >= MIN_NODE[1])) return;
  fail(`Node ${MIN_NODE.join(".")} or newer is needed, this is ${process.versions.node}`);
}

function digest(files) {
  const hash = createHash("sha256");
  for (const file of files)
    hash
      .update(file)
      .update("\0")
      .update(readFileSync(join(root, file)))
      .update("\0");
  return hash.digest("hex");
}

function typescriptFiles(directory) {
  return readdirSync(join(root, directory), { withFileTypes: true })
    .flatMap((entry) => {
      const path = `${directory}/${entry.name}`;
      if (entry.isDirectory()) return typescriptFiles(path);
      return entry.name.endsWith(".ts") ? [path] : [];
    })
    .sort();
}

/** Runs `task` unless the stamp file already holds this digest; writes the stamp only after success. */
function once(label, stamp, wanted, task) {
  if (existsSync(stamp) && readFileSync(stamp, "utf8") === wanted) return;
  const started = Date.now();
  console.error(`setup: ${label} ...`);
  task();
  mkdirSync(dirname(stamp), { recursive: true });
  writeFileSync(stamp, wanted);
  console.error(`setup: ${label} took ${((Date.now() - started) / 1000).toFixed(1)} s`);
}

function run(command, args, advice) {
  const { status, error } = spawnSync(command, args, { cwd: root, stdio: ["ignore", 2, 2] });
  if (error !== undefined) fail(`${command} could not be started: ${error.message}. ${advice}`);
  if (status !== 0) fail(`${command} ${args.join(" ")} failed with exit code ${status}. ${advice}`);
}

checkNode();
once(
  "installing Node packages",
  join(root, "node_modules", ".draftsmith-stamp"),
  digest(["package-lock.json", "package.json"]) + process.version,
  () => run("npm", ["ci", "--no-audit", "--no-fund"], "The network may be down; the same command tries again."),
);
once(
  "compiling",
  join(root, "dist", ".draftsmith-stamp"),
  digest(["tsconfig.json", "tsconfig.build.json", ...typescriptFiles("src")]),
  () => {
    // Without this, output of a source file that was renamed or removed would stay and be imported.
    rmSync(join(root, "dist"), { recursive: true, force: true });
    run(process.execPath, [join("node_modules", "typescript", "bin", "tsc"), "-p", "tsconfig.build.json"], "");
  },
);

// `--python`: the trainer's environment too, so that no step of a pipeline has to wait for it.
if (process.argv.includes("--python")) {
  const { ensurePython } = await import("../../dist/trainer-process/index.js");
  const events = { emit: (event) => event.type === "log" && console.error(`setup: ${event.message}`) };
  try {
    await ensurePython({ events });
  } catch (error) {
    fail(`${error.message}${error.hint ? `. ${error.hint}` : ""}`);
  }
}
