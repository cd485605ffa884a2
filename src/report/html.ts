/**
 * HTML that is safe by construction: every value put into a template is escaped unless it is HTML already. Texts come from
 * datasets and servers, so all of them are untrusted.
 */

export class Html {
  constructor(readonly source: string) {}
}

export type Value = Html | string | number | undefined | readonly Value[];

/** `html\`<p>${text}</p>\``: escapes values, joins lists, renders undefined as nothing. */
export function html(pieces: TemplateStringsArray, ...values: readonly Value[]): Html {
  return new Html(pieces.map((piece, at) => (at === 0 ? "" : sourceOf(values[at - 1])) + piece).join(""));
}

function sourceOf(value: Value): string {
  if (value === undefined) return "";
  if (value instanceof Html) return value.source;
  if (typeof value === "string") return escapeText(value);
  if (typeof value === "number") return escapeText(String(value));
  return value.map(sourceOf).join("");
}

const ENTITIES: Record<string, string> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;" };

/**
 * For element content and quoted attributes. Makes characters visible that a page cannot contain or that reverse its
 * text.
 */
export function escapeText(text: string): string {
  return text.replace(UNSHOWABLE, named).replace(/[&<>"']/g, (character) => ENTITIES[character]!);
}

/** Controls other than tab and line ends, lone surrogates, and the marks that change the direction of text. */
const UNSHOWABLE = /[\p{Cc}\p{Cs}\u061C\u200E\u200F\u202A-\u202E\u2066-\u2069\uFEFF]/gu;

function named(character: string): string {
  return character === "\n" || character === "\t" ? character : codePoint(character);
}

function codePoint(character: string): string {
  return `[U+${character.codePointAt(0)!.toString(16).toUpperCase().padStart(4, "0")}]`;
}

/** Makes white space and invisible characters visible: `·` for a space, `⏎` for a line end, `⇥` for a tab. */
export function visible(text: string): string {
  return text
    .replaceAll(" ", "·")
    .replaceAll("\n", "⏎")
    .replaceAll("\t", "⇥")
    .replace(/[\p{Z}\p{Cf}]/gu, codePoint);
}

const STYLE = `
:root { color-scheme: light dark; --ink: #1c2430; --quiet: #5d6b7e; --line: #d8dee7; --back: #fff; --panel: #f5f7fa; --good: #1a7f4b; --bad: #b3261e; --warn: #8a5a00; --bar: #3b6fb6; --second: #b3541e; }
@media (prefers-color-scheme: dark) { :root { --ink: #e4e9f0; --quiet: #97a5b8; --line: #344052; --back: #141a22; --panel: #1c2430; --good: #5cc98f; --bad: #ff8a80; --warn: #f0b95a; --bar: #7aa7e8; --second: #f0a06a; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 72rem; padding: 1.5rem; font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--back); }
h1 { font-size: 1.5rem; margin: 0 0 .25rem; } h2 { font-size: 1.1rem; margin: 2rem 0 .5rem; } h3 { font-size: 1rem; margin: 1.25rem 0 .25rem; }
p { margin: .25rem 0; } .quiet { color: var(--quiet); } .good { color: var(--good); } .bad { color: var(--bad); } .warn { color: var(--warn); }
table { border-collapse: collapse; width: 100%; margin: .5rem 0; font-variant-numeric: tabular-nums; }
th, td { text-align: left; padding: .3rem .6rem; border-bottom: 1px solid var(--line); vertical-align: top; } td { overflow-wrap: anywhere; min-width: 4.75rem; } td:first-child { min-width: 9rem; }
th { overflow-wrap: normal; font-weight: 600; color: var(--quiet); } td.number, th.number { text-align: right; white-space: nowrap; }
code, pre, .token { font: 13px/1.45 ui-monospace, monospace; }
pre { white-space: pre-wrap; overflow-wrap: anywhere; background: var(--panel); padding: .6rem .8rem; margin: .25rem 0; }
.figures { display: flex; flex-wrap: wrap; gap: .75rem; margin: 1rem 0; }
.figure { background: var(--panel); padding: .6rem .9rem; min-width: 9rem; } .figure b { display: block; font-size: 1.25rem; }
.finding { border-left: 4px solid var(--line); padding: .1rem 0 .1rem .9rem; margin: 1rem 0; } .finding.bad { border-color: var(--bad); color: inherit; } .finding.warn { border-color: var(--warn); color: inherit; }
tr.differs td { background: color-mix(in srgb, var(--bad) 14%, transparent); } tr.first td { font-weight: 700; }
svg { display: block; max-width: 100%; height: auto; } svg text { fill: var(--quiet); font: 11px system-ui, sans-serif; } svg .bar { fill: var(--bar); } svg .curve { fill: none; stroke: var(--bar); stroke-width: 1.5; } svg .axis { stroke: var(--line); } svg .axis-area { fill: var(--line); } svg.share { display: inline-block; vertical-align: middle; }
svg .edge { fill: none; stroke: var(--quiet); stroke-width: 1.2; } svg .node rect { fill: var(--panel); stroke: var(--line); } svg .node .name { fill: var(--ink); font-weight: 600; font-size: 12px; } svg .done rect { stroke: var(--good); } svg .failed rect { stroke: var(--bad); stroke-width: 2; } svg .cached rect, svg .skipped rect { stroke-dasharray: 4 3; stroke: var(--quiet); }
nav { margin: .75rem 0; } nav a { margin-right: .75rem; } a { color: var(--bar); } .beside { display: flex; flex-wrap: wrap; gap: 1.5rem; align-items: flex-start; } .beside table { flex: 1 1 24rem; width: auto; } .beside svg { flex: 0 1 auto; }
.charts { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 26rem), 1fr)); gap: 1rem 2rem; margin: .5rem 0; } .charts h3, .charts h4 { margin-top: .25rem; } figure { margin: 0; } figcaption { font-weight: 600; margin-bottom: .25rem; }
svg .middle { text-anchor: middle; } svg .end { text-anchor: end; } svg .line { fill: none; stroke-width: 1.8; } svg .interval { stroke-width: 1.2; opacity: .55; } svg .dot { stroke: none; }
svg .line-0 { stroke: var(--bar); } svg .dot.line-0 { fill: var(--bar); } svg .line-1 { stroke: var(--second); stroke-dasharray: 6 3; } svg .dot.line-1 { fill: var(--second); } svg .line-2 { stroke: var(--good); stroke-dasharray: 2 3; } svg .dot.line-2 { fill: var(--good); } svg .line-3 { stroke: var(--quiet); stroke-dasharray: 8 3 2 3; } svg .dot.line-3 { fill: var(--quiet); } svg .interval { stroke-dasharray: none; }
section { margin-top: 2.5rem; } .rule { border-top: 1px solid var(--line); padding-top: .5rem; } .wide { overflow-x: auto; }
@media print { body { max-width: none; padding: 0; } .finding { break-inside: avoid; } }
`;

const BODY = "<body><main>";

/** A self-contained page: no scripts, no external resources. */
export function page(title: string, ...body: readonly Value[]): string {
  const head = html`<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1"><meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'"><title>${title}</title><style>${new Html(STYLE)}</style>`;
  return `${html`<!doctype html>\n<html lang="en"><head>${head}</head>\n${new Html(BODY)}\n${body}\n</main></body></html>`.source}\n`;
}

/**
 * The content of a page as a part of another one: its headings one level lower, its style left out, which is the same.
 *
 * @param drawn - what `page` returned
 */
export function embedded(drawn: string): Html {
  const start = drawn.indexOf(BODY) + BODY.length;
  const content = drawn.slice(start, drawn.lastIndexOf("</main>"));
  // Texts are escaped, so a tag here is one of ours.
  return new Html(content.replace(/<(\/?)h([1-5])(?=[ >])/g, (_, end, level) => `<${end}h${Number(level) + 1}`));
}
