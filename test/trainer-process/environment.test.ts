import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { describe, expect, it } from "vitest";
import { DraftsmithError } from "../../src/base/index.js";
import { ensurePython, existingPython, runDoctor, trainerRoot } from "../../src/trainer-process/index.js";
import { withLock } from "../../src/trainer-process/lock.js";
import { findSystemPython, NEEDED_PACKAGES, TRANSFORMERS, transformersAge } from "../../src/trainer-process/probe.js";
import { scratchDirectory } from "../scratch/scratch.js";
import { closingStubs } from "../sglang-client/closing-stubs.js";

const root = scratchDirectory("python");
const { stubOf } = closingStubs();

/** A real interpreter without a single package: what a user has who never installed torch. */
function bareVenv(): string {
  const directory = join(root, "bare");
  execFileSync("python3", ["-m", "venv", "--without-pip", directory]);
  return join(directory, "bin", "python");
}

/** The same with packages that are there by name and version only, which is all that the probe looks at. */
function pretended(transformers: string): string {
  const directory = join(root, "pretended");
  execFileSync("python3", ["-m", "venv", "--without-pip", directory]);
  const python = join(directory, "bin", "python");
  const site = execFileSync(python, ["-c", "import sysconfig; print(sysconfig.get_paths()['purelib'])"]);
  for (const name of NEEDED_PACKAGES) {
    const version = name === "transformers" ? transformers : "1.0";
    const info = join(site.toString().trim(), `${name}-${version}.dist-info`);
    mkdirSync(info);
    writeFileSync(join(info, "METADATA"), `Metadata-Version: 2.1\nName: ${name}\nVersion: ${version}\n`);
  }
  return python;
}

async function errorOf(promise: Promise<unknown>): Promise<DraftsmithError> {
  const error = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(DraftsmithError);
  return error as DraftsmithError;
}

describe("a named interpreter", () => {
  it("without torch is refused with the list of what it lacks and what to run", async () => {
    const error = await errorOf(ensurePython({ python: bareVenv() }));
    expect(error.code).toBe("PYTHON_MISSING");
    expect(error.exitCode).toBe(11);
    expect(error.message).toMatch(/lacks torch, torchvision, transformers/);
    expect(error.hint).toContain("requirements.txt");
  });

  it("with a transformers that is too old is refused with the reason and the command, by doctor too", async () => {
    const python = pretended("4.57.6");
    const error = await errorOf(ensurePython({ python }));
    expect(error.code).toBe("PYTHON_MISSING");
    expect(error.message).toMatch(/has transformers 4\.57\.6, but 5\.7 or newer is needed: .*mm_token_type_ids/);
    expect(error.hint).toBe(`${python} -m pip install 'transformers>=5.7,<6'`);
    const { findings } = await runDoctor({ python, workspace: root });
    expect(findings.find(({ name }) => name === "trainer environment")).toMatchObject({
      state: "missing",
      detail: expect.stringContaining("transformers 4.57.6"),
      advice: expect.stringContaining("pip install"),
    });
  }, 60_000);

  it.each([
    ["5.6.2", "too old"],
    ["5.7.0", "tested"],
    ["5.24.1", "tested"],
    ["5.25.0.dev0", "newer than tested"],
    ["6.0.0", "newer than tested"],
    [null, undefined],
  ])("transformers %s is %s", (version, age) => {
    expect(transformersAge({ packages: { transformers: version } })).toBe(age);
  });

  it("names the releases that pyproject.toml and the trainer name", () => {
    const [oldest, newest] = [TRANSFORMERS.oldest, TRANSFORMERS.newest].map((release) => release.join("."));
    const project = readFileSync(join(trainerRoot(), "pyproject.toml"), "utf8");
    expect(project).toContain(`"transformers>=${oldest},<6"`);
    const trainer = readFileSync(join(trainerRoot(), "draftsmith_trainer", "base", "versions.py"), "utf8");
    const pair = [oldest, newest].map((release) => `(${release!.replace(".", ", ")})`).join(", ");
    expect(trainer).toContain(`OLDEST, NEWEST = ${pair}`);
  });

  it("that does not exist is refused by its name", async () => {
    const error = await errorOf(ensurePython({ environment: { DRAFTSMITH_PYTHON: "/nowhere/python" } }));
    expect(error.code).toBe("PYTHON_MISSING");
    expect(error.message).toContain("/nowhere/python");
  });

  it("given as an option wins over the environment variable", async () => {
    const error = await errorOf(
      ensurePython({ python: "/from/option", environment: { DRAFTSMITH_PYTHON: "/from/variable" } }),
    );
    expect(error.message).toContain("/from/option");
  });
});

describe("the managed environment", () => {
  it("does not count as there before its stamp is written", async () => {
    expect(await findSystemPython()).not.toBeNull();
    expect(await existingPython({ environment: { DRAFTSMITH_CACHE: join(root, "empty-cache") } })).toBeNull();
  });

  it("is not made where nothing can be written", async ({ skip }) => {
    const base = await findSystemPython();
    skip(base?.venv !== true, "needs a Python with venv");
    for (const cache of ["/proc/no/such/place", join(root, "a-file")]) {
      writeFileSync(join(root, "a-file"), "text");
      await expect(ensurePython({ environment: { DRAFTSMITH_CACHE: cache } })).rejects.toMatchObject({
        code: "OUTPUT_INVALID",
        location: { field: "DRAFTSMITH_CACHE" },
      });
    }
  });
});

describe("withLock", () => {
  it("lets one task in at a time", async () => {
    const path = join(root, "a.lock");
    const trace: string[] = [];
    const task = (name: string) => async () => {
      trace.push(`${name} in`);
      await new Promise((resolve) => setTimeout(resolve, 50));
      trace.push(`${name} out`);
    };
    await Promise.all([withLock(path, task("a")), withLock(path, task("b"))]);
    expect(trace[1]).toBe(trace[0]?.replace("in", "out"));
    expect(trace).toHaveLength(4);
  });

  it("takes over from a holder that died", async () => {
    const path = join(root, "dead.lock");
    const dead = execFileSync(process.execPath, ["-p", "process.pid"]).toString().trim();
    writeFileSync(path, dead);
    expect(await withLock(path, async () => "ran")).toBe("ran");
  });
});

describe("doctor", () => {
  it.each([
    ["a directory that is yet to be made", "a/b/c", "ok", / GB free at /],
    ["a file", "file/w", "missing", /file is a file, but a directory is needed/],
    ["a place that takes no files", "/proc/w", "missing", /\/proc/],
  ])(
    "looks at a workspace: %s",
    async (_, path, state, detail) => {
      writeFileSync(join(root, "file"), "text");
      const { findings } = await runDoctor({ workspace: resolve(root, path) });
      expect(findings.find(({ name }) => name === "disk (workspace)")).toMatchObject({
        state,
        detail: expect.stringMatching(detail),
      });
    },
    120_000,
  );

  it("names a server that does not answer, and says what to do", async () => {
    const report = await runDoctor({ servers: ["http://127.0.0.1:9"], workspace: root });
    const finding = report.findings.find(({ name }) => name.startsWith("server"));
    expect(finding).toMatchObject({ state: "missing", advice: "start the server, or correct the URL" });
    expect(report.healthy).toBe(false);
    const [damaged] = (await runDoctor({ servers: ["127.0.0.1:9"], workspace: root })).findings.slice(-1);
    expect(damaged).toMatchObject({ name: "server", state: "missing", advice: expect.stringContaining("http://") });
    expect(report.findings.map(({ name }) => name)).toEqual(
      expect.arrayContaining(["node", "sharp", "tokenizers", "gpu"]),
    );
  }, 120_000);

  it("asks servers with the key, and says what to do where it is refused", async () => {
    const stub = await stubOf({ apiKey: "right" });
    const askedWith = async (key: string | undefined, apiKeyEnv: string | undefined) => {
      if (key !== undefined) process.env.DRAFTSMITH_TEST_KEY = key;
      try {
        const secret = stub.url.replace("//", "//me:Xq7@");
        const { findings } = await runDoctor({ servers: [key === undefined ? secret : stub.url], apiKeyEnv });
        expect(JSON.stringify(findings)).not.toContain("Xq7");
        return findings.find(({ name }) => name === `server ${stub.url}`);
      } finally {
        delete process.env.DRAFTSMITH_TEST_KEY;
      }
    };
    expect(await askedWith("right", "DRAFTSMITH_TEST_KEY")).toMatchObject({ state: "ok" });
    expect(await askedWith("wrong", "DRAFTSMITH_TEST_KEY")).toMatchObject({
      state: "missing",
      detail: "answers HTTP 401",
      advice: expect.stringContaining("refuses the key in the environment variable DRAFTSMITH_TEST_KEY"),
    });
    expect(await askedWith(undefined, undefined)).toMatchObject({
      state: "missing",
      advice: expect.stringContaining("name that variable in apiKeyEnv"),
    });
    await expect(runDoctor({ servers: [stub.url], apiKeyEnv: "DRAFTSMITH_TEST_NO_SUCH_KEY" })).rejects.toMatchObject({
      code: "OPTIONS_INVALID",
    });
  }, 240_000);
});
