/** Whatever spells a password or a key, it is gone; whatever spells none, stays. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  DraftsmithError,
  formatError,
  hideSecrets,
  hideSecretsIn,
  isSecretName,
  withoutCredentials,
} from "../../src/base/index.js";

const MARK = "Xq7";
/** No blanks, and nothing that itself begins another address. */
const secret = fc
  .array(fc.constantFrom(...`aZ09!$&'()*+,;=~._-%@:/?#[]"\\|{}<>`), { maxLength: 12 })
  .map((characters) => `${MARK}${characters.join("")}${MARK}`)
  .filter((text) => !/["'`,;|\]})]+[a-z][a-z0-9+.-]*:[\\/]{2}/i.test(text));

const ADDRESSES: readonly ((secret: string) => string)[] = [
  (word) => `http://user:${word}@host:30000`,
  (word) => `ftp://user:${word}@host:1/path?x=1`,
  (word) => `HTTPS://${word}@host`,
  (word) => `http://:${word}@host`,
  (word) => `//user:${word}@host`,
  (word) => `http:/user:${word}@host`,
  (word) => `http:\\\\user:${word}@host`,
  (word) => `user:${word}@host:30000`,
  (word) => `http://user:${encodeURIComponent(word)}@host`,
  (word) => `http://user%3A${encodeURIComponent(word)}%40host`,
  (word) => `http%3A%2F%2Fuser%3A${encodeURIComponent(word)}%40host`,
];
const AROUND: readonly ((text: string) => string)[] = [
  (text) => text,
  (text) => `fetch failed: ${text} is not ready`,
  (text) => `servers: [${text}, http://other:1]`,
  (text) => JSON.stringify({ servers: ["http://first:1", text] }),
  (text) => `--set vars.server=${text}`,
  (text) => `(${text})`,
];

describe("an address with credentials", () => {
  it("keeps none of them, however it is written and wherever it stands", () => {
    fc.assert(
      fc.property(secret, fc.constantFrom(...ADDRESSES), fc.constantFrom(...AROUND), (word, spell, place) => {
        const shown = hideSecrets(place(spell(word)));
        expect(shown).not.toContain(MARK);
        expect(shown).toContain("host");
        expect(hideSecrets(shown)).toBe(shown);
      }),
      { seed: 41, numRuns: 3000 },
    );
  });

  it("can be told from one without", () => {
    for (const text of [
      "http://127.0.0.1:30000",
      '["http://a:1","http://b:2"] and mail to me@example.org',
      "pipelines/p.yaml:3:14 (steps.regenerate.with.servers)",
      "import @scope/package and icon@2x.png",
      "/9j/4AAQSkZJRgABAQ//2wBDAA".repeat(2000),
      "dialogue d7: maxTokens: 300, tokenLimits: {prompt: 5}",
      "hf_chat_template_name is null",
      "use Basic words, the bearer of news, a special token: <|im_end|>",
    ]) {
      expect(hideSecrets(text)).toBe(text);
    }
  });

  it("takes no longer than the text is long", () => {
    const began = performance.now();
    for (const text of ["//".repeat(20_000), "a:".repeat(20_000), "x".repeat(200_000)]) hideSecrets(`${text} @`);
    expect(performance.now() - began).toBeLessThan(5000);
  });

  it("loses them where only the address counts", () => {
    expect(withoutCredentials("http://u:p@host:1/gate/")).toBe("http://host:1/gate/");
    for (const text of ["http://host:1", "a sentence: http://u:p@host", "mailto:me@host", "./x"])
      expect(withoutCredentials(text)).toBe(text);
  });
});

describe("a key", () => {
  it.each([
    "authorization: Bearer KEY",
    "Authorization=Basic KEY",
    '"authorization": "Bearer KEY and more KEY"',
    'headers {"x-api-key":"KEY"}',
    "--set services.target.with.apiKey=KEY",
    "api_key = 'KEY'",
    String.raw`{"body":"{\"password\":\"KEY\"}"}`,
    "OPENAI_API_KEY=KEY",
    "the server said: invalid token Bearer KEY",
  ])("is hidden in %s", (text) => {
    const shown = hideSecrets(text.replaceAll(/KEY(?!=)/g, "Xq7kk1234567890"));
    expect(shown).not.toContain(MARK);
    expect(shown).toContain("[hidden]");
  });

  it("is known by its form where nothing names it", () => {
    expect(hideSecrets("unknown key sk-Xq7abcdefghij0123456789")).toBe("unknown key [hidden]");
    expect(hideSecrets("unknown key hf_Xq7abcdefghij0123456789")).toBe("unknown key [hidden]");
  });

  it("is hidden by its field's name in values, and ordinary options are not", () => {
    const given = {
      apiKey: "Xq7",
      headers: { "x-anything": "Xq7", authorization: ["Xq7"] },
      nested: [{ clientSecret: 77, access_token: "Xq7" }, "http://me:Xq7@host"],
      apiKeyEnv: "sk_Xq7",
      maxNewTokens: 12,
      stopTokenIds: [3],
    };
    const shown = hideSecretsIn(given);
    expect(JSON.stringify(shown)).not.toMatch(/Xq7|77/);
    expect(shown).toMatchObject({ maxNewTokens: 12, stopTokenIds: [3] });
    expect(hideSecretsIn({ apiKeyEnv: "SGLANG_KEY" })).toEqual({ apiKeyEnv: "SGLANG_KEY" });
    expect(["maxTokens", "tokenLimits", "keyframes", "mask_token", "apiKeyEnv"].some(isSecretName)).toBe(false);
  });
});

describe("an error", () => {
  it("has none in any of its parts", () => {
    const leaky = "http://u:Xq7@host";
    const error = new DraftsmithError("USAGE", leaky, {
      hint: leaky,
      frame: `1 | ${leaky}`,
      location: { file: leaky, field: `--set vars.x=${leaky}`, id: leaky, line: 3 },
    });
    expect([formatError(error), JSON.stringify(error), error.stack, String(error)].join()).not.toContain(MARK);
    expect(error.location).toMatchObject({ line: 3 });
  });
});
