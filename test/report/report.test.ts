import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  curve,
  escapeText,
  histogram,
  html,
  keyFigures,
  objectTable,
  page,
  table,
  tokenTable,
  visible,
} from "../../src/report/index.js";

const HOSTILE = [
  '<script>alert("x")</script>',
  '"><img src=x onerror=alert(1)>',
  "' onmouseover='x",
  "</style></title><svg/onload=x>",
  "&lt;b&gt;",
  "a\u202Eb\u2066c",
  "\uD800 alone",
  "bell \u0007 nul \u0000",
];

describe("pages", () => {
  it("hold hostile text as text, wherever it stands", () => {
    for (const text of HOSTILE) {
      const made = page(
        text,
        html`<p title="${text}">${text}</p>`,
        table([{ name: text }], [[text]]),
        keyFigures([{ label: text, value: text }]),
        objectTable({ [text]: [text, { [text]: text }] }),
        histogram([{ from: 0, to: 1, count: 3 }], text),
        tokenTable({
          names: [text, text],
          rows: [{ differs: true, ours: { at: 0, id: 1, count: 1, piece: text }, theirs: null }],
        }),
      );
      const tags = [...made.matchAll(/<\/?([a-z0-9!]+)/g)].map(([, tag]) => tag);
      expect(tags).not.toContain("script");
      expect(tags).not.toContain("img");
      // What stands between quotes is a value and cannot become an attribute.
      expect(made.replace(/"[^"]*"/g, '""')).not.toMatch(/<[^>]*\son[a-z]+=/);
      expect(made.match(/<\/style>/g)).toHaveLength(1);
      expect(made.replaceAll("\n", "")).not.toMatch(/[\p{Cc}\p{Cs}\u202A-\u202E\u2066-\u2069]/u);
    }
  });

  it("have every text that was put in, and nothing that could end an element or an attribute", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), (text) => {
        const escaped = escapeText(text);
        expect(escaped).not.toMatch(/[<>"']/);
        expect(escaped.replace(/&(amp|lt|gt|quot|#39);/g, "")).not.toContain("&");
        const back = escaped.replace(
          /&(amp|lt|gt|quot|#39);/g,
          (_, name: string) => ({ amp: "&", lt: "<", gt: ">", quot: '"', "#39": "'" })[name]!,
        );
        const shown = text.replace(/[\p{Cc}\p{Cs}\u061C\u200E\u200F\u202A-\u202E\u2066-\u2069\uFEFF]/gu, (c) =>
          c === "\n" || c === "\t" ? c : `[U+${c.codePointAt(0)!.toString(16).toUpperCase().padStart(4, "0")}]`,
        );
        expect(back).toBe(shown);
      }),
      { seed: 81, numRuns: 500 },
    );
  });

  it("load nothing from elsewhere, and are the same bytes again", () => {
    const make = () =>
      page(
        "t",
        curve(
          [
            { seconds: 0, value: 1 },
            { seconds: 5, value: 3 },
          ],
          "rows/s",
        ),
        histogram([{ from: 1, to: 2, count: 0 }], "x"),
      );
    expect(make()).toBe(make());
    expect(make()).not.toMatch(/(src|href)=|url\(|@import|https?:/);
    expect(make()).toContain("nothing to show");
  });
});

describe("tokens side by side", () => {
  it("show white space, mark the first difference and fold runs", () => {
    const token = (at: number, id: number, piece: string, count = 1) => ({ at, id, count, piece });
    const made = tokenTable({
      names: ["here", "the server"],
      rows: [
        { differs: false, ours: token(0, 5, "a b\n"), theirs: token(0, 5, "a b\n") },
        { differs: true, ours: token(1, 9, "<|image_pad|>", 880), theirs: token(1, 9, "<|image_pad|>", 1196) },
        { differs: true, ours: null, theirs: token(1197, 7, "\u200B") },
      ],
    }).source;
    expect(made).toContain("a·b⏎");
    expect(made).toContain("x 1,196");
    expect(made.match(/class="differs first"/g)).toHaveLength(1);
    expect(made).toContain("(end)");
    expect(made).toContain("[U+200B]");
  });

  it("tells apart what looks alike", () => {
    expect(visible("a\u00A0b")).toBe("a[U+00A0]b");
    expect(visible("\t \n")).toBe("⇥·⏎");
  });
});
