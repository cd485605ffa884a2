/** The gate: equal data passes, every kind of disagreement stops with its own message. */
import { createHash } from "node:crypto";
import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import sharp from "sharp";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import {
  openImagesWriter,
  openRowsWriter,
  readRowsFile,
  shardPath,
  type TokenRow,
} from "../../../src/artifacts/index.js";
import { DraftsmithError, type JsonObject, sha256 } from "../../../src/base/index.js";
import { foldIds, type Generation, turnIds } from "../../../src/dialogue/index.js";
import { openModel } from "../../../src/model/index.js";
import { redraw } from "../../../src/pipeline/index.js";
import type { InputArtifact } from "../../../src/stages/stage.js";
import { stage as tokenize } from "../../../src/stages/tokenize/index.js";
import { stage } from "../../../src/stages/validate/index.js";
import { createRenderer } from "../../../src/tokens/index.js";
import { TINY_GUI } from "../../tokens/reference.js";
import { declare, dialogue, SYSTEM, text, Workbench } from "../tokenize/workbench.js";

const TRAIN_FILE = shardPath("train", 0, 1);
const HELDOUT_FILE = shardPath("heldout", 0, 1);

let bench: Workbench;
let generations: Generation[];
beforeEach(async () => {
  bench = await Workbench.open();
  generations = await Promise.all([3, 1, 2].map((turns, index) => bench.generation(dialogue(`d${index + 1}`, turns))));
});
afterEach(() => bench.close());

const facts: JsonObject = { chatTemplateKwargs: {} };

async function validate(
  options: object = {},
  inputs: Partial<Record<"generations" | "dialogues" | "rows" | "shards", InputArtifact>> = {},
) {
  // Most of these dialogues name images that were never drawn.
  return bench.run(stage, { model: TINY_GUI, systemPrompt: declare(SYSTEM), verifyImages: false, ...options }, inputs);
}

async function refusal(run: Promise<unknown>): Promise<DraftsmithError> {
  const error = await run.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(DraftsmithError);
  return error as DraftsmithError;
}

/** A copy of the embedded target with something changed. */
async function otherModel(change: (dir: string) => Promise<void>): Promise<string> {
  const dir = await mkdtemp(join(bench.root, "model-"));
  await cp(TINY_GUI, dir, { recursive: true, filter: (path) => !path.endsWith(".safetensors") });
  await change(dir);
  return dir;
}

async function replaceIn(dir: string, file: string, from: string | RegExp, to: string): Promise<void> {
  const before = await readFile(join(dir, file), "utf8");
  const after = before.replace(from, to);
  expect(after).not.toBe(before);
  await writeFile(join(dir, file), after);
}

describe("data that agrees", () => {
  it("passes with every prompt compared and equal", async () => {
    const input = await bench.artifact("generations", generations, facts);
    const rows = await bench.run(tokenize, { model: TINY_GUI }, { generations: input });
    const result = await validate({}, { generations: input, rows });
    expect(result.manifest.counts).toMatchObject({
      dialogues: 3,
      turns: 6,
      promptsCompared: 6,
      promptsEqual: 6,
      rows: 3,
      rowsComparedWithTurns: 3,
      errors: 0,
    });
    expect(result.manifest.facts).toMatchObject({
      verdict: "good",
      summary: expect.arrayContaining([
        { label: "prompts equal between local rendering and server", value: "100 % (6 of 6)" },
      ]),
    });
    expect(await readFile(join(result.path, "report.txt"), "utf8")).toMatch(/^verdict: good\n/);
    expect(await readFile(join(result.path, "report.html"), "utf8")).toContain("everything that was checked agrees");
    expect(JSON.parse(await readFile(join(result.path, "report.json"), "utf8"))).toMatchObject({ verdict: "good" });
  });

  it("with ids by count alone says that no server was compared", async () => {
    for (const turn of generations[1]!.turns) turn.counted = true;
    const input = await bench.artifact("generations", generations, facts);
    const result = await validate({}, { generations: input });
    expect(result.manifest.counts).toMatchObject({ turns: 6, promptsCompared: 5, promptsEqual: 5, promptsCounted: 1 });
    expect(result.manifest.facts.summary).toEqual(
      expect.arrayContaining([
        { label: "prompts equal between local rendering and server", value: "100 % (5 of 5)" },
        { label: "prompts by count alone, not compared", value: "1" },
      ]),
    );
    expect(await readFile(join(result.path, "report.txt"), "utf8")).toContain("not compared with any server's: 1\n");
    expect(await readFile(join(result.path, "report.html"), "utf8")).toContain("prompts by count alone, not compared");
  });

  it("dialogues alone can be validated before any regeneration", async () => {
    const dialogues = await bench.artifact("dialogues", [dialogue("d1", 2), dialogue("d2", 1)]);
    const result = await validate({}, { dialogues });
    expect(result.manifest.counts).toMatchObject({ dialogues: 2, promptsCompared: 0, errors: 0 });
  });
});

describe("the report", () => {
  it("is drawn again from its figures to the same bytes, whether good or bad", async () => {
    const input = await bench.artifact("generations", generations, facts);
    const good = await validate({}, { generations: input });
    const declared = { systemPrompt: declare("You operate a <b>phone</b>. \u202e Answer briefly.") };
    await refusal(validate({ ...declared, keepGoing: true }, { generations: input }));
    for (const directory of [good.path, bench.lastResumeDir]) {
      const files = ["report.txt", "report.html"].map((name) => join(directory, name));
      const before = await Promise.all(files.map((file) => readFile(file, "utf8")));
      await Promise.all(files.map((file) => rm(file)));
      expect(await redraw("report.json", directory)).toEqual(files);
      expect(await Promise.all(files.map((file) => readFile(file, "utf8")))).toEqual(before);
    }
  });
});

describe("each disagreement stops with its own message", () => {
  it("another system prompt: both named, and the first differing token", async () => {
    const input = await bench.artifact("generations", generations, facts);
    const error = await refusal(
      validate({ systemPrompt: declare("You operate a phone. Answer briefly.") }, { generations: input }),
    );
    expect(error).toMatchObject({ code: "VALIDATION_FAILED", exitCode: 10, location: { id: "d1" } });
    expect(error.message).toContain(`"${SYSTEM}"`);
    expect(error.message).toContain('"You operate a phone. Answer briefly."');
    expect(error.message).toMatch(/first differing token: number \d+, " ?\w+" in the data, " ?\w+" declared/);
    expect(error.frame).toMatch(/declared +in the data/);
    expect(error.hint).toContain(join(bench.lastResumeDir, "report.txt"));
    expect(await readFile(join(bench.lastResumeDir, "report.txt"), "utf8")).toMatch(/^verdict: bad/);
    const page = await readFile(join(bench.lastResumeDir, "report.html"), "utf8");
    expect(page).toContain("there are disagreements");
    expect(page).toMatch(/<tr class="differs first">/);
    const json = JSON.parse(await readFile(join(bench.lastResumeDir, "report.json"), "utf8")) as {
      findings: {
        place: { index: number };
        window: { names: string[]; rows: { differs: boolean; ours: { at: number } | null }[] };
      }[];
    };
    const { place, window } = json.findings[0]!;
    expect(window.names).toEqual(["declared", "in the data"]);
    expect(window.rows.find((row) => row.differs)!.ours!.at).toBe(place.index);
  });

  it("ids by count that another model directory made", async () => {
    const own = await bench.generation(dialogue("d1", 1));
    own.turns[0]!.counted = true;
    const prompt = turnIds(own.turns)[0]!.prompt;
    own.turns[0]!.prompt = { keep: 0, ids: foldIds(prompt.with(-1, 7)) };
    const input = await bench.artifact("generations", [own], facts);
    const error = await refusal(validate({}, { generations: input }));
    expect(error.message).toContain("differs from regenerate's own");
    expect(error.frame).toContain("regenerate's own");
  });

  it("characters cut between tokens: told by their bytes, not by one sign for all", async () => {
    const other = await bench.generation(dialogue("d1", 1, "\u65E5\u672C"));
    const input = await bench.artifact("generations", [other], facts);
    const { frame } = await refusal(validate({ keepGoing: true }, { generations: input }));
    expect(frame).toContain("<0xE6>");
    expect(frame).not.toContain("\uFFFD");
  });

  it("no system prompt where one is declared, and one where none is", async () => {
    const bare = await bench.artifact("generations", [await bench.generation(dialogue("d1", 1, null))], facts);
    expect((await refusal(validate({}, { generations: bare }))).message).toMatch(
      /carry no system prompt, but the system prompt/,
    );
    const input = await bench.artifact("generations", generations, facts);
    expect((await refusal(validate({ systemPrompt: declare(null) }, { generations: input }))).message).toMatch(
      /but no system prompt is declared/,
    );
    await expect(validate({ systemPrompt: declare(null) }, { generations: bare })).resolves.toBeDefined();
  });

  it("one dialogue among many with another prompt", async () => {
    const odd = await bench.generation(dialogue("odd9", 1, `${SYSTEM} `));
    const input = await bench.artifact("generations", [...generations, odd], facts);
    const error = await refusal(validate({}, { generations: input }));
    expect(error.location).toMatchObject({ id: "odd9" });
    expect(error.message).toMatch(/first differing token: number \d+/);
  });

  it("another template on the server", async () => {
    const other = await otherModel((dir) =>
      replaceIn(
        dir,
        "chat_template.jinja",
        "<|im_start|>assistant\\n' }}\n  {%- if enable",
        "<|im_start|>assistant' }}\n  {%- if enable",
      ),
    );
    const renderer = createRenderer(await openModel(other));
    const input = await bench.artifact("generations", [await bench.generation(dialogue("d1", 1), renderer)], facts);
    const error = await refusal(validate({}, { generations: input }));
    expect(error).toMatchObject({ code: "VALIDATION_FAILED", location: { id: "d1" } });
    expect(error.message).toMatch(
      /dialogue d1, turn 0: the prompt rendered here \(\d+ ids\) differs from the server's \(\d+ ids\) at id \d+/,
    );
    expect(error.message).toMatch(/: the server's prompt lacks the trailing newline after assistant$/);
    // The missing line end is the last thing before the answer.
    expect(error.frame).toMatch(/> +\d+ "\\n" \d+ +\(end\)/);
  });

  it("other max_pixels on the server: the run of pads shows both lengths", async () => {
    const other = await otherModel((dir) =>
      replaceIn(dir, "preprocessor_config.json", '"longest_edge": 262144', '"longest_edge": 30000'),
    );
    const renderer = createRenderer(await openModel(other));
    const input = await bench.artifact("generations", [await bench.generation(dialogue("d1", 1), renderer)], facts);
    const error = await refusal(validate({}, { generations: input }));
    expect(error.message).toMatch(
      /: server 24, here 60 pads for a 320x192 image: its max_pixels is between [\d,]+ and 3\d,\d{3} \(here 262,144\)$/,
    );
    expect(error.frame).toMatch(/> +\d+ "<\|image_pad\|>" 1986 x 60 +\d+ "<\|image_pad\|>" 1986 x \d+/);
  });

  it("thinking on in the data, off in the declaration", async () => {
    const thinking = createRenderer(bench.model, { enable_thinking: true });
    const input = await bench.artifact("generations", [await bench.generation(dialogue("d1", 1), thinking)], {
      chatTemplateKwargs: { enable_thinking: true },
    });
    // Taken from the data, the switch fits.
    await expect(validate({}, { generations: input })).resolves.toBeDefined();
    const error = await refusal(validate({ thinking: "off" }, { generations: input }));
    expect(error.message).toMatch(
      /template arguments {"enable_thinking":true}, but {"enable_thinking":false} are declared: thinking is on in the data, off in the declaration/,
    );
  });

  it("thinking on at the server, undeclared", async () => {
    const thinking = createRenderer(bench.model, { enable_thinking: true });
    const input = await bench.artifact("generations", [await bench.generation(dialogue("d1", 1), thinking)], facts);
    expect((await refusal(validate({}, { generations: input }))).message).toMatch(
      /: thinking is on at the server and off here: the prompts open the answer with /,
    );
  });

  it("another tokenizer on the server: the same text in other ids", async () => {
    const generation = await bench.generation(dialogue("d1", 1));
    const { prompt } = turnIds(generation.turns)[0]!;
    // " button" in letters: no server that merges would send that.
    const at = prompt.findIndex((id) => bench.model.tokenizer.tokenOf(id) === "\u0120button");
    expect(at).toBeGreaterThan(0);
    const letters = [..."\u0120button"].map((letter) => bench.model.tokenizer.idOf(letter)!);
    generation.turns[0]!.prompt.ids = foldIds([...prompt.subarray(0, at), ...letters, ...prompt.subarray(at + 1)]);
    const input = await bench.artifact("generations", [generation], facts);
    expect((await refusal(validate({}, { generations: input }))).message).toMatch(
      /: both spell the same text but split it into different tokens: the tokenizers differ$/,
    );
  });

  it("a prompt that the server cut", async () => {
    const generation = await bench.generation(dialogue("d1", 1));
    const { prompt } = turnIds(generation.turns)[0]!;
    generation.turns[0]!.prompt.ids = foldIds(prompt.subarray(80));
    const input = await bench.artifact("generations", [generation], facts);
    expect((await refusal(validate({}, { generations: input }))).message).toMatch(
      /the server saw 0 images|prompt is cut/,
    );
  });

  it("an answer without its stop token", async () => {
    generations[1]!.turns[0]!.response.pop();
    const input = await bench.artifact("generations", generations, facts);
    expect(await refusal(validate({}, { generations: input }))).toMatchObject({
      message: expect.stringContaining("the last id is"),
      location: { id: "d2" },
    });
  });

  it("one id of one prompt", async () => {
    const turn = generations[2]!.turns[1]!;
    const { prompt } = turnIds(generations[2]!.turns)[1]!;
    prompt[prompt.length - 3] = 7;
    turn.prompt = { keep: 0, ids: foldIds(prompt) };
    const input = await bench.artifact("generations", generations, facts);
    const error = await refusal(validate({}, { generations: input }));
    expect(error.message).toContain(
      `dialogue d3, turn 1: the prompt rendered here (${prompt.length} ids) differs from the server's (${prompt.length} ids) at id ${prompt.length - 3}`,
    );
    expect(error.location).toMatchObject({ id: "d3", field: `turn 1, index ${prompt.length - 3}` });
  });

  it("the mask token in the data", async () => {
    generations[0]!.turns[0]!.response.unshift(2000);
    const input = await bench.artifact("generations", generations, facts);
    expect((await refusal(validate({}, { generations: input }))).message).toMatch(/mask token 2000 occurs/);
  });

  it("rows made with another template or processor", async () => {
    const input = await bench.artifact("generations", generations, facts);
    const other = await otherModel((dir) => replaceIn(dir, "chat_template.jinja", "<tools>", "<TOOLS>"));
    const rows = await bench.run(tokenize, { model: other }, { generations: input });
    expect((await refusal(validate({}, { generations: input, rows }))).message).toMatch(
      /rows was made with another chat template/,
    );
  });

  it("keepGoing counts them all", async () => {
    const input = await bench.artifact("generations", generations, facts);
    const error = await refusal(
      validate({ systemPrompt: declare("x"), keepGoing: true, maxShown: 1 }, { generations: input }),
    );
    expect(error.message).toMatch(/\(and 2 more\)$/);
    const report = JSON.parse(await readFile(join(bench.lastResumeDir, "report.json"), "utf8")) as {
      findings: unknown[];
      counts: JsonObject;
    };
    expect(report.findings).toHaveLength(1);
    expect(report.counts).toMatchObject({ promptsEqual: 6, errors: 3 });
  });
});

/** All of one size, so that ids and grids are equal and only hashes can tell. */
describe("one image swapped", () => {
  it("in a turn's record", async () => {
    generations[0]!.turns[1]!.imageHashes[1] = "f".repeat(64);
    const input = await bench.artifact("generations", generations, facts);
    expect((await refusal(validate({}, { generations: input }))).message).toMatch(
      /names other images than its prompt holds: an image was replaced: number 2 is f{12} in the turn/,
    );
  });

  it("between dialogues and generations, and two in another order", async () => {
    const input = await bench.artifact("generations", generations, facts);
    const dialogues = ["d1", "d2", "d3"].map((id, index) => dialogue(id, [3, 1, 2][index]!));
    await expect(
      validate(
        { verifyImages: false },
        { generations: input, dialogues: await bench.artifact("dialogues", dialogues) },
      ),
    ).resolves.toBeDefined();
    const swapped = structuredClone(dialogues);
    Object.assign(swapped[2]!.messages[1]!.content[0]!, { hash: "7".repeat(64) });
    const other = await bench.artifact("dialogues", swapped);
    expect(await refusal(validate({}, { generations: input, dialogues: other }))).toMatchObject({
      message: expect.stringMatching(
        /dialogue d3: an image was replaced: number 1 is [0-9a-f]{12} in the generations, 7{12} in the dialogues/,
      ),
      location: { id: "d3" },
    });
    const turned = structuredClone(dialogues);
    const [first, second] = [turned[0]!.messages[1]!.content, turned[0]!.messages[3]!.content];
    [first[0], second[0]] = [second[0]!, first[0]!];
    const order = await bench.artifact("dialogues", turned);
    expect((await refusal(validate({}, { generations: input, dialogues: order }))).message).toMatch(
      /dialogue d1: images are in a different order: number 1/,
    );
  });

  it("a dialogue that was changed after it was answered, or is not there", async () => {
    const input = await bench.artifact("generations", generations, facts);
    const changed = [dialogue("d1", 3), dialogue("d2", 1), dialogue("d3", 2)];
    changed[1]!.messages[2]!.content[0] = text("Something else.");
    const artifact = await bench.artifact("dialogues", changed);
    expect((await refusal(validate({}, { generations: input, dialogues: artifact }))).message).toMatch(
      /dialogue d2 is no longer the one that was answered/,
    );
    const fewer = await bench.artifact("dialogues", [dialogue("d1", 3), dialogue("d3", 2)]);
    expect((await refusal(validate({}, { generations: input, dialogues: fewer }))).message).toMatch(
      /have no dialogue d2 at its position/,
    );
  });

  it("on disk, under its old name", async () => {
    const draw = (background: string) =>
      sharp({ create: { width: 320, height: 192, channels: 3, background } })
        .png()
        .toBuffer();
    const [shown, other] = await Promise.all([draw("red"), draw("blue")]);
    const hash = createHash("sha256").update(shown).digest("hex");
    const row = dialogue("d1", 1);
    Object.assign(row.messages[1]!.content[0]!, { hash });
    const file = (root: string) => join(root, "images", hash.slice(0, 2), `${hash}.png`);
    const dialogues = await bench.sealed("dialogues", {}, async (directory) => {
      await writeFile(join(directory, "dialogues.jsonl"), `${JSON.stringify(row)}\n`);
      await mkdir(join(file(directory), ".."), { recursive: true });
      await writeFile(file(directory), shown);
    });
    await expect(validate({ verifyImages: true }, { dialogues })).resolves.toMatchObject({
      manifest: { counts: { imagesVerified: 1 } },
    });
    await writeFile(file(dialogues.path), other);
    expect(await refusal(validate({ verifyImages: true }, { dialogues }))).toMatchObject({
      message: expect.stringMatching(/an image of dialogue d1 was swapped, damaged or removed/),
      location: { id: "d1" },
    });
    await rm(file(dialogues.path));
    expect((await refusal(validate({ verifyImages: true }, { dialogues }))).message).toMatch(
      /swapped, damaged or removed/,
    );
  });

  it("in a row, and in a shard", async () => {
    const input = await bench.artifact("generations", generations, facts);
    const made = await bench.run(tokenize, { model: TINY_GUI }, { generations: input });
    const list: TokenRow[] = [];
    for await (const row of readRowsFile(join(made.path, "rows-00000.arrow"))) list.push(row);
    const written = (kind: "rows" | "shards", rows: readonly TokenRow[]) =>
      bench.sealed(kind, made.manifest.facts, async (directory) => {
        const name = kind === "rows" ? "rows-00000.arrow" : TRAIN_FILE;
        await mkdir(join(directory, "rows"));
        const writer = await openRowsWriter(join(directory, name), made.manifest.facts);
        for (const row of rows) await writer.append(row);
        await writer.close();
      });
    const shuffled = [list[2]!, list[0]!, list[1]!];
    const dialogues = await bench.artifact("dialogues", [dialogue("d1", 3), dialogue("d2", 1), dialogue("d3", 2)]);
    await expect(
      validate({}, { generations: input, dialogues, rows: made, shards: await written("shards", shuffled) }),
    ).resolves.toBeDefined();

    const spoilt = structuredClone(shuffled);
    spoilt[1]!.imageHashes = [list[0]!.imageHashes[1]!, list[0]!.imageHashes[0]!, list[0]!.imageHashes[2]!];
    const message = /row 0 of dialogue d1: images are in a different order: number 1/;
    const rows = await written("rows", [spoilt[1]!, ...list.slice(1)]);
    expect((await refusal(validate({}, { generations: input, rows }))).message).toMatch(message);
    expect((await refusal(validate({}, { dialogues, rows }))).message).toMatch(message);
    const shards = await written("shards", spoilt);
    expect((await refusal(validate({}, { generations: input, shards }))).message).toMatch(message);
    expect((await refusal(validate({}, { dialogues, shards }))).message).toMatch(message);
    expect((await refusal(validate({}, { rows: made, shards }))).message).toMatch(
      /row 0 of dialogue d1 differs from the row of that number in the rows artifact/,
    );
  });

  it("in a shard's image files: missing, or other bytes than their hash", async () => {
    const input = await bench.artifact("generations", generations, facts);
    const made = await bench.run(tokenize, { model: TINY_GUI }, { generations: input });
    const png = Buffer.from("not drawn");
    const shards = (hash: string) =>
      bench.sealed("shards", made.manifest.facts, async (directory) => {
        await cp(join(made.path, "rows-00000.arrow"), join(directory, TRAIN_FILE));
        await mkdir(join(directory, "images"));
        const writer = await openImagesWriter(join(directory, shardPath("images", 0, 1)), {});
        await writer.append({ hash, png, width: 1, height: 1 });
        await writer.close();
      });
    const wanted = generations[0]!.turns[0]!.imageHashes[0]!;
    expect((await refusal(validate({}, { shards: await shards(sha256(png)) }))).message).toMatch(
      new RegExp(`image ${wanted} of dialogue d1 is in none of the shards' image files`),
    );
    expect((await refusal(validate({}, { shards: await shards(wanted) }))).message).toMatch(
      new RegExp(`is damaged: the image ${wanted} has another content`),
    );
  });

  it("in any byte of a shard's rows", async () => {
    const input = await bench.artifact("generations", generations, facts);
    const made = await bench.run(tokenize, { model: TINY_GUI }, { generations: input });
    const shards = await bench.sealed("shards", made.manifest.facts, (directory) =>
      cp(join(made.path, "rows-00000.arrow"), join(directory, TRAIN_FILE)),
    );
    const file = join(shards.path, TRAIN_FILE);
    const bytes = await readFile(file);
    bytes[bytes.length >> 1]! ^= 4;
    await writeFile(file, bytes);
    expect(await refusal(validate({}, { shards }))).toMatchObject({
      code: "ARTIFACT_INVALID",
      message: expect.stringContaining(`${TRAIN_FILE} is not what the manifest says`),
    });
  });

  it("nowhere: shards alone are taken as they were made, thinking included", async () => {
    const thinking = createRenderer(bench.model, { enable_thinking: true });
    const made = { chatTemplateKwargs: { enable_thinking: true } };
    const input = await bench.artifact("generations", [await bench.generation(dialogue("d1", 1), thinking)], made);
    const rows = await bench.run(tokenize, { model: TINY_GUI }, { generations: input });
    const shards = await bench.sealed("shards", { rows: rows.manifest.facts }, (directory) =>
      cp(join(rows.path, "rows-00000.arrow"), join(directory, TRAIN_FILE)),
    );
    await expect(validate({}, { shards })).resolves.toMatchObject({
      manifest: { counts: { rows: 0, shardRows: 1, errors: 0 } },
    });
    expect((await refusal(validate({ thinking: "off" }, { shards }))).message).toMatch(
      /thinking is on in the data, off/,
    );
  });

  it("rows of a dialogue that the generations do not hold", async () => {
    const input = await bench.artifact("generations", generations, facts);
    const rows = await bench.run(tokenize, { model: TINY_GUI }, { generations: input });
    const fewer = await bench.artifact("generations", generations.slice(0, 2), facts);
    expect((await refusal(validate({}, { generations: fewer, rows }))).message).toMatch(
      /dialogue d3 is in the rows, but not at its position in the given generations/,
    );
  });
});

describe("rows", () => {
  const spoilt: [string, (row: TokenRow) => void, RegExp][] = [
    [
      "a mask bit too many",
      (row) => {
        row.lossMask[row.responseSpans[0]! - 1] = 1;
      },
      /loss mask and the answer spans differ at id/,
    ],
    [
      "a mask bit too few",
      (row) => {
        row.lossMask[row.responseSpans[1]! - 1] = 0;
      },
      /loss mask and the answer spans differ at id/,
    ],
    [
      "a span without its turn",
      (row) => {
        row.turns = row.turns.subarray(1);
      },
      /0 turns, 1 answer spans/,
    ],
    [
      "a wrong token type",
      (row) => {
        row.mmTokenTypeIds[0] = 1;
      },
      /token type at id 0/,
    ],
    [
      "a grid of another size",
      (row) => {
        row.imageGridThw[2]! += 2;
      },
      /image 1 has 60 tokens, but its size gives/,
    ],
    [
      "an id outside the vocabulary",
      (row) => {
        row.inputIds[1] = 4000;
      },
      /id 4000 is outside the vocabulary/,
    ],
    [
      "the mask token",
      (row) => {
        row.inputIds[1] = 2000;
      },
      /mask token 2000/,
    ],
    [
      "an id that the server did not send",
      (row) => {
        row.inputIds[1] = 11;
      },
      /differs from turn 0 as the server sent it, at id 1/,
    ],
  ];
  it.each(spoilt)("%s is found", async (_, spoil, message) => {
    const generation = [await bench.generation(dialogue("d1", 1))];
    const input = await bench.artifact("generations", generation, facts);
    const made = await bench.run(tokenize, { model: TINY_GUI }, { generations: input });
    const list: TokenRow[] = [];
    for await (const row of readRowsFile(join(made.path, "rows-00000.arrow"))) list.push(row);
    const row = structuredClone(list[0]!);
    spoil(row);
    const rows = await bench.sealed("rows", made.manifest.facts, async (directory) => {
      const writer = await openRowsWriter(join(directory, "rows-00000.arrow"), made.manifest.facts);
      await writer.append(row);
      await writer.close();
    });
    expect((await refusal(validate({}, { generations: input, rows }))).message).toMatch(message);
  });

  it("a dialogue or an image on both sides of the split is found", async () => {
    const input = await bench.artifact("generations", generations, facts);
    const made = await bench.run(tokenize, { model: TINY_GUI, rowsPerFile: 1 }, { generations: input });
    const shards = (heldout: string) =>
      bench.sealed("shards", made.manifest.facts, async (directory) => {
        await cp(join(made.path, "rows-00000.arrow"), join(directory, TRAIN_FILE));
        await cp(join(made.path, heldout), join(directory, HELDOUT_FILE));
      });
    await expect(validate({}, { shards: await shards("rows-00001.arrow") })).resolves.toMatchObject({
      manifest: { counts: { shardRows: 2 } },
    });
    expect((await refusal(validate({}, { shards: await shards("rows-00000.arrow") }))).message).toMatch(
      /dialogue d1 is trained on and held out/,
    );
  });
});

describe("drafts and dialogues", () => {
  it("a draft for another target is refused with the field", async () => {
    const draft = await mkdtemp(join(bench.root, "draft-"));
    await writeFile(
      join(draft, "config.json"),
      JSON.stringify({
        model_type: "qwen3",
        architectures: ["DFlashDraftModel"],
        hidden_size: 256,
        num_hidden_layers: 1,
        num_attention_heads: 2,
        num_key_value_heads: 2,
        head_dim: 64,
        intermediate_size: 64,
        vocab_size: 2048,
        max_position_embeddings: 4096,
        num_target_layers: 8,
        dflash_config: { mask_token_id: 2000, target_layer_ids: [3, 7], block_size: 8 },
      }),
    );
    const error = await refusal(validate({ draft }));
    expect(error.message).toMatch(/target_layer_ids contains 7, but SGLang can capture layers up to 6 only/);
    expect(error.location?.field).toBe("dflash_config.target_layer_ids");
  });

  it("special tokens in text are warned of, since tokenize drops and counts them", async () => {
    const spoofed = dialogue("d1", 1);
    spoofed.messages[1]!.content.push(text("<|im_start|>system"));
    const dialogues = await bench.artifact("dialogues", [spoofed]);
    const result = await validate({}, { dialogues });
    expect(result.manifest.counts).toMatchObject({ warnings: 1, errors: 0 });
    expect(result.events).toContainEqual(expect.objectContaining({ type: "log", level: "warn" }));
  });

  it("images that the processor would resample are warned of", async () => {
    const odd = dialogue("d1", 1);
    Object.assign(odd.messages[1]!.content[0]!, { width: 333, height: 200 });
    const result = await validate({}, { dialogues: await bench.artifact("dialogues", [odd, dialogue("d2", 1)]) });
    expect(result.manifest.counts).toMatchObject({ images: 2, imagesResampled: 1, warnings: 1 });
  });

  it("several system prompts with none declared are warned of", async () => {
    const dialogues = await bench.artifact("dialogues", [dialogue("d1", 1), dialogue("d2", 1, "Other words.")]);
    const result = await validate({ systemPrompt: { policy: "keep" } }, { dialogues });
    expect(result.events).toContainEqual(
      expect.objectContaining({
        message: expect.stringMatching(/carry 2 different system prompts, and none is declared/),
      }),
    );
  });

  it("the draft's own mask token must not stand in the data", async () => {
    const draft = await mkdtemp(join(bench.root, "draft-"));
    const mask = generations[0]!.turns[0]!.response[0] as number;
    await writeFile(
      join(draft, "config.json"),
      JSON.stringify({
        model_type: "qwen3",
        architectures: ["DFlashDraftModel"],
        hidden_size: 256,
        num_hidden_layers: 1,
        num_attention_heads: 2,
        num_key_value_heads: 2,
        head_dim: 64,
        intermediate_size: 64,
        vocab_size: 2048,
        max_position_embeddings: 4096,
        num_target_layers: 8,
        rope_theta: 5_000_000,
        dflash_config: { mask_token_id: mask, target_layer_ids: [3, 4], block_size: 8 },
      }),
    );
    const input = await bench.artifact("generations", generations, facts);
    expect((await refusal(validate({ draft, keepGoing: true }, { generations: input }))).message).toMatch(
      new RegExp(`the mask token ${mask} occurs in the data|mask_token_id`),
    );
  });

  it("nothing to look at, and a server that is not there, are plain errors", async () => {
    expect(await refusal(validate())).toMatchObject({ code: "INPUT_MISSING" });
    expect(await refusal(validate({ server: "http://127.0.0.1:9" }))).toMatchObject({ code: "SERVER_UNREACHABLE" });
  });
});
