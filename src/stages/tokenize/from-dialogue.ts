/** Turns of a dialogue that was not regenerated: rendered and tokenized here. */
import type { Dialogue } from "../../dialogue/index.js";
import type { ModelDirectory } from "../../model/index.js";
import { fixedTurns, type PromptRenderer, systemText, turnProblem } from "../../tokens/index.js";
import type { Candidates } from "./candidates.js";
import { dialogueProblem, gridsOf } from "./from-ids.js";

export async function turnsFromDialogue(
  dialogue: Dialogue,
  renderer: PromptRenderer,
  model: ModelDirectory,
  spoof: RegExp | null,
): Promise<Candidates> {
  const { messages } = dialogue;
  const candidates: Candidates = {
    id: dialogue.id,
    tags: dialogue.tags ?? {},
    read: messages.filter((message) => message.role === "assistant").length,
    turns: [],
    grids: gridsOf(messages, model),
    rejections: [],
    systemPrompt: systemText(messages),
  };
  const whole = dialogueProblem(messages, spoof, true, dialogue.tools);
  if (whole !== null) return { ...candidates, rejections: [whole] };
  for (const result of await fixedTurns(dialogue, renderer, model)) {
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
