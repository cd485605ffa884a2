/** Named dialogues lose their earlier answers and are asked again, once, however often the run is killed meanwhile. */
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import fc from "fast-check";
import { beforeAll, describe, expect, it } from "vitest";
import type { JsonObject } from "../../../../src/base/index.js";
import type { InputArtifact } from "../../../../src/stages/stage.js";
import { closingStubs } from "../../../sglang-client/closing-stubs.js";
import { directoryModel } from "../../../sglang-client/directory-model.js";
import { type Fault, PROBE_REQUESTS, startStub } from "../../../sglang-client/stub-server.js";
import { TINY_GUI } from "../../../tokens/reference.js";
import {
  dialogues,
  generationsOf,
  lines,
  type RunResult,
  runStage,
  sizedPicture,
  temporaryDirectory,
  validateGenerations,
  writeArtifact,
} from "../harness.js";

const { stubOf } = closingStubs();
const COUNT = 30;
const NAMED = ["d3", "d10", "d29"];

let input: InputArtifact;
/** Of another model: every answer differs from those of a stub without salt. */
let wrong: RunResult & { directory: string };
let right: RunResult;

const rowOf = (text: string, id: string): string =>
  text.split("\n").find((line) => (line === "" ? "" : (JSON.parse(line) as { id: string }).id) === id)!;

/** The rows of one run, with those of another for some dialogues. */
function mixed(rows: string, others: string, ids: readonly string[]): string {
  const all = lines(rows).map((row) => (row as { id: string }).id);
  return all.map((id) => `${rowOf(ids.includes(id) ? others : rows, id)}\n`).join("");
}

async function answeredBy(salt: number | undefined): Promise<typeof wrong> {
  const server = await startStub(salt === undefined ? {} : { salt });
  const directory = await temporaryDirectory();
  const result = await runStage({ input, options: { servers: [server.url] }, workDir: directory });
  await server.close();
  return { ...result, directory };
}

beforeAll(async () => {
  input = await writeArtifact(await temporaryDirectory(), dialogues(COUNT));
  wrong = await answeredBy(5);
  right = await answeredBy(undefined);
});

const turnsOf = (ids: readonly string[]): number =>
  right.rows.filter(({ id }) => ids.includes(id)).reduce((sum, { turns }) => sum + turns.length, 0);

describe("dialogues to redo", () => {
  it("of a finished output are asked again, all others are taken over as they are", async () => {
    const stub = await stubOf();
    const options = { servers: [stub.url], redo: NAMED };
    const { generations, events } = await runStage({ input, earlier: generationsOf(wrong.directory, wrong), options });
    expect(generations).toBe(mixed(wrong.generations, right.generations, NAMED));
    expect(stub.requests).toHaveLength(turnsOf(NAMED) + PROBE_REQUESTS);
    expect(JSON.stringify(events)).toContain("as are 3 named to be redone");
  });

  it("of an unfinished run are dropped once: its continuation keeps the new answers, wherever the journal ends", async () => {
    const resumeDir = await temporaryDirectory();
    const journal = join(resumeDir, "journal.jsonl");
    const salted = await stubOf({ salt: 5 });
    await runStage({ input, options: { servers: [salted.url], recheckShare: 1 }, resumeDir });
    const before = (await readFile(journal)).length;
    const stub = await stubOf();
    const options = { servers: [stub.url], redo: NAMED, concurrency: 2 };
    const whole = await runStage({ input, options, resumeDir });
    expect(whole.generations).toBe(mixed(wrong.generations, right.generations, NAMED));
    expect(stub.requests).toHaveLength(turnsOf(NAMED) + PROBE_REQUESTS);
    const bytes = await readFile(journal);
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: before, max: bytes.length }), async (cut) => {
        const again = await temporaryDirectory();
        await writeFile(join(again, "journal.jsonl"), bytes.subarray(0, cut));
        const asked = stub.requests.length;
        const result = await runStage({ input, options, resumeDir: again });
        expect(result.generations).toBe(whole.generations);
        expect(result.draft).toEqual(whole.draft);
        const answered = bytes.subarray(before, cut).toString().split("\n").slice(0, -1);
        const isLost = answered.length < bytes.subarray(before).toString().split("\n").length - 1;
        const questions = stub.requests.length - asked - PROBE_REQUESTS;
        expect(questions).toBeLessThanOrEqual(turnsOf(NAMED));
        if (!isLost) expect(questions).toBe(0);
      }),
      { seed: 12, numRuns: 20 },
    );
    // Another request, another time.
    const asked = stub.requests.length;
    await runStage({ input, options: { ...options, redo: ["d3"] }, resumeDir });
    expect(stub.requests.length - asked - PROBE_REQUESTS).toBe(turnsOf(["d3"]));
  }, 60_000);

  it("must exist, and need earlier answers", async () => {
    const { url } = await stubOf();
    const unknown = runStage({
      input,
      earlier: generationsOf(wrong.directory, wrong),
      options: { servers: [url], redo: ["d3", "x"] },
    });
    await expect(unknown).rejects.toMatchObject({
      code: "INPUT_INVALID",
      message: "no dialogue has the id x",
      location: { field: "redo" },
    });
    await expect(runStage({ input, options: { servers: [url], redo: ["d3"] } })).rejects.toMatchObject({
      code: "OPTIONS_INVALID",
      location: { field: "redo" },
    });
    const notReport = join(await temporaryDirectory(), "report.json");
    await writeFile(notReport, '{"stage":"evaluate"}');
    const from = runStage({
      input,
      earlier: generationsOf(wrong.directory, wrong),
      options: { servers: [url], redoFrom: notReport },
    });
    await expect(from).rejects.toMatchObject({ code: "INPUT_INVALID", location: { file: notReport } });
  });
});

describe("a report of validate", () => {
  it("names the dialogues whose prompts a server got wrong; asked again, validate finds nothing", async () => {
    const pictures = [sizedPicture(640, 384)];
    const own = await writeArtifact(await temporaryDirectory(), dialogues(COUNT, pictures), pictures);
    const model = await directoryModel(TINY_GUI);
    const shifts = (_n: number, body: JsonObject): Fault | undefined =>
      /Dialogue (7|25), turn 0/.test(JSON.stringify((body.messages as JsonObject[]).at(-1)))
        ? "prompt-shifted"
        : undefined;
    const shifting = await stubOf({ model, fault: shifts });
    const workDir = await temporaryDirectory();
    // Without `model` nothing is compared.
    const made = await runStage({ input: own, options: { servers: [shifting.url] }, workDir });
    const earlier = generationsOf(workDir, made);
    const { disagreeing, file } = await validateGenerations(TINY_GUI, earlier);
    expect(disagreeing.prompt).toEqual(["d7", "d25"]);
    const calm = await stubOf({ model });
    const healedDir = await temporaryDirectory();
    const options = { servers: [calm.url], redoFrom: file };
    const healed = await runStage({ input: own, earlier, options, workDir: healedDir });
    expect(calm.requests.length).toBeLessThanOrEqual(2 * 3 + PROBE_REQUESTS);
    const verdict = await validateGenerations(TINY_GUI, generationsOf(healedDir, healed));
    expect(verdict).toMatchObject({ verdict: "good", disagreeing: {} });
    const undisturbed = await runStage({ input: own, options: { servers: [calm.url] } });
    expect(healed.generations).toBe(undisturbed.generations);
  }, 60_000);
});
