/** From canonical messages to the exact ids that the model sees: template, tokenizer, pads. */
import { DraftsmithError, type JsonObject } from "../base/index.js";
import type { ImagePart, Message } from "../dialogue/index.js";
import type { ModelDirectory } from "../model/index.js";
import { expandPads } from "./expand.js";
import { type Grid, gridTokens, imageGrid } from "./image-tokens.js";
import { type ChatTemplate, compileTemplate, TemplateFailure, TemplateUnsupported } from "./template/index.js";
import { templateMessages, templateTools } from "./template-messages.js";
import { createTokenizer, type Tokenizer } from "./tokenizer.js";

/** Why messages have no ids. */
export type PromptReason = "template-refused" | "template-unsupported" | "aspect-ratio" | "placeholder-count";

export type Prompt =
  | { ok: true; ids: Int32Array; text: string; images: ImagePart[]; grids: Grid[]; counts: number[] }
  | { ok: false; reason: PromptReason; message: string };

export interface PromptRequest {
  messages: readonly Message[];
  tools?: readonly JsonObject[] | undefined;
  /** Ends with the words that open an assistant turn. */
  generationPrompt: boolean;
}

export interface PromptRenderer {
  readonly tokenizer: Tokenizer;
  /** The template's text, one pad an image. Throws TemplateFailure where the template rejects the messages. */
  text(request: PromptRequest): string;
  prompt(request: PromptRequest): Promise<Prompt>;
  /** Several at once, which keeps all threads busy. */
  prompts(requests: readonly PromptRequest[]): Promise<Prompt[]>;
}

/**
 * Compiles the model's template. `chatTemplateKwargs` are the variables that the server gets in every request
 * (`enable_thinking`). Throws MODEL_INVALID for a template that cannot be rendered exactly as in Python.
 */
export function createRenderer(model: ModelDirectory, chatTemplateKwargs: Readonly<JsonObject> = {}): PromptRenderer {
  const template = compile(model);
  const tokenizer = createTokenizer(model.tokenizer.effectiveJson);
  const text = ({ messages, tools, generationPrompt }: PromptRequest): string =>
    template.render({
      ...model.tokenizer.specialTokens,
      messages: templateMessages(messages),
      tools: templateTools(tools),
      documents: null,
      add_generation_prompt: generationPrompt,
      ...chatTemplateKwargs,
    });
  const prompts = async (requests: readonly PromptRequest[]): Promise<Prompt[]> => {
    const drafts = requests.map((request) => layOut(model, request, text));
    const texts = drafts.flatMap((draft) => (draft.ok ? [draft.text] : []));
    const encoded = await tokenizer.encodeBatch(texts);
    let next = 0;
    return drafts.map((draft) => (draft.ok ? expand(model, draft, encoded[next++]!) : draft));
  };
  return {
    tokenizer,
    text,
    prompts,
    prompt: async (request) => (await prompts([request]))[0]!,
  };
}

type Layout =
  | { ok: true; text: string; images: ImagePart[]; grids: Grid[]; counts: number[] }
  | Extract<Prompt, { ok: false }>;

function layOut(model: ModelDirectory, request: PromptRequest, render: (request: PromptRequest) => string): Layout {
  const images = imagesOf(request.messages);
  const grids: Grid[] = [];
  for (const image of images) {
    const grid = imageGrid(image, model.processor);
    if (grid === null) {
      return {
        ok: false,
        reason: "aspect-ratio",
        message: `an image of ${image.width}x${image.height} is too long and thin`,
      };
    }
    grids.push(grid);
  }
  try {
    const counts = grids.map((grid) => gridTokens(grid, model.processor.mergeSize));
    return { ok: true, text: render(request), images, grids, counts };
  } catch (error) {
    if (error instanceof TemplateFailure) return { ok: false, reason: "template-refused", message: error.message };
    if (error instanceof TemplateUnsupported) {
      const message = `the chat template meets ${error.message}, which is not rendered here exactly as in Python`;
      return { ok: false, reason: "template-unsupported", message };
    }
    throw error;
  }
}

function expand(model: ModelDirectory, layout: Extract<Layout, { ok: true }>, ids: Int32Array): Prompt {
  const expanded = expandPads(ids, model.specialIds.imagePad, layout.counts);
  if (expanded !== null) return { ...layout, ids: expanded };
  const pads = ids.filter((id) => id === model.specialIds.imagePad).length;
  const message = `the rendered text has ${pads} image placeholders for ${layout.images.length} images`;
  return { ok: false, reason: "placeholder-count", message };
}

/** Images of messages in the order in which they stand. */
export function imagesOf(messages: readonly Message[]): ImagePart[] {
  return messages.flatMap((message) => message.content.filter((part) => part.type === "image"));
}

function compile(model: ModelDirectory): ChatTemplate {
  try {
    return compileTemplate(model.template);
  } catch (error) {
    if (error instanceof TemplateUnsupported) throw unsupported(model, error);
    throw error;
  }
}

function unsupported(model: ModelDirectory, error: TemplateUnsupported): DraftsmithError {
  return new DraftsmithError(
    "MODEL_INVALID",
    `the chat template uses ${error.message}, which is not rendered here exactly as in Python`,
    {
      location: { file: model.dir, field: "chat_template" },
      hint: "tell us about the construct; until then this template cannot be checked",
      cause: error,
    },
  );
}
