/** What all checks share: the model, its renderer, and what has been counted so far. */
import { isUtf8 } from "node:buffer";
import type { JsonObject } from "../../base/index.js";
import { type DraftConfig, type ModelDirectory, openModel, readDraftConfig } from "../../model/index.js";
import { createRenderer, type PromptRenderer, SystemPrompts, spoofPattern } from "../../tokens/index.js";
import type { Speller } from "./compare-ids.js";
import type { Findings } from "./findings.js";
import type { ValidateOptions } from "./options.js";

export interface EffectiveKwargs {
  kwargs: JsonObject;
  /** Name of the input that they were taken from; undefined where they are declared, at least in part. */
  from: string | undefined;
}

export class ValidationCounts {
  dialogues = 0;
  turns = 0;
  /** Prompts with ids from a server that were rendered here and compared. */
  promptsCompared = 0;
  promptsEqual = 0;
  /** Prompts that regenerate rendered itself: being equal to ours says nothing of a server. */
  promptsCounted = 0;
  livePromptsCompared = 0;
  livePromptsEqual = 0;
  /** Prompts of a server that sends no ids: only their lengths were compared. */
  liveCountsCompared = 0;
  liveCountsEqual = 0;
  rows = 0;
  /** Of the shards, which hold the same rows in another order. */
  shardRows = 0;
  rowsComparedWithTurns = 0;
  /** Answers without a stop token: cut at the server's limit, or by maxLength. */
  answersWithoutStop = 0;
  images = 0;
  videos = 0;
  /** Images of a size that the processor changes: server and trainer each resample them. */
  imagesResampled = 0;
  /** Distinct image files read whole and held against their hashes. */
  imagesVerified = 0;
  /** Rows of a dialogues file that cannot be used, by reason. */
  readonly rejected: Record<string, number> = {};
  readonly systemPrompts = new SystemPrompts();
}

/** Made once; checks add to `findings` and `counts` and change nothing else. */
export interface Subject {
  readonly options: ValidateOptions;
  /** Its mask token, which data must not hold, is the draft's where one is named. */
  readonly model: ModelDirectory;
  /** Undefined where no draft is named. */
  readonly draft: DraftConfig | undefined;
  /** Template arguments in force. */
  readonly kwargs: JsonObject;
  /** Name of the input that they were taken from; undefined where they are declared. */
  readonly kwargsFrom: string | undefined;
  readonly renderer: PromptRenderer;
  readonly spoof: RegExp | null;
  readonly findings: Findings;
  readonly counts: ValidationCounts;
  readonly spell: Speller;
}

export async function openSubject(
  options: ValidateOptions,
  { kwargs, from }: EffectiveKwargs,
  findings: Findings,
): Promise<Subject> {
  const directory = await openModel(options.model);
  const draft = options.draft === undefined ? undefined : await readDraftConfig(options.draft);
  const model = draft === undefined ? directory : { ...directory, maskTokenId: draft.dflash_config.mask_token_id };
  const renderer = createRenderer(model, kwargs);
  return {
    options,
    model,
    draft,
    kwargs,
    kwargsFrom: from,
    renderer,
    spoof: spoofPattern(model.tokenizer.addedTokens),
    findings,
    counts: new ValidationCounts(),
    spell: spellerOf(model),
  };
}

/** Byte-level vocabularies write each byte as a printable character: the table that turns them back. */
function byteOfChar(): Map<string, number> {
  const table = new Map<string, number>();
  let next = 256;
  for (let byte = 0; byte < 256; byte += 1) {
    const printable = (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || byte >= 174;
    table.set(String.fromCodePoint(printable ? byte : next), byte);
    if (!printable) next += 1;
  }
  return table;
}

function spellerOf(model: ModelDirectory): Speller {
  const bytes = byteOfChar();
  const added = new Set(model.tokenizer.addedTokens.map((token) => token.id));
  return (id) => {
    const token = model.tokenizer.tokenOf(id);
    if (token === undefined) return "(no such token)";
    if (added.has(id)) return token;
    const raw = Array.from(token, (char) => bytes.get(char));
    return raw.includes(undefined) ? token : spelled(Buffer.from(raw as number[]));
  };
}

/** Characters cut between tokens are told by their bytes: U+FFFD would make different tokens look the same. */
function spelled(bytes: Buffer): string {
  if (isUtf8(bytes)) return bytes.toString("utf8");
  return Array.from(bytes, (byte) => `<0x${byte.toString(16).toUpperCase().padStart(2, "0")}>`).join("");
}
