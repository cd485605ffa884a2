/**
 * The README.md of a shards artifact: a dataset card that the Python library `datasets` and its hub read. Equal inputs
 * give equal bytes: no times, no paths of this machine.
 */
import { basename } from "node:path";
import { type Counts, SPLIT_IN_FILES, SPLITS, type SplitName } from "../../artifacts/index.js";
import { isJsonObject, type JsonObject, type JsonValue } from "../../base/index.js";
import { formatNumber } from "../../events/index.js";
import { cell, factTable, fingerprintCell, NOT_RECORDED, recorded, shortDigest } from "../../report/index.js";
import type { InputArtifact } from "../stage.js";
import { IMAGE_TABLE, ROW_TABLE } from "./columns.js";
import type { SplitFacts } from "./split-facts.js";

export interface CardFacts {
  license: string;
  /** The rows' schema metadata. */
  metadata: JsonObject;
  rows: InputArtifact;
  dialogues: InputArtifact;
  splits: Readonly<Record<SplitName, SplitFacts>>;
  images: number;
  counts: Counts;
  seed: number;
  heldoutShare: number;
}

export function datasetCard(facts: CardFacts): string {
  const parts = [frontMatter(facts), intro(facts), origin(facts), target(facts), content(facts), READING];
  return `${parts.join("\n\n")}\n`;
}

/** What the hub and `load_dataset` read. The features of the columns stand in the Arrow schemas. */
function frontMatter({ license, splits: facts, images }: CardFacts): string {
  // `datasets` refuses a split without rows, and with it the others.
  const splits = SPLITS.filter((split) => facts[split].rows > 0).map((split) => {
    const name = SPLIT_IN_FILES[split];
    return `  - split: ${name}\n    path: rows/${name}-*.arrow`;
  });
  return `---
# Say under which licence the rows and images may be used: an identifier such as cc-by-4.0, or other.
# The shard stage's option \`license\` writes it here; this file is no part of the manifest, so it may also be edited.
license: ${license}
tags:
- draftsmith
- speculative-decoding
configs:
- config_name: rows
  default: true
  data_files:
${splits.join("\n")}
${images === 0 ? "" : IMAGES_CONFIG}---`;
}

const IMAGES_CONFIG = `- config_name: images
  data_files:
  - split: train
    path: images/images-*.arrow
`;

function intro({ splits, images }: CardFacts): string {
  const [train, heldout] = [splits.train, splits.heldout];
  return `# Training rows for a draft model

${formatNumber(train.rows)} training rows and ${formatNumber(heldout.rows)} held-out rows (split \`${heldout.name}\`) with
${formatNumber(images)} images, made by draftsmith for training a speculative-decoding draft.`;
}

function origin({ metadata, rows, dialogues, counts, seed, heldoutShare }: CardFacts): string {
  const isRegenerated = metadata.source === "ids";
  const how = isRegenerated
    ? "Every supervised answer is the target's own greedy output, with the exact token ids that its server returned."
    : "The answers are those of the source dialogues, tokenized as the target's template renders them.";
  const before = rows.manifest.counts.source;
  const steps: [string, JsonValue | undefined, string][] = [
    ["import (dialogues)", dialogues.manifest.counts, "rows of the source files"],
    ...(isRegenerated ? [["regenerate", before, "dialogues"] as [string, JsonValue | undefined, string]] : []),
    ["tokenize (rows)", rows.manifest.counts, "turns"],
    ["shard", counts, "rows"],
  ];
  const lines = steps.map(([name, count, unit]) => `| ${name} | ${unit} | ${countCells(count)} |`);
  return `## Where the rows come from

${how} Rows that a step left out are counted under their reason.

| step | counted | read | kept | left out, by reason |
|---|---|---|---|---|
${lines.join("\n")}

The split (seed ${seed}, held-out share ${heldoutShare}) keeps dialogues that share a screenshot on the same side. Digests of the
inputs: rows \`${shortDigest(rows.manifest.digest)}\`, dialogues \`${shortDigest(dialogues.manifest.digest)}\`.`;
}

function countCells(counts: JsonValue | undefined): string {
  if (!isJsonObject(counts)) return "not recorded | not recorded | not recorded";
  const number = (value: JsonValue | undefined) => (typeof value === "number" ? formatNumber(value) : NOT_RECORDED);
  const rejected = isJsonObject(counts.rejected) ? Object.entries(counts.rejected) : [];
  const reasons = rejected.map(([reason, count]) => `${cell(reason)} ${number(count)}`).join(", ");
  return `${number(counts.read)} | ${number(counts.kept)} | ${reasons === "" ? "none" : reasons}`;
}

function target({ metadata, rows }: CardFacts): string {
  const prints = isJsonObject(metadata.model) ? metadata.model : {};
  const directory = rows.manifest.producer.options.model;
  const served = isJsonObject(metadata.served) ? metadata.served : {};
  const settings = isJsonObject(served.settings) ? served.settings : {};
  const lines: [string, string][] = [
    ["model directory", typeof directory === "string" ? cell(basename(directory)) : NOT_RECORDED],
    ["model type", recorded(metadata.modelType)],
    ["served as", recorded(served.servedModelName)],
    ["served weights", recorded(settings.quantization ?? settings.dtype)],
    ["config.json", fingerprintCell(prints.config)],
    ["chat template", fingerprintCell(prints.template)],
    ["tokenizer", fingerprintCell(prints.tokenizer)],
    ["image processor settings", fingerprintCell(prints.processor)],
    ...("video" in prints ? [["video processor settings", fingerprintCell(prints.video)] as [string, string]] : []),
    ["template arguments", recorded(metadata.chatTemplateKwargs)],
    ["system prompt", recorded(metadata.systemPrompt)],
    ["longest row allowed", typeof metadata.maxLength === "number" ? formatNumber(metadata.maxLength) : NOT_RECORDED],
  ];
  return `## Target

A draft trained on these rows fits a server whose files have these sha256 fingerprints.

${factTable(lines)}`;
}

function content({ splits, images }: CardFacts): string {
  const lines = SPLITS.map((split) => {
    const { name, files, rows, tokens, supervised, images: shown } = splits[split];
    const cells = [rows, tokens.total, supervised.total, shown.total, tokens.p50, tokens.p90, tokens.max];
    return `| \`${name}\` | ${files.length} | ${cells.map(formatNumber).join(" | ")} |`;
  });
  return `## Content

| split | files | rows | tokens | supervised tokens | image references | median row | 90 % of rows up to | longest row |
|---|---|---|---|---|---|---|---|---|
${lines.join("\n")}

\`images/\` holds ${formatNumber(images)} images, each once. \`draftsmith.json\` holds the schema's metadata, the columns and the
histograms of row lengths; \`manifest.json\` the size and sha256 of every file.

Columns of \`rows/*.arrow\`:

${ROW_TABLE}

Columns of \`images/*.arrow\`:

${IMAGE_TABLE}`;
}

const READING = `## Reading

\`\`\`python
from datasets import load_dataset

rows = load_dataset(DIR)                            # splits ${SPLITS.map((split) => SPLIT_IN_FILES[split]).join(" and ")}
images = load_dataset(DIR, "images", split="train")  # decoded by Pillow when a row is read
\`\`\`

A row's images are found by hash: \`image_hashes\` lists them in the order of the sequence, \`hash\` is sorted in the image files.`;
