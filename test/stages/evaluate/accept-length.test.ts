import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { poolAcceptance } from "../../../src/stages/evaluate/accept-length.js";
import { collapsePads } from "../../../src/tokens/index.js";

describe("poolAcceptance", () => {
  it("counts the prefill token apart and pools over answers, not their means", () => {
    // Two answers: 1 + (3 + 1) + (0 + 1) tokens in 2 steps, and 1 + 1 token in 1 step.
    const pooled = poolAcceptance([
      { completion_tokens: 6, spec_verify_ct: 2, spec_num_correct_drafts: 3 },
      { completion_tokens: 2, spec_verify_ct: 1, spec_num_correct_drafts: 0 },
    ]);
    expect(pooled).toEqual({
      answers: 2,
      steps: 3,
      correctDrafts: 3,
      tokens: 6,
      pooledAcceptLength: 2,
      tokensPerStep: 2,
    });
  });

  it("keeps drafts after the stop token out of tokensPerStep only", () => {
    // The stop token is the first draft of a block whose 7 drafts are all right: recorded from a real server.
    const pooled = poolAcceptance([{ completion_tokens: 37, spec_verify_ct: 36, spec_num_correct_drafts: 7 }]);
    expect(pooled.tokensPerStep).toBe(1);
    expect(pooled.pooledAcceptLength).toBeCloseTo(1 + 7 / 36);
  });

  it("takes an answer without a verification step as one that says nothing", () => {
    expect(poolAcceptance([{ completion_tokens: 1 }])).toMatchObject({ answers: 1, steps: 0, tokensPerStep: 0 });
  });
});

describe("collapsePads", () => {
  const PAD = 9;
  it("is undone by expanding each pad again", () => {
    const picture = fc.record({
      before: fc.array(fc.integer({ min: 0, max: 8 }), { minLength: 1 }),
      pads: fc.integer({ min: 1, max: 40 }),
    });
    fc.assert(
      fc.property(fc.array(picture), (pictures) => {
        const expanded = pictures.flatMap(({ before, pads }) => [...before, ...new Array<number>(pads).fill(PAD)]);
        const collapsed = collapsePads(expanded, PAD);
        expect(collapsed.filter((id) => id === PAD)).toHaveLength(pictures.length);
        let next = 0;
        const again = collapsed.flatMap((id) =>
          id === PAD ? new Array<number>(pictures[next++]!.pads).fill(PAD) : [id],
        );
        expect(again).toEqual(expanded);
      }),
      { seed: 7 },
    );
  });
});
