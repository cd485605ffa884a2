/** Which versions these rules follow and where others differ. Reports mention this; the server's ids decide. */
import type { ModelType } from "./families.js";

export const RULES_FOLLOW = { transformers: "5.23", sglang: "0.5.23" } as const;

/** What part of a prompt a difference can change. */
export type Touches = "text" | "tokens" | "images" | "videos" | "refusals";

export interface VersionDifference {
  touches: Touches;
  /** The examined versions that differ; versions between them may behave either way. */
  versions: string;
  /** How they behave, and how this toolkit does. */
  difference: string;
  /** The families concerned, if not all. */
  only?: "qwen3_5";
}

/**
 * Found by loading one directory with transformers 4.57.3, 5.7.0, 5.17.0 and 5.23.0 and by reading their processors.
 * A test compares the followed version with the environment's.
 */
const DIFFERENCES: readonly VersionDifference[] = [
  {
    touches: "refusals",
    versions: "5.7, 5.17",
    difference:
      "a placeholder typed into text is a ValueError in transformers 5.23, an IndexError in 5.7, a StopIteration in 5.17; here it is rejected earlier",
  },
  {
    touches: "text",
    versions: "before 5.19",
    difference: "messages have reasoning_content only; later versions also pass reasoning as thinking, as here",
  },
  {
    touches: "text",
    versions: "SGLang before 0.5.23",
    difference:
      "SGLang before 0.5.23 may serialize tool definitions with other keys; check this first if prompts with tools differ",
  },
  {
    touches: "text",
    versions: "all",
    difference:
      "whole numbers beyond 64 bits in tool arguments are an int in some versions and a float in others; here they are refused",
  },
  {
    touches: "tokens",
    versions: "5.7, 5.17",
    only: "qwen3_5",
    difference:
      "transformers 5.7 and 5.17 load this family with Qwen2Tokenizer if tokenizer_config.json names it, which splits combining marks from letters; 5.23 always uses Qwen3_5Tokenizer",
  },
  {
    touches: "tokens",
    versions: "4.57",
    difference:
      "4.57 keeps the normalizer and split rule of tokenizer.json; from 5 on the tokenizer class defines its own, as here",
  },
  {
    touches: "tokens",
    versions: "4.57",
    difference:
      "4.57 completes an added_tokens_decoder that omits tokens from tokenizer.json, 5.x renumbers all tokens; here it is rejected",
  },
  {
    touches: "images",
    versions: "4.57",
    difference:
      "5.x reads nested settings in processor_config.json, 4.57 does not; if both forms exist and differ, the directory is rejected here",
  },
  {
    touches: "images",
    versions: "4.57",
    difference:
      "in 4.57, pixel limits that no file sets depend on what the process loaded before; 5.x and this toolkit use the class's defaults",
  },
  {
    touches: "videos",
    versions: "4.57, 5.7",
    difference:
      "4.57 and 5.7 replace the vision marks around a video with its frames; 5.17 and later keep them (two more tokens per video)",
  },
  {
    touches: "videos",
    versions: "5.7",
    difference: "5.7 rounds an odd number of frames up when counting pixels; 4.57, 5.17 and 5.23 round half to even",
  },
  {
    touches: "videos",
    versions: "4.57, 5.7",
    difference: "4.57 and 5.7 reject frames smaller than one merged patch; 5.17 and later enlarge them",
  },
  {
    touches: "videos",
    versions: "5.7 and earlier",
    difference:
      "versions before 5.17 ignore cap_pixels_per_frame; without it 5.17 and 5.23 do not cap, and warn that this will change",
  },
];

/** Where other versions differ for this model type. */
export function versionDifferences(modelType: ModelType): VersionDifference[] {
  const isQwen35 = modelType === "qwen3_5" || modelType === "qwen3_5_moe";
  return DIFFERENCES.filter(({ only }) => only === undefined || isQwen35);
}

/** The differences as sentences for reports. `withVideos`: whether the data has videos. */
export function versionNotes(modelType: ModelType, withVideos = false): string[] {
  const shown = versionDifferences(modelType).filter(({ touches }) => withVideos || touches !== "videos");
  return [
    `rendering, tokens and image sizes follow transformers ${RULES_FOLLOW.transformers}; messages and tools are passed to the template as in SGLang ${RULES_FOLLOW.sglang}`,
    ...shown.map(({ difference }) => difference),
  ];
}
