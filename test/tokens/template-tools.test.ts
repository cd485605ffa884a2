/** Tool definitions as SGLang's request model hands them to the template, case by case (equal prompts: test/sglang). */
import { describe, expect, it } from "vitest";
import type { JsonObject } from "../../src/base/index.js";
import { templateTools } from "../../src/tokens/index.js";

const written = (tool: JsonObject): string => JSON.stringify(templateTools([tool]));

describe("templateTools", () => {
  it("keeps the order of the keys that were given and adds the missing ones behind them", () => {
    expect(written({ type: "function", function: { parameters: {}, name: "f" } })).toBe(
      '[{"type":"function","function":{"parameters":{},"name":"f","description":null},"defer_loading":null}]',
    );
  });

  it("drops unknown keys, and strict where it is null", () => {
    expect(written({ type: "function", function: { name: "f", strict: null, "x-any": 1 }, cache: true })).toBe(
      '[{"type":"function","function":{"name":"f","description":null,"parameters":null},"defer_loading":null}]',
    );
  });

  it("hands a tool's defer_loading down to the function, which keeps its own", () => {
    expect(written({ type: "function", function: { name: "f" }, defer_loading: false })).toBe(
      '[{"type":"function","function":{"name":"f","description":null,"parameters":null,"defer_loading":false},"defer_loading":false}]',
    );
    expect(written({ type: "function", function: { defer_loading: true, name: "f" }, defer_loading: false })).toBe(
      '[{"type":"function","function":{"defer_loading":true,"name":"f","description":null,"parameters":null},"defer_loading":false}]',
    );
  });

  it("takes a bare function for a tool", () => {
    expect(written({ name: "f", description: "d", parameters: {} })).toBe(
      '[{"type":"function","function":{"name":"f","description":"d","parameters":{}},"defer_loading":null}]',
    );
  });

  it("shows no tools as null", () => {
    expect(templateTools([])).toBeNull();
    expect(templateTools(undefined)).toBeNull();
  });
});
