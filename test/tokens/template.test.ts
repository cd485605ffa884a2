/** The template engine against Python's jinja2 as transformers sets it up, and what it must refuse. */
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { compileTemplate, TemplateFailure, TemplateUnsupported, templateMessages } from "../../src/tokens/index.js";
import { canonicalMessages } from "./arbitraries.js";
import { findReference, Reference } from "./reference.js";
import { REFUSED, SNIPPETS, THINKING_TEMPLATE, VARIABLES } from "./templates.js";

function render(template: string, variables: Record<string, unknown>): string {
  try {
    return compileTemplate(template).render(variables);
  } catch (error) {
    if (error instanceof TemplateFailure) return "(refused)";
    throw error;
  }
}

describe("what the engine does not do exactly", () => {
  it.each(REFUSED)("%s is refused", (template) => {
    expect(() => compileTemplate(template).render(VARIABLES)).toThrow(TemplateUnsupported);
  });

  it("an undefined value fails where something is asked of it, and prints as nothing elsewhere", () => {
    expect(compileTemplate("[{{ a }}]").render({})).toBe("[]");
    expect(() => compileTemplate("{{ a.b }}").render({})).toThrow(TemplateFailure);
    expect(() => compileTemplate("{{ a + 'x' }}").render({})).toThrow(TemplateFailure);
    expect(() => compileTemplate("{{ 'x' + 1 }}").render({})).toThrow(TemplateFailure);
    expect(() => compileTemplate("{{ a | tojson }}").render({})).toThrow(TemplateFailure);
  });

  it("a whole number beyond 64 bits is refused: servers read it as an int or as a float", () => {
    expect(compileTemplate("{{ a }}").render({ a: 2 ** 63 })).toBe("9223372036854776000");
    expect(() => compileTemplate("{{ a }}").render({ a: 2 ** 64 })).toThrow(TemplateUnsupported);
  });

  it("a template's own exception carries its message", () => {
    expect(() => compileTemplate("{{ raise_exception('no ' + 'way') }}").render({})).toThrow("no way");
  });

  it("equal messages render alike however often a template was used", () => {
    const template = compileTemplate(THINKING_TEMPLATE);
    const variables = { messages: [{ role: "user", content: "x" }], add_generation_prompt: true };
    expect(template.render(variables)).toBe(template.render(variables));
  });
});

const found = await findReference();
const missing = "missing" in found ? found.missing : null;

describe.skipIf(missing !== null)(`parity with jinja2${missing === null ? "" : ` (skipped: ${missing})`}`, () => {
  let reference: Reference;
  beforeAll(async () => {
    if ("missing" in found) return;
    reference = new Reference(found.executable);
    await reference.ask({ kind: "texts", texts: [""] });
  });
  afterAll(() => reference?.close());

  async function python(template: string, variables: Record<string, unknown>): Promise<string> {
    const answer = await reference.ask<{ text: string }>({ kind: "template", template, variables });
    return "error" in answer ? "(refused)" : answer.text;
  }

  it.each(SNIPPETS)("%s", async (template) => {
    // transformers passes these three to every template.
    const given = { tools: null, documents: null, add_generation_prompt: false };
    expect(render(template, { ...VARIABLES, ...given })).toBe(await python(template, VARIABLES));
  });

  it("a thinking template with macros and history rules renders any dialogue alike", { timeout: 300_000 }, async () => {
    const scale = Number(process.env.DRAFTSMITH_PARITY ?? "1");
    await fc.assert(
      fc.asyncProperty(
        canonicalMessages(),
        fc.constantFrom({}, { enable_thinking: false }),
        async (messages, kwargs) => {
          const variables = { messages: templateMessages(messages), add_generation_prompt: true, ...kwargs };
          const ours = render(THINKING_TEMPLATE, { tools: null, documents: null, ...variables });
          expect(ours).toBe(await python(THINKING_TEMPLATE, variables));
        },
      ),
      { numRuns: 500 * scale, seed: 7 },
    );
  });
});
