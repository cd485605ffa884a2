/** One answer of the target with its prompt, as ids, and the checks that it must pass. */
import type { GeneratedTurn } from "../dialogue/index.js";
import type { ModelDirectory } from "../model/index.js";
import type { Grid } from "./image-tokens.js";

/** A video of a prompt: its frames by hash, and the processor's grid. */
export interface TurnVideo {
  frames: readonly string[];
  grid: Grid;
}

export interface Turn {
  /** Index of the turn within the dialogue. */
  turn: number;
  /** As the model saw it: pads expanded, generation prompt included. */
  prompt: Int32Array;
  /** What is supervised: every id of the answer, its stop token included. */
  response: Int32Array;
  /** Images of the prompt, in order. */
  imageHashes: readonly string[];
  /** Videos of the prompt, in order. */
  videos: readonly TurnVideo[];
}

export type TurnReason = "id-out-of-range" | "mask-token" | "placeholder-in-answer" | "empty-answer" | "stop-token";

export interface TurnProblem {
  reason: TurnReason;
  message: string;
  /** Index within prompt and response joined. */
  at: number;
}

/** The first id in a turn that no server should have sent, or null. */
export function turnProblem(
  turn: Pick<Turn, "prompt" | "response">,
  finish: GeneratedTurn["finish"] | null,
  model: Pick<ModelDirectory, "config" | "specialIds" | "maskTokenId">,
): TurnProblem | null {
  const { prompt, response } = turn;
  const { vocabSize } = model.config;
  const { specialIds: special, maskTokenId } = model;
  const say = (reason: TurnReason, at: number, message: string): TurnProblem => ({ reason, at, message });
  if (response.length === 0) return say("empty-answer", prompt.length, "the answer has no ids");
  for (const [start, ids] of [
    [0, prompt],
    [prompt.length, response],
  ] as const) {
    for (let i = 0; i < ids.length; i += 1) {
      const id = ids[i]!;
      if (id < 0 || id >= vocabSize)
        return say("id-out-of-range", start + i, `id ${id} is outside the vocabulary of ${vocabSize}`);
      if (id === maskTokenId) return say("mask-token", start + i, `the mask token ${id} occurs in the data`);
    }
  }
  const pad = response.findIndex((id) => id === special.imagePad || id === special.videoPad);
  if (pad >= 0)
    return say("placeholder-in-answer", prompt.length + pad, "the answer contains image or video placeholders");
  return finish === null ? null : stopProblem(turn, finish, special.stop);
}

function stopProblem(
  { prompt, response }: Pick<Turn, "prompt" | "response">,
  finish: GeneratedTurn["finish"],
  stop: readonly number[],
): TurnProblem | null {
  if (finish.type === "length") return null;
  const at = prompt.length + response.length - 1;
  const last = response[response.length - 1]!;
  if (typeof finish.matched === "string") return null;
  if (typeof finish.matched === "number" && finish.matched !== last) {
    return {
      reason: "stop-token",
      at,
      message: `the server says it stopped at id ${finish.matched}, but the last id is ${last}`,
    };
  }
  if (stop.includes(last)) return null;
  return {
    reason: "stop-token",
    at,
    message: `the answer ends with id ${last}, but the model's stop ids are ${stop.join(", ")}`,
  };
}
