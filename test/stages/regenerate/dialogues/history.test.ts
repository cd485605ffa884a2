/**
 * Under every policy of the history, training sees exactly the contexts that were sent: ids and images are recorded where
 * they reach the server, and held against the rows; every supervised token is accounted for.
 */
import { rm } from "node:fs/promises";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { readRowsFile, type TokenRow } from "../../../../src/artifacts/index.js";
import { isDraftsmithError, type JsonObject, sha256 } from "../../../../src/base/index.js";
import type { Dialogue, HistoryOption, Message } from "../../../../src/dialogue/index.js";
import { PROBE_TEXT } from "../../../../src/sglang/index.js";
import { changedSettings } from "../../../../src/stages/regenerate/ledger/settings.js";
import type { InputArtifact } from "../../../../src/stages/stage.js";
import { stage as tokenizeStage } from "../../../../src/stages/tokenize/index.js";
import type { LengthLossData } from "../../../../src/stages/tokenize/length-loss.js";
import { stage as validateStage } from "../../../../src/stages/validate/index.js";
import { fixedTurns } from "../../../../src/tokens/index.js";
import { agentDialogues, CALL, CALL_MARK, histories } from "../../../dialogue/history-arbitraries.js";
import { directoryModel } from "../../../sglang-client/directory-model.js";
import { type Stub, startStub } from "../../../sglang-client/stub-server.js";
import { TINY_GUI } from "../../../tokens/reference.js";
import { Workbench } from "../../tokenize/workbench.js";
import { type RunResult, runStage, sizedPicture, temporaryDirectory, writeArtifact } from "../harness.js";

const SCREENS = [64, 96, 128, 160].flatMap((width) => [sizedPicture(width, 64), sizedPicture(width, 96)]);
const dialogues = agentDialogues(SCREENS.map(({ hash, width, height }) => ({ hash, width, height })));

/** What a request held when it reached the server, and what it got back. */
interface Sent {
  prompt: number[];
  images: string[];
  answer: number[];
}

let stub: Stub;
let bench: Workbench;
let sent: Sent[] = [];

beforeAll(async () => {
  bench = await Workbench.open();
  const model = await directoryModel(TINY_GUI);
  const prompts = new Map<JsonObject, number[]>();
  stub = await startStub({
    model: {
      ...model,
      render: async (body, expanded) => {
        const ids = await model.render(body, expanded);
        prompts.set(body, ids);
        return ids;
      },
    },
    answer: (body) => {
      const said = answerTo(body);
      // Probes are no dialogues.
      if (JSON.stringify(body.messages).includes(JSON.stringify(PROBE_TEXT).slice(1, -1))) return said;
      const request: Sent = { prompt: prompts.get(body)!, images: imagesIn(body), answer: [] };
      sent.push(request);
      void model.tokenize(said).then((ids) => request.answer.push(...ids, model.end));
      return said;
    },
  });
});
afterAll(async () => {
  await stub.close();
  await bench.close();
});

/** Other words after every other prompt, and a call where the question asks for one. */
function answerTo(body: JsonObject): string {
  const messages = body.messages as JsonObject[];
  const words = `It is ${sha256(JSON.stringify(messages)).slice(0, 6)}.`;
  return JSON.stringify(messages.at(-1)).includes(CALL_MARK)
    ? `${words}\n<tool_call>\n${JSON.stringify(CALL)}\n</tool_call>`
    : words;
}

function imagesIn(body: JsonObject): string[] {
  return (body.messages as JsonObject[]).flatMap(({ content }) =>
    (Array.isArray(content) ? (content as JsonObject[]) : []).flatMap((part) => {
      if (part.type !== "image_url") return [];
      const { url } = part.image_url as { url: string };
      return [sha256(Buffer.from(url.slice(url.indexOf(",") + 1), "base64"))];
    }),
  );
}

const named = (each: readonly { messages: Message[] }[]): Dialogue[] =>
  each.map(({ messages }, k) => ({ id: `d${k}`, source: { file: "x.jsonl", line: k + 1 }, messages }));

async function regenerated(rows: Dialogue[], history: HistoryOption, more: object = {}) {
  sent = [];
  const root = await temporaryDirectory();
  const input = await writeArtifact(root, rows, SCREENS);
  const options = { servers: [stub.url], model: TINY_GUI, history, ...more };
  const made = await runStage({ input, options });
  await rm(root, { recursive: true });
  return made;
}

async function rowsIn({ path, manifest }: InputArtifact): Promise<TokenRow[]> {
  const rows: TokenRow[] = [];
  for (const file of manifest.files) {
    if (!file.path.endsWith(".arrow")) continue;
    for await (const row of readRowsFile(join(path, file.path))) rows.push(row);
  }
  return rows;
}

const artifactOf = ({ rows, draft }: RunResult): Promise<InputArtifact> =>
  bench.artifact("generations", rows, draft.facts);

/** One text for each supervised answer: everything before it, itself, and the images of its prompt. */
function contextsOf(rows: readonly TokenRow[]): string[] {
  const pad = bench.model.specialIds.imagePad;
  return rows.flatMap((row) =>
    row.turns.length === 0
      ? []
      : Array.from(row.turns, (_, k) => {
          const [start, end] = [row.responseSpans[2 * k]!, row.responseSpans[2 * k + 1]!];
          const prompt = row.inputIds.subarray(0, start);
          const images = prompt.filter((id, at) => id === pad && prompt[at - 1] !== pad).length;
          return JSON.stringify([
            [...prompt],
            [...row.inputIds.subarray(start, end)],
            row.imageHashes.slice(0, images),
          ]);
        }),
  );
}

const texts = (requests: readonly Sent[]): string[] =>
  requests.map(({ prompt, answer, images }) => JSON.stringify([prompt, answer, images]));

describe("under every policy", () => {
  it("rows hold what reached the server, id for id and image for image, and no token is lost uncounted", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(dialogues, { minLength: 2, maxLength: 5 }),
        histories,
        fc.constantFrom(60, 150, 400, 4096),
        async (each, history, maxLength) => {
          const made = await regenerated(named(each), history);
          const generations = await artifactOf(made);
          expect(made.draft.facts.history).toEqual(history);
          const questions = each.flatMap(({ messages }) => messages.filter(({ role }) => role === "assistant")).length;
          expect(sent).toHaveLength(questions);

          const options = { model: TINY_GUI, maxLength, specialText: "keep" };
          const fits = ({ prompt, answer }: Sent): boolean => prompt.length + answer.length <= maxLength;
          if (!sent.some(fits)) {
            await expect(bench.run(tokenizeStage, options, { generations })).rejects.toThrow("over-length");
            return;
          }
          const made2 = await bench.run(tokenizeStage, options, { generations });
          const rows = await rowsIn(made2);
          expect(contextsOf(rows).sort()).toEqual(texts(sent.filter(fits)).sort());
          expect(made2.manifest.facts.history).toEqual(history);

          const tokensOf = (some: readonly Sent[]): number => some.reduce((sum, { answer }) => sum + answer.length, 0);
          const masked = rows.reduce((sum, row) => sum + row.lossMask.reduce((ones, bit) => ones + bit, 0), 0);
          const loss = made2.manifest.counts.lengthLoss as LengthLossData;
          expect(masked).toBe(made2.manifest.counts.supervisedTokens);
          expect(masked + loss.lostTokens).toBe(tokensOf(sent));
          expect(loss.supervisedTokens).toBe(tokensOf(sent));
          for (const parts of [loss.byTurn, loss.byImages]) {
            const sums = Object.values(parts);
            expect(sums.reduce((sum, part) => sum + part.lostTokens, 0)).toBe(loss.lostTokens);
            expect(sums.reduce((sum, part) => sum + part.supervisedTokens, 0)).toBe(loss.supervisedTokens);
            expect(sums.reduce((sum, part) => sum + part.turns, 0)).toBe(questions);
          }

          // Dialogues whose answers are kept get the same prompts.
          const prompts = new Set(sent.map(({ prompt }) => JSON.stringify(prompt)));
          for (const { messages } of made.rows) {
            for (const turn of await fixedTurns({ messages }, bench.renderer, bench.model, history)) {
              expect(turn.ok && prompts.has(JSON.stringify([...turn.turn.prompt]))).toBe(true);
            }
          }
          const verdict = await bench.run(validateStage, { model: TINY_GUI }, { generations, rows: made2 });
          expect(verdict.manifest.counts).toMatchObject({ promptsCompared: questions, promptsEqual: questions });
        },
      ),
      { numRuns: 8 },
    );
  });

  it("a run that was cut short, and one that is asked again, send the same", async () => {
    const each = named(fc.sample(dialogues, { numRuns: 12, seed: 7 }));
    for (const history of [{ lastTurns: 1 }, { lastImages: 1, replacement: "(seen)" }] satisfies HistoryOption[]) {
      const whole = await regenerated(each, history, { recheckShare: 1 });
      expect(sent).toHaveLength(2 * whole.rows.reduce((sum, row) => sum + row.turns.length, 0));
      expect(whole.draft.counts.recheck).toMatchObject({ turns: sent.length / 2, equal: sent.length / 2 });
      const resumeDir = await temporaryDirectory();
      const input = await writeArtifact(await temporaryDirectory(), each, SCREENS);
      const options = { servers: [stub.url], model: TINY_GUI, history, concurrency: 2 };
      let runs = 0;
      let resumed: RunResult | undefined;
      while (resumed === undefined) {
        runs += 1;
        const stopping = new AbortController();
        stub.options.delayMs = (n) => {
          if (n % 9 === 8 && runs < 6) stopping.abort();
          return 0;
        };
        resumed = await runStage({ input, options, resumeDir, signal: stopping.signal }).catch((error: unknown) => {
          if (isDraftsmithError(error) && error.code === "INTERRUPTED") return undefined;
          throw error;
        });
      }
      delete stub.options.delayMs;
      expect(runs).toBeGreaterThan(2);
      expect(resumed.generations).toBe(whole.generations);
      const other = { ...options, history: { lastTurns: 2 } };
      await expect(runStage({ input, options: other, resumeDir })).rejects.toMatchObject({
        code: "RESUME_CONFLICT",
        message: expect.stringMatching(/another history: history was .* now it is \{"lastTurns":2\}/),
      });
    }
  });

  it("answers of versions without the option carried all of it", () => {
    const before = { historyContent: "unchanged" };
    expect(changedSettings(before, { ...before, history: "all" })).toEqual([]);
    expect(changedSettings(before, { ...before, history: { lastTurns: 1 } })).toEqual(["history"]);
  });

  it("another history than the data has is found before training, by stage and by option", async () => {
    const made = await regenerated(named(fc.sample(dialogues, { numRuns: 6, seed: 3 })), { lastImages: 1 });
    const generations = await artifactOf(made);
    const other = { model: TINY_GUI, history: "all" };
    await expect(bench.run(tokenizeStage, other, { generations })).rejects.toMatchObject({
      code: "OPTIONS_INVALID",
      message: "the prompts carried the last 1 images, but history declares all of it",
    });
    await expect(bench.run(validateStage, other, { generations })).rejects.toMatchObject({
      code: "VALIDATION_FAILED",
      message: "the prompts of generations carry the last 1 images, but all of it is declared",
    });
    // Facts may be wrong; prompts are compared whatever they say.
    const lying = await bench.artifact("generations", made.rows, { ...made.draft.facts, history: "all" });
    await expect(bench.run(validateStage, { model: TINY_GUI }, { generations: lying })).rejects.toMatchObject({
      code: "VALIDATION_FAILED",
      message: expect.stringContaining("differs from the server's"),
    });
    const rows = await bench.run(tokenizeStage, { model: TINY_GUI, specialText: "keep" }, { generations });
    await expect(bench.run(validateStage, { ...other, keepGoing: false }, { rows })).rejects.toThrow(
      "the prompts of rows carry the last 1 images",
    );
  });
});
