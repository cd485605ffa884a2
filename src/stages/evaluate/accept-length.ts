/**
 * Accept length from what a server reports with each answer. Two figures, because engines do not trim the counts of an
 * answer's last step: drafts accepted after the stop token still count as correct there.
 */
import { z } from "zod";

/** The spec_* members of meta_info (SGLang >= 0.5.13); absent when the answer needed no verification step. */
export const speculationSchema = z.looseObject({
  completion_tokens: z.number().int().nonnegative(),
  spec_verify_ct: z.number().int().positive().optional(),
  spec_num_correct_drafts: z.number().int().nonnegative().optional(),
});
export type Speculation = z.infer<typeof speculationSchema>;

export interface ServedAcceptance {
  answers: number;
  /** Verification steps over all answers. */
  steps: number;
  correctDrafts: number;
  /** Tokens of the answers, without the first one, which the prefill produces. */
  tokens: number;
  /** 1 + correct drafts / steps, pooled: what servers report. Includes drafts after the stop token. */
  pooledAcceptLength: number;
  /** Tokens / steps, pooled: directly comparable with an offline walk that ends at the stop token. */
  tokensPerStep: number;
}

export function poolAcceptance(answers: readonly Speculation[]): ServedAcceptance {
  let steps = 0;
  let correctDrafts = 0;
  let tokens = 0;
  for (const answer of answers) {
    const verified = answer.spec_verify_ct ?? 0;
    steps += verified;
    correctDrafts += answer.spec_num_correct_drafts ?? 0;
    // Without a verification step, the answer is the single token of the prefill.
    if (verified > 0) tokens += Math.max(0, answer.completion_tokens - 1);
  }
  return {
    answers: answers.length,
    steps,
    correctDrafts,
    tokens,
    pooledAcceptLength: steps === 0 ? 0 : 1 + correctDrafts / steps,
    tokensPerStep: steps === 0 ? 0 : tokens / steps,
  };
}
