// Runs all tests, TypeScript and Python, and ends with one line that sums them up.
// Takes no arguments: for a part, call `npx vitest run test/<room>` or pytest directly.
import { spawn } from "node:child_process";
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { ensureReaders } from "./readers.mjs";

const root = join(dirname(fileURLToPath(import.meta.url)), "..", "..");
const { ensurePython, trainerEnvironment, trainerRoot } = await import("../../dist/trainer-process/index.js");
// Everything that this run writes outside the tree goes below this directory, so that parallel runs do not mix.
const own = mkdtempSync(join(tmpdir(), "draftsmith-test-"));
process.once("exit", () => rmSync(own, { recursive: true, force: true, maxRetries: 3 }));
const reports = join(own, "reports");
const temporary = join(own, "tmp");
for (const directory of [reports, temporary]) mkdirSync(directory);
// As in test/scratch/run.ts: tests of permissions run children as another user.
for (const directory of [own, temporary]) chmodSync(directory, 0o711);

let stopped;
let runner;
// A terminal sends Ctrl-C to the runner as well, which cleans up and ends; only then is `own` removed.
process.once("SIGINT", () => {
  stopped = 130;
});
process.once("SIGTERM", () => {
  stopped = 143;
  runner?.kill("SIGTERM");
});

function run(command, args, env) {
  if (stopped !== undefined) process.exit(stopped);
  return new Promise((resolve) => {
    runner = spawn(command, args, { cwd: root, env, stdio: ["ignore", "inherit", "inherit"] });
    runner.once("error", () => resolve(127));
    runner.once("close", (code) => (stopped === undefined ? resolve(code ?? 1) : process.exit(stopped)));
  });
}

/** Tests by outcome in a vitest JSON report; a suite that did not even load counts as one failure. */
function vitestCounts(file) {
  const report = JSON.parse(readFileSync(file, "utf8"));
  const broken = report.testResults.filter(
    (suite) => suite.status === "failed" && suite.assertionResults.every((test) => test.status !== "failed"),
  ).length;
  return {
    passed: report.numPassedTests,
    failed: report.numFailedTests + broken,
    skipped: report.numPendingTests + report.numTodoTests,
  };
}

/** Tests by outcome in a JUnit XML report of pytest. */
function pytestCounts(file) {
  const head = /<testsuite [^>]*>/.exec(readFileSync(file, "utf8"))?.[0] ?? "";
  const number = (name) => Number(new RegExp(`\\b${name}="(\\d+)"`).exec(head)?.[1] ?? 0);
  const failed = number("failures") + number("errors");
  return { passed: number("tests") - failed - number("skipped"), failed, skipped: number("skipped") };
}

function counted(read, file, code) {
  let counts;
  try {
    counts = read(file);
  } catch {
    // No report: the runner itself crashed, which must not look like success.
    counts = { passed: 0, failed: 1, skipped: 0 };
  }
  // A runner can fail outside any test (an unhandled rejection, a crash while collecting).
  if (code !== 0 && counts.failed === 0) counts.failed = 1;
  return counts;
}

const events = { emit: (event) => event.type === "log" && console.error(`setup: ${event.message}`) };
const { executable } = await ensurePython({ events });
// Without them the tests of readers are skipped, counted, and say so.
const readers = await ensureReaders().catch((error) => {
  console.error(`setup: the libraries that read shards could not be installed: ${error.message}`);
  return "";
});
const env = {
  ...trainerEnvironment(),
  DRAFTSMITH_PYTHON: executable,
  DRAFTSMITH_READERS_PYTHON: readers,
  TMPDIR: temporary,
};

const vitestReport = join(reports, "vitest.json");
const vitestCode = await run(
  process.execPath,
  [
    join("node_modules", "vitest", "vitest.mjs"),
    "run",
    "--reporter=default",
    "--reporter=json",
    `--outputFile.json=${vitestReport}`,
  ],
  env,
);
const pytestReport = join(reports, "pytest.xml");
const pytestCode = await run(
  executable,
  [
    "-m",
    "pytest",
    "-c",
    join(trainerRoot(), "pyproject.toml"),
    "--rootdir",
    root,
    `--junitxml=${pytestReport}`,
    "-q",
    "-rs",
    "-p",
    "no:cacheprovider",
    join("test", "trainer"),
  ],
  { ...env, OMP_NUM_THREADS: process.env.OMP_NUM_THREADS ?? "1" },
);

const parts = [
  ["typescript", counted(vitestCounts, vitestReport, vitestCode)],
  ["python", counted(pytestCounts, pytestReport, pytestCode)],
];
// Each runner checks its own temporary directory (test/scratch/run.ts, test/trainer/conftest.py) and removes it.
const left = readdirSync(temporary);
const leftovers = left.length === 0 ? [] : [`error: the tests left ${left.join(", ")} in TMPDIR`];
const sum = (key) => parts.reduce((total, [, counts]) => total + counts[key], 0);
console.log("");
for (const [name, { passed, failed, skipped }] of parts) {
  console.log(`${name.padEnd(11)} ${passed} passed, ${failed} failed, ${skipped} skipped`);
}
for (const line of leftovers) console.log(line);
console.log(`${sum("passed")} passed, ${sum("failed")} failed, ${sum("skipped")} skipped`);
process.exitCode = sum("failed") === 0 && leftovers.length === 0 ? 0 : 1;
