/** A template's faults as the stages see them: MODEL_INVALID before anything runs, or a reason for the one row. */
import { describe, expect, it } from "vitest";
import { DraftsmithError } from "../../src/base/index.js";
import type { Message } from "../../src/dialogue/index.js";
import { openModel } from "../../src/model/index.js";
import { createRenderer } from "../../src/tokens/index.js";
import { TINY_GUI } from "./reference.js";

const model = await openModel(TINY_GUI);
const ask = (text: string): Message[] => [{ role: "user", content: [{ type: "text", text }] }];

describe("a template that fails on some rows", () => {
  it.each([
    [
      "{{ raise_exception('no ' + messages[0].content) if 'bad' in messages[0].content }}ok",
      "template-refused",
      "no bad",
    ],
    [
      "{% macro f(x) %}{{ f(x) }}{% endmacro %}{% if 'bad' in messages[0].content %}{{ f(1) }}{% endif %}",
      "template-refused",
      "recurses",
    ],
    [
      "{% for m in messages %}\\n{% if 'bad' in m.content %}{{ m.x.y }}{% endif %}{% endfor %}",
      "template-refused",
      "line 2 of the template",
    ],
    ["{{ strftime_now('%d') if 'bad' in messages[0].content }}", "template-unsupported", "strftime_now"],
  ])("%s costs those rows", async (template, reason, message) => {
    const renderer = createRenderer({ ...model, template: template.replace("\\n", "\n") });
    const requests = ["good", "bad", "fine"].map((text) => ({ messages: ask(text), generationPrompt: true }));
    const [good, bad, fine] = await renderer.prompts(requests);
    expect([good!.ok, bad!.ok, fine!.ok]).toEqual([true, false, true]);
    expect(bad).toMatchObject({ reason, message: expect.stringContaining(message) });
  });
});

describe("a template that cannot be compiled", () => {
  it.each([
    ["x\n{% endif %}", "does not compile: unknown tag 'endif' (line 2 of the template)"],
    ["{% include 'x' %}", "uses the tag include (line 1 of the template), which cannot be rendered here"],
  ])("%j is MODEL_INVALID", (template, message) => {
    for (const broken of [{ template }, { template: "ok", toolTemplate: template }]) {
      try {
        createRenderer({ ...model, ...broken });
        expect.unreachable("it compiled");
      } catch (error) {
        expect(error).toBeInstanceOf(DraftsmithError);
        expect(error).toMatchObject({ code: "MODEL_INVALID", location: { file: model.dir, field: "chat_template" } });
        expect((error as DraftsmithError).message).toContain(message);
      }
    }
  });
});
