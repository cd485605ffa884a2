/** One chat through our renderer and through transformers' processor: text, ids, types, grids, and rotary positions. */
import type { JsonObject } from "../../src/base/index.js";
import { imagesOf, type Message, videosOf } from "../../src/dialogue/index.js";
import type { ModelDirectory } from "../../src/model/index.js";
import {
  createRenderer,
  framesOf,
  type PromptRenderer,
  templateMessages,
  templateTools,
  tokenTypes,
} from "../../src/tokens/index.js";
import type { ChatAnswer, Reference } from "./reference.js";

export interface Chat {
  messages: Message[];
  tools?: JsonObject[] | undefined;
  kwargs: JsonObject;
  generationPrompt: boolean;
}

const renderers = new WeakMap<ModelDirectory, Map<string, PromptRenderer>>();

function rendererFor(model: ModelDirectory, kwargs: JsonObject): PromptRenderer {
  const known = renderers.get(model) ?? new Map<string, PromptRenderer>();
  renderers.set(model, known);
  const key = JSON.stringify(kwargs);
  const renderer = known.get(key) ?? createRenderer(model, kwargs);
  known.set(key, renderer);
  return renderer;
}

/** What differs, as a sentence with both sides; null where nothing does. Throws where either side refuses. */
export async function compareChat(reference: Reference, model: ModelDirectory, chat: Chat): Promise<string | null> {
  const { messages, tools, kwargs, generationPrompt } = chat;
  const ours = await rendererFor(model, kwargs).prompt({ messages, tools, generationPrompt });
  if (!ours.ok) throw new Error(`refused here: ${ours.reason}: ${ours.message}`);
  const theirs = await reference.ask<ChatAnswer>({
    model: model.dir,
    kind: "chat",
    messages: templateMessages(messages),
    tools: templateTools(tools),
    images: imagesOf(messages).map(({ width, height }) => [width, height]),
    videos: videosOf(messages).map((video) => ({ ...framesOf(video) })),
    kwargs,
    generationPrompt,
    positions: true,
  });
  if ("error" in theirs) throw new Error(`refused by transformers: ${theirs.error}`);
  const fields = {
    ids: [...ours.ids],
    types: [...tokenTypes(ours.ids, model.specialIds)],
    grid: ours.grids,
    videoGrid: ours.videoGrids,
  };
  const rope = await reference.ask<{ positions: string; delta: number }>({ model: model.dir, kind: "rope", ...fields });
  const mine: Record<string, unknown> = { text: ours.text, ...fields, ...rope };
  for (const [name, expected] of Object.entries(theirs)) {
    if (JSON.stringify(mine[name]) === JSON.stringify(expected)) continue;
    return `${name}: ${JSON.stringify(mine[name])} here, ${JSON.stringify(expected)} there`;
  }
  return null;
}
