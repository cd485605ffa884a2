/** Turns of a dialogue that is not regenerated: common prefixes of its renderings show which ids are supervised. */
import { commonPrefix, type Dialogue, type HistoryOption, promptMessages } from "../dialogue/index.js";
import type { ModelDirectory } from "../model/index.js";
import type { PromptReason, PromptRenderer, PromptRequest } from "./prompt.js";
import type { Turn } from "./turns.js";

export type FixedReason = PromptReason | "unstable-boundary" | "no-stop-token";
export type FixedTurn =
  | { ok: true; turn: Turn; message: number }
  | { ok: false; turn: number; message: number; reason: FixedReason; text: string };

/**
 * Renders the dialogue twice for every assistant message: up to the generation prompt before it, and up to its end. The
 * answer is what the second rendering adds to the first, up to its last stop token; the model does not generate what the
 * template writes after that (a newline). If the first is not a prefix of the second, the turn has no such boundary.
 *
 * @param history - applied to each prompt, as regenerate applies it to what it asks
 */
export async function fixedTurns(
  dialogue: Pick<Dialogue, "messages" | "tools">,
  renderer: PromptRenderer,
  model: ModelDirectory,
  history: HistoryOption = "all",
): Promise<FixedTurn[]> {
  const { messages, tools } = dialogue;
  const places = messages.flatMap((message, index) => (message.role === "assistant" ? [index] : []));
  const requests = places.flatMap((place): PromptRequest[] => {
    const asked = promptMessages(messages.slice(0, place), history);
    return [
      { messages: asked, tools, generationPrompt: true },
      { messages: [...asked, messages[place]!], tools, generationPrompt: false },
    ];
  });
  const prompts = await renderer.prompts(requests);
  return places.map((message, turn): FixedTurn => {
    const before = prompts[2 * turn]!;
    const after = prompts[2 * turn + 1]!;
    const bad = (reason: FixedReason, text: string): FixedTurn => ({ ok: false, turn, message, reason, text });
    if (!before.ok) return bad(before.reason, before.message);
    if (!after.ok) return bad(after.reason, after.message);
    const shared = commonPrefix(before.ids, after.ids);
    if (shared < before.ids.length) {
      return bad(
        "unstable-boundary",
        `the prompt changes at id ${shared} of ${before.ids.length} once the answer follows it`,
      );
    }
    const end = lastStop(after.ids, model.specialIds.stop);
    if (end < shared) return bad("no-stop-token", "the template writes no stop token after the answer");
    const response = after.ids.slice(shared, end + 1);
    const imageHashes = before.images.map((image) => image.hash);
    const videos = before.videos.map(({ frames }, video) => ({
      frames: frames.map((frame) => frame.hash),
      grid: before.videoGrids[video]!,
    }));
    return { ok: true, message, turn: { turn, prompt: before.ids, response, imageHashes, videos } };
  });
}

function lastStop(ids: Int32Array, stop: readonly number[]): number {
  for (let at = ids.length - 1; at >= 0; at -= 1) if (stop.includes(ids[at]!)) return at;
  return -1;
}
