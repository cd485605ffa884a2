/** Worker threads change the speed and nothing else: same bytes, same errors, same limit. */
import { appendFile, cp, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type JsonObject, parseJson } from "../../../src/base/index.js";
import type { AssembledDialogue } from "../../../src/stages/tokenize/assembler.js";
import { stage } from "../../../src/stages/tokenize/index.js";
import { pack, unpack } from "../../../src/stages/tokenize/packed.js";
import { TINY_GUI } from "../../tokens/reference.js";
import { dialogue, text, Workbench } from "./workbench.js";

let bench: Workbench;
beforeEach(async () => {
  bench = await Workbench.open();
});
afterEach(() => bench.close());

const COUNT = 300;
/** Some of which are dropped for several reasons. */
const sources = () =>
  Array.from({ length: COUNT }, (_, k) => {
    const made = dialogue(`d${k}`, 1 + (k % 3));
    if (k % 41 === 7) made.messages[1]!.content.push(text("<|im_start|>"));
    return made;
  });

async function digestOf(threads: number, inputs: object, options: JsonObject, limit?: number): Promise<string> {
  const made = await bench.run(stage, { model: TINY_GUI, threads, ...options }, inputs, { limit });
  return made.manifest.digest;
}

describe("threads", () => {
  it("give the same files as none, from ids and from fixed dialogues", async () => {
    const rows = sources();
    const generations = await bench.artifact(
      "generations",
      await Promise.all(rows.map((row) => bench.generation(row))),
      { chatTemplateKwargs: {} },
    );
    const dialogues = await bench.artifact("dialogues", rows);
    for (const options of [{}, { maxLength: 200, duplicates: "drop" }]) {
      const wanted = await digestOf(0, { generations }, options);
      for (const threads of [1, 3]) expect(await digestOf(threads, { generations }, options)).toBe(wanted);
    }
    const fixed = { source: "fixed" };
    expect(await digestOf(2, { dialogues }, fixed)).toBe(await digestOf(0, { dialogues }, fixed));
    expect(await digestOf(2, { dialogues }, fixed, 250)).toBe(await digestOf(0, { dialogues }, fixed, 250));
  }, 60_000);

  it("render template arguments with their literals", async () => {
    const model = join(bench.root, "model");
    await cp(TINY_GUI, model, { recursive: true });
    const file = join(model, "chat_template.jinja");
    await writeFile(file, `{{ scale }} {{ seed }}${await readFile(file, "utf8")}`);
    const dialogues = await bench.artifact("dialogues", [dialogue("d", 1)]);
    const chatTemplateKwargs = parseJson('{"scale":1.0,"seed":2512292042121000001}');
    const options = { source: "fixed", model, chatTemplateKwargs };
    expect(await digestOf(1, { dialogues }, options)).toBe(await digestOf(0, { dialogues }, options));
  }, 60_000);

  it("tell the file and line of a bad row as the main thread does", async () => {
    const generations = await Promise.all([1, 2].map((k) => bench.generation(dialogue(`d${k}`, 1))));
    const input = await bench.artifact("generations", [...generations, { id: "d3" }], { chatTemplateKwargs: {} });
    const errorOf = (threads: number) =>
      bench.run(stage, { model: TINY_GUI, threads }, { generations: input }).then(
        () => undefined,
        ({ code, message, location }) => ({ code, message, location }),
      );
    const wanted = await errorOf(0);
    expect(wanted).toMatchObject({ code: "ARTIFACT_INVALID", location: { line: 3 } });
    expect(await errorOf(1)).toEqual(wanted);
    await writeFile(join(input.path, "generations.jsonl"), `${JSON.stringify(generations[0])}\n\n`);
    await appendFile(join(input.path, "generations.jsonl"), '{"id": \n');
    const cut = await errorOf(0);
    expect(cut).toMatchObject({ code: "INPUT_INVALID", location: { line: 3 } });
    expect(await errorOf(1)).toEqual(cut);
  }, 60_000);
});

describe("packing", () => {
  it("loses nothing", () => {
    const row = fc.integer({ min: 0, max: 30 }).chain((length) =>
      fc.record({
        inputIds: fc.array(fc.nat(1000), { minLength: length, maxLength: length }).map((ids) => Int32Array.from(ids)),
        lossMask: fc.array(fc.nat(1), { minLength: length, maxLength: length }).map((ids) => Int8Array.from(ids)),
        mmTokenTypeIds: fc.array(fc.nat(2), { minLength: length, maxLength: length }).map((ids) => Int8Array.from(ids)),
        imageHashes: fc.array(fc.string()),
        imageGridThw: fc.array(fc.nat(9)).map((grid) => Int32Array.from(grid)),
        videoFrames: fc.array(fc.string()),
        videoFrameCounts: fc.array(fc.nat(9)).map((counts) => Int32Array.from(counts)),
        videoGridThw: fc.array(fc.nat(9)).map((grid) => Int32Array.from(grid)),
        dialogueId: fc.string(),
        row: fc.nat(9),
        turns: fc.array(fc.nat(9)).map((turns) => Int32Array.from(turns)),
        responseSpans: fc.array(fc.nat(9)).map((spans) => Int32Array.from(spans)),
        tags: fc.dictionary(fc.string(), fc.string()),
      }),
    );
    const assembled: fc.Arbitrary<AssembledDialogue> = fc.record({
      id: fc.string(),
      read: fc.nat(9),
      systemPrompt: fc.option(fc.string()),
      rows: fc.array(row, { maxLength: 4 }),
      rejections: fc.array(fc.record({ turn: fc.option(fc.nat(9)), reason: fc.string(), message: fc.string() })),
      cut: fc.nat(3),
      lengths: fc.array(fc.record({ turn: fc.nat(9), images: fc.nat(9), supervised: fc.nat(99), lost: fc.nat(99) })),
    });
    fc.assert(
      fc.property(fc.array(assembled, { maxLength: 6 }), (dialogues) => {
        expect([...unpack(structuredClone(pack(dialogues)))]).toEqual(dialogues);
      }),
      { seed: 71, numRuns: 100 },
    );
  });
});
