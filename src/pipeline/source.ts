/** A pipeline file as text: parsed, with the place of every key and value at hand for error messages. */
import { isAlias, isMap, isScalar, isSeq, LineCounter, type Node, type Pair, parseDocument, type YAMLMap } from "yaml";
import { DraftsmithError, defined, type ErrorDetails } from "../base/index.js";
import { mergedMaps, type Range, RedactedText, type Resolve } from "./redaction.js";
import { yamlValue } from "./yaml-numbers.js";

/** Keys and indexes from the root of the file, such as ["steps", "train", "with", "lr"]. */
export type Path = readonly (string | number)[];

export interface Problem {
  message: string;
  hint?: string | undefined;
  path: Path;
  /** Point at the key instead of the value. */
  atKey?: boolean;
  /** Point at this text inside the value. */
  within?: string;
}

const CONTEXT_LINES = 2;

export class Source {
  readonly file: string;
  readonly text: string;
  /** Numbers that JSON would write differently are JsonNumbers: see `yamlValue`. */
  readonly value: unknown;
  private readonly lines = new LineCounter();
  private root: Node | null = null;
  private redactedText: RedactedText | undefined;
  /** Values that `--set` replaced: the file's text is not where they come from. */
  private readonly overridden = new Map<string, string>();

  /** @throws DraftsmithError PIPELINE_INVALID for text that is not one well-formed YAML document. */
  constructor(file: string, text: string) {
    this.file = file;
    this.text = text;
    const document = parseDocument(text, {
      lineCounter: this.lines,
      prettyErrors: false,
      uniqueKeys: true,
      merge: true,
    });
    const fault = document.errors[0] ?? document.warnings[0];
    if (fault !== undefined) {
      const [start, end] = fault.pos;
      throw this.errorAt({ start, end }, yamlMessage(fault.code, fault.message), yamlHint(text, start));
    }
    this.root = document.contents;
    try {
      this.value = yamlValue(document);
    } catch (cause) {
      // Aliases that multiply, or `<<` with something that is no map: yaml does not say where.
      const message = yamlMessage("", (cause as Error).message);
      throw new DraftsmithError("PIPELINE_INVALID", message, { location: { file }, cause });
    }
  }

  /** The whole text without the secrets in it, for records of a run. */
  get publicText(): string {
    return this.redacted.shown(0, this.text.length);
  }

  /** @param assignment - as it may be shown */
  noteOverride(path: Path, assignment: string): void {
    this.overridden.set(JSON.stringify(path), assignment);
  }

  /** An error that points at the place in the file, or at the `--set` that put the value there. */
  error(problem: Problem): DraftsmithError {
    const assignment = this.assignmentOf(problem.path);
    if (assignment !== undefined) {
      return new DraftsmithError("PIPELINE_INVALID", problem.message, {
        location: { field: `--set ${assignment}` },
        ...defined({ hint: problem.hint }),
      });
    }
    return this.errorAt(this.range(problem), problem.message, problem.hint, problem.path);
  }

  errorAt(range: Range, message: string, hint?: string, path?: Path): DraftsmithError {
    const { line, col } = this.position(range.start);
    const details: ErrorDetails = {
      location: {
        file: this.file,
        line,
        column: col,
        ...(path === undefined || path.length === 0 ? {} : { field: path.join(".") }),
      },
      frame: this.frame(range),
      ...defined({ hint }),
    };
    return new DraftsmithError("PIPELINE_INVALID", message, details);
  }

  private assignmentOf(path: Path): string | undefined {
    for (let length = path.length; length > 0; length -= 1) {
      const assignment = this.overridden.get(JSON.stringify(path.slice(0, length)));
      if (assignment !== undefined) return assignment;
    }
    return undefined;
  }

  /** The range of the deepest part of the path that the file has. */
  private range(problem: Problem): Range {
    let node: Node | null = this.root;
    let range: Range = { start: 0, end: 0 };
    for (const [depth, key] of problem.path.entries()) {
      const target: Node | null = isAlias(node) ? (this.resolve(node) ?? null) : node;
      const last = depth === problem.path.length - 1;
      if (isMap(target)) {
        const pair = pairIn(target, key, (alias) => this.resolve(alias));
        if (pair === undefined) break;
        range = rangeOf(pair.key as Node) ?? range;
        node = (pair.value as Node | null) ?? null;
        const own = rangeOf(node);
        if (own !== undefined && own.end > own.start && !(last && problem.atKey === true) && isScalarLike(node))
          range = own;
      } else if (isSeq(target) && Number.isInteger(Number(key))) {
        node = (target.items[Number(key)] as Node | undefined) ?? null;
        range = rangeOf(node) ?? range;
      } else break;
    }
    if (problem.within === undefined) return range;
    const at = this.text.slice(range.start, range.end).indexOf(problem.within);
    return at < 0 ? range : { start: range.start + at, end: range.start + at + problem.within.length };
  }

  private resolve(node: Node): Node | undefined {
    if (!isAlias(node)) return node;
    let found: Node | undefined;
    const search = (here: Node | null): void => {
      if (here === null || found !== undefined) return;
      if ("anchor" in here && here.anchor === node.source) found = here;
      else if (isMap(here)) for (const item of here.items) search(item.value as Node | null);
      else if (isSeq(here)) for (const item of here.items) search(item as Node | null);
    };
    search(this.root);
    return found;
  }

  private position(offset: number): { line: number; col: number } {
    return this.lines.linePos(Math.min(offset, this.text.length));
  }

  /** Created on first use: most files have no errors. */
  private get redacted(): RedactedText {
    this.redactedText ??= new RedactedText(this.text, this.root, (alias) => this.resolve(alias));
    return this.redactedText;
  }

  private frame(range: Range): string {
    const { line } = this.position(range.start);
    const first = Math.max(1, line - CONTEXT_LINES);
    const start = Math.min(range.start, this.text.length);
    const rowStart = start === 0 ? 0 : this.text.lastIndexOf("\n", start - 1) + 1;
    const newline = this.text.indexOf("\n", start);
    const rowEnd = newline < 0 ? this.text.length : newline;
    const from = this.text.split("\n", first - 1).reduce((sum, row) => sum + row.length + 1, 0);
    // Text before the place may be shorter than in the file, and so may the place itself.
    const before = this.redacted.shown(rowStart, start).length;
    const width = Math.max(1, this.redacted.shown(start, Math.min(range.end, rowEnd)).length);
    const gutter = String(line).length;
    const rows = this.redacted.shown(from, rowEnd).split("\n");
    const shown = rows.map((row, at) => `${String(first + at).padStart(gutter)} | ${row}`.trimEnd());
    shown.push(`${" ".repeat(gutter)} | ${" ".repeat(before)}${"^".repeat(width)}`);
    return shown.join("\n");
  }
}

/** The pair with a key, its own before one that `<<` brings in, and of those the first. */
function pairIn(map: YAMLMap, key: string | number, resolve: Resolve, depth = 0): Pair | undefined {
  const own = map.items.find((item) => isScalar(item.key) && String(item.key.value) === String(key));
  // A map that merges itself is refused elsewhere, but its error is shown with this.
  if (own !== undefined || depth > MOST_MERGES) return own;
  for (const item of map.items) {
    for (const merged of mergedMaps(item, resolve)) {
      const pair = pairIn(merged, key, resolve, depth + 1);
      if (pair !== undefined) return pair;
    }
  }
  return undefined;
}

const MOST_MERGES = 20;

function rangeOf(node: Node | null | undefined): Range | undefined {
  if (node?.range == null) return undefined;
  return { start: node.range[0], end: node.range[1] };
}

function isScalarLike(node: Node | null): boolean {
  return isScalar(node) || isSeq(node) || isAlias(node) || (isMap(node) && node.flow === true);
}

function yamlMessage(code: string, message: string): string {
  if (code === "DUPLICATE_KEY") return "this key occurs twice in the same map";
  if (code === "MULTIPLE_DOCS") return "a pipeline file holds one YAML document, this one holds several";
  return `not valid YAML: ${message.charAt(0).toLowerCase()}${message.slice(1)}`;
}

/** `{model: ${vars.model}}` is the mistake that YAML explains worst: `{` opens a map there. */
function yamlHint(text: string, offset: number): string | undefined {
  const start = text.lastIndexOf("\n", offset - 1) + 1;
  const end = text.indexOf("\n", offset);
  const row = text.slice(start, end < 0 ? undefined : end);
  return /[{[,:]\s*[^"']*\$\{/.test(row) && /[{[]/.test(row.replace(/\$\{/g, ""))
    ? 'inside { } and [ ] a reference needs quotes: "${vars.name}"'
    : undefined;
}
