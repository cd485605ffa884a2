/** The stage from artifacts to Arrow files: rows repeat turns, every dropped turn is counted with its reason. */
import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { openRowsFile, readRowsFile, type TokenRow } from "../../../src/artifacts/index.js";
import { type JsonObject, sha256 } from "../../../src/base/index.js";
import {
  type Dialogue,
  foldIds,
  type GeneratedTurn,
  type Generation,
  turnIds,
  unfoldIds,
} from "../../../src/dialogue/index.js";
import type { InputArtifact } from "../../../src/stages/stage.js";
import { stage } from "../../../src/stages/tokenize/index.js";
import { stage as validate } from "../../../src/stages/validate/index.js";
import { gridTokens } from "../../../src/tokens/index.js";
import { TINY_GUI } from "../../tokens/reference.js";
import { dialogue, picture, SYSTEM, text, Workbench } from "./workbench.js";

let bench: Workbench;
beforeEach(async () => {
  bench = await Workbench.open();
});
afterEach(() => bench.close());

async function rowsOf(artifact: InputArtifact): Promise<TokenRow[]> {
  const rows: TokenRow[] = [];
  for (const { path } of artifact.manifest.files) {
    if (!path.endsWith(".arrow")) continue;
    for await (const row of readRowsFile(join(artifact.path, path))) rows.push(row);
  }
  return rows;
}

async function rejectedOf(artifact: InputArtifact): Promise<Record<string, unknown>[]> {
  const lines = (await readFile(join(artifact.path, "rejected.jsonl"), "utf8")).split("\n");
  return lines.filter((line) => line !== "").map((line) => JSON.parse(line) as Record<string, unknown>);
}

function eachTurn(generation: Generation, spoil: (turn: GeneratedTurn) => unknown): void {
  for (const turn of generation.turns) spoil(turn);
}

function resizePictures(generation: Generation, width: number, height: number): void {
  for (const { content } of generation.messages) {
    for (const part of content) if (part.type === "image") Object.assign(part, { width, height });
  }
}

async function tokenizeIds(generations: Generation[], options: object = {}) {
  const input = await bench.artifact("generations", generations, { chatTemplateKwargs: {} });
  return bench.run(stage, { model: TINY_GUI, ...options }, { generations: input });
}

const frameHashes = (first: number, frames: number) =>
  Array.from({ length: frames }, (_, frame) => sha256(`frame ${first + frame}`));
const video = (first: number, frames: number): Dialogue["messages"][number]["content"][number] => ({
  type: "video",
  frames: frameHashes(first, frames).map((hash) => ({ hash, width: 64, height: 64 })),
  fps: 2,
  indices: Array.from({ length: frames }, (_, frame) => frame),
});

describe("source ids", () => {
  it("rows hold the server's ids, masks on the answers, grids of the images", async () => {
    const generations = await Promise.all([bench.generation(dialogue("d1", 3)), bench.generation(dialogue("d2", 1))]);
    const artifact = await tokenizeIds(generations);
    const rows = await rowsOf(artifact);
    expect(rows.map((row) => [row.dialogueId, row.row, [...row.turns]])).toEqual([
      ["d1", 0, [0, 1, 2]],
      ["d2", 0, [0]],
    ]);
    for (const row of rows) {
      const turns = turnIds(generations.find((generation) => generation.id === row.dialogueId)!.turns);
      let supervised = 0;
      for (const [place, turn] of row.turns.entries()) {
        const [start, end] = [row.responseSpans[2 * place]!, row.responseSpans[2 * place + 1]!];
        expect([...row.inputIds.subarray(0, start)]).toEqual([...turns[turn]!.prompt]);
        expect([...row.inputIds.subarray(start, end)]).toEqual([...turns[turn]!.response]);
        supervised += end - start;
      }
      expect(row.lossMask.reduce((sum, bit) => sum + bit, 0)).toBe(supervised);
      const pads = row.mmTokenTypeIds.reduce((sum, type) => sum + type, 0);
      const grids = row.imageHashes.map((_, k) =>
        gridTokens([...row.imageGridThw.subarray(3 * k, 3 * k + 3)] as [number, number, number], 2),
      );
      expect(pads).toBe(grids.reduce((sum, count) => sum + count, 0));
    }
    expect(artifact.manifest.counts).toMatchObject({ read: 4, kept: 4, rejected: {}, rows: 2, dialogues: 2 });
    expect(artifact.manifest.facts).toMatchObject({
      systemPrompts: { distinct: 1, most: [{ text: SYSTEM, dialogues: 2 }] },
    });
  });

  it("the file's metadata carries the model's fingerprints", async () => {
    const artifact = await tokenizeIds([await bench.generation(dialogue("d1", 1))]);
    const file = await openRowsFile(join(artifact.path, "rows-00000.arrow"));
    // Without videos nothing hangs on what decides over them.
    const { video: _, ...fingerprints } = bench.model.fingerprints;
    expect(file.metadata.model).toEqual(fingerprints);
    expect(file.metadata).toMatchObject({
      imageTokenId: 1986,
      maskTokenId: 2000,
      schemaVersion: 1,
    });
    await file.close();
  });

  it("equal inputs give equal bytes, and files are split by rowsPerFile", async () => {
    const generations = await Promise.all([1, 2, 3].map((number) => bench.generation(dialogue(`d${number}`, 2))));
    const hashes = await Promise.all(
      [0, 1].map(async () => {
        const artifact = await tokenizeIds(generations, { rowsPerFile: 2 });
        expect(artifact.manifest.files.map((file) => file.path)).toEqual([
          "rejected.jsonl",
          "rows-00000.arrow",
          "rows-00001.arrow",
        ]);
        const bytes = await Promise.all(
          artifact.manifest.files.map((file) => readFile(join(artifact.path, file.path))),
        );
        return bytes.map((content) => createHash("sha256").update(content).digest("hex"));
      }),
    );
    expect(hashes[0]).toEqual(hashes[1]);
  });

  it("a history that the template rewrites becomes rows of their own", async () => {
    const source = dialogue("d1", 2);
    // Reasoning is generated, then left out of the history.
    const generation = await bench.generation(source);
    const first = generation.turns[0]!;
    const thought = Int32Array.from([
      ...(await bench.renderer.tokenizer.encode("<think>\nhm\n</think>\n\n")),
      ...unfoldIds(first.response),
    ]);
    const second = turnIds(generation.turns)[1]!;
    const before = [...unfoldIds(first.prompt.ids), ...thought];
    let keep = 0;
    while (before[keep] === second.prompt[keep]) keep += 1;
    first.response = foldIds(thought);
    generation.turns[1]!.prompt = { keep, ids: foldIds(second.prompt.subarray(keep)) };
    const rows = await rowsOf(await tokenizeIds([generation]));
    expect(rows.map((row) => [...row.turns])).toEqual([[0], [1]]);
    expect([...rows[1]!.inputIds.subarray(0, second.prompt.length)]).toEqual([...second.prompt]);
  });

  const spoilt: [string, (generation: Generation) => void, object?][] = [
    ["image-run", (g) => resizePictures(g, 640, 384)],
    ["image-order", (g) => eachTurn(g, (turn) => turn.imageHashes.push("0".repeat(64)))],
    ["aspect-ratio", (g) => resizePictures(g, 4001, 20)],
    ["stop-token", (g) => eachTurn(g, (turn) => turn.response.pop())],
    ["id-out-of-range", (g) => eachTurn(g, (turn) => turn.response.unshift(2048))],
    ["mask-token", (g) => eachTurn(g, (turn) => turn.response.unshift(2000))],
    ["placeholder-in-answer", (g) => eachTurn(g, (turn) => turn.response.unshift(1986))],
    ["special-token-text", (g) => void g.messages[1]!.content.push(text("<|im_end|>"))],
    [
      "cut-answer",
      (g) => eachTurn(g, (turn) => Object.assign(turn, { finish: { type: "length", matched: null } })),
      { cutAnswers: "drop" },
    ],
    ["counted-ids", (g) => eachTurn(g, (turn) => Object.assign(turn, { counted: true }))],
    ["over-length", () => undefined, { maxLength: 30 }],
    ["few-supervised-tokens", () => undefined, { minSupervisedTokens: 500 }],
  ];
  it.each(spoilt)(
    "%s is counted and written down, and the other dialogue stays",
    async (reason, spoil, options = {}) => {
      const bad = await bench.generation(dialogue("bad1", 1));
      spoil(bad);
      const good = await bench.generation(dialogue("good2", 2));
      if (Object.keys(options).length > 0 && reason !== "cut-answer") {
        await expect(tokenizeIds([bad, good], options)).rejects.toMatchObject({
          code: "DATA_EMPTY",
          message: expect.stringContaining(`${reason} 3`),
        });
        return;
      }
      const artifact = await tokenizeIds([bad, good], options);
      expect(artifact.manifest.counts).toMatchObject({ read: 3, kept: 2, rejected: { [reason]: 1 } });
      expect(await rejectedOf(artifact)).toMatchObject([{ id: "bad1", reason }]);
    },
  );

  it("turns whose ids were only counted stay where that is said, in rows that tell", async () => {
    const own = await bench.generation(dialogue("own1", 1));
    eachTurn(own, (turn) => Object.assign(turn, { counted: true }));
    own.tags = { kind: "a" };
    const exact = await bench.generation(dialogue("exact2", 1));
    const artifact = await tokenizeIds([own, exact], { countedIds: "keep" });
    expect(artifact.manifest.counts).toMatchObject({ read: 2, kept: 2, rejected: {} });
    const tags = (await rowsOf(artifact)).map((row) => ({ ...row.tags }));
    expect(tags).toEqual([{ kind: "a", "counted-ids": "true" }, {}]);
    await expect(tokenizeIds([own])).rejects.toMatchObject({
      code: "DATA_EMPTY",
      hint: expect.stringContaining("countedIds: keep"),
    });
  });

  it("a limit anywhere in a later turn, its image run included, keeps the turns before it whole", async () => {
    const generation = await bench.generation(dialogue("d1", 3));
    const turns = turnIds(generation.turns);
    const third = turns[2]!;
    const { imagePad } = bench.model.specialIds;
    const run = third.prompt.lastIndexOf(imagePad);
    expect(third.prompt[run - 10]).toBe(imagePad);
    const end = turns[1]!.prompt.length + turns[1]!.response.length;
    // Behind the second answer, before, within and behind the third picture's pads, and one id short of two supervised ones.
    for (const maxLength of [end, run - 60, run - 10, run, run + 1, third.prompt.length + 1]) {
      for (const overLength of ["drop", "truncate"]) {
        const artifact = await tokenizeIds([generation], { maxLength, overLength });
        const [row, ...others] = await rowsOf(artifact);
        expect(others).toEqual([]);
        expect(row!.inputIds).toEqual(Int32Array.from([...turns[1]!.prompt, ...turns[1]!.response]));
        const pads = row!.inputIds.filter((id) => id === imagePad).length;
        expect(pads).toBe(2 * gridTokens([1, 12, 20], 2));
        expect(row!.imageHashes).toHaveLength(2);
        expect(artifact.manifest.counts).toMatchObject({ kept: 2, cutAnswers: 0, rejected: { "over-length": 1 } });
      }
    }
  });

  it("truncate cuts the answer that does not fit and keeps image runs whole", async () => {
    const generation = await bench.generation(dialogue("d1", 2));
    const [first, second] = turnIds(generation.turns);
    const limit = second!.prompt.length + 5;
    const artifact = await tokenizeIds([generation], { maxLength: limit, overLength: "truncate" });
    const [row] = await rowsOf(artifact);
    expect(row!.inputIds.length).toBe(limit);
    expect([...row!.responseSpans]).toEqual([
      first!.prompt.length,
      first!.prompt.length + first!.response.length,
      limit - 5,
      limit,
    ]);
    expect(artifact.manifest.counts).toMatchObject({ kept: 2, cutAnswers: 1 });
    // With the same limit, drop keeps the first turn alone.
    const dropped = await tokenizeIds([generation], { maxLength: limit });
    expect(dropped.manifest.counts).toMatchObject({ kept: 1, rejected: { "over-length": 1 }, rows: 1 });
  });

  it("rows that repeat an earlier one are dropped where that is wanted", async () => {
    const generation = await bench.generation(dialogue("d1", 2));
    const list = [generation, { ...generation, id: "again" }, await bench.generation(dialogue("d2", 1))];
    expect((await tokenizeIds(list)).manifest.counts).toMatchObject({ rows: 3, kept: 5 });
    const artifact = await tokenizeIds(list, { duplicates: "drop" });
    expect(artifact.manifest.counts).toMatchObject({ read: 5, kept: 3, rows: 2, rejected: { duplicate: 2 } });
    expect(await rejectedOf(artifact)).toMatchObject([{ id: "again" }, { id: "again" }]);
  });

  it("--limit takes the first dialogues", async () => {
    const generations = await Promise.all([1, 2, 3].map((number) => bench.generation(dialogue(`d${number}`, 1))));
    const input = await bench.artifact("generations", generations);
    const artifact = await bench.run(stage, { model: TINY_GUI }, { generations: input }, { limit: 2 });
    expect(artifact.manifest.counts).toMatchObject({ dialogues: 2 });
  });

  it("a line of another shape is named with file and line; a missing input is an error", async () => {
    const input = await bench.artifact("generations", [await bench.generation(dialogue("d1", 1)), { id: "x" }]);
    await expect(bench.run(stage, { model: TINY_GUI }, { generations: input })).rejects.toMatchObject({
      code: "ARTIFACT_INVALID",
      location: { line: 2 },
    });
    await expect(bench.run(stage, { model: TINY_GUI }, {})).rejects.toMatchObject({ code: "INPUT_MISSING" });
  });

  it("an aborted run ends as interrupted", async () => {
    const input = await bench.artifact("generations", [await bench.generation(dialogue("d1", 1))]);
    const signal = AbortSignal.abort();
    await expect(bench.run(stage, { model: TINY_GUI }, { generations: input }, { signal })).rejects.toMatchObject({
      code: "INTERRUPTED",
    });
  });
});

describe("the system prompt of source fixed", () => {
  const others = () =>
    bench.artifact("dialogues", [dialogue("d1", 2), dialogue("d2", 1, "Other."), dialogue("d3", 1, null)]);
  const fixed = (systemPrompt: object, dialogues: InputArtifact) =>
    bench.run(stage, { model: TINY_GUI, source: "fixed", systemPrompt }, { dialogues });

  it("is set in every dialogue, as if the data had come with it", async () => {
    const artifact = await fixed({ policy: "set", text: "Act." }, await others());
    const written = await bench.artifact("dialogues", [
      dialogue("d1", 2, "Act."),
      dialogue("d2", 1, "Act."),
      dialogue("d3", 1, "Act."),
    ]);
    expect(await rowsOf(artifact)).toEqual(await rowsOf(await fixed({ policy: "keep" }, written)));
    expect(artifact.manifest.facts).toMatchObject({
      systemPrompt: { policy: "set", text: "Act." },
      systemPrompts: { distinct: 1 },
    });
    const bare = await fixed({ policy: "set", text: "" }, await others());
    expect(bare.manifest.facts.systemPrompts).toMatchObject({ most: [{ text: null, dialogues: 3 }] });
  });

  it("is wanted of every dialogue; others are rejected with regenerate's reason, all turns counted", async () => {
    const artifact = await fixed({ policy: "refuse-if-different", text: SYSTEM }, await others());
    expect(artifact.manifest.counts).toMatchObject({ read: 4, kept: 2, rejected: { "system-prompt-differs": 2 } });
    expect((await rejectedOf(artifact)).map(({ id }) => id)).toEqual(["d2", "d3"]);
  });

  it("is what validate then renders dialogues with", async () => {
    const dialogues = await others();
    const rows = await fixed({ policy: "set", text: "Act." }, dialogues);
    const options = { model: TINY_GUI, verifyImages: false, systemPrompt: { policy: "set", text: "Act." } };
    const verdict = await bench.run(validate, options, { dialogues, rows });
    expect(verdict.manifest).toMatchObject({ facts: { verdict: "good" }, counts: { dialogues: 3, systemPrompts: 1 } });
    await expect(bench.run(validate, options, { dialogues })).rejects.toThrow(/carry the system prompt/);
  });
});

describe("source ids with declared options", () => {
  const facts = {
    systemPrompt: { policy: "set", text: "T", sha256: "" },
    chatTemplateKwargs: { enable_thinking: true },
  };
  const run = async (options: object, more = facts as object) => {
    const input = await bench.artifact("generations", [await bench.generation(dialogue("d1", 1))], more as JsonObject);
    return bench.run(stage, { model: TINY_GUI, ...options }, { generations: input });
  };

  it("takes those that the answers were generated with", async () => {
    const same = { systemPrompt: { policy: "refuse-if-different", text: "T" }, thinking: "on" };
    await expect(run(same)).resolves.toBeDefined();
    await expect(run({ chatTemplateKwargs: { enable_thinking: true } })).resolves.toBeDefined();
  });

  it("refuses others, naming the artifact and the option", async () => {
    await expect(run({ systemPrompt: { policy: "set", text: "U" } })).rejects.toMatchObject({
      code: "OPTIONS_INVALID",
      message:
        'the answers were generated under the system prompt "T", but systemPrompt declares the system prompt "U"',
      location: { field: "systemPrompt" },
    });
    const kept = { ...facts, systemPrompt: { policy: "keep", text: null, sha256: null } };
    await expect(run({ systemPrompt: { policy: "set", text: "" } }, kept)).rejects.toThrow(/each dialogue's own/);
    await expect(run({ thinking: "off" })).rejects.toThrow(
      /\{"enable_thinking":true\}, but \{"enable_thinking":false\}/,
    );
    await expect(run({ chatTemplateKwargs: { a: 1 } })).rejects.toMatchObject({
      location: { field: "chatTemplateKwargs" },
    });
  });
});

describe("source fixed", () => {
  it("gives the same rows as a server that answers with the dialogue's own words", async () => {
    const sources = [dialogue("d1", 3), dialogue("d2", 1, null)];
    const dialogues = await bench.artifact("dialogues", sources);
    const fixed = await rowsOf(await bench.run(stage, { model: TINY_GUI, source: "fixed" }, { dialogues }));
    const served = await rowsOf(
      await tokenizeIds(await Promise.all(sources.map((source) => bench.generation(source)))),
    );
    expect(fixed).toEqual(served);
  });

  it("videos: never cut, told apart by their frames, and none in what a server generated", async () => {
    const clip = (id: string, first: number, frames = 5): Dialogue => ({
      ...dialogue(id, 0, null),
      messages: [
        { role: "user", content: [text("What happens?"), video(first, frames)] },
        { role: "assistant", content: [text("The window opens, then it closes again.")] },
      ],
    });
    const list = [clip("a", 0), clip("same", 0), clip("other", 1), clip("short", 0, 1)];
    const dialogues = await bench.artifact("dialogues", list);
    const options = { model: TINY_GUI, source: "fixed", duplicates: "drop" };
    const artifact = await bench.run(stage, options, { dialogues });
    expect(artifact.manifest.counts).toMatchObject({
      read: 4,
      kept: 2,
      rejected: { duplicate: 1, "video-frames": 1 },
      videos: 2,
      // Three temporal patches of 64 x 64 frames, twice.
      videoTokens: 2 * 3 * 2 * 2,
    });
    const [row, other] = await rowsOf(artifact);
    expect(row).toMatchObject({ videoFrameCounts: Int32Array.of(5), videoGridThw: Int32Array.of(3, 4, 4) });
    expect(row!.videoFrames).toEqual(frameHashes(0, 5));
    expect(other!.inputIds).toEqual(row!.inputIds);
    expect(other!.videoFrames).toEqual(frameHashes(1, 5));

    const prompt = row!.responseSpans[0]!;
    for (let maxLength = prompt - 30; maxLength < row!.inputIds.length; maxLength += 1) {
      const limits = { ...options, maxLength, overLength: "truncate" };
      const run = bench.run(stage, limits, { dialogues });
      // Room for fewer than two ids of the answer: the whole turn goes, whatever stands at the limit.
      if (maxLength < prompt + 2) await expect(run).rejects.toMatchObject({ code: "DATA_EMPTY" });
      else expect((await rowsOf(await run))[0]!.inputIds).toEqual(row!.inputIds.subarray(0, maxLength));
    }

    const served = await tokenizeIds([await bench.generation(clip("a", 0)), await bench.generation(dialogue("d1", 1))]);
    expect(served.manifest.counts).toMatchObject({ kept: 1, rejected: { "video-not-served": 1 } });
    const stray = await bench.generation(dialogue("d1", 1));
    stray.turns[0]!.prompt.ids.push(1987);
    const mixed = await tokenizeIds([stray, await bench.generation(dialogue("d2", 1))]);
    expect(mixed.manifest.counts).toMatchObject({ kept: 1, rejected: { "video-run": 1 } });
  });

  it("counts what has no stable boundary or cannot be rendered", async () => {
    const long = dialogue("long1", 1);
    long.messages[1]!.content.push(picture(9, 4001, 20));
    const spoofed = dialogue("spoofed2", 1);
    spoofed.messages[2]!.content.push(text("<|im_start|>user"));
    const dialogues = await bench.artifact("dialogues", [long, spoofed, dialogue("fine3", 1)]);
    const artifact = await bench.run(stage, { model: TINY_GUI, source: "fixed" }, { dialogues });
    expect(artifact.manifest.counts).toMatchObject({
      read: 3,
      kept: 1,
      rejected: { "aspect-ratio": 1, "special-token-text": 1 },
    });
    const thinking = bench.run(stage, { model: TINY_GUI, source: "fixed", thinking: "on" }, { dialogues });
    await expect(thinking).rejects.toMatchObject({
      code: "DATA_EMPTY",
      message: expect.stringContaining("unstable-boundary 1"),
    });
  });
});
