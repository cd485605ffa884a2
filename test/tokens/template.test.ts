/** The template engine against Python's jinja2 as transformers sets it up, and what it must refuse. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { JsonObject } from "../../src/base/index.js";
import { dialogueSchema, readDialogue } from "../../src/dialogue/index.js";
import {
  compileTemplate,
  TemplateFailure,
  TemplateSyntaxError,
  TemplateUnsupported,
  templateMessages,
  templateTools,
} from "../../src/tokens/index.js";
import { promptMessages, toolDefinitions } from "./arbitraries.js";
import { INSTRUCT_TEMPLATE, MISTAKES, SNIPPETS, THINKING_TEMPLATE, UNSUPPORTED, VARIABLES } from "./templates.js";
import { describeWithReference } from "./with-reference.js";

function render(template: string, variables: Record<string, unknown>): string {
  try {
    return compileTemplate(template).render(variables);
  } catch (error) {
    if (error instanceof TemplateFailure) return "(refused)";
    throw error;
  }
}

describe("None is a value, not absence", () => {
  const variables = { m: { r: null, s: "x" }, list: [null, 1, null], nothing: null };
  it.each([
    ["{{ m.r }}|{{ m['r'] }}|{{ m.get('r') }}|{{ m.get('r', '') }}", "None|None|None|None"],
    ["{{ m.r is defined }}|{{ m['r'] is none }}|{{ m.q is defined }}|{{ m.get('q', '') }}", "True|True|False|"],
    ["{{ list[0] }}|{{ list | first }}|{{ list | last }}|{{ list[-1] is none }}", "None|None|None|True"],
    ["{{ m.r | default('d') }}|{{ m.r | default('d', true) }}|{{ m.q | default(none) }}", "None|d|None"],
    ["{% for x in list %}{{ x }}/{{ loop.previtem }}/{{ loop.nextitem }};{% endfor %}", "None//1;1/None/None;None/1/;"],
    ["{% macro f(a, b=none, c='c') %}{{ a }}{{ b }}{{ c }}{% endmacro %}{{ f(nothing, c=none) }}", "NoneNoneNone"],
    ["{% set ns = namespace(v=none) %}{{ ns.v }}{{ ns.v is defined }}", "NoneTrue"],
    ["{{ m }}{{ m | tojson }}{{ 'a' ~ m.r }}", "{'r': None, 's': 'x'}{\"r\": null, \"s\": \"x\"}aNone"],
  ])("%s", (template, text) => {
    expect(compileTemplate(template).render(variables)).toBe(text);
  });
});

describe("what the engine does not do", () => {
  it.each(UNSUPPORTED)("%s is refused as unsupported, by name", (template, name) => {
    const run = (): string => compileTemplate(template).render(VARIABLES);
    expect(run).toThrow(TemplateUnsupported);
    expect(run).toThrow(name);
  });

  it.each(MISTAKES)("%j is the template's own mistake", (template, message) => {
    expect(() => compileTemplate(template)).toThrow(TemplateSyntaxError);
    expect(() => compileTemplate(template)).toThrow(message);
  });

  it("names the line of an unsupported construct and of a failure", () => {
    expect(() => compileTemplate("a\n{% if x %}\n{{ y | urlize }}{% endif %}")).toThrow("(line 3 of the template)");
    const template = compileTemplate("a\n{% for x in list %}\n\n{{ x.y.z }}\n{% endfor %}");
    expect(() => template.render({ list: [1] })).toThrow("(line 4 of the template)");
  });
});

describe("what the template or Python refuses", () => {
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

describeWithReference("parity with jinja2", (reference) => {
  async function python(template: string, variables: Record<string, unknown>): Promise<string> {
    const answer = await reference.ask<{ text: string }>({ kind: "template", template, variables });
    return "error" in answer ? "(refused)" : answer.text;
  }

  it("recorded answers with thinking in their text render as Python renders the recorded text", async () => {
    const space = fc.string({ unit: fc.constantFrom(" ", "\n", "\t"), maxLength: 3 });
    const thought = fc
      .tuple(space, fc.constantFrom("<think>", ""), space, fc.constantFrom("", "I look."), space, space)
      .map(([a, open, b, words, c, d]) => `${a}${open}${b}${words}${c}</think>${d}Done.`);
    const recorded = fc.array(fc.oneof({ weight: 4, arbitrary: thought }, fc.constant("Done.")), {
      minLength: 1,
      maxLength: 3,
    });
    await fc.assert(
      fc.asyncProperty(recorded, async (answers) => {
        const messages = answers.flatMap((content) => [
          { role: "user", content: "Go." },
          { role: "assistant", content },
        ]);
        const read = readDialogue({ messages }, "auto");
        if (!read.ok) throw new Error(read.message);
        const ours = templateMessages(dialogueSchema.shape.messages.parse(read.dialogue.messages));
        const given = { tools: null, documents: null, add_generation_prompt: false };
        expect(render(THINKING_TEMPLATE, { messages: ours, ...given })).toBe(
          await python(THINKING_TEMPLATE, { messages }),
        );
      }),
      { seed: 3, numRuns: 150 },
    );
  });

  it.each(SNIPPETS)("%s", async (template) => {
    // transformers passes these three to every template.
    const given = { tools: null, documents: null, add_generation_prompt: false };
    expect(render(template, { ...VARIABLES, ...given })).toBe(await python(template, VARIABLES));
  });

  /** Now and then a system message in the middle, an unknown role or a picture in the system turn: refused by both. */
  const spoiled = fc.tuple(
    promptMessages(),
    fc.oneof(
      { weight: 12, arbitrary: fc.constant(null) },
      {
        weight: 1,
        arbitrary: fc.constantFrom<JsonObject>(
          { role: "system", content: "x" },
          { role: "developer", content: "x" },
          { role: "system", content: [{ type: "image" }] },
          { role: "user", content: 7 },
        ),
      },
    ),
    fc.boolean(),
  );

  it.each([
    ["Qwen3-VL-Instruct", INSTRUCT_TEMPLATE],
    ["Qwen3.5 and the thinking ones", THINKING_TEMPLATE],
  ])("a template with the features of %s renders any dialogue alike", { timeout: 300_000 }, async (_, template) => {
    const scale = Number(process.env.DRAFTSMITH_PARITY ?? "1");
    let refused = 0;
    await fc.assert(
      fc.asyncProperty(
        spoiled,
        fc.constantFrom({}, { enable_thinking: false }, { enable_thinking: true }),
        fc.constantFrom({}, { add_vision_id: true }, { add_vision_id: false }),
        toolDefinitions(),
        fc.boolean(),
        async ([messages, extra, atFront], thinking, labels, tools, generationPrompt) => {
          const given = templateMessages(messages);
          if (extra !== null) given[atFront ? "unshift" : "push"](extra);
          const variables = {
            messages: given,
            tools: templateTools(tools),
            add_generation_prompt: generationPrompt,
            ...thinking,
            ...labels,
          };
          const ours = render(template, { documents: null, ...variables });
          if (ours === "(refused)") refused += 1;
          expect(ours).toBe(await python(template, variables));
        },
      ),
      { numRuns: 400 * scale, seed: 7 },
    );
    expect(refused).toBeGreaterThan(0);
  });
});
