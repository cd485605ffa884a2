/** Turns of a dialogue that was not regenerated: rendered and tokenized here. */
import { type Dialogue, systemText, withSystemPrompt } from "../../dialogue/index.js";
import type { ModelDirectory } from "../../model/index.js";
import { fixedTurns, type PromptRenderer, turnProblem } from "../../tokens/index.js";
import type { Candidates, Rejection } from "./candidates.js";
import { dialogueProblem, gridsOf } from "./from-ids.js";
import type { TokenizeOptions } from "./options.js";

export interface FixedParts {
  renderer: PromptRenderer;
  model: ModelDirectory;
  /** Finds special tokens in text; null if they are allowed. */
  spoof: RegExp | null;
}

export async function turnsFromDialogue(
  dialogue: Dialogue,
  { systemPrompt, history }: Pick<TokenizeOptions, "systemPrompt" | "history">,
  { renderer, model, spoof }: FixedParts,
): Promise<Candidates> {
  const { id, tags = {}, tools } = dialogue;
  const messages = withSystemPrompt(dialogue.messages, systemPrompt);
  const candidates: Candidates = {
    id,
    tags,
    read: dialogue.messages.filter((message) => message.role === "assistant").length,
    turns: [],
    grids: gridsOf(dialogue.messages, model),
    rejections: [],
    systemPrompt: systemText(messages ?? dialogue.messages),
  };
  const whole = messages === undefined ? OTHER_PROMPT : dialogueProblem(messages, spoof, true, tools);
  if (whole !== null || messages === undefined) return { ...candidates, rejections: [whole ?? OTHER_PROMPT] };
  for (const result of await fixedTurns({ messages, tools }, renderer, model, history)) {
    if (!result.ok) {
      candidates.rejections.push({ turn: result.turn, reason: result.reason, message: result.text });
      continue;
    }
    const problem = turnProblem(result.turn, null, model);
    if (problem === null) candidates.turns.push(result.turn);
    else candidates.rejections.push({ turn: result.turn.turn, reason: problem.reason, message: problem.message });
  }
  return candidates;
}

/** The same reason as in regenerate. */
const OTHER_PROMPT: Rejection = {
  turn: null,
  reason: "system-prompt-differs",
  message: "its system prompt differs from `systemPrompt.text`",
};
