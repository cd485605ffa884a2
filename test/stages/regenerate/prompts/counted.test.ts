/** Ids by count: the reference server behind a proxy that drops every id, against what the server really had. */
import { cp, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import type { JsonObject } from "../../../../src/base/index.js";
import type { Generation } from "../../../../src/dialogue/index.js";
import { hasThinking } from "../../../../src/stages/regenerate/dialogues/reply.js";
import { type RegenerateOptions, regenerateOptionsSchema } from "../../../../src/stages/regenerate/options.js";
import type { InputArtifact } from "../../../../src/stages/stage.js";
import { existingPython, type RunningServer, startServer } from "../../../../src/trainer-process/index.js";
import { TINY_GUI } from "../../../tokens/reference.js";
import { type ChatBody, type IdlessProxy, startIdlessProxy } from "../../validate/idless-proxy.js";
import { writeScreens } from "../bench/screens.js";
import { lines, type RunRequest, runStage, temporaryDirectory } from "../harness.js";

const python = await existingPython();

/** The same row with every turn marked. */
function marked(row: Generation): Generation {
  return { ...row, turns: row.turns.map((turn) => ({ ...turn, counted: true as const })) };
}

const miscount =
  (name: keyof ChatBody["usage"], by: number) =>
  ({ usage }: ChatBody): void => {
    usage[name] += by;
  };

const text = (rows: readonly Generation[]): string => rows.map((row) => `${JSON.stringify(row)}\n`).join("");

it("counting needs a model directory", () => {
  const parsed = regenerateOptionsSchema.safeParse({ servers: ["http://127.0.0.1:1"], idSource: "count" });
  expect(parsed.error?.issues).toMatchObject([{ path: ["model"] }]);
});

describe.skipIf(python === null)("a server that returns no ids (skipped without a Python environment)", () => {
  let server: RunningServer;
  let proxy: IdlessProxy;
  /** Sends the ids, and the text in one piece, as servers without a parser do. */
  let whole: IdlessProxy;
  let input: InputArtifact;

  beforeAll(async () => {
    // The parser strips white space around the reasoning: counting must get at the whole text nevertheless.
    server = await startServer({ model: TINY_GUI, servedModelName: "tiny-gui", threads: 1, reasoningParser: "qwen3" });
    proxy = await startIdlessProxy(server.url);
    proxy.chatOnly = true;
    whole = await startIdlessProxy(server.url);
    whole.keepIds = true;
    whole.extra = { separate_reasoning: false };
    input = await writeScreens(await temporaryDirectory(), 10);
  }, 240_000);
  afterEach(() => {
    proxy.tamper = undefined;
  });
  afterAll(async () => {
    await Promise.all([proxy?.close(), whole?.close()]);
    await server?.stop();
  });

  const OPTIONS = { maxNewTokens: 48, loops: { policy: "keep" as const, minTokens: 64, minRepeats: 6 } };
  const direct = (options: Partial<RegenerateOptions> = {}) =>
    runStage({ input, options: { servers: [whole.url], ...OPTIONS, ...options } });
  const counted = (options: Partial<RegenerateOptions> = {}, more: Partial<RunRequest> = {}) =>
    runStage({
      input,
      options: { servers: [proxy.url], idSource: "count", model: TINY_GUI, ...OPTIONS, ...options },
      ...more,
    });

  it("is refused unless counting is allowed", async () => {
    const refused = runStage({ input, options: { servers: [proxy.url], model: TINY_GUI, ...OPTIONS } });
    await expect(refused).rejects.toMatchObject({
      code: "SERVER_REFUSED",
      message: expect.stringContaining("it does not return exact ids"),
      hint: expect.stringContaining("idSource: count"),
    });
  });

  it.each(["on", "off"] as const)(
    "gives the ids that it had, with thinking %s",
    async (thinking) => {
      const exact = await direct({ thinking });
      const own = await counted({ thinking, recheckShare: 1 });
      expect(own.generations).toBe(text(exact.rows.map(marked)));
      const { turns } = exact.draft.counts;
      expect(turns).toBeGreaterThan(15);
      expect(own.draft.counts).toMatchObject({ turns, countedTurns: turns, recheck: { turns, equal: turns } });
      expect(exact.draft.counts).not.toHaveProperty("countedTurns");
      expect(own.draft.facts).toMatchObject({ idSource: "count", countedWith: { tokenizer: expect.any(String) } });
      expect(own.draft.facts.summary).toContainEqual({
        label: "turns with ids by count alone",
        value: `${turns} of ${turns}`,
      });
      if (thinking === "on") expect(own.rows.some(({ messages }) => messages.some(hasThinking))).toBe(true);
      expect(own.events).toContainEqual(
        expect.objectContaining({ level: "warn", message: expect.stringContaining("every turn is marked `counted`") }),
      );
    },
    120_000,
  );

  it("takes exact ids where there are some, and marks nothing", async () => {
    const own = await counted({ servers: [whole.url] });
    expect(own.draft.facts.idSource).toBe("chat");
    expect(own.generations).toBe((await direct()).generations);
  }, 60_000);

  /** Beyond the probe. */
  const lie = (change: NonNullable<IdlessProxy["tamper"]>): void => {
    proxy.tamper = (answer, request) => {
      if (request.max_tokens === OPTIONS.maxNewTokens) change(answer, request);
    };
  };
  it.each<[string, NonNullable<IdlessProxy["tamper"]>]>([
    ["prompt-count", miscount("prompt_tokens", 1)],
    ["answer-count", miscount("completion_tokens", -1)],
    [
      "answer-text",
      ({ choices: [choice] }) => void Object.assign(choice!.message, { content: "x", reasoning_content: "y" }),
    ],
    [
      "answer-text",
      ({ choices: [choice] }) => {
        delete choice!.matched_stop;
        delete choice!.meta_info;
      },
    ],
  ])(
    "that miscounts or changes answers is caught: %s",
    async (reason, change) => {
      let asked = 0;
      lie((answer, request) => {
        asked += 1;
        // The first dialogue's only turn stays, so that there is something to keep.
        if (asked > 1) change(answer, request);
      });
      const { draft, rejected, rows } = await counted({ concurrency: 1, thinking: "off" });
      expect(draft.counts).toMatchObject({ read: 10, kept: rows.length, failed: 0 });
      expect((draft.counts.rejected as JsonObject)[reason]).toBeGreaterThan(3);
      expect(lines(rejected)).toContainEqual(expect.objectContaining({ status: "rejected", reason }));
      // Refused once, not asked again: the same server would count the same.
      expect(asked).toBeLessThanOrEqual(12);
    },
    60_000,
  );

  it("is refused by the probe where its prompts have another length, or it counts nothing", async () => {
    proxy.tamper = miscount("prompt_tokens", 1);
    await expect(counted()).rejects.toMatchObject({
      code: "SERVER_REFUSED",
      message: expect.stringMatching(
        /its ids cannot be counted: counting: \d+ ids rendered here, the server counts \d+/,
      ),
    });
    proxy.tamper = (answer) => void Object.assign(answer, { usage: null });
    await expect(counted()).rejects.toMatchObject({ code: "SERVER_REFUSED" });
  }, 60_000);

  it("does not work beside one that returns ids: all turns of a run are marked, or none", async () => {
    await expect(counted({ servers: [server.url, proxy.url] })).rejects.toMatchObject({
      code: "SERVER_REFUSED",
      message: expect.stringContaining("ids come by count, not by chat"),
    });
  }, 60_000);

  it("cannot go on with another model directory", async () => {
    const resumeDir = await temporaryDirectory();
    await counted({}, { resumeDir, limit: 2 });
    const other = await temporaryDirectory();
    await cp(TINY_GUI, other, { recursive: true, filter: (path) => !path.endsWith(".safetensors") });
    // Renders the same, so nothing but the file itself shows it.
    const template = join(other, "chat_template.jinja");
    await writeFile(template, `{#- Another. #}\n${await readFile(template, "utf8")}`);
    await expect(counted({ model: other }, { resumeDir, limit: 2 })).rejects.toMatchObject({
      code: "RESUME_CONFLICT",
      message: expect.stringContaining("made with another countedWith"),
    });
    // A copy elsewhere is the same directory.
    await writeFile(template, await readFile(join(TINY_GUI, "chat_template.jinja"), "utf8"));
    expect((await counted({ model: other }, { resumeDir, limit: 2 })).rows).toHaveLength(2);
  }, 60_000);
});
