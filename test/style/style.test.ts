/** One way of saying things under src/, where more than one would compile. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";

const SRC = join(import.meta.dirname, "../../src");

const RULES = [
  { rule: "private members by keyword, not by #", pattern: /\bthis\.#\w/ },
  { rule: "no cast through unknown: give the value its type where it is made", pattern: /\bas unknown as\b/ },
  { rule: "defined({ x }) for optional members", pattern: /\.\.\.\(?[\w.]+ === undefined \? \{\} : \{/ },
  { rule: "a stage's function is called runX", pattern: /^export (async )?function run\(/m },
  { rule: "a schema of options is called xOptionsSchema", pattern: /^export const \w+Options = (z\.|fields)/m },
] as const;

const TESTS = join(import.meta.dirname, "..");
/** Rules that hold for tests as well. */
const EVERYWHERE = [RULES[1]];

const files = readdirSync(SRC, { recursive: true, encoding: "utf8" }).filter((name) => name.endsWith(".ts"));
const texts = files.map((name) => ({ name, text: readFileSync(join(SRC, name), "utf8") }));

describe("src/ has one style", () => {
  it.each(RULES)("$rule", ({ pattern }) => {
    expect(texts.filter(({ text }) => pattern.test(text)).map(({ name }) => name)).toEqual([]);
  });

  it.each(EVERYWHERE)("and test/, too: $rule", ({ pattern }) => {
    const tests = readdirSync(TESTS, { recursive: true, encoding: "utf8" })
      .filter((name) => name.endsWith(".ts") && !name.startsWith("style"))
      .filter((name) => pattern.test(readFileSync(join(TESTS, name), "utf8")));
    expect(tests).toEqual([]);
  });

  it.each([
    ["private members by keyword, not by #", "  size() { return this.#count; }"],
    ["no cast through unknown: give the value its type where it is made", "return value as unknown as Row;"],
    ["defined({ x }) for optional members", "return { id, ...(tools === undefined ? {} : { tools }) };"],
    ["a stage's function is called runX", "export async function run(options: Options) {"],
    ["a schema of options is called xOptionsSchema", "export const mergeOptions = z.strictObject({"],
  ])("finds a breach of: %s", (rule, text) => {
    expect(RULES.filter(({ pattern }) => pattern.test(text)).map((each) => each.rule)).toEqual([rule]);
  });
});
