/** State shared by all checks: the model, its renderer, the findings and the counts. */
import type { JsonObject } from "../../base/index.js";
import type { HistoryOption } from "../../dialogue/index.js";
import {
  type DraftConfig,
  type ModelDirectory,
  openModel,
  readDraftConfig,
  type Speller,
  spellerOf,
} from "../../model/index.js";
import { createRenderer, type PromptRenderer, SystemPrompts, spoofPattern } from "../../tokens/index.js";
import type { Findings } from "./findings.js";
import type { ValidateOptions } from "./options.js";

export interface EffectiveKwargs {
  kwargs: JsonObject;
  /** Input they were taken from; undefined if the options declare any of them. */
  from: string | undefined;
}

export interface EffectiveHistory {
  history: HistoryOption;
  /** Input it was taken from; undefined if it is declared, or recorded nowhere. */
  historyFrom: string | undefined;
}

export class ValidationCounts {
  dialogues = 0;
  turns = 0;
  /** Prompts whose ids came from a server and were compared with ours. */
  promptsCompared = 0;
  promptsEqual = 0;
  /** Turns with equal prompts whose earlier answers keep the white space that trimming takes away, or show none of it. */
  historyUnchanged = 0;
  historyTrimmed = 0;
  /** Prompts that regenerate rendered itself: that they equal ours says nothing about a server. */
  promptsCounted = 0;
  livePromptsCompared = 0;
  livePromptsEqual = 0;
  /** Prompts of a server that returns no ids; only lengths were compared. */
  liveCountsCompared = 0;
  liveCountsEqual = 0;
  rows = 0;
  /** Rows in the shards: the same rows, shuffled. */
  shardRows = 0;
  rowsComparedWithTurns = 0;
  /** Answers without a stop token: cut by the server's limit or by maxLength. */
  answersWithoutStop = 0;
  images = 0;
  videos = 0;
  /** Images the processor would resize: server and trainer each resample them. */
  imagesResampled = 0;
  /** Distinct image files whose bytes were checked against their hashes. */
  imagesVerified = 0;
  /** Unusable rows of a dialogues file, by reason. */
  readonly rejected: Record<string, number> = {};
  readonly systemPrompts = new SystemPrompts();
}

/** Created once. Checks add to `findings` and `counts` and change nothing else. */
export interface Subject {
  readonly options: ValidateOptions;
  /** With the draft's mask token, if a draft is named: no data may contain it. */
  readonly model: ModelDirectory;
  /** Undefined if no draft is named. */
  readonly draft: DraftConfig | undefined;
  /** Template arguments in force. */
  readonly kwargs: JsonObject;
  /** Input they were taken from; undefined if they are declared. */
  readonly kwargsFrom: string | undefined;
  /** What prompts carry of their dialogue. */
  readonly history: HistoryOption;
  readonly historyFrom: string | undefined;
  readonly renderer: PromptRenderer;
  readonly spoof: RegExp | null;
  readonly findings: Findings;
  readonly counts: ValidationCounts;
  readonly spell: Speller;
}

export async function openSubject(
  options: ValidateOptions,
  { kwargs, from, history, historyFrom }: EffectiveKwargs & EffectiveHistory,
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
    history,
    historyFrom,
    renderer,
    spoof: spoofPattern(model.tokenizer.addedTokens),
    findings,
    counts: new ValidationCounts(),
    spell: spellerOf(model.tokenizer),
  };
}
