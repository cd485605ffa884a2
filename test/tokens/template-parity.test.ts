/**
 * The template engine against Python's jinja2 as transformers sets it up: over the chat templates that packages ship, and over
 * random templates with random values. `DRAFTSMITH_PARITY=20` takes all templates and twenty times as many random ones.
 */
import fc from "fast-check";
import { expect, it } from "vitest";
import { compareRenderings, emptyComparison } from "./compare-renderings.js";
import { CHATS } from "./null-rich-chats.js";
import { PACKAGES, shippedTemplates } from "./shipped-templates.js";
import { damaged, grammarTemplate, grammarVariables } from "./template-grammar.js";
import { INSTRUCT_TEMPLATE, THINKING_TEMPLATE } from "./templates.js";
import { describeWithReference } from "./with-reference.js";

const SCALE = Number(process.env.DRAFTSMITH_PARITY ?? "1");
const SEED = Number(process.env.DRAFTSMITH_PARITY_SEED ?? "20261128");
/** The short run takes every sixth template. */
const STRIDE = SCALE > 1 ? 1 : 6;

describeWithReference("parity with jinja2", (reference) => {
  for (const wanted of PACKAGES) {
    const title = `templates of ${wanted.name} ${wanted.version}`;
    it.skipIf(wanted.longRunOnly && SCALE <= 1)(title, { timeout: 1_800_000 }, async (context) => {
      const templates = await shippedTemplates(reference.executable, wanted);
      if ("missing" in templates) return context.skip(templates.missing);
      const total = emptyComparison();
      const chosen = [...templates].filter((_, index) => index % STRIDE === 0);
      for (const [file, template] of chosen) await compareRenderings(total, reference, file, template, CHATS);
      console.info(
        `${title}: ${chosen.length} of ${templates.size}, ${total.equal} equal renderings, ${total.refused} refused by both, unsupported: ${JSON.stringify([...total.unsupported])}`,
      );
      expect(total.differences).toEqual([]);
      expect([...total.unsupported.keys()].filter((construct) => construct !== "strftime_now")).toEqual([]);
      expect(total.equal).toBeGreaterThan(chosen.length * CHATS.length * 0.6);
    });
  }

  it("random templates with values full of nulls", { timeout: 600_000 * Math.max(1, SCALE / 5) }, async () => {
    const total = emptyComparison();
    const samples = fc.sample(fc.tuple(grammarTemplate(), grammarVariables()), { numRuns: 1500 * SCALE, seed: SEED });
    for (const [template, variables] of samples) {
      await compareRenderings(total, reference, template, template, [{ name: JSON.stringify(variables), variables }]);
    }
    expect(total.differences).toEqual([]);
    expect(total.equal).toBeGreaterThan(samples.length * 0.7);
  });

  it("damaged templates, which both accept or both reject", { timeout: 600_000 * Math.max(1, SCALE / 5) }, async () => {
    const total = emptyComparison();
    const damage = fc.constantFrom(INSTRUCT_TEMPLATE, THINKING_TEMPLATE).chain(damaged);
    for (const template of fc.sample(damage, { numRuns: 300 * SCALE, seed: SEED })) {
      await compareRenderings(total, reference, JSON.stringify(template), template, CHATS.slice(0, 3));
    }
    expect(total.differences).toEqual([]);
    expect(Math.min(total.equal, total.refused)).toBeGreaterThan(100 * SCALE);
  });
});
