/** Numbers of tool schemas and arguments in a template: what Python reads from the same literals, and how it prints it. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { JsonNumber, type JsonObject, parseJson } from "../../src/base/index.js";
import { compileTemplate, TemplateUnsupported, templateTools } from "../../src/tokens/index.js";
import { describeWithReference } from "./with-reference.js";

const TEMPLATE = [
  "{{ n }}|{{ n | tojson }}|{{ list }}|{{ list | tojson(indent=1) }}|{{ n is integer }}|{{ n is float }}|{{ n is number }}",
  "{{ n == 0 }}|{{ n < 1 }}|{{ n >= list[0] }}|{{ list[0] == list[1] }}|{{ list[0] < list[1] }}|{{ 'yes' if n else 'no' }}|{{ n ~ '' }}|{{ -n }}",
].join("\n");

function render(variables: JsonObject): string {
  return compileTemplate(TEMPLATE).render({ ...variables });
}

describe("numbers in a template", () => {
  it("0.0 stays a float and an int64 keeps its digits", () => {
    const tool =
      '{"type":"function","function":{"name":"f","parameters":{"minimum":0.0,"maximum":1.0,"id":2512292042121000001}}}';
    const rendered = compileTemplate("{{ tools | tojson }}").render({
      tools: templateTools([parseJson(tool) as JsonObject]),
    });
    expect(rendered).toContain('"minimum": 0.0, "maximum": 1.0, "id": 2512292042121000001');
  });

  it("whole numbers beyond 64 bits are refused, and arithmetic beyond 2^53 is exact", () => {
    const shown = (json: string, template = "{{ n }}"): string =>
      compileTemplate(template).render({ n: parseJson(json) });
    expect(shown("18446744073709551615")).toBe("18446744073709551615");
    expect(shown("-9223372036854775808")).toBe("-9223372036854775808");
    for (const beyond of ["18446744073709551616", "-9223372036854775809", `1${"0".repeat(300)}`]) {
      expect(() => shown(beyond)).toThrow(TemplateUnsupported);
    }
    expect(shown("9007199254740993", "{{ n + 1 }} {{ n * n }} {{ -n // 2 }}")).toBe(
      "9007199254740994 81129638414606699710187514626049 -4503599627370497",
    );
  });
});

describeWithReference("parity with Python", (reference) => {
  const literal = fc.oneof(
    fc.constantFrom("0", "-0", "0.0", "-0.0", "1.0", "1e2", "1E+2", "100", "1e16", "1e15", "123456789012345680.0"),
    fc.constantFrom("1e22", "1e-5", "0.00001", "1.50", "5e-324", "1.7976931348623157e308", "0.1234567890123456789"),
    fc.constantFrom(
      "9007199254740991",
      "9007199254740992",
      "9007199254740993",
      "-9007199254740993",
      "9007199254740992.0",
    ),
    fc.bigInt({ min: -(1n << 63n), max: (1n << 64n) - 1n }).map(String),
    fc
      .double({ noNaN: true, noDefaultInfinity: true })
      .map((value) => JSON.stringify(value))
      .filter((text) => !/^-?\d{19,}$/.test(text)),
    fc
      .tuple(fc.integer({ min: -1000, max: 1000 }), fc.integer({ min: 0, max: 999 }), fc.integer({ min: -30, max: 30 }))
      .map(([whole, part, exponent]) => `${whole}.${part}e${exponent}`),
  );

  it("any literal of JSON prints, compares and tests alike", { timeout: 300_000 }, async () => {
    await fc.assert(
      fc.asyncProperty(literal, literal, literal, async (n, a, b) => {
        const variables = { n: parseJson(n), list: parseJson(`[${a}, ${b}]`) };
        const answer = await reference.ask<{ text: string }>({ kind: "template", template: TEMPLATE, variables });
        if ("error" in answer) throw new Error(answer.error);
        expect(render(variables)).toBe(answer.text);
      }),
      { numRuns: 400, seed: 5 },
    );
    expect(parseJson("1.0")).toBeInstanceOf(JsonNumber);
  });
});
