/** What is refused before any dialogue is asked, and what a continuation refuses to mix. */
import { describe, expect, it } from "vitest";
import type { DraftsmithError, JsonObject } from "../../../../src/base/index.js";
import { closingStubs } from "../../../sglang-client/closing-stubs.js";
import { PROBE_REQUESTS, type Stub, type StubOptions, startStub } from "../../../sglang-client/stub-server.js";
import { dialogues, runStage, temporaryDirectory, writeArtifact } from "../harness.js";

const { stubOf } = closingStubs();

async function errorOf(servers: string[], options: Record<string, unknown> = {}): Promise<DraftsmithError> {
  const input = await writeArtifact(await temporaryDirectory(), dialogues(2));
  const outcome = await runStage({ input, options: { servers, ...options } }).catch((error: unknown) => error);
  expect(outcome).toHaveProperty("code");
  return outcome as DraftsmithError;
}

const isProbe = (body: JsonObject): boolean => body.max_tokens === 4;

describe("an address that ends in /v1", () => {
  it("is the server without it, also where both stand in the list", async () => {
    const stub = await stubOf({});
    const input = await writeArtifact(await temporaryDirectory(), dialogues(4));
    const { rows } = await runStage({ input, options: { servers: [`${stub.url}/v1`, stub.url, `${stub.url}/v1/`] } });
    expect(rows).toHaveLength(4);
  });
});

describe("before the first question", () => {
  it("says which server does not answer and what to try", async () => {
    const stub = await startStub();
    await stub.close();
    const error = await errorOf([stub.url]);
    expect(error.code).toBe("SERVER_UNREACHABLE");
    expect(error.message).toContain(stub.url);
    expect(error.hint).toContain("/v1/models");
  });

  it("starts with the servers that answer and takes the others in when they come", async () => {
    const early = await stubOf({ delayMs: () => 10 });
    const late = await startStub();
    await late.close();
    const input = await writeArtifact(await temporaryDirectory(), dialogues(100));
    const running = runStage({ input, options: { servers: [late.url, early.url], concurrency: 2 } });
    await new Promise((resolve) => setTimeout(resolve, 150));
    const reborn = await stubOf({ port: late.port });
    await running;
    expect(reborn.requests.length).toBeGreaterThan(10);
  });

  it("refuses another model, by name, path or last part of the path", async () => {
    const stub = await stubOf();
    const error = await errorOf([stub.url], { expectModel: "Qwen/Qwen3-VL-30B-A3B-Instruct" });
    expect(error.code).toBe("SERVER_REFUSED");
    expect(error.message).toMatch(/serves stub .*expectModel is Qwen\/Qwen3-VL-30B-A3B-Instruct/);
    for (const expectModel of ["stub", "/models/stub", "/elsewhere/stub/"]) {
      const input = await writeArtifact(await temporaryDirectory(), dialogues(1));
      await expect(runStage({ input, options: { servers: [stub.url], expectModel } })).resolves.toBeDefined();
    }
  });

  it.each([
    ["preferred_sampling_params", { temperature: 0.7 }],
    ["default_chat_template_kwargs", { enable_thinking: false }],
    ["allow_auto_truncate", true],
    ["mm_process_config", { image: { max_pixels: 100 } }],
    ["enable_watermark", true],
    ["load_format", "dummy"],
    ["json_model_override_args", '{"rope_theta": 1}'],
    ["watermark_default_enabled", true],
    ["watermark_enforce_all", true],
    ["speculative_accept_threshold_single", 0.9],
    ["speculative_accept_threshold_acc", 0.9],
  ])("refuses the setting %s unless it is allowed by name", async (name, value) => {
    const stub = await stubOf({ serverInfo: { [name]: value } });
    const error = await errorOf([stub.url]);
    expect(error.code).toBe("SERVER_REFUSED");
    expect(error.message).toContain(name);
    expect(error.hint).toContain(`allowSettings: [${name}]`);
    const input = await writeArtifact(await temporaryDirectory(), dialogues(1));
    const allowed = runStage({ input, options: { servers: [stub.url], allowSettings: [name] } });
    await expect(allowed).resolves.toBeDefined();
  });

  it("refuses a server that differs from the others and names the difference", async () => {
    const one = await stubOf();
    const other = await stubOf({
      modelInfo: { weight_version: "v2" },
      serverInfo: { weight_version: "v2", dtype: "float16" },
    });
    const error = await errorOf([one.url, other.url]);
    expect(error.code).toBe("SERVER_REFUSED");
    expect(error.message).toContain(other.url);
    expect(error.message).toContain('weight version is "v2", not "default"');
    expect(error.message).toContain("dtype");
  });

  const listing = { id: "stub", root: "/models/stub", owned_by: "sglang", max_model_len: 100_000 };
  it.each<[string, StubOptions, string]>([
    ["model", { modelInfo: { model_path: "/models/other" } }, 'model is "other", not "stub"'],
    ["served name", { modelInfo: { served_model_name: "x" } }, 'served model name is "x", not "stub"'],
    [
      "weights",
      { modelInfo: { weight_version: "v2" }, fault: () => "other-weights" },
      'weight version is "v2", not "default"',
    ],
    ["context", { models: { data: [{ ...listing, max_model_len: 90_000 }] } }, "context length is 90000, not 100000"],
    [
      "processor settings",
      { serverInfo: { mm_process_config: { image: { max_pixels: 100 } } } },
      'mm_process_config is {"image":{"max_pixels":100}}, not null',
    ],
    ["image backend", { serverInfo: { image_processor_backend: "pil" } }, 'image_processor_backend is "pil", not null'],
    ["template", { serverInfo: { chat_template: "other" } }, 'chat_template is "other", not null'],
    ["images", { modelInfo: { has_image_understanding: false } }, "image understanding is false, not true"],
  ])("refuses a server that differs from the others in its %s, and only then", async (_name, options, words) => {
    const [one, same, other] = [await stubOf(), await stubOf(), await stubOf(options)];
    // Each of these settings may be had by all servers together; here it is the difference that counts.
    const allowSettings = ["mm_process_config"];
    const error = await errorOf([one.url, same.url, other.url], { allowSettings });
    expect(error.code).toBe("SERVER_REFUSED");
    expect(error.message).toBe(`${other.url}: it differs from ${one.url}: ${words}`);
    for (const { requests } of [one, same, other]) expect(requests.every(isProbe)).toBe(true);
    const twin = await stubOf(options);
    const input = await writeArtifact(await temporaryDirectory(), dialogues(1));
    const alike = runStage({ input, options: { servers: [other.url, twin.url], allowSettings } });
    await expect(alike).resolves.toBeDefined();
  });

  it("refuses a server that says the same of itself but renders the probe's picture otherwise", async () => {
    const one = await stubOf();
    const other = await stubOf({
      // As a template that nobody told of would: the picture of the question stays, a system prompt comes first.
      fault: (_n, body) => {
        (body.messages as JsonObject[]).unshift({ role: "system", content: "Be brief." });
        return undefined;
      },
    });
    const error = await errorOf([one.url, other.url]);
    expect(error.code).toBe("SERVER_REFUSED");
    expect(error.message).toBe(`${other.url}: it renders the same question to other prompt ids than ${one.url}`);
    expect(JSON.stringify(one.requests[0])).toContain("image_url");
  });

  it("names the longest prompt that a server takes, and warns where servers differ in it", async () => {
    const [large, small] = [9000, 4090].map((max_req_input_len) => ({ serverInfo: { max_req_input_len } }));
    const servers = [await stubOf(large), await stubOf(small), await stubOf(large)].map(({ url }) => url);
    const input = await writeArtifact(await temporaryDirectory(), dialogues(3));
    const { events, draft } = await runStage({ input, options: { servers } });
    const notes = events.flatMap((event) => (event.type === "log" ? [[event.level, event.message]] : []));
    for (const [k, limit] of [8999, 4089, 8999].entries()) {
      expect(notes).toContainEqual(["info", expect.stringMatching(`^${servers[k]}: .* prompts up to ${limit};`)]);
    }
    const warnings = notes.filter(([level]) => level === "warn");
    expect(warnings).toHaveLength(1);
    expect(warnings[0]![1]).toContain(
      `${servers[1]} takes prompts up to 4089 tokens, ${servers[0]} up to 8999 tokens: which dialogues`,
    );
    // It hangs on a machine's memory, so it is no fact of the artifact.
    const alone = await runStage({ input, options: { servers: [servers[1]!] } });
    expect(alone.draft).toEqual(draft);
  });

  it("refuses a server that returns no ids", async () => {
    // No /generate that works either, so auto finds nothing.
    const stub = await stubOf({
      responseIdField: "none",
      fault: (_n, body) => (body.input_ids === undefined ? undefined : "bad-request"),
    });
    const error = await errorOf([stub.url]);
    expect(error.code).toBe("SERVER_REFUSED");
    expect(error.message).toContain("exact ids");
  });

  it("refuses a context that leaves no room for answers", async () => {
    const stub = await stubOf();
    const error = await errorOf([stub.url], { maxNewTokens: 100_000 });
    expect(error).toMatchObject({ code: "SERVER_REFUSED" });
    expect(error.message).toContain("maxNewTokens");
  });

  it("stops when the weights change under way", async () => {
    const stub = await stubOf({ fault: (n) => (n === 3 ? "other-weights" : undefined) });
    const error = await errorOf([stub.url]);
    expect(error.code).toBe("SERVER_REFUSED");
    expect(error.message).toContain("version default before, v2 now");
  });

  it.each([
    [undefined, "name that variable in apiKeyEnv"],
    ["wrong", "refuses the key in the environment variable DRAFTSMITH_TEST_KEY (apiKeyEnv)"],
  ])("says what to do about a 401 (key: %s)", async (key, words) => {
    const stub = await stubOf({ apiKey: "right" });
    process.env.DRAFTSMITH_TEST_KEY = key ?? "";
    try {
      const error = await errorOf([stub.url], key === undefined ? {} : { apiKeyEnv: "DRAFTSMITH_TEST_KEY" });
      expect(error).toMatchObject({ code: "SERVER_REFUSED", message: expect.stringContaining("HTTP 401") });
      expect(error.hint).toContain(words);
      expect(JSON.stringify([error.message, error.hint])).not.toContain("wrong");
    } finally {
      delete process.env.DRAFTSMITH_TEST_KEY;
    }
  });

  it("names the key's variable when a server refuses the key during the run, and goes on when it takes it again", async () => {
    const stub = await stubOf({ delayMs: () => 5 });
    const input = await writeArtifact(await temporaryDirectory(), dialogues(30));
    const running = runStage({ input, options: { servers: [stub.url], concurrency: 3, retryDelaySeconds: 0.02 } });
    while (stub.requests.length < 10) await new Promise((resolve) => setTimeout(resolve, 2));
    stub.options.apiKey = "new";
    await new Promise((resolve) => setTimeout(resolve, 300));
    stub.options.apiKey = undefined;
    const { draft, events } = await running;
    expect(draft.counts).toMatchObject({ kept: 30, failed: 0 });
    const notes = events.flatMap((event) => (event.type === "log" ? [event.message] : [])).join("\n");
    expect(notes).toMatch(/gets no work until it is healthy again: .*HTTP 401.*name that variable in apiKeyEnv/);
  });

  it("names the key's variable when no server takes the key any more", async () => {
    const stub = await stubOf({ delayMs: () => 5 });
    const running = errorOf([stub.url], { concurrency: 3, retryDelaySeconds: 0.02, serverWaitSeconds: 0.5 });
    while (stub.requests.length < PROBE_REQUESTS + 1) await new Promise((resolve) => setTimeout(resolve, 2));
    stub.options.apiKey = "new";
    expect(await running).toMatchObject({
      code: "SERVER_UNREACHABLE",
      message: expect.stringMatching(/HTTP 401.*name that variable in apiKeyEnv/),
    });
  });

  it("wants the key that apiKeyEnv names", async () => {
    const stub = await stubOf();
    const error = await errorOf([stub.url], { apiKeyEnv: "DRAFTSMITH_TEST_NO_SUCH_KEY" });
    expect(error).toMatchObject({ code: "OPTIONS_INVALID", location: { field: "apiKeyEnv" } });
  });
});

describe("continuing", () => {
  async function interrupted(resumeDir: string, stub: Stub): Promise<DraftsmithError> {
    const input = await writeArtifact(await temporaryDirectory(), dialogues(20));
    const stop = new AbortController();
    const watch = setInterval(() => {
      if (stub.requests.length >= 6) stop.abort();
    }, 2);
    const options = { servers: [stub.url], concurrency: 2 };
    const running = runStage({ input, options, resumeDir, signal: stop.signal });
    const outcome: unknown = await running.catch((error: unknown) => error);
    clearInterval(watch);
    return outcome as DraftsmithError;
  }

  it("drains on Ctrl-C, says so, and goes on where it stopped", async () => {
    const resumeDir = await temporaryDirectory();
    const stub = await stubOf({ delayMs: () => 20 });
    const error = await interrupted(resumeDir, stub);
    expect(error.code).toBe("INTERRUPTED");
    const asked = stub.requests.length;
    expect(asked).toBeLessThan(12);
    const input = await writeArtifact(await temporaryDirectory(), dialogues(20));
    const result = await runStage({ input, options: { servers: [stub.url] }, resumeDir });
    const turns = result.rows.reduce((sum, row) => sum + row.turns.length, 0);
    // Nothing was lost: every answer of the first part counts. Each part has its probes.
    expect(stub.requests.length).toBe(turns + 2 * PROBE_REQUESTS);
  });

  it.each([
    [{ maxNewTokens: 77 }, "maxNewTokens was 2048, now it is 77"],
    [{ thinking: "on" as const }, "thinking"],
    [{ systemPrompt: { policy: "set" as const, text: "Be brief." } }, "systemPrompt"],
  ])("refuses to mix with answers made under other settings: %j", async (options, words) => {
    const resumeDir = await temporaryDirectory();
    const stub = await stubOf({ delayMs: () => 20 });
    await interrupted(resumeDir, stub);
    const input = await writeArtifact(await temporaryDirectory(), dialogues(20));
    const run = runStage({ input, options: { servers: [stub.url], ...options }, resumeDir });
    await expect(run).rejects.toMatchObject({ code: "RESUME_CONFLICT" });
    await expect(run).rejects.toThrow(words);
  });

  it("takes other servers, concurrency and retries for the same work", async () => {
    const resumeDir = await temporaryDirectory();
    const stub = await stubOf({ delayMs: () => 20 });
    await interrupted(resumeDir, stub);
    const other = await stubOf();
    const input = await writeArtifact(await temporaryDirectory(), dialogues(20));
    const options = { servers: [other.url], concurrency: 5, retries: 1, requestTimeoutSeconds: 5 };
    await expect(runStage({ input, options, resumeDir })).resolves.toBeDefined();
  });

  it("needs the order of the input only for its output", async () => {
    const resumeDir = await temporaryDirectory();
    const stub = await stubOf({ delayMs: () => 20 });
    await interrupted(resumeDir, stub);
    const reversed = [...dialogues(20)].reverse();
    const input = await writeArtifact(await temporaryDirectory(), reversed);
    const result = await runStage({ input, options: { servers: [stub.url] }, resumeDir });
    expect(result.rows.map(({ id }) => id)).toEqual(reversed.map(({ id }) => id));
    const turns = result.rows.reduce((sum, row) => sum + row.turns.length, 0);
    expect(stub.requests.length).toBe(turns + 2 * PROBE_REQUESTS);
  });
});
