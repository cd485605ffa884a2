/** Whose behaviour the rules here follow, and where other versions differ: said in reports, decided by the server's ids. */
import type { ModelType } from "./families.js";

export const RULES_FOLLOW = { transformers: "5.23", sglang: "0.5.23" } as const;

/** What of a prompt a difference can change. */
export type Touches = "text" | "tokens" | "images" | "videos" | "refusals";

export interface VersionDifference {
  touches: Touches;
  /** The versions that do otherwise, as they were looked at; those between may do either. */
  versions: string;
  /** What they do, and what is done here. */
  difference: string;
  /** Only these families, where not all. */
  only?: "qwen3_5";
}

/**
 * Found by loading one directory with transformers 4.57.3, 5.7.0, 5.17.0 and 5.23.0 and by reading their processors.
 * A test holds the followed version against the environment's.
 */
const DIFFERENCES: readonly VersionDifference[] = [
  {
    touches: "refusals",
    versions: "5.7, 5.17",
    difference:
      "a placeholder typed into text is a ValueError in transformers 5.23, an IndexError in 5.7, a StopIteration in 5.17; here it is refused before",
  },
  {
    touches: "text",
    versions: "before 5.19",
    difference: "messages have reasoning_content only; later ones offer reasoning as thinking too, as is done here",
  },
  {
    touches: "text",
    versions: "SGLang before 0.5.23",
    difference:
      "SGLang before 0.5.23 may write tool definitions back with other keys; where prompts with tools differ, look there first",
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
      "transformers 5.7 and 5.17 read this family with Qwen2Tokenizer where tokenizer_config.json names it, which parts combining marks from letters; 5.23 takes Qwen3_5Tokenizer whatever is named",
  },
  {
    touches: "tokens",
    versions: "4.57",
    difference:
      "4.57 keeps the normalizer and split rule of tokenizer.json; from 5 on the tokenizer class brings its own, as here",
  },
  {
    touches: "tokens",
    versions: "4.57",
    difference:
      "an added_tokens_decoder that lacks tokens is completed from tokenizer.json by 4.57, and makes 5.x number all tokens anew; here it is refused",
  },
  {
    touches: "images",
    versions: "4.57",
    difference:
      "processor_config.json with nested settings is read by 5.x and not by 4.57; where both forms stand and differ, the directory is refused here",
  },
  {
    touches: "images",
    versions: "4.57",
    difference:
      "pixel limits that no file gives depend, in 4.57, on what the process loaded before; 5.x and the rules here use the class's defaults",
  },
  {
    touches: "videos",
    versions: "4.57, 5.7",
    difference:
      "the vision marks around a video are replaced by its frames in 4.57 and 5.7, and kept around them from 5.17 on (two tokens more a video)",
  },
  {
    touches: "videos",
    versions: "5.7",
    difference: "5.7 rounds an odd number of frames up where it counts pixels; 4.57, 5.17 and 5.23 round half to even",
  },
  {
    touches: "videos",
    versions: "4.57, 5.7",
    difference: "frames smaller than one merged patch are refused by 4.57 and 5.7, and enlarged from 5.17 on",
  },
  {
    touches: "videos",
    versions: "5.7 and earlier",
    difference:
      "cap_pixels_per_frame is not known before 5.17; without the key 5.17 and 5.23 do not cap, and say that this will change",
  },
];

/** Where other versions differ for this model type. */
export function versionDifferences(modelType: ModelType): VersionDifference[] {
  const isQwen35 = modelType === "qwen3_5" || modelType === "qwen3_5_moe";
  return DIFFERENCES.filter(({ only }) => only === undefined || isQwen35);
}

/** Sentences for people; nothing is computed from them. `withVideos`: whether the data has any. */
export function versionNotes(modelType: ModelType, withVideos = false): string[] {
  const shown = versionDifferences(modelType).filter(({ touches }) => withVideos || touches !== "videos");
  return [
    `rendering, tokens and image sizes follow transformers ${RULES_FOLLOW.transformers}, messages and tools reach the template as in SGLang ${RULES_FOLLOW.sglang}`,
    ...shown.map(({ difference }) => difference),
  ];
}
