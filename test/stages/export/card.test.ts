/** The card of an exported draft: written by the real export, with the figures that there are and no others. */
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { parse } from "yaml";
import { openArtifact, sealDirectory } from "../../../src/artifacts/index.js";
import type { JsonObject } from "../../../src/base/index.js";
import { type ModelDirectory, readDraftConfig } from "../../../src/model/index.js";
import { stage } from "../../../src/stages/export/index.js";
import { launchLines } from "../../../src/stages/export/launch.js";
import type { InputArtifact } from "../../../src/stages/stage.js";
import { writeIdleDraft } from "../../sglang/idle-draft.js";
import { findReference, TINY_GUI } from "../../tokens/reference.js";
import { Workbench } from "../tokenize/workbench.js";

const found = await findReference();
const missing = "missing" in found ? found.missing : null;
const BEST = { path: "checkpoints/step-00000007", step: 7, pooledAcceptLength: 2.75, interval: [2.5, 3.0] };

describe.skipIf(missing !== null)(`the model card${missing === null ? "" : ` (skipped: ${missing})`}`, () => {
  let bench: Workbench;
  let model: ModelDirectory;
  let checkpoints: InputArtifact;
  /** Each export starts Python with torch: one serves several tests. */
  let plain: { card: string; path: string };
  beforeAll(async () => {
    bench = await Workbench.open();
    model = bench.model;
    checkpoints = await makeCheckpoints({ best: BEST });
    plain = await cardOf();
  });
  afterAll(() => bench.close());

  let made = 0;
  async function makeCheckpoints(facts: JsonObject): Promise<InputArtifact> {
    made += 1;
    const directory = join(bench.root, `checkpoints-of-${made}`);
    await writeIdleDraft(join(directory, BEST.path), TINY_GUI, model.maskTokenId!, 8);
    await writeIdleDraft(join(directory, "untrained"), TINY_GUI, model.maskTokenId!, 8);
    await writeFile(join(directory, "best.json"), JSON.stringify({ path: BEST.path, last: { path: BEST.path } }));
    const manifest = await sealDirectory({
      directory,
      kind: "checkpoints",
      producer: {
        stage: "train",
        version: "0.0.9",
        options: { epochs: 3, lr: 0.0015, batchSize: 4, model: "/secret/place" },
      },
      inputs: { shards: { kind: "shards", digest: "5".repeat(64) } },
      draft: { counts: { read: 12, kept: 10, rejected: { "too-long": 2 } }, facts: { ...facts, made } },
    });
    return { path: directory, manifest };
  }

  async function makeEvaluation(of: InputArtifact | undefined, drafts: JsonObject): Promise<InputArtifact> {
    made += 1;
    const directory = join(bench.root, `evaluation-of-${made}`);
    await mkdir(directory);
    const report = {
      split: "heldout",
      breakEven: 2.5,
      drafts,
      served: { answers: 196, pooledAcceptLength: 4.171, identical: 196 },
    };
    await writeFile(join(directory, "evaluation.json"), JSON.stringify(report));
    const manifest = await sealDirectory({
      directory,
      kind: "evaluation",
      producer: { stage: "evaluate", version: "0", options: {} },
      inputs: of === undefined ? {} : { checkpoints: { kind: "checkpoints", digest: of.manifest.digest } },
      draft: { counts: {}, facts: {} },
    });
    return { path: directory, manifest };
  }

  const cardOf = async (options: object = {}, evaluation?: InputArtifact): Promise<{ card: string; path: string }> => {
    const inputs = evaluation === undefined ? { checkpoints } : { checkpoints, evaluation };
    const { path } = await bench.run(stage, { model: TINY_GUI, dtype: "fp32", ...options }, inputs);
    return { card: await readFile(join(path, "README.md"), "utf8"), path };
  };

  it("names the target by its fingerprints, the data, the versions, and training's figure with its interval", async () => {
    const { card, path } = plain;
    const front = parse(/^---\n([\s\S]*?)\n---\n/.exec(card)![1]!) as unknown;
    expect(front).toMatchObject({ license: "unknown", base_model: basename(TINY_GUI) });
    for (const print of Object.values(model.fingerprints)) expect(card).toContain(`\`${print}\``);
    expect(card).toContain(
      "| pooled, while training | 2.750 | 2.500 to 3.000 | held-out rows while training, at step 7 |",
    );
    expect(card).toContain("| shards | `5555555555555555` |");
    expect(card).toContain("| rows left out, by reason | too-long 2 |");
    expect(card).toContain("epochs 3, batchSize 4, lr 0.0015");
    expect(card).toMatch(
      /\| exported with \| draftsmith [\d.]+, torch [\d.]+\S*, transformers [\d.]+, safetensors [\d.]+ \|/,
    );
    expect(card).not.toContain("/secret/place");
    // Engines and the toolkit load the directory as before, edited card or not.
    await expect(readDraftConfig(path)).resolves.toBeDefined();
    await writeFile(join(path, "README.md"), "mine");
    const { manifest } = await openArtifact(path, "draft", { verify: true });
    expect(manifest.files.map((file) => file.path)).toEqual(["config.json", "model.safetensors"]);
  });

  it("is the same bytes again, but for the licence that an option names", async () => {
    const { card } = await cardOf({ license: "apache-2.0" });
    expect(card).toBe(plain.card.replace("\nlicense: unknown\n", "\nlicense: apache-2.0\n"));
    expect(card).not.toBe(plain.card);
  });

  it("has lines that start both engines with this draft", async () => {
    const { card } = plain;
    expect(card).toContain(
      "--speculative-algorithm DFLASH --speculative-draft-model-path DRAFT \\\n  --speculative-num-draft-tokens 8\n",
    );
    const given = /--speculative-config '(.*)'/.exec(card)![1]!;
    expect(JSON.parse(given)).toEqual({ method: "dflash", model: "DRAFT", num_speculative_tokens: 7 });
    expect(card).toContain("SGLang up to 0.5.23 cannot start a dense Qwen3-VL");
    const other = { ...(await readDraftConfig(join(checkpoints.path, BEST.path))), architectures: ["OwnModel"] };
    expect(launchLines(other, "qwen3_5").engines).toEqual([]);
  });

  it("shows an evaluation's figures with their intervals", async () => {
    const trained = { responses: 196, dialogues: 80, pooledAcceptLength: 4.1714, interval: [4.0551, 4.2849] };
    const mean = { meanAcceptLength: 4.02, meanInterval: null };
    const { card } = await cardOf({}, await makeEvaluation(checkpoints, { trained: { ...trained, ...mean } }));
    expect(card).toContain(
      "| pooled over all steps | 4.171 | 4.055 to 4.285 | 196 answers of 80 dialogues (heldout) |",
    );
    expect(card).toContain("| mean of the answers' own | 4.020 | not measured |");
    expect(card).toContain(
      "| as a server counted it | 4.171 | not measured | 196 of 196 answers equal to plain decoding |",
    );
    expect(card).toContain("Speculation was taken to pay above 2.5.");
  });

  it("refuses an evaluation of other checkpoints, or without figures", async () => {
    const trained = { responses: 1, pooledAcceptLength: 2 };
    for (const of of [undefined, await makeCheckpoints({})]) {
      await expect(cardOf({}, await makeEvaluation(of, { trained }))).rejects.toMatchObject({
        code: "OPTIONS_INVALID",
      });
    }
    await expect(cardOf({}, await makeEvaluation(checkpoints, {}))).rejects.toMatchObject({
      code: "ARTIFACT_INVALID",
      message: expect.stringContaining("drafts.trained"),
    });
  });

  it("claims nothing of a checkpoint that nobody measured", async () => {
    const { card } = await cardOf({ checkpoint: "untrained" });
    expect(card).toContain("it is not measured");
    expect(card).not.toContain("2.750");
  });
});
