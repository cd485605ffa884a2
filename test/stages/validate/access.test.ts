/** validate against a server that wants an API key. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, expect, it } from "vitest";
import type { DraftsmithError } from "../../../src/base/index.js";
import type { InputArtifact } from "../../../src/stages/stage.js";
import { stage } from "../../../src/stages/validate/index.js";
import { closingStubs } from "../../sglang-client/closing-stubs.js";
import { TINY_GUI } from "../../tokens/reference.js";
import { declare, SYSTEM, text, Workbench } from "../tokenize/workbench.js";

const KEY = "DRAFTSMITH_TEST_KEY";
const { stubOf } = closingStubs();

let bench: Workbench;
let dialogues: InputArtifact;
beforeAll(async () => {
  bench = await Workbench.open();
  const messages = [
    { role: "system", content: [text(SYSTEM)] },
    { role: "user", content: [text("What now?")] },
    { role: "assistant", content: [text("Nothing.")] },
  ];
  dialogues = await bench.artifact("dialogues", [{ id: "d", source: { file: "x", line: 1 }, messages }]);
});
afterAll(() => bench?.close());
afterEach(() => {
  delete process.env[KEY];
});

const validate = (options: object) =>
  bench.run(stage, { model: TINY_GUI, systemPrompt: declare(SYSTEM), keepGoing: true, ...options }, { dialogues });

async function errorOf(options: object): Promise<DraftsmithError> {
  const error: unknown = await validate(options).catch((reason: unknown) => reason);
  expect(error).toHaveProperty("code");
  return error as DraftsmithError;
}

const HINTS: [key: string | undefined, hint: string][] = [
  [undefined, "the server wants an API key; export it in an environment variable and name that variable in apiKeyEnv"],
  ["wrong-key", `the server refuses the key in the environment variable ${KEY} (apiKeyEnv)`],
];

it.each(HINTS)("says what to do about a refused key (%s)", async (key, hint) => {
  const stub = await stubOf({ apiKey: "right-key" });
  if (key !== undefined) process.env[KEY] = key;
  const error = await errorOf({ server: stub.url, ...(key === undefined ? {} : { apiKeyEnv: KEY }) });
  expect(error).toMatchObject({ code: "SERVER_REFUSED", message: expect.stringContaining("HTTP 401") });
  expect(error.hint).toContain(hint);
  expect(JSON.stringify([error.message, error.hint])).not.toContain("wrong-key");
});

it.each([401, 403] as const)(
  "says so, and asks no second time, where only answers are refused (%i)",
  async (status) => {
    let asked = 0;
    const denied = (path: string) => {
      if (path !== "/v1/chat/completions") return undefined;
      asked += 1;
      return status;
    };
    const stub = await stubOf({ denied });
    const error = await errorOf({ server: stub.url });
    expect(error).toMatchObject({ code: "SERVER_REFUSED", message: expect.stringContaining(`HTTP ${status}`) });
    expect(error.hint).toContain("name that variable in apiKeyEnv");
    expect(asked).toBe(1);
  },
);

it("goes on without the server's tokenizer where only that is refused, and says why", async () => {
  const stub = await stubOf({ denied: (path) => (path === "/tokenize" ? 403 : undefined) });
  // The stub renders with a template of its own, so the prompts differ and validate fails; the warning comes first.
  const error = await errorOf({ server: stub.url });
  expect(error.code).toBe("VALIDATION_FAILED");
  const report = await readFile(join(bench.lastResumeDir, "report.txt"), "utf8");
  expect(report).toContain("the server's /tokenize answers HTTP 403: Not for you");
  expect(report).toContain("name that variable in apiKeyEnv");
});

it("wants the variable set before any check runs", async () => {
  const stub = await stubOf();
  const error = await errorOf({ server: stub.url, apiKeyEnv: "DRAFTSMITH_TEST_NO_SUCH_KEY" });
  expect(error).toMatchObject({
    code: "OPTIONS_INVALID",
    location: { field: "apiKeyEnv" },
    message: "the environment variable DRAFTSMITH_TEST_NO_SUCH_KEY is not set",
  });
  expect(stub.requests).toHaveLength(0);
});

it("sends the key with every request", async () => {
  const stub = await stubOf({ apiKey: "right-key" });
  process.env[KEY] = "right-key";
  // It differs from tiny-gui in every respect, but it answers.
  expect((await errorOf({ server: stub.url, apiKeyEnv: KEY })).code).toBe("VALIDATION_FAILED");
  expect(stub.requests.length).toBeGreaterThan(0);
});
