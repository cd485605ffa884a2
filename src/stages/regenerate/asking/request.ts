/** From canonical messages to what a server is asked: texts as strings, pictures as bytes. */
import { type Dialogue, imagesOf, type Message, requestMessages } from "../../../dialogue/index.js";
import type { Question } from "../../../sglang/index.js";
import { type RegenerateOptions, templateKwargs } from "../options.js";
import type { LocalModel } from "../prompts/local-model.js";
import type { RequestImages } from "./request-images.js";

export interface QuestionParts {
  options: RegenerateOptions;
  images: RequestImages;
  /** Undefined unless ids may come by count: no question then carries more than it needs. */
  own: LocalModel | undefined;
}

/** The question that these messages end with. */
export async function questionOf(
  messages: readonly Message[],
  dialogue: Pick<Dialogue, "tools">,
  { options, images, own }: QuestionParts,
): Promise<Question> {
  const question: Question = {
    messages: await requestMessages(messages, (hash) => images.read(hash)),
    templateKwargs: templateKwargs(options),
    maxTokens: options.maxNewTokens,
    stopTokenIds: options.stopTokenIds,
  };
  if (dialogue.tools !== undefined) question.tools = dialogue.tools;
  if (own !== undefined) question.own = own.idsFor(messages, dialogue.tools);
  return question;
}

/** Hashes of all pictures in the order in which the prompt holds them. */
export function imageHashes(messages: readonly Message[]): string[] {
  return imagesOf(messages).map(({ hash }) => hash);
}
