/**
 * The README.md of an exported draft: what it was trained for and on, how good it is, and how it is served. Equal inputs
 * and versions give equal bytes.
 */
import { basename } from "node:path";
import { isJsonObject, type JsonObject, type JsonValue, VERSION } from "../../base/index.js";
import { formatNumber } from "../../events/index.js";
import type { DraftConfig, ModelDirectory } from "../../model/index.js";
import { cell, factTable, fingerprintCell, recorded, shortDigest } from "../../report/index.js";
import type { InputArtifact } from "../stage.js";
import type { Figures } from "./figures.js";
import { launchLines } from "./launch.js";

export interface ModelCardFacts {
  license: string;
  target: ModelDirectory;
  draft: DraftConfig;
  checkpoints: InputArtifact;
  /** Name of the exported checkpoint's directory. */
  checkpoint: string;
  parameters: number;
  figures: Figures;
  /** Versions of the trainer's packages. */
  packages: Readonly<Record<string, string>>;
}

export function modelCard(facts: ModelCardFacts): string {
  const parts = [frontMatter(facts), intro(facts), target(facts), figures(facts), launch(facts), data(facts)];
  return `${parts.join("\n\n")}\n`;
}

function nameOf({ dir }: ModelDirectory): string {
  return basename(dir);
}

function frontMatter({ license, target }: ModelCardFacts): string {
  return `---
# Say under which licence the draft may be used: an identifier such as apache-2.0, or other. The export stage's option
# \`license\` writes it here; this file is no part of the manifest, so it may also be edited.
license: ${license}
base_model: ${JSON.stringify(nameOf(target))}
tags:
- draftsmith
- speculative-decoding
- dflash
---`;
}

function intro({ target, draft, parameters, checkpoint }: ModelCardFacts): string {
  const block = draft.dflash_config.block_size ?? draft.block_size;
  return `# Draft for ${cell(nameOf(target))}

A draft model (\`${draft.architectures[0]}\`) of ${formatNumber(parameters)} parameters for speculative decoding with ${cell(nameOf(target))}:
${draft.num_hidden_layers} layers, blocks of ${block ?? "an unknown number of"} tokens, reading the outputs of the target's layers ${draft.dflash_config.target_layer_ids.join(", ")}.
Exported from the checkpoint \`${checkpoint}\`.`;
}

function target({ target, checkpoints }: ModelCardFacts): string {
  const { fingerprints, precision, config } = target;
  return `## Target

The draft fits a server whose files have these sha256 fingerprints: another template, tokenizer or image processor shows it prompts
that it was not trained on, and fewer drafted tokens are accepted.

${factTable([
  ["model directory", cell(nameOf(target))],
  ["model type", config.modelType],
  ["weights", cell(precision.quantization ?? precision.dtype ?? "not recorded")],
  ["config.json", fingerprintCell(fingerprints.config)],
  ["chat template", fingerprintCell(fingerprints.template)],
  ["tokenizer", fingerprintCell(fingerprints.tokenizer)],
  ["image processor settings", fingerprintCell(fingerprints.processor)],
  ...(fingerprints.video === undefined
    ? []
    : [["video processor settings", fingerprintCell(fingerprints.video)] as const]),
  ["checkpoints", `\`${shortDigest(checkpoints.manifest.digest)}\``],
])}`;
}

function figures({ figures: { lines, breakEven } }: ModelCardFacts): string {
  if (lines.length === 0) {
    return "## Accept length\n\nNothing was held out in training, and no evaluation was given to the export: it is not measured.";
  }
  const rows = lines.map(({ name, value, interval, on }) => {
    const range = interval === null ? "not measured" : `${interval[0].toFixed(3)} to ${interval[1].toFixed(3)}`;
    return `| ${name} | ${value.toFixed(3)} | ${range} | ${on} |`;
  });
  const even = breakEven === undefined ? "" : ` Speculation was taken to pay above ${breakEven}.`;
  return `## Accept length

Tokens that one verification step yields: the accepted drafted ones and the one that the target adds, on rows that training never
saw, decoding greedily. Intervals cover 95 %, over dialogues.${even}

| figure | value | interval | measured on |
|---|---|---|---|
${rows.join("\n")}`;
}

function launch({ target, draft }: ModelCardFacts): string {
  const made = launchLines(draft, target.config.modelType);
  const blocks = made.engines.map(({ name, lines }) => `${name}:\n\n\`\`\`sh\n${lines.join("\n")}\n\`\`\``);
  return `## Serving

\`TARGET\` is the model directory or hub name of the target, \`DRAFT\` the directory of this file.

${[...blocks, ...made.notes].join("\n\n")}

Before production: \`draftsmith validate --server URL --model TARGET --draft DRAFT\` compares template, tokenizer, image settings and
precision of the server with what the draft was trained for.`;
}

function data({ checkpoints: { manifest }, packages }: ModelCardFacts): string {
  const { producer, inputs, counts } = manifest;
  const options = trainingOptions(producer.options);
  const rejected = isJsonObject(counts.rejected) ? Object.entries(counts.rejected) : [];
  const reasons = rejected.map(([reason, count]) => `${cell(reason)} ${recorded(count)}`).join(", ");
  const number = (value: JsonValue | undefined) => (typeof value === "number" ? formatNumber(value) : recorded(value));
  const versions = Object.entries(packages).map(([name, version]) => `${name} ${version}`);
  return `## Training

${factTable([
  ["shards", inputs.shards === undefined ? "not recorded" : `\`${shortDigest(inputs.shards.digest)}\``],
  ["rows read / trained on", `${number(counts.read)} / ${number(counts.kept)}`],
  ["rows left out, by reason", reasons === "" ? "none" : reasons],
  ["options", options],
  ["trained with", `draftsmith ${cell(producer.version)}`],
  ["exported with", [`draftsmith ${VERSION}`, ...versions].join(", ")],
])}`;
}

/** Those that a reader compares runs by; the manifest of the checkpoints has all. */
function trainingOptions(options: JsonObject): string {
  const named = ["epochs", "maxSteps", "batchSize", "accumulate", "anchors", "lr", "maxLength", "seed"];
  const shown = named.filter((name) => options[name] !== undefined && options[name] !== null);
  return shown.map((name) => `${name} ${recorded(options[name])}`).join(", ") || "not recorded";
}
