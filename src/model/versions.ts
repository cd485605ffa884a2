/** Whose behaviour the rules here follow, and where other versions differ: said in reports, decided by the server's ids. */
import type { ModelType } from "./families.js";

export const RULES_FOLLOW = { transformers: "5.23", sglang: "0.5.23" } as const;

/** Sentences for people; nothing is computed from them. */
export function versionNotes(modelType: ModelType): string[] {
  const notes = [
    `rendering, tokens and image sizes follow transformers ${RULES_FOLLOW.transformers}, messages and tools reach the template as in SGLang ${RULES_FOLLOW.sglang}`,
    "a placeholder typed into text is a ValueError in transformers 5.23, an IndexError in 5.7, a StopIteration in 5.17; here it is refused before",
    "SGLang before 0.5.23 may write tool definitions back with other keys; where prompts with tools differ, look there first",
    "whole numbers beyond 64 bits in tool arguments are an int in some versions and a float in others; here they are refused",
  ];
  if (modelType === "qwen3_5" || modelType === "qwen3_5_moe") {
    notes.push(
      "transformers 5.7 and 5.17 read this family with Qwen2Tokenizer, which parts combining marks from letters",
    );
  }
  return notes;
}
