/** From canonical messages to what a server is asked: texts as strings, images as bytes. */
import type { JsonObject } from "../../../base/index.js";
import { type Dialogue, type Message, promptMessages, requestMessages } from "../../../dialogue/index.js";
import type { Question } from "../../../sglang/index.js";
import { type RegenerateOptions, templateKwargs } from "../options.js";
import type { LocalModel } from "../prompts/local-model.js";
import type { About } from "../report/progress.js";
import type { RequestImages } from "./request-images.js";

export interface QuestionParts {
  options: RegenerateOptions;
  images: RequestImages;
  /** Undefined unless ids may come by count: no question then carries more than it needs. */
  counting: LocalModel | undefined;
}

/** A question, and the messages that it carries. */
export interface AskedTurn {
  question: Question;
  messages: readonly Message[];
  tools: JsonObject[] | undefined;
  about: About;
}

/**
 * The question that a dialogue ends with, with as much of the dialogue as `history` lets it carry.
 *
 * @param whole - all messages before the answer
 */
export async function askedTurn(
  whole: readonly Message[],
  { tools }: Pick<Dialogue, "tools">,
  about: About,
  { options, images, counting }: QuestionParts,
): Promise<AskedTurn> {
  const messages = promptMessages(whole, options.history);
  const question: Question = {
    messages: await requestMessages(messages, (hash) => images.read(hash)),
    templateKwargs: templateKwargs(options),
    maxTokens: options.maxNewTokens,
    stopTokenIds: options.stopTokenIds,
  };
  if (tools !== undefined) question.tools = tools;
  if (counting !== undefined) question.local = counting.idsFor(messages, tools);
  return { question, messages, tools, about };
}
