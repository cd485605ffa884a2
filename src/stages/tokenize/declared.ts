/**
 * With source ids, prompts can no longer change: checks the declared options against those the answers were generated
 * with.
 */
import { canonicalJson, DraftsmithError, isJsonObject, type JsonObject } from "../../base/index.js";
import {
  declaredPrompt,
  type HistoryOption,
  historyWords,
  recordedHistory,
  recordedSystemPrompt,
  templateArguments,
} from "../../dialogue/index.js";
import type { InputArtifact } from "../stage.js";
import type { TokenizeOptions } from "./options.js";

/** @throws DraftsmithError OPTIONS_INVALID - a declared option differs */
export function checkDeclared(options: TokenizeOptions, { path, manifest: { facts } }: InputArtifact): void {
  const declared = declaredPrompt(options.systemPrompt);
  const recorded = recordedSystemPrompt(facts);
  const made = recorded && declaredPrompt(recorded);
  if (declared !== undefined && declared !== made) {
    const words = made === undefined ? "each dialogue's own system prompt" : shown(made);
    throw refusal(
      path,
      "systemPrompt",
      `the answers were generated under ${words}, but systemPrompt declares ${shown(declared)}`,
    );
  }
  const history = historyOf(options, facts);
  const sent = recordedHistory(facts) ?? "all";
  if (canonicalJson(history) !== canonicalJson(sent)) {
    const words = `the prompts carried ${historyWords(sent)}, but history declares ${historyWords(history)}`;
    throw refusal(path, "history", words);
  }
  if (!declaresTemplateArguments(options)) return;
  const before = isJsonObject(facts.chatTemplateKwargs) ? facts.chatTemplateKwargs : {};
  const [theirs, ours] = [before, templateArguments(given(options), before)].map(canonicalJson);
  if (theirs === ours) return;
  const field = options.thinking === "default" ? "chatTemplateKwargs" : "thinking";
  throw refusal(
    path,
    field,
    `the answers were generated with the template arguments ${theirs}, but ${ours} are declared`,
  );
}

/** The history in force: the declared one, else that of the generations; all where nothing is known of it. */
export function historyOf({ history, source }: TokenizeOptions, facts: JsonObject): HistoryOption {
  return history ?? (source === "ids" ? recordedHistory(facts) : undefined) ?? "all";
}

export function declaresTemplateArguments({ thinking, chatTemplateKwargs }: TokenizeOptions): boolean {
  return thinking !== "default" || Object.keys(chatTemplateKwargs).length > 0;
}

/** Without defaults, which declare nothing. */
export function given({ thinking, chatTemplateKwargs }: TokenizeOptions) {
  return {
    ...(thinking === "default" ? {} : { thinking }),
    ...(Object.keys(chatTemplateKwargs).length === 0 ? {} : { chatTemplateKwargs }),
  };
}

function shown(text: string | null): string {
  return text === null ? "no system prompt" : `the system prompt ${JSON.stringify(text)}`;
}

function refusal(file: string, field: string, message: string): DraftsmithError {
  return new DraftsmithError("OPTIONS_INVALID", message, {
    location: { file, field },
    hint: `source ids keeps the server's ids as they are: declare what regenerate had, or leave ${field} out`,
  });
}
