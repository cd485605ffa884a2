/** Turns canonical messages into the exact ids that the model sees: template, tokenizer, pads. */
import { DraftsmithError, type JsonObject } from "../base/index.js";
import { type ImagePart, imagesOf, type Message, type VideoPart, videosOf } from "../dialogue/index.js";
import { type ModelDirectory, SPECIAL_TEXT } from "../model/index.js";
import { expandPads } from "./expand.js";
import { type Grid, gridTokens, imageGrid } from "./image-tokens.js";
import {
  type ChatTemplate,
  compileTemplate,
  TemplateFailure,
  TemplateSyntaxError,
  TemplateUnsupported,
} from "./template/index.js";
import { templateMessages, templateTools } from "./template-messages.js";
import { createTokenizer, type Tokenizer } from "./tokenizer.js";
import { framesOf, patchTokens, videoGrid, videoText, videoTimestamps } from "./video-tokens.js";

/** Why messages cannot be turned into ids. */
export type PromptReason =
  | "template-refused"
  | "template-unsupported"
  | "aspect-ratio"
  | "video-frames"
  | "placeholder-count";

export type Prompt = ({ ok: true; ids: Int32Array } & Laid) | { ok: false; reason: PromptReason; message: string };

interface Laid {
  /** The template's text, with one pad per image and per video. */
  text: string;
  images: ImagePart[];
  grids: Grid[];
  /** Tokens of each image. */
  counts: number[];
  videos: VideoPart[];
  /** One per video; the model's positions split them into temporal patches. */
  videoGrids: Grid[];
}

export interface PromptRequest {
  messages: readonly Message[];
  tools?: readonly JsonObject[] | undefined;
  /** Whether to append the tokens that open an assistant turn. */
  generationPrompt: boolean;
}

export interface PromptRenderer {
  readonly tokenizer: Tokenizer;
  /** The template's text, with one pad per image. Throws TemplateFailure if the template rejects the messages. */
  text(request: PromptRequest): string;
  prompt(request: PromptRequest): Promise<Prompt>;
  /** Renders and encodes a batch, which keeps all threads busy. */
  prompts(requests: readonly PromptRequest[]): Promise<Prompt[]>;
}

/**
 * Compiles the model's template. `chatTemplateKwargs` are the variables that every request sends to the server
 * (`enable_thinking`). Throws MODEL_INVALID for a template that does not compile or cannot be rendered exactly as in Python.
 */
export function createRenderer(model: ModelDirectory, chatTemplateKwargs: Readonly<JsonObject> = {}): PromptRenderer {
  const template = compile(model, model.template);
  const toolTemplate = model.toolTemplate === null ? template : compile(model, model.toolTemplate);
  const tokenizer = createTokenizer(model.tokenizer.effectiveJson);
  const text = ({ messages, tools, generationPrompt }: PromptRequest): string => {
    const given = templateTools(tools);
    return (given === null ? template : toolTemplate).render({
      ...model.tokenizer.specialTokens,
      messages: templateMessages(messages),
      tools: given,
      documents: null,
      add_generation_prompt: generationPrompt,
      ...chatTemplateKwargs,
    });
  };
  const prompts = async (requests: readonly PromptRequest[]): Promise<Prompt[]> => {
    const drafts = requests.map((request) => layOut(model, request, text));
    const texts = drafts.flatMap((draft) => (draft.ok ? [draft.spelled] : []));
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

/** A prompt before tokenization; in `spelled` the timestamps of videos are written out. */
type Layout = ({ ok: true; spelled: string } & Laid) | Extract<Prompt, { ok: false }>;

function layOut(model: ModelDirectory, request: PromptRequest, render: (request: PromptRequest) => string): Layout {
  const images = imagesOf(request.messages);
  const videos = videosOf(request.messages);
  const grids: Grid[] = [];
  for (const image of images) {
    const grid = imageGrid(image, model.processor);
    if (grid === null)
      return refused("aspect-ratio", `an image of ${sizeText(image)} exceeds the processor's aspect ratio`);
    grids.push(grid);
  }
  const videoGrids: Grid[] = [];
  for (const video of videos) {
    if (model.video === null) return refused("video-frames", "the model directory has no settings for videos");
    const frames = framesOf(video);
    const grid = videoGrid(frames, model.video);
    if (grid === null) {
      const what = `${frames.frames} frames of ${sizeText(frames)}`;
      return refused("video-frames", `a video of ${what} is too short for the processor or exceeds its aspect ratio`);
    }
    videoGrids.push(grid);
  }
  try {
    const text = render(request);
    const spelled = model.video === null ? text : spellVideos(text, videos, model.video.temporalPatchSize);
    if (spelled === null) {
      return refused(
        "placeholder-count",
        `the number of video placeholders in the rendered text is not ${videos.length}, the number of videos`,
      );
    }
    const counts = grids.map((grid) => gridTokens(grid, model.processor.mergeSize));
    return { ok: true, text, spelled, images, grids, counts, videos, videoGrids };
  } catch (error) {
    if (error instanceof TemplateFailure) {
      return refused("template-refused", `the chat template rejects these messages: ${error.message}`);
    }
    if (error instanceof TemplateUnsupported) {
      const message = `the chat template ran into ${error.message}, which cannot be rendered here exactly as in Python`;
      return refused("template-unsupported", message);
    }
    throw error;
  }
}

function refused(reason: PromptReason, message: string): Extract<Prompt, { ok: false }> {
  return { ok: false, reason, message };
}

const sizeText = ({ width, height }: { width: number; height: number }): string => `${width}x${height}`;

/** Writes every video pad out as timestamps and frames; null if the number of pads differs from the number of videos. */
function spellVideos(text: string, videos: readonly VideoPart[], temporalPatch: number): string | null {
  const pieces = text.split(SPECIAL_TEXT.videoPad);
  if (pieces.length !== videos.length + 1) return null;
  const spelled = videos.map((video) => videoText(videoTimestamps(video, temporalPatch)));
  return pieces.map((piece, index) => piece + (spelled[index] ?? "")).join("");
}

function expand(model: ModelDirectory, layout: Extract<Layout, { ok: true }>, ids: Int32Array): Prompt {
  const { spelled: _, ...laid } = layout;
  const { imagePad, videoPad } = model.specialIds;
  const merge = model.video?.mergeSize ?? model.processor.mergeSize;
  const withVideos = expandPads(
    ids,
    videoPad,
    laid.videoGrids.flatMap((grid) => patchTokens(grid, merge)),
  );
  const expanded = withVideos && expandPads(withVideos, imagePad, laid.counts);
  if (expanded !== null) return { ...laid, ids: expanded };
  const pads = ids.filter((id) => id === imagePad).length;
  return refused(
    "placeholder-count",
    `the rendered text has ${pads} image placeholders for ${laid.images.length} images`,
  );
}

function compile(model: ModelDirectory, source: string): ChatTemplate {
  try {
    return compileTemplate(source);
  } catch (error) {
    if (error instanceof TemplateSyntaxError) {
      throw invalidTemplate(model, `the chat template does not compile: ${error.message}`, "fix the template", error);
    }
    if (error instanceof TemplateUnsupported) {
      const message = `the chat template uses ${error.message}, which cannot be rendered here exactly as in Python`;
      const hint = "use a template without it, or report the construct";
      throw invalidTemplate(model, message, hint, error);
    }
    throw error;
  }
}

function invalidTemplate(model: ModelDirectory, message: string, hint: string, cause: Error): DraftsmithError {
  const location = { file: model.dir, field: "chat_template" };
  return new DraftsmithError("MODEL_INVALID", message, { location, hint, cause });
}
