/** What hostile or broken templates may cost: their row, never the run, the process or its memory. */
import { describe, expect, it } from "vitest";
import type { JsonValue } from "../../src/base/index.js";
import { compileTemplate, TemplateFailure, TemplateUnsupported } from "../../src/tokens/index.js";

const render = (template: string, variables: Record<string, unknown> = {}): string =>
  compileTemplate(template).render(variables);

/** Renders a JSON schema as a template with a recursive macro may do it. */
const SCHEMA_MACRO = `{% macro kind(schema) %}
{%- if schema.type is string %}{{ schema.type }}
{%- else %}{% for one in schema.type %}{{ kind(one) }}{% endfor %}{% endif %}
{%- endmacro %}{{ kind(schema) }}`;

function nested(depth: number): JsonValue {
  let value: JsonValue = [];
  for (let i = 0; i < depth; i += 1) value = [value];
  return value;
}

describe("bounds of a template's work", () => {
  it.each([
    ["{% macro f(n) %}{{ f(n + 1) }}{% endmacro %}\\n{{ f(0) }}", "recurses too deeply (line 1 of the template)"],
    ["{% for x in [[1]] recursive %}{{ loop([x]) }}{% endfor %}", "recurses too deeply"],
    ["{% macro a() %}{{ b() }}{% endmacro %}{% macro b() %}{{ a() }}{% endmacro %}{{ a() }}", "recurses too deeply"],
    ["{% for i in range(1000000000) %}x{% endfor %}", "a range of more than 100000 numbers"],
    ["{{ range(-100001, 0) | list | length }}", "a range of more than 100000 numbers"],
    ["{{ 'x' * 100000000 + 1 }}", "a text of more than 67108864 characters"],
    ["{{ ('x' * 60000000) ~ ('y' * 60000000) }}", "of more than"],
    ["{{ [1] * 100000000 }}", "a list of more than 1048576 items"],
    ["{{ ('ab' * 1000000).replace('a', 'x' * 1000) }}", "of more than"],
    ["{{ 'x'.center(10 ** 12) }}{{ '%999999999d' % 1 }}", "of more than"],
    ["{{ 10 ** (10 ** 10) }}", "whole numbers of more than 4096 bits"],
    ["{% for i in range(100000) %}{% for j in range(100000) %}{% endfor %}{% endfor %}", "steps of work"],
    ["{% set n = namespace(s='ab') %}{% for i in range(99) %}{% set n.s = n.s + n.s %}{% endfor %}", "of more than"],
    ["{% set n = namespace(s=[1]) %}{% for i in range(99) %}{% set n.s = n.s + n.s %}{% endfor %}", "of more than"],
    ["{% for i in range(99999) %}{{ 'x' * 99999 }}{% endfor %}", "of more than"],
    [
      "{% set s = 'ab' * 1000000 %}{% for i in range(99999) %}{% if s.split('b') %}{% endif %}{% endfor %}",
      "steps of work",
    ],
  ])("%s is refused", { timeout: 60_000 }, (template, message) => {
    const run = (): string => render(template);
    try {
      run();
      expect.unreachable("it rendered");
    } catch (error) {
      expect(error instanceof TemplateFailure || error instanceof TemplateUnsupported, String(error)).toBe(true);
      expect((error as Error).message).toContain(message);
    }
  });

  it("macros recurse as deep as Python's stack allows", () => {
    const countdown = "{% macro f(n) %}{{ n if n == 0 else f(n - 1) }}{% endmacro %}{{ f(n) }}";
    expect(render(countdown, { n: 197 })).toBe("0");
    expect(() => render(countdown, { n: 198 })).toThrow("recurses too deeply");
  });

  it("a range as long as jinja2's sandbox allows is rendered", () => {
    expect(render("{{ range(100000) | length }}{{ range(0, 1000000000, 10000) | last }}")).toBe("100000999990000");
  });

  it("values nested deeper than Python parses are refused", () => {
    expect(() => render("{{ x | length }}", { x: nested(200_000) })).toThrow("nested deeper than 900 levels");
    expect(render("{{ x | tojson }}", { x: nested(3) })).toBe("[[[[]]]]");
    expect(render("{{ x }}", { x: nested(800) })).toHaveLength(2 * 801);
  });

  it("values that a template nests without end are refused where they are written", () => {
    const nest = "{% set n = namespace(x=[]) %}{% for i in range(90000) %}{% set n.x = [n.x] %}{% endfor %}";
    for (const use of ["{{ n.x }}", "{{ n.x | tojson }}", "{{ n.x == n.x[0] }}"]) {
      expect(() => render(nest + use)).toThrow(/recurses too deeply|this engine fails/);
    }
  });

  it("tags and brackets nested deeper than the stack are refused when the template is compiled", () => {
    expect(() => compileTemplate(`{{ ${"(".repeat(100_000)}1${")".repeat(100_000)} }}`)).toThrow(TemplateUnsupported);
    expect(() => compileTemplate("{% if x %}".repeat(20_000) + "{% endif %}".repeat(20_000))).toThrow(
      TemplateUnsupported,
    );
  });
});

describe("what used to throw a TypeError or RangeError", () => {
  it("joins the keys of a dict, and refuses what has no items", () => {
    expect(render("{{ ', '.join(m) }}", { m: { a: 1, b: null } })).toBe("a, b");
    for (const m of [null, 7, true, [1], { a: 1 }.a]) {
      expect(() => render("{{ ', '.join(m) }}", { m })).toThrow(TemplateFailure);
    }
  });

  it("a macro over a schema whose type is a list", () => {
    expect(render(SCHEMA_MACRO, { schema: { type: "string" } })).toBe("string");
    // Every name of the list is a text, whose type is undefined: it renders as nothing, as in Python.
    expect(render(SCHEMA_MACRO, { schema: { type: ["string", "null"] } })).toBe("");
    expect(() => render(SCHEMA_MACRO, { schema: null })).not.toThrow();
    expect(() => render(SCHEMA_MACRO, { schema: { type: null } })).toThrow("'NoneType' object is not iterable");
  });

  it("two renderings share no state after a refusal", () => {
    const template = compileTemplate(
      "{% set n = namespace(i=0) %}{% for x in xs %}{% set n.i = n.i + x %}{% endfor %}{{ n.i }}",
    );
    expect(() => template.render({ xs: [1, "a"] })).toThrow(TemplateFailure);
    expect(template.render({ xs: [1, 2] })).toBe("3");
  });
});
