/** Which id a draft uses for tokens that it has yet to predict. */
import type { TokenizerFiles } from "./tokenizer-files.js";

/** SGLang looks this string up; if the tokenizer has it, SGLang requires its id. */
export const MASK_TOKEN = "<|MASK|>";

/** Ids that official drafts use, by the size of the target's vocabulary. */
const KNOWN: Record<number, number> = { 151936: 151669, 248320: 248070 };

/** The id of official drafts for this vocabulary, if there are any. */
export function knownMaskId(vocabSize: number): number | undefined {
  return KNOWN[vocabSize];
}

/**
 * The tokenizer's own mask token, else the id known for this vocabulary, else the first embedding row without a token.
 * Null if the vocabulary has no spare row: then the user must choose an id.
 */
export function maskTokenId(vocabSize: number, tokenizer: Pick<TokenizerFiles, "idOf" | "size">): number | null {
  const own = tokenizer.idOf(MASK_TOKEN);
  if (own !== undefined) return own;
  const known = knownMaskId(vocabSize);
  if (known !== undefined) return known;
  return tokenizer.size < vocabSize ? tokenizer.size : null;
}
