/**
 * Settings that several steps of a pipeline share and that must agree along the flow of the data: a plan whose steps
 * disagree is refused before anything runs. Stages and services state their settings with the functions below; where two
 * statements of one setting meet, its rule compares them.
 */
import { stat } from "node:fs/promises";
import { z } from "zod";
import { canonicalJson, defined, isDraftsmithError, type JsonObject } from "../base/index.js";
import {
  declaredPrompt,
  type HistoryOption,
  historyWords,
  type SystemPromptOption,
  type TemplateOptions,
  templateArguments,
} from "../dialogue/index.js";
import type { ResizeRule } from "../tokens/index.js";

/** One form for every stage and service that asks a server. */
export const apiKeyEnvSchema = z
  .string()
  .regex(/^[A-Za-z_][A-Za-z0-9_]*$/)
  .optional()
  .describe("environment variable that holds the server's API key, if it wants one");

interface SettingValues {
  /** null: none; undefined: each dialogue's own. */
  systemPrompt: { text: string | null | undefined };
  history: { option: HistoryOption };
  /** Whatever a step leaves out is as the data was made. */
  templateArguments: TemplateOptions;
  target: { directory: string };
  imageSizes: { rule: ResizeRule } | { directory: string };
  /** Maximum number of tokens in a row. */
  rowLength: { tokens: number };
  /** Options that determine the shape of a draft. */
  draft: { shape: JsonObject };
}
export type SettingName = keyof SettingValues;

export interface Statement<Name extends SettingName = SettingName> {
  setting: Name;
  value: SettingValues[Name];
  /** Dotted path of the option to change, even if it is not written now. */
  option: string;
  /** For messages, after the name of the step: "wants ...". */
  says: string;
}

/**
 * How the output of one step reaches another. `data`: dialogues, generations, rows or shards. `draft`: a draft or its
 * checkpoints, which may be used with other data than they were trained on. `service`: through a server.
 */
export type Way = "data" | "draft" | "service";

interface Rule<Value> {
  /** Follows "disagree about". */
  title: string;
  ways: readonly Way[];
  /** warn: the run is possible and may be intended, but loses rows. */
  severity: "refuse" | "warn";
  /** Whether the inputs of a step are also compared with each other, not only a step with its inputs. */
  betweenInputs: boolean;
  agree(earlier: Value, later: Value): boolean | Promise<boolean>;
  /** What to do about it. */
  hint: string;
}

export const SETTING_RULES: { readonly [Name in SettingName]: Rule<SettingValues[Name]> } = {
  systemPrompt: {
    title: "the system prompt",
    ways: ["data"],
    severity: "refuse",
    betweenInputs: true,
    agree: (earlier, later) => earlier.text === later.text,
    hint: "give both steps the same systemPrompt, such as a variable that holds {policy: set, text: ...}",
  },
  history: {
    title: "the history that prompts carry",
    ways: ["data"],
    severity: "refuse",
    betweenInputs: true,
    agree: (earlier, later) => canonicalJson(earlier.option) === canonicalJson(later.option),
    hint: "give both steps the same history, such as a variable that holds {lastImages: 2}",
  },
  templateArguments: {
    title: "the chat template's arguments (thinking, chatTemplateKwargs)",
    ways: ["data"],
    severity: "refuse",
    betweenInputs: true,
    agree: (earlier, later) => {
      const made = templateArguments(earlier);
      return canonicalJson(templateArguments(later, made)) === canonicalJson(made);
    },
    hint: "give both steps the same thinking and chatTemplateKwargs",
  },
  target: {
    title: "the target",
    ways: ["data", "draft", "service"],
    severity: "refuse",
    betweenInputs: true,
    agree: async (earlier, later) =>
      earlier.directory === later.directory || isSameTarget(earlier.directory, later.directory),
    hint: "name one model directory in all steps, such as ${vars.model}",
  },
  imageSizes: {
    title: "the sizes of images",
    ways: ["data"],
    severity: "refuse",
    betweenInputs: false,
    agree: async (earlier, later) =>
      !("rule" in earlier && "directory" in later) || fits(earlier.rule, later.directory),
    hint: "the processor would resize these images again: give import the model instead of factor, minPixels and maxPixels",
  },
  rowLength: {
    title: "the length of rows",
    ways: ["data"],
    severity: "warn",
    betweenInputs: false,
    agree: (earlier, later) => earlier.tokens <= later.tokens,
    hint: "longer rows are left out (or cut) and counted; raise the later limit, or lower the earlier one",
  },
  draft: {
    title: "the shape of the draft",
    ways: ["data", "draft"],
    severity: "refuse",
    betweenInputs: true,
    agree: (earlier, later) => canonicalJson(earlier.shape) === canonicalJson(later.shape),
    hint: "a draft can only be continued, or compared with its untrained state, in the shape that it was trained in",
  },
};

/** Whether two statements of the same setting agree; `earlier` is closer to the raw data. */
export async function agree<Name extends SettingName>(
  earlier: Statement<Name>,
  later: Statement<Name>,
): Promise<boolean> {
  return SETTING_RULES[later.setting].agree(earlier.value, later.value);
}

export function statesSystemPrompt(option: SystemPromptOption): Statement<"systemPrompt"> {
  const text = declaredPrompt(option);
  const says =
    text === undefined
      ? "keeps each dialogue's own (policy: keep)"
      : text === null
        ? "wants none"
        : `wants ${JSON.stringify(text.length > 80 ? `${text.slice(0, 80)}...` : text)}`;
  return { setting: "systemPrompt", value: { text }, option: "systemPrompt", says };
}

/** @param name - of the option, where it is another one */
export function statesHistory(option: HistoryOption, name = "history"): Statement<"history"> {
  return { setting: "history", value: { option }, option: name, says: `carries ${historyWords(option)}` };
}

/** @param group - in front of the options' names, where they are in a group */
export function statesTemplateArguments(
  { thinking, chatTemplateKwargs }: TemplateOptions,
  group = "",
): Statement<"templateArguments"> {
  const given = defined({ thinking, chatTemplateKwargs });
  return {
    setting: "templateArguments",
    value: given,
    option: group + (thinking === undefined && chatTemplateKwargs !== undefined ? "chatTemplateKwargs" : "thinking"),
    says: `has ${Object.entries(given)
      .map(([name, value]) => `${name} ${typeof value === "string" ? value : canonicalJson(value)}`)
      .join(", ")}`,
  };
}

export function statesTarget(directory: string): Statement<"target"> {
  return { setting: "target", value: { directory }, option: "model", says: `names ${directory}` };
}

/** The size rule of the directory, which images resized earlier must fit. */
export function statesImageSizes(directory: string): Statement<"imageSizes"> {
  return { setting: "imageSizes", value: { directory }, option: "model", says: `has the rule of ${directory}` };
}

export function statesResizing(rule: ResizeRule): Statement<"imageSizes"> {
  const { factor, minPixels, maxPixels } = rule;
  const says = `resizes to multiples of ${factor} with ${minPixels} to ${maxPixels} pixels`;
  return { setting: "imageSizes", value: { rule }, option: "maxPixels", says };
}

export function statesRowLength(tokens: number, option = "maxLength"): Statement<"rowLength"> {
  return { setting: "rowLength", value: { tokens }, option, says: `takes up to ${tokens} tokens` };
}

export function statesDraft(shape: JsonObject): Statement<"draft"> {
  return { setting: "draft", value: { shape }, option: "draft", says: `has ${canonicalJson(shape)}` };
}

/**
 * Different paths may hold the same model, so ids and shapes decide. A directory that cannot be read is left to the
 * step that needs it.
 */
async function isSameTarget(one: string, other: string): Promise<boolean> {
  const [a, b] = await Promise.all([openIfThere(one), openIfThere(other)]);
  if (a === undefined || b === undefined) return true;
  const { template, tokenizer, processor } = a.fingerprints;
  const same = b.fingerprints;
  return (
    template === same.template &&
    tokenizer === same.tokenizer &&
    processor === same.processor &&
    canonicalJson(a.config) === canonicalJson(b.config)
  );
}

/** Whether the processor of this directory keeps every size that the rule produces. */
async function fits(rule: ResizeRule, directory: string): Promise<boolean> {
  const model = await openIfThere(directory);
  if (model === undefined) return true;
  const { resizeRule } = await import("../tokens/index.js");
  const own = resizeRule(model.processor);
  return rule.factor % own.factor === 0 && rule.minPixels >= own.minPixels && rule.maxPixels <= own.maxPixels;
}

async function openIfThere(directory: string) {
  if ((await stat(directory).catch(() => undefined)) === undefined) return undefined;
  const { openModel } = await import("../model/index.js");
  return openModel(directory).catch((error: unknown) => {
    if (isDraftsmithError(error)) return undefined;
    throw error;
  });
}
