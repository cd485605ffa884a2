/** JSON that keeps its numbers: read and written again, it is the same text. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  canonicalJson,
  digestOf,
  isJsonObject,
  JsonNumber,
  type JsonValue,
  numberOf,
  parseJson,
  stringifyJson,
} from "../../src/base/index.js";

const digits = (least: number, most: number): fc.Arbitrary<string> =>
  fc.string({ unit: fc.constantFrom(..."0123456789"), minLength: least, maxLength: most });
const whole = fc.oneof(
  fc.constant("0"),
  fc.tuple(fc.constantFrom(..."123456789"), digits(0, 24)).map(([first, rest]) => first + rest),
);
/** Any number of JSON's grammar within the range of a double. */
const literal = fc
  .tuple(
    fc.constantFrom("", "-"),
    whole,
    fc.oneof(
      fc.constant(""),
      fc.constant(".0"),
      digits(1, 20).map((text) => `.${text}`),
    ),
    fc.oneof(
      { weight: 3, arbitrary: fc.constant("") },
      {
        weight: 1,
        arbitrary: fc
          .tuple(fc.constantFrom("e", "E"), fc.constantFrom("", "+", "-"), fc.integer({ min: 0, max: 280 }))
          .map(([letter, sign, exponent]) => `${letter}${sign}${exponent}`),
      },
    ),
  )
  .map((parts) => parts.join(""))
  .filter((text) => Number.isFinite(Number(text)));

/** JSON text without spaces, its strings full of what looks like numbers, quotes and backslashes. */
const text = fc.letrec<{ value: string }>((tie) => {
  const words = fc
    .array(fc.oneof(literal, fc.string(), fc.constantFrom('"', "\\", '\\"', "[1.0,", ":1e2", "é漢")))
    .map((parts) => JSON.stringify(parts.join("")));
  return {
    value: fc.oneof(
      { depthSize: "small", withCrossShrink: true },
      literal,
      words,
      fc.constantFrom("true", "false", "null"),
      fc.array(literal, { minLength: 80, maxLength: 120 }).map((items) => `[${items.join(",")}]`),
      fc.array(fc.integer().map(String), { minLength: 80, maxLength: 120 }).map((items) => `[${items.join(",")}]`),
      fc.array(tie("value"), { maxLength: 4 }).map((items) => `[${items.join(",")}]`),
      fc
        .array(tie("value"), { maxLength: 4 })
        .map((items) => `{${items.map((item, k) => `"k${k}":${item}`).join(",")}}`),
    ),
  };
}).value;

/** With plain numbers; keys are left as parseJson gives them. */
function withoutLiterals(value: JsonValue): JsonValue {
  if (value instanceof JsonNumber) return value.valueOf();
  if (Array.isArray(value)) return value.map(withoutLiterals);
  if (!isJsonObject(value)) return value;
  return Object.fromEntries(Object.entries(value).map(([key, member]) => [key, withoutLiterals(member)]));
}

describe("parseJson and stringifyJson", () => {
  it("give back every literal as it was", () => {
    fc.assert(
      fc.property(text, (json) => {
        expect(stringifyJson(parseJson(json))).toBe(json);
      }),
      { seed: 31, numRuns: 3000 },
    );
  });

  /** Objects whose keys are drawn from these, in any order. */
  const keyed = (names: readonly string[]): fc.Arbitrary<string> =>
    fc.letrec<{ object: string }>((tie) => ({
      object: fc
        .uniqueArray(fc.tuple(fc.constantFrom(...names), fc.oneof(literal, fc.constant('"1"'), tie("object"))), {
          maxLength: 6,
          selector: ([name]) => name,
        })
        .map((members) => `{${members.map(([name, value]) => `${JSON.stringify(name)}:${value}`).join(",")}}`),
    })).object;
  const INDICES = ["10", "2", "0", "1", "300", "4294967294", "4294967295", "99999999999", "00", "-1", "a", "é"];

  it("give back every key where it was, also those that JavaScript sorts", () => {
    fc.assert(
      fc.property(keyed([...INDICES, "\ufdd02", "\ufdd0\ufdd010", "\ufdd0a", "\ufdd0"]), (json) => {
        expect(stringifyJson(parseJson(json))).toBe(json);
        expect(stringifyJson(parseJson(stringifyJson(parseJson(json), 2)))).toBe(json);
      }),
      { seed: 33, numRuns: 2000 },
    );
    const spaced = ' { "10" : 1 ,\n"\\u0032"\t:{"5":"10" , "x":0.0,"3" :{}}} ';
    expect(stringifyJson(parseJson(spaced))).toBe('{"10":1,"2":{"5":"10","x":0.0,"3":{}}}');
    expect(stringifyJson(parseJson('{"10":1,"2":2,"10":3}'))).toBe('{"10":3,"2":2}');
  });

  it("change no digest by the order of keys, and no key that JavaScript leaves where it is", () => {
    fc.assert(
      fc.property(keyed(INDICES), (json) => {
        const plain = JSON.parse(json) as JsonValue;
        const value = parseJson(json);
        if (stringifyJson(plain) === json) expect(value).toEqual(plain);
        // JSON.parse may only have changed literals, which count in digests.
        const literals = parseJson(stringifyJson(plain));
        expect(canonicalJson(withoutLiterals(value))).toBe(canonicalJson(literals));
      }),
      { seed: 34, numRuns: 1000 },
    );
    expect(canonicalJson(parseJson('{"b":1,"10":2,"9":{"2":1,"1":2},"a":[{"1":1,"0":2}]}'))).toBe(
      '{"9":{"1":2,"2":1},"10":2,"a":[{"0":2,"1":1}],"b":1}',
    );
  });

  it("hold a JsonNumber exactly where JSON.stringify would write another literal", () => {
    const check = (value: JsonValue, plain: JsonValue): void => {
      if (value instanceof JsonNumber) {
        expect(typeof plain).toBe("number");
        expect(value.literal).not.toBe(JSON.stringify(plain));
        expect(value.valueOf()).toBe(plain);
      } else if (Array.isArray(value)) {
        for (const [at, item] of value.entries()) check(item, (plain as JsonValue[])[at]!);
      } else if (isJsonObject(value)) {
        for (const [key, member] of Object.entries(value)) check(member, (plain as typeof value)[key]!);
      } else expect(value).toBe(plain);
    };
    fc.assert(
      fc.property(text, (json) => check(parseJson(json), JSON.parse(json) as JsonValue)),
      { seed: 32, numRuns: 1000 },
    );
  });

  it("find literals between white space, at both ends and behind long lists", () => {
    const kept = (json: string): string => stringifyJson(parseJson(json));
    expect(kept(" 0.0 ")).toBe("0.0");
    expect(kept("-0")).toBe("-0");
    expect(kept('{ "a" : [ 1.0 , 2 ]\n, "b":\t1E5 }')).toBe('{"a":[1.0,2],"b":1E5}');
    const ids = Array.from({ length: 5000 }, (_, k) => (k * 7919) % 151_936).join(",");
    for (const odd of ["9007199254740993", "1.0", "-0", "1e3"]) {
      expect(kept(`[${ids},${odd}]`)).toBe(`[${ids},${odd}]`);
      expect(kept(`{"ids":[${odd},${ids}],"z":"1.0"}`)).toBe(`{"ids":[${odd},${ids}],"z":"1.0"}`);
    }
  });

  it("take what JSON.parse takes, and nothing else", () => {
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom(...'01.-+eE[]{},:" \\a\n'), maxLength: 12 }), (json) => {
        const parses = (parse: (text: string) => unknown): boolean => {
          try {
            parse(json);
            return true;
          } catch (error) {
            expect(error).toBeInstanceOf(SyntaxError);
            return false;
          }
        };
        expect(parses(parseJson)).toBe(parses(JSON.parse));
      }),
      { seed: 33, numRuns: 20_000 },
    );
  });

  it("refuse a number that no double holds", () => {
    expect(() => parseJson('{"a": [1e400]}')).toThrow(new SyntaxError("the number 1e400 exceeds a double"));
    expect(() => parseJson(`-${"9".repeat(400)}`)).toThrow(SyntaxError);
  });

  it("keep the last of equal keys, keys named __proto__, and any depth", () => {
    expect(stringifyJson(parseJson('{"a":1.0,"a":2.0}'))).toBe('{"a":2.0}');
    const value = parseJson('{"__proto__":1.0,"b":{"__proto__":{"c":2.0}}}');
    expect(stringifyJson(value)).toBe('{"__proto__":1.0,"b":{"__proto__":{"c":2.0}}}');
    expect(Object.getPrototypeOf(value)).toBe(Object.prototype);
    const deep = `${"[".repeat(100_000)}1.0${"]".repeat(100_000)}`;
    expect(() => parseJson(deep)).not.toThrow();
  });

  it("leave out undefined members, as JSON.stringify does", () => {
    const one = new JsonNumber("1.0");
    expect(stringifyJson({ a: undefined, b: one, c: [undefined, one] })).toBe('{"b":1.0,"c":[null,1.0]}');
  });
});

describe("a JsonNumber", () => {
  it("is told apart from objects, and rounds where a message shows it", () => {
    const id = parseJson("2512292042121000001");
    expect(isJsonObject(id)).toBe(false);
    expect(String(id)).toBe("2512292042121000001");
    expect(numberOf(id)).toBe(Number("2512292042121000001"));
    expect(numberOf(5)).toBe(5);
    expect(numberOf("5")).toBeUndefined();
    expect(JSON.stringify({ id })).toBe('{"id":2512292042121000000}');
  });

  it("counts in digests, and a value without one keeps the digest that it had", () => {
    expect(canonicalJson(parseJson('{"b":1.0,"a":{"d":1e2,"c":0}}'))).toBe('{"a":{"c":0,"d":1e2},"b":1.0}');
    expect(digestOf(parseJson('{"a":0.0}'))).not.toBe(digestOf({ a: 0 }));
    expect(digestOf(parseJson('{"a":[0,0.5,-7,1e-7,1e+21]}'))).toBe(digestOf({ a: [0, 0.5, -7, 1e-7, 1e21] }));
  });
});
