import { describe, expect, expectTypeOf, it } from "vitest";
import { defined } from "../../src/base/index.js";

describe("defined", () => {
  it("keeps members and their order, and leaves out those that are undefined", () => {
    const made = defined({ b: 1, a: undefined, c: null, d: "", e: false });
    expect(Object.keys(made)).toEqual(["b", "c", "d", "e"]);
    expect(made).toStrictEqual({ b: 1, c: null, d: "", e: false });
  });

  it("has types that exactOptionalPropertyTypes takes", () => {
    const maybe = (): string | undefined => undefined;
    const made: { hint?: string; line: number } = defined({ hint: maybe(), line: 3 });
    expectTypeOf(defined({ hint: maybe(), line: 3 })).toMatchObjectType<{ hint?: string; line: number }>();
    expect(made).toStrictEqual({ line: 3 });
  });
});
