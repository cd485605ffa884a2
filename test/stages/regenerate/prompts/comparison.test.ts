/** Every prompt is compared with the model directory's before its answer is used, whatever servers do and when. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { type JsonObject, sha256 } from "../../../../src/base/index.js";
import type { Dialogue } from "../../../../src/dialogue/index.js";
import type { RegenerateOptions } from "../../../../src/stages/regenerate/options.js";
import type { InputArtifact } from "../../../../src/stages/stage.js";
import { closingStubs } from "../../../sglang-client/closing-stubs.js";
import { directoryModel } from "../../../sglang-client/directory-model.js";
import type { StubModel } from "../../../sglang-client/stub-model.js";
import { type Fault, type StubOptions, startStub } from "../../../sglang-client/stub-server.js";
import { TINY_GUI } from "../../../tokens/reference.js";
import { dialogues, type RunResult, runStage, sizedPicture, temporaryDirectory, writeArtifact } from "../harness.js";

const { stubOf } = closingStubs();
const PICTURES = [sizedPicture(640, 384), sizedPicture(320, 192)];
const QUICK = { model: TINY_GUI, concurrency: 8, retryDelaySeconds: 0.005, healthSeconds: 0.05, serverWaitSeconds: 20 };

const isProbe = (body: JsonObject): boolean => body.max_tokens === 4;
const asks = (body: JsonObject, words: string): boolean => JSON.stringify(body.messages).includes(words);

interface Report {
  prompts: { compared: number; notRendered: Record<string, number>; differing: Record<string, number> };
}

let model: StubModel;
let input: InputArtifact;
let undisturbed: RunResult;

async function inputOf(rows: readonly Dialogue[], pictures = PICTURES): Promise<InputArtifact> {
  return writeArtifact(await temporaryDirectory(), rows, pictures);
}

beforeAll(async () => {
  model = await directoryModel(TINY_GUI);
  input = await inputOf(dialogues(300, PICTURES));
  const calm = await startStub({ model });
  undisturbed = await runStage({ input, options: { servers: [calm.url], ...QUICK } });
  await calm.close();
}, 120_000);

const stub = (options: StubOptions = {}) => stubOf({ model, ...options });

async function reported(
  servers: RegenerateOptions["servers"],
  rows = input,
): Promise<RunResult & { report: Report; notes: string }> {
  const reportDir = await temporaryDirectory();
  const result = await runStage({ input: rows, options: { servers, ...QUICK }, reportDir });
  const report = JSON.parse(await readFile(join(reportDir, "report.json"), "utf8")) as Report;
  const notes = result.events.flatMap((event) => (event.type === "log" ? [event.message] : [])).join("\n");
  return { ...result, report, notes };
}

describe("a server that renders otherwise", () => {
  it("after request 420 is put out of work; nothing that it rendered so is published", async () => {
    const shifting = await stub({ fault: (n) => (n >= 420 ? "prompt-shifted" : undefined) });
    const steady = await stub({ delayMs: () => 10 });
    // One slot beside eight, so that most questions reach the first.
    const { generations, report, notes } = await reported([shifting.url, { url: steady.url, concurrency: 1 }]);
    expect(shifting.requests.length).toBeGreaterThan(420);
    expect(sha256(generations)).toBe(sha256(undisturbed.generations));
    const turns = Number(undisturbed.draft.counts.turns);
    expect(turns).toBeGreaterThan(500);
    expect(report.prompts.compared).toBe(turns);
    expect(report.prompts.differing[shifting.url]).toBeGreaterThan(0);
    expect(report.prompts.differing[steady.url]).toBeUndefined();
    expect(notes).toMatch(
      new RegExp(`${shifting.url} gets no work until it renders prompts correctly: it renders dialogue d\\d+`),
    );
    // Its probes are shifted as well, so it never gets work again.
    expect(notes).not.toContain(`${shifting.url} is back`);
  }, 60_000);

  it.each([0, 1])(
    "once in the first 200 answers loses that answer only, with %d servers beside it",
    async (others) => {
      const once = await stub({ fault: (n) => (n === 60 ? "prompt-shifted" : undefined) });
      const beside = await Promise.all(Array.from({ length: others }, () => stub({ delayMs: () => 3 })));
      const { generations, report, notes } = await reported([once.url, ...beside.map(({ url }) => url)]);
      expect(sha256(generations)).toBe(sha256(undisturbed.generations));
      expect(report.prompts.differing).toEqual({ [once.url]: 1 });
      // Asked again for the same prompt, it gave the right one.
      expect(notes).toContain(`${once.url} is back`);
    },
    60_000,
  );

  it("for one dialogue only stays out of work while it does, though its probes are right", async () => {
    const wrong = (_n: number, body: JsonObject): Fault | undefined =>
      asks(body, "Dialogue 150,") ? "prompt-shifted" : undefined;
    const odd = await stub({ fault: wrong });
    const steady = await stub({ delayMs: () => 2 });
    // Only when nobody else has a free slot: the dialogue must have been asked on the odd one.
    const { generations, notes } = await reported([odd.url]).catch(async (error: unknown) => {
      expect(error).toMatchObject({
        code: "SERVER_REFUSED",
        message: expect.stringContaining("asked again, it renders dialogue d150, turn 0 differently from"),
        frame: expect.stringContaining("here:"),
      });
      return reported([odd.url, steady.url]);
    });
    expect(sha256(generations)).toBe(sha256(undisturbed.generations));
    expect(notes).not.toContain(`${odd.url} is back`);
  }, 60_000);

  it("and is the only one ends the run with the report naming it, and what was answered before is kept", async () => {
    const resumeDir = await temporaryDirectory();
    const reportDir = await temporaryDirectory();
    const alone = await stub({ fault: (n) => (n >= 120 ? "prompt-shifted" : undefined) });
    const run = runStage({ input, options: { servers: [alone.url], ...QUICK }, resumeDir, reportDir });
    await expect(run).rejects.toMatchObject({
      code: "SERVER_REFUSED",
      message: expect.stringContaining("it renders a probe differently from"),
    });
    const report = JSON.parse(await readFile(join(reportDir, "report.json"), "utf8")) as Report;
    expect(report.prompts.differing[alone.url]).toBeGreaterThan(0);
    expect(report.prompts.compared).toBeGreaterThan(100);
    const healed = await stub();
    const result = await runStage({ input, options: { servers: [healed.url], ...QUICK }, resumeDir });
    expect(sha256(result.generations)).toBe(sha256(undisturbed.generations));
    expect(healed.requests.length).toBeLessThan(Number(undisturbed.draft.counts.turns) - 60);
  }, 60_000);
});

describe("a server that returns with a lower hidden max_pixels", () => {
  const lowered = () => directoryModel(TINY_GUI, { maxPixels: 160_000 });

  /** Kills one of two servers and starts it again at the same address. */
  async function withReturn(options: object, returned: StubOptions): Promise<RunResult> {
    const mortal = await startStub({ model, delayMs: () => 12 });
    const steady = await stub({ delayMs: () => 12 });
    const running = runStage({
      input,
      options: { servers: [mortal.url, steady.url], ...QUICK, ...options, retries: 20 },
    });
    while (mortal.requests.length < 60) await new Promise((resolve) => setTimeout(resolve, 2));
    await mortal.close();
    await stubOf({ port: mortal.port, ...returned });
    return running;
  }
  const notesOf = ({ events }: RunResult): string =>
    events.flatMap((event) => (event.type === "log" ? [event.message] : [])).join("\n");

  it("is refused by its rendering of the large probe image", async () => {
    const result = await withReturn({}, { model: await lowered() });
    expect(sha256(result.generations)).toBe(sha256(undisturbed.generations));
    expect(notesOf(result)).toMatch(
      /(gets no work|came back unfit)[^\n]* it renders a probe with an image of 1792x1120 differently/,
    );
  }, 60_000);

  it("is refused without a model directory, since the other servers render that image otherwise", async () => {
    const result = await withReturn({ model: undefined }, { model: await lowered() });
    expect(sha256(result.generations)).toBe(sha256(undisturbed.generations));
    expect(notesOf(result)).toMatch(
      /(gets no work|came back unfit)[^\n]*image of 1792x1120 pixels to \d+ ids[^\n]*perhaps in max_pixels/,
    );
  }, 60_000);

  it("between two requests, unseen by any inspection, is found by the first prompt that is too short", async () => {
    const hidden = await stub({ delayMs: () => 2 });
    const steady = await stub({ delayMs: () => 2 });
    const running = reported([hidden.url, steady.url]);
    while (hidden.requests.length < 60) await new Promise((resolve) => setTimeout(resolve, 2));
    hidden.options.model = await lowered();
    const { generations, report } = await running;
    expect(sha256(generations)).toBe(sha256(undisturbed.generations));
    expect(Object.keys(report.prompts.differing)).toEqual([hidden.url]);
  }, 60_000);
});

describe("a prompt that cannot be rendered here", () => {
  /** The processor refuses images that are more than 200 times as long as they are wide. */
  const THIN = sizedPicture(4200, 20);
  const withThin = (): Dialogue[] => {
    const rows = dialogues(120, PICTURES);
    for (const at of [4, 40]) {
      const { hash, width, height } = THIN;
      rows[at]!.messages.find(({ role }) => role === "user")!.content.unshift({ type: "image", hash, width, height });
    }
    return rows;
  };

  it("is counted, and the comparison goes on", async () => {
    const rows = await inputOf(withThin(), [...PICTURES, THIN]);
    const calm = await stub();
    const whole = await reported([calm.url], rows);
    const turns = Number(whole.draft.counts.turns);
    const { "aspect-ratio": thin } = whole.report.prompts.notRendered;
    expect(thin).toBeGreaterThan(0);
    expect(whole.report.prompts.compared).toBeLessThanOrEqual(turns);
    expect(whole.notes.match(/cannot be rendered here is not compared/g)).toHaveLength(1);
    const shifting = await stub({ fault: (n) => (n >= 60 ? "prompt-shifted" : undefined) });
    const steady = await stub({ delayMs: () => 4 });
    const result = await reported([shifting.url, steady.url], rows);
    expect(result.report.prompts.differing[shifting.url]).toBeGreaterThan(0);
    expect(sha256(result.generations)).toBe(sha256(whole.generations));
    expect(result.rejected).toBe(whole.rejected);
  }, 60_000);

  it("is not believed from a server whose probes have changed", async () => {
    const rows = await inputOf(withThin(), [...PICTURES, THIN]);
    const whole = await reported([(await stub()).url], rows);
    let hasAnswered = false;
    const fault = (n: number, body: JsonObject): Fault | undefined => {
      const isThin = asks(body, "Dialogue 4,");
      if (isThin && !isProbe(body)) hasAnswered = true;
      return hasAnswered && (isThin || isProbe(body)) && n > 2 ? "prompt-shifted" : undefined;
    };
    const changed = await stub({ fault });
    const steady = await stub({ delayMs: () => 3 });
    const result = await reported([changed.url, steady.url], rows);
    expect(hasAnswered).toBe(true);
    expect(sha256(result.generations)).toBe(sha256(whole.generations));
    expect(result.rejected).toBe(whole.rejected);
    expect(result.notes).toContain(
      `${changed.url} gets no work until it renders prompts correctly: it renders a probe`,
    );
  }, 60_000);
});
