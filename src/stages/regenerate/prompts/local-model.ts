/** The model directory as a source of ids: what it renders and encodes, for comparing and for counting. */
import type { JsonObject } from "../../../base/index.js";
import type { Message } from "../../../dialogue/index.js";
import { type ModelDirectory, openModel } from "../../../model/index.js";
import { type OwnIds, type OwnList, PROBE_SIDE, PROBE_TEXT } from "../../../sglang/index.js";
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

  /** Hashes of what decides our ids; counted answers of another directory are others. */
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

  /** What counting needs of the question that these messages end with. Nothing is rendered until it is asked for. */
  idsFor(messages: readonly Message[], tools: JsonObject[] | undefined): OwnIds {
    const { specialIds, tokenizer } = this.model;
    const { eos_token: eos } = tokenizer.specialTokens;
    // The history grows under way; the question is about these messages.
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

  /** Tokenizers that normalise, and text that is no Unicode, do not give the same text again. */
  private async encode(text: string): Promise<OwnList> {
    const ids = Array.from(await this.renderer.tokenizer.encode(text));
    if ((await this.decode(ids)) === text) return { ids };
    return { problem: "no ids give this very text: the tokenizer normalises it, so the model wrote it otherwise" };
  }
}

/** What the probe asks, as canonical messages. */
export function probeDialogue(withImage: boolean): Message[] {
  const image = { type: "image" as const, hash: "0".repeat(64), width: PROBE_SIDE, height: PROBE_SIDE };
  const text = { type: "text" as const, text: PROBE_TEXT };
  return [{ role: "user", content: withImage ? [image, text] : [text] }];
}
