/**
 * Dialogues of eight screenshots and 12,000 tokens the whole way, under each policy of the history: asked of a real
 * server, made into rows and shards, checked, trained on and evaluated, with every token accounted for.
 */
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { readRowsFile, type TokenRow } from "../../src/artifacts/index.js";
import type { JsonObject } from "../../src/base/index.js";
import { type HistoryOption, turnIds } from "../../src/dialogue/index.js";
import { stage as evaluateStage } from "../../src/stages/evaluate/index.js";
import { stage as importStage } from "../../src/stages/import/index.js";
import { stage as shardStage } from "../../src/stages/shard/index.js";
import type { InputArtifact } from "../../src/stages/stage.js";
import { stage as tokenizeStage } from "../../src/stages/tokenize/index.js";
import type { LengthLossData } from "../../src/stages/tokenize/length-loss.js";
import { stage as trainStage } from "../../src/stages/train/index.js";
import { stage as validateStage } from "../../src/stages/validate/index.js";
import { existingPython, type RunningServer, startServer } from "../../src/trainer-process/index.js";
import { scratchDirectory } from "../scratch/scratch.js";
import { picture } from "../stages/import/world.js";
import { runStage } from "../stages/regenerate/harness.js";
import { Workbench } from "../stages/tokenize/workbench.js";
import { recitingTarget } from "./reciting-target.js";

const python = await existingPython();

/** What the target says, whatever it is asked. */
const WORDS = "click at the red";
const DIALOGUES = 2;
const SCREENS = 8;
const CONTEXT = 16_384;
/** Tokens of the screen's description that agents send along, about. */
const DESCRIPTION = 1_250;

function rowOf(number: number): JsonObject {
  const words = (turn: number): string =>
    Array.from({ length: Math.ceil(DESCRIPTION / 6) }, (_, k) => `row ${(k * 7 + turn) % 97} ${number + 1}`).join(" ");
  const messages: JsonObject[] = [{ role: "system", content: "You operate a computer for the user." }];
  for (let turn = 0; turn < SCREENS; turn += 1) {
    const content = [
      { type: "image", image: `${number}-${turn}.png` },
      { type: "text", text: `${words(turn)} Step ${turn}: click the button.` },
    ];
    messages.push({ role: "user", content }, { role: "assistant", content: "Done." });
  }
  return { id: `long ${number}`, messages };
}

describe.skipIf(python === null)("long dialogues (skipped without a Python environment)", () => {
  let bench: Workbench;
  let model: string;
  let server: RunningServer;
  let dialogues: InputArtifact;

  beforeAll(async () => {
    bench = await Workbench.open();
    model = join(scratchDirectory("long-model"), "reciting");
    await recitingTarget(model, CONTEXT, WORDS);
    server = await startServer({ model, servedModelName: "reciting" });
    const images = join(bench.root, "screens");
    await mkdir(images);
    const rows = Array.from({ length: DIALOGUES }, (_, number) => rowOf(number));
    for (let number = 0; number < DIALOGUES; number += 1) {
      for (let turn = 0; turn < SCREENS; turn += 1) {
        await picture(join(images, `${number}-${turn}.png`), 10 * number + turn, 512, 512);
      }
    }
    const source = join(bench.root, "long.jsonl");
    await writeFile(source, rows.map((row) => `${JSON.stringify(row)}\n`).join(""));
    dialogues = await bench.run(importStage, { source: [source], imageRoots: [images] }, {});
  }, 300_000);
  afterAll(async () => {
    await server?.stop();
    await bench?.close();
  });

  async function rowsIn({ path, manifest }: InputArtifact): Promise<TokenRow[]> {
    const rows: TokenRow[] = [];
    for (const file of manifest.files) {
      if (!file.path.endsWith(".arrow") || file.path.includes("images")) continue;
      for await (const row of readRowsFile(join(path, file.path))) rows.push(row);
    }
    return rows;
  }

  const lossOf = ({ manifest }: InputArtifact): LengthLossData => manifest.counts.lengthLoss as LengthLossData;

  it.each<[HistoryOption, { longest: [number, number]; rows: number; images: number }]>([
    ["all", { longest: [12_000, CONTEXT], rows: DIALOGUES, images: SCREENS }],
    // The first two turns share a row: nothing is left out yet.
    [{ lastTurns: 1 }, { longest: [2_000, 4_500], rows: DIALOGUES * (SCREENS - 1), images: 2 }],
    [
      { lastImages: 2, replacement: "[earlier screenshot]" },
      { longest: [10_000, CONTEXT], rows: DIALOGUES * (SCREENS - 1), images: 2 },
    ],
  ])("under %j", { timeout: 900_000 }, async (history, expected) => {
    const asked = { servers: [server.url], model, history, maxNewTokens: 24, concurrency: 2 };
    const made = await runStage({
      input: dialogues,
      options: { ...asked, loops: { policy: "keep", minTokens: 64, minRepeats: 6 } },
    });
    const turns = DIALOGUES * SCREENS;
    expect(made.rows.map((row) => row.turns.length)).toEqual([SCREENS, SCREENS]);
    expect(made.rows[0]!.turns[7]!.text).toBe(WORDS);
    const generations = await bench.artifact("generations", made.rows, made.draft.facts);
    const answers = made.rows
      .flatMap(({ turns }) => turnIds(turns))
      .reduce((sum, { response }) => sum + response.length, 0);

    const rows = await bench.run(tokenizeStage, { model, maxLength: CONTEXT }, { generations });
    const found = await rowsIn(rows);
    expect(found).toHaveLength(expected.rows);
    expect(Math.max(...found.map((row) => row.imageHashes.length))).toBe(expected.images);
    const longest = Number(rows.manifest.counts.longestRow);
    expect(longest).toBeGreaterThan(expected.longest[0]);
    expect(longest).toBeLessThan(expected.longest[1]);
    const masked = found.reduce((sum, row) => sum + row.lossMask.reduce((ones, bit) => ones + bit, 0), 0);
    expect(masked).toBe(answers);
    expect(lossOf(rows)).toMatchObject({ supervisedTokens: answers, lostTokens: 0, turns });

    // Rows of the usual length lose what does not fit, and say where.
    const short = await bench.run(tokenizeStage, { model, maxLength: 6000 }, { generations });
    const kept = (await rowsIn(short)).reduce((sum, row) => sum + row.lossMask.reduce((ones, bit) => ones + bit, 0), 0);
    const loss = lossOf(short);
    expect(kept + loss.lostTokens).toBe(answers);
    expect(loss.lostTokens > 0).toBe(longest > 6000);
    const late = Object.entries(loss.byTurn).filter(([turn]) => Number(turn) >= 5);
    if (longest > 6000) for (const [, { lostShare }] of late) expect(lostShare).toBe(1);

    const shards = await bench.run(shardStage, { heldoutShare: 0.5 }, { rows, dialogues });
    const checked = { dialogues, generations, rows, shards };
    const verdict = await bench.run(validateStage, { model, history }, checked);
    expect(verdict.manifest.counts).toMatchObject({ promptsCompared: turns, promptsEqual: turns, errors: 0 });

    const draft = { layers: 1, blockSize: 4, intermediateSize: 64 };
    const training = { draft, maxSteps: 2, batchSize: 1, anchors: 8, maxLength: CONTEXT, evalRows: 1, device: "cpu" };
    const checkpoints = await bench.run(trainStage, { model, ...training }, { shards });
    const measured = { model, maxLength: CONTEXT, rows: 1, compareRows: 0, untrained: false, device: "cpu" };
    // The cheapest of the three walks its rows a second time.
    const isTraffic = history !== "all" && history.lastTurns !== undefined;
    const traffic = isTraffic ? { traffic: shards } : {};
    const evaluation = await bench.run(evaluateStage, measured, { shards, checkpoints, ...traffic });
    const text = await readFile(join(evaluation.path, "evaluation.json"), "utf8");
    const figures = JSON.parse(text) as { drafts: { trained: JsonObject }; traffic: JsonObject | null };
    const { pooledAcceptLength } = figures.drafts.trained;
    expect(pooledAcceptLength).toBeGreaterThanOrEqual(1);
    // The same rows as traffic: the same figure, and no difference.
    const same = { split: "heldout", pooledAcceptLength, difference: 0 };
    if (isTraffic) expect(figures.traffic).toMatchObject(same);
    else expect(figures.traffic).toBeNull();
  });
});
