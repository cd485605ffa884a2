/** Which dialogues are asked, and what earlier answers spare. */
import { rmSync } from "node:fs";
import { readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Manifest, openArtifact } from "../../../../src/artifacts/index.js";
import { type Dialogue, dialogueDigest } from "../../../../src/dialogue/index.js";
import { runStage as runSealed } from "../../../../src/pipeline/index.js";
import { stage } from "../../../../src/stages/regenerate/index.js";
import { regenerateOptionsSchema } from "../../../../src/stages/regenerate/options.js";
import { Selection } from "../../../../src/stages/regenerate/selection/selection.js";
import type { InputArtifact } from "../../../../src/stages/stage.js";
import { PROBE_REQUESTS, type Stub, startStub } from "../../../sglang-client/stub-server.js";
import { dialogues, runStage, temporaryDirectory, writeArtifact } from "../harness.js";
import { sealedDialogues } from "../sealed.js";

const COUNT = 40;
let stub: Stub;
let input: InputArtifact;
beforeAll(async () => {
  stub = await startStub();
  input = await writeArtifact(await temporaryDirectory(), dialogues(COUNT));
});
afterAll(() => stub.close());

const parse = (options: object) => regenerateOptionsSchema.parse({ servers: ["http://x:1"], ...options });

async function chosen(rows: Dialogue[], options: object): Promise<string[]> {
  const selection = await Selection.of(parse(options));
  const each = async function* () {
    yield* rows;
  };
  await selection.survey(each(), new AbortController().signal);
  const taken = rows.filter((_, place) => selection.reasonAt(place) === undefined);
  expect(selection.chosen).toBe(taken.length);
  expect(taken.map((_, index) => selection.digestAt(index))).toEqual(taken.map(dialogueDigest));
  return taken.map(({ id }) => id);
}

describe("a choice of dialogues", () => {
  it("does not depend on the order, and parts are disjoint and complete", async () => {
    const rows = dialogues(60);
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 6 }),
        fc.option(fc.oneof(fc.integer({ min: 20, max: 70 }), fc.double({ min: 0.4, max: 0.9, noNaN: true })), {
          nil: undefined,
        }),
        fc.integer({ min: 0, max: 5 }),
        fc.shuffledSubarray(rows, { minLength: rows.length }),
        async (count, sample, sampleSeed, shuffled) => {
          const choice = { ...(sample === undefined ? {} : { sample }), sampleSeed };
          const one = sample === undefined ? rows.map(({ id }) => id) : await chosen(rows, choice);
          if (sample !== undefined && sample >= 1) expect(one).toHaveLength(Math.min(sample, rows.length));
          const parts: string[] = [];
          for (let k = 0; k < count; k += 1) {
            const options = { ...choice, partition: `${k}/${count}` };
            const selection = await Selection.of(parse(options));
            // A part of few dialogues may be empty, which a survey refuses.
            const each = async function* () {
              yield* shuffled;
            };
            await selection.survey(each(), new AbortController().signal).catch(() => undefined);
            parts.push(...shuffled.filter((_, place) => selection.reasonAt(place) === undefined).map(({ id }) => id));
          }
          expect(parts.sort()).toEqual([...one].sort());
        },
      ),
      { seed: 11, numRuns: 40 },
    );
  });

  it("by sample is another one with another seed", async () => {
    const rows = dialogues(60);
    expect(await chosen(rows, { sample: 20, sampleSeed: 1 })).not.toEqual(
      await chosen(rows, { sample: 20, sampleSeed: 2 }),
    );
  });

  it("leaves the others out and counts them", async () => {
    const file = join(await temporaryDirectory(), "ids.txt");
    await writeFile(file, "d3\r\nd5\n");
    const { rows, draft } = await runStage({
      input,
      options: { servers: [stub.url], onlyIds: ["d20"], onlyIdsFile: file },
    });
    expect(rows.map(({ id }) => id)).toEqual(["d3", "d5", "d20"]);
    expect(draft.counts).toMatchObject({ read: 3, kept: 3, notChosen: { "only-ids": COUNT - 3 } });
    const sampled = await runStage({ input, options: { servers: [stub.url], sample: 7 } });
    expect(sampled.rows).toHaveLength(7);
    expect(sampled.draft.counts.notChosen).toEqual({ sample: COUNT - 7 });
  });

  it.each([
    ["all", {}, COUNT],
    ["a sample", { sample: 7 }, 7],
    ["a part", { partition: "0/1" }, COUNT],
  ])(
    "of %s reads the input no more once questions are asked: recheck and output come from the ledger",
    async (_, choice, count) => {
      const own = await writeArtifact(await temporaryDirectory(), dialogues(COUNT));
      stub.options.fault = (_n, body) => {
        // Not the probe. The file is so small that its only block has been read.
        if (JSON.stringify(body.messages).includes("Dialogue "))
          rmSync(join(own.path, "dialogues.jsonl"), { force: true });
        return undefined;
      };
      const options = { servers: [stub.url], recheckShare: 1, concurrency: 1, ...choice };
      const { rows, draft } = await runStage({ input: own, options });
      stub.options.fault = undefined;
      expect(rows).toHaveLength(count);
      const turns = rows.reduce((sum, row) => sum + row.turns.length, 0);
      expect(draft.counts).toMatchObject({ read: count, recheck: { turns, equal: turns } });
      const order = dialogues(COUNT).map(({ id }) => id);
      expect(rows.map(({ id }) => order.indexOf(id))).toEqual(
        rows.map(({ id }) => order.indexOf(id)).sort((a, b) => a - b),
      );
    },
  );

  it("counts blank lines as no dialogues", async () => {
    const own = await writeArtifact(await temporaryDirectory(), dialogues(6));
    const file = join(own.path, "dialogues.jsonl");
    await writeFile(file, `\ufeff \n${(await readFile(file, "utf8")).replaceAll("\n", "\n \r\n\n")}`);
    const { rows } = await runStage({ input: own, options: { servers: [stub.url], onlyIds: ["d1", "d4"] } });
    expect(rows.map(({ id }) => id)).toEqual(["d1", "d4"]);
  });

  it("refuses ids that no dialogue has, and choices that make no sense", async () => {
    const run = runStage({ input, options: { servers: [stub.url], onlyIds: ["d3", "nobody"] } });
    await expect(run).rejects.toMatchObject({ code: "INPUT_INVALID", message: "no dialogue has the id nobody" });
    for (const wrong of [
      { sample: 0 },
      { sample: 1.5 },
      { partition: "3/3" },
      { partition: "1" },
      { partition: "1/0" },
    ]) {
      expect(
        regenerateOptionsSchema.safeParse({ servers: ["http://x:1"], ...wrong }).success,
        JSON.stringify(wrong),
      ).toBe(false);
    }
  });
});

async function sealed(
  root: string,
  out: string,
  more: { options?: object; earlier?: string; force?: boolean },
): Promise<Manifest> {
  const inputs = {
    dialogues: join(root, "dialogues"),
    ...(more.earlier === undefined ? {} : { earlier: join(root, more.earlier) }),
  };
  const options = { servers: [stub.url], ...more.options };
  const request = { stage, inputs, out: join(root, out), options };
  return (await runSealed({ ...request, force: more.force === true })).manifest;
}

describe("the input earlier", () => {
  it("spares what was answered: only failed and new dialogues are asked, and all rows come out as from one run", async () => {
    const root = await temporaryDirectory();
    const all = dialogues(COUNT);
    await sealedDialogues(join(root, "dialogues"), all.slice(0, 30));
    const ill = new Set(["Dialogue 4,", "Dialogue 11,"]);
    stub.options.fault = (_, body) =>
      [...ill].some((words) => JSON.stringify(body.messages).includes(words)) ? "error-500" : undefined;
    const first = await sealed(root, "first", { options: { maxFailedShare: 0.5, retries: 0 } });
    expect(first.counts).toMatchObject({ failed: 2, read: 30 });
    stub.options.fault = undefined;
    // Some dialogues are gone, ten are new, and their order is another one.
    await rm(join(root, "dialogues"), { recursive: true });
    const later = [...all.slice(2, 25).reverse(), ...all.slice(30)];
    await sealedDialogues(join(root, "dialogues"), later);
    const before = stub.requests.length;
    const second = await sealed(root, "second", { earlier: "first" });
    const questions = stub.requests.slice(before + PROBE_REQUESTS).map(({ messages }) => JSON.stringify(messages));
    const fresh = /Dialogue (4|11|3\d),/;
    expect(questions.length).toBeGreaterThan(0);
    expect(questions.every((words) => fresh.test(words))).toBe(true);
    expect(second.counts).toMatchObject({ read: later.length, failed: 0 });
    const anew = await sealed(root, "anew", {});
    expect(second.files).toEqual(anew.files);
    expect(second.digest).toBe(anew.digest);
    // Kept as they failed when that is wanted.
    const asTheyWere = await sealed(root, "kept", {
      earlier: "first",
      options: { retryFailed: false, maxFailedShare: 0.5 },
    });
    expect(asTheyWere.counts.failed).toBe(2);
  }, 60_000);

  it("is refused when it was made with other settings, unless told to start anew", async () => {
    const root = await temporaryDirectory();
    await sealedDialogues(join(root, "dialogues"), dialogues(6));
    await sealed(root, "first", { options: { maxNewTokens: 99 } });
    await expect(sealed(root, "second", { earlier: "first" })).rejects.toMatchObject({
      code: "RESUME_CONFLICT",
      message: expect.stringContaining("another maxNewTokens: maxNewTokens was 99, now it is 2048") as string,
    });
    const anew = await sealed(root, "second", { earlier: "first", options: { onConflict: "restart" } });
    expect(anew.counts.read).toBe(6);
    expect(
      (await openArtifact(join(root, "second"), "generations", { verify: true })).manifest.facts.maxNewTokens,
    ).toBe(2048);
  });
});

describe("unfinished work of the same output", () => {
  /** Stops after some requests, as Ctrl-C would. */
  async function interrupted(root: string, options: object): Promise<number> {
    const controller = new AbortController();
    const before = stub.requests.length;
    stub.options.fault = () => {
      if (stub.requests.length - before > 25) controller.abort();
      return undefined;
    };
    const request = {
      stage,
      inputs: { dialogues: join(root, "dialogues") },
      out: join(root, "out"),
    };
    const run = runSealed({
      ...request,
      options: { servers: [stub.url], concurrency: 2, ...options },
      signal: controller.signal,
    });
    await expect(run).rejects.toMatchObject({ code: "INTERRUPTED" });
    stub.options.fault = undefined;
    return stub.requests.length - before - PROBE_REQUESTS;
  }

  it("is continued by a run that chooses other dialogues, and refused with other settings", async () => {
    const root = await temporaryDirectory();
    await sealedDialogues(join(root, "dialogues"), dialogues(COUNT));
    const asked = await interrupted(root, { sample: 30 });
    await expect(sealed(root, "out", { options: { maxNewTokens: 99 } })).rejects.toMatchObject({
      code: "RESUME_CONFLICT",
    });
    const before = stub.requests.length;
    const whole = await sealed(root, "out", {});
    const turns = Number(whole.counts.turns);
    expect(stub.requests.length - before - PROBE_REQUESTS).toBe(turns - asked);
    const undisturbed = await sealed(root, "undisturbed", {});
    expect(whole.files).toEqual(undisturbed.files);
  }, 60_000);

  it("is left aside when told to start anew", async () => {
    const root = await temporaryDirectory();
    await sealedDialogues(join(root, "dialogues"), dialogues(COUNT));
    await interrupted(root, {});
    const options = { maxNewTokens: 99, onConflict: "restart" };
    expect((await sealed(root, "out", { options })).facts.maxNewTokens).toBe(99);
  }, 60_000);
});
