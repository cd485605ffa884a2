/** Numbers of pipeline files: as written where an option takes any JSON, plain everywhere else. */
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { parseDocument } from "yaml";
import { z } from "zod";
import { JsonNumber, parseJson, stringifyJson } from "../../src/base/index.js";
import { parseOptions } from "../../src/pipeline/options.js";
import { parseYaml, yamlValue } from "../../src/pipeline/yaml-numbers.js";
import { Bench } from "./bench.js";

describe("a YAML number", () => {
  it.each([
    ["0.0", "0.0"],
    ["-0", "-0"],
    ["1E5", "1E5"],
    ["+1.50", "1.50"],
    [".5", "0.5"],
    ["-.50", "-0.50"],
    ["5.", "5.0"],
    ["5.e3", "5.0e3"],
    ["007", "7"],
    ["0x1F", "31"],
    ["0o17", "15"],
    ["0x7FFFFFFFFFFFFFFF", "9223372036854775807"],
    ["-9223372036854775808", "-9223372036854775808"],
    ["1_000", '"1_000"'],
    ['"0.0"', '"0.0"'],
  ])("%s is written to JSON as %s", (yaml, json) => {
    expect(stringifyJson({ a: parseYaml(yaml) })).toBe(`{"a":${json}}`);
  });

  it("stays plain where JSON.stringify writes it alike, and as a key", () => {
    expect(parseYaml("{1.0: 12, a: 0.5, b: [1e-7], c: .5, d: +3}")).toEqual({ 1: 12, a: 0.5, b: [1e-7], c: 0.5, d: 3 });
  });

  it("keeps its literal through aliases and merges", () => {
    const text = "a: &n 2.0\nb: *n\nc: &m {d: 1.0, e: 3}\nf: {<<: *m, e: 4.0}\n";
    const value = yamlValue(parseDocument(text, { merge: true }));
    expect(stringifyJson(value)).toBe('{"a":2.0,"b":2.0,"c":{"d":1.0,"e":3},"f":{"d":1.0,"e":4.0}}');
  });
});

describe("a YAML key that is an array index", () => {
  it.each([
    ["10: a\n2: b\nx: c\n1: d\n", '{"10":"a","2":"b","x":"c","1":"d"}'],
    ["{x: {'10': 1.0, \"2\": 2}}", '{"x":{"10":1.0,"2":2}}'],
    ["a: &a {2: 1}\nb: {x: 0, <<: *a}\n", '{"a":{"2":1},"b":{"x":0,"2":1}}'],
    ["a: &a {x: 1, 2: 1}\nb: [*a, *a]\n", '{"a":{"x":1,"2":1},"b":[{"x":1,"2":1},{"x":1,"2":1}]}'],
  ])("stays where it stands in %j", (yaml, json) => {
    expect(stringifyJson(yamlValue(parseDocument(yaml, { merge: true })))).toBe(json);
  });

  it("is an ordinary key of maps that JavaScript does not sort anew", () => {
    expect(Object.keys(parseYaml("{2: a, 10: b, x: c}") as object)).toEqual(["2", "10", "x"]);
  });
});

it("options keep the order of keys where they are free JSON, and messages name them as they are written", () => {
  const table = z.record(z.string(), z.json());
  const options = z.strictObject({
    free: table.optional(),
    list: z.array(table).default([]),
    n: z.number().default(0),
  });
  const json = '{"free":{"10":1,"2":{"b":0.0,"5":[{"x":1,"0":2}]}},"list":[{"7":1,"3":2}],"n":1}';
  const result = parseOptions({ options }, parseJson(json), "/");
  expect("options" in result && stringifyJson(result.options)).toBe(json);
  const wrong = parseOptions({ options }, parseJson('{"n":{"10":1,"2":2},"10":1}'), "/");
  expect(wrong).toEqual(parseOptions({ options }, { n: { 10: 1, 2: 2 }, 10: 1 }, "/"));
});

it("options keep literals only where they are free JSON", () => {
  const options = z.strictObject({
    rate: z.number(),
    sizes: z.array(z.number()).default([]),
    free: z.record(z.string(), z.json()).default({}),
    deep: z.strictObject({ list: z.array(z.record(z.string(), z.json())).optional(), n: z.number() }).nullish(),
    either: z.union([z.string(), z.record(z.string(), z.json())]).optional(),
  });
  const text =
    '{"rate":1.0,"sizes":[1e2],"free":{"a":[0.0,{"b":2.50}]},"deep":{"list":[{"c":1.0}],"n":3.0},"either":{"d":4.0}}';
  const result = parseOptions({ options }, parseJson(text), "/");
  expect("options" in result && stringifyJson(result.options)).toBe(
    '{"rate":1,"sizes":[100],"free":{"a":[0.0,{"b":2.50}]},"deep":{"list":[{"c":1.0}],"n":3},"either":{"d":4.0}}',
  );
  const wrong = parseOptions({ options }, parseJson('{"rate":"x","sizes":[1.0],"fre":{}}'), "/");
  expect(wrong).toEqual(parseOptions({ options }, { rate: "x", sizes: [1], fre: {} }, "/"));
});

describe("plain options", () => {
  let bench: Bench;
  beforeEach(() => {
    bench = new Bench();
  });
  afterEach(() => bench.remove());

  const yaml = (count: string, start: string, factor: string): string =>
    `name: p\nvariables: {first: ${start}, text: "at \${vars.first}"}\nsteps:\n  one: {uses: numbers, with: {count: ${count}, start: "\${vars.first}"}}\n  two: {uses: scale, in: {numbers: one}, with: {factor: "\${matrix.f}", tags: ["\${vars.text}"]}, matrix: {f: [${factor}]}}\n`;

  it("are the same step however a number is written", async () => {
    bench.write("p.yaml", yaml("3", "100", "0.00001"));
    const { ran } = await bench.run();
    bench.write("p.yaml", yaml("0x3", "1e2", "1e-5"));
    const plan = await bench.plan();
    expect(plan.variables).toStrictEqual({ first: 100, text: "at 100" });
    expect(plan.steps.map(({ options }) => options)).toMatchObject([
      { count: 3, start: 100 },
      { factor: 0.00001, tags: ["at 100"] },
    ]);
    expect((await bench.run()).cached).toEqual(ran);
    expect((await bench.run({ set: ["steps.one.with.count=3.0"] })).cached).toEqual(ran);
  });

  it("and their mistakes are reported as before", async () => {
    expect(await bench.complaint(yaml("1.50", "1", "1"))).toContain("expected int, received number\n  at p.yaml:4:38");
    expect(await bench.complaint(yaml("3", "{a: 1.0}", "1"))).toContain('${vars.first} is {"a":1}');
    const text = yaml("3", "1.0", "1").replace("vars.text}", "vars.first.literal}");
    expect(await bench.complaint(text)).toContain("the variable first has no literal");
  });
});

it("indented JSON is that of JSON.stringify but for literals", () => {
  const value = { a: [1, [], {}, { b: null, c: undefined }], d: "x\n", e: new JsonNumber("1.0") };
  const plain = JSON.stringify({ ...value, e: 77 }, null, 2);
  expect(stringifyJson(value, 2)).toBe(plain.replace("77", "1.0"));
});
