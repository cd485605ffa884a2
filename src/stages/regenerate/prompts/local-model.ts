/** The model directory as a source of ids: what it renders and encodes, to compare with servers and to count by. */
import type { JsonObject } from "../../../base/index.js";
import type { Message } from "../../../dialogue/index.js";
import { type ModelDirectory, openModel } from "../../../model/index.js";
import { type ImageSize, type LocalIdList, type LocalIds, PROBE_TEXT } from "../../../sglang/index.js";
import { createRenderer, type Prompt, type PromptRenderer } from "../../../tokens/index.js";

export class LocalModel {
  private constructor(
    private readonly model: ModelDirectory,
    private readonly renderer: PromptRenderer,
  ) {}

  /** @throws DraftsmithError MODEL_INVALID, INPUT_MISSING */
  static async open(directory: string, templateKwargs: JsonObject): Promise<LocalModel> {
    const model = await openModel(directory);
    return new LocalModel(model, createRenderer(model, templateKwargs));
  }

  get directory(): string {
    return this.model.dir;
  }

  /** Hashes of all files that decide the ids: answers that were counted with other files have other ids. */
  get fingerprints(): JsonObject {
    const { template, tokenizer, processor } = this.model.fingerprints;
    return { template, tokenizer, processor, stopIds: [...this.model.specialIds.stop] };
  }

  prompt(messages: readonly Message[], tools: JsonObject[] | undefined): Promise<Prompt> {
    return this.renderer.prompt({ messages, tools, generationPrompt: true });
  }

  decode(ids: ArrayLike<number>): Promise<string> {
    return this.renderer.tokenizer.decode(ids);
  }

  /** What counting needs of the question that these messages end with; rendered only when it is needed. */
  idsFor(messages: readonly Message[], tools: JsonObject[] | undefined): LocalIds {
    const { specialIds, tokenizer } = this.model;
    const { eos_token: eos } = tokenizer.specialTokens;
    // The history grows while the question is asked.
    const asked = [...messages];
    return {
      prompt: async () => {
        const prompt = await this.prompt(asked, tools);
        return prompt.ok ? { ids: Array.from(prompt.ids) } : { problem: prompt.message };
      },
      text: (text) => this.encode(text),
      stops: specialIds.stop,
      endOfSequence: eos === undefined ? undefined : tokenizer.idOf(eos),
    };
  }

  /** The ids must decode to the same text: a tokenizer that normalises, or text that is not valid Unicode, does not. */
  private async encode(text: string): Promise<LocalIdList> {
    const ids = Array.from(await this.renderer.tokenizer.encode(text));
    if ((await this.decode(ids)) === text) return { ids };
    return {
      problem: "no ids decode to exactly this text: the tokenizer normalises it, so the model wrote something else",
    };
  }
}

/** The probe's question with this image, as canonical messages. */
export function probeDialogue(image: ImageSize | undefined): Message[] {
  const text = { type: "text" as const, text: PROBE_TEXT };
  if (image === undefined) return [{ role: "user", content: [text] }];
  return [{ role: "user", content: [{ type: "image", hash: "0".repeat(64), ...image }, text] }];
}
