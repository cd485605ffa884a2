/**
 * Tokenizes a template as jinja2 3.1 does with transformers' settings (trim_blocks, lstrip_blocks, no line statements).
 * The rules are those of jinja2's Lexer; https://jinja.palletsprojects.com/templates/#whitespace-control.
 */
import { TemplateSyntaxError, TemplateUnsupported } from "../errors.js";
import { SPACE, trimEnd } from "../values/characters.js";
import { unescapeString } from "./string-escapes.js";

export type TokenType =
  | "data"
  | "block-begin"
  | "block-end"
  | "variable-begin"
  | "variable-end"
  | "end-of-file"
  | "name"
  | "string"
  | "integer"
  | "float"
  | "operator";

export interface Token {
  type: TokenType;
  /** The source text; for strings the decoded value, for numbers the digits without underscores. */
  value: string;
  line: number;
}

const OPENING = /\{%([-+]?)|\{\{([-+]?)|\{#([-+]?)/g;
const RAW_BEGIN = new RegExp(`\\{%[-+]?[${SPACE}]*raw[${SPACE}]*(?:-%\\}[${SPACE}]*|%\\})`, "y");
const RAW_END = new RegExp(`\\{%([-+]?)[${SPACE}]*endraw[${SPACE}]*(?:\\+%\\}|-%\\}[${SPACE}]*|%\\}\\n?)`, "g");
const COMMENT_END = new RegExp(`\\+#\\}|-#\\}[${SPACE}]*|#\\}\\n?`, "g");
const BLOCK_END = new RegExp(`\\+%\\}|-%\\}[${SPACE}]*|%\\}\\n?`, "y");
const VARIABLE_END = new RegExp(`-\\}\\}[${SPACE}]*|\\}\\}`, "y");
const SPACES = new RegExp(`[${SPACE}]+`, "y");
const ONLY_SPACES = new RegExp(`^[${SPACE}]+$`);
const FLOAT = /(?<!\.)(?:\d+_)*\d+(?:(?:\.(?:\d+_)*\d+)?e[+-]?(?:\d+_)*\d+|\.(?:\d+_)*\d+)/iy;
const INTEGER = /0b(?:_?[01])+|0o(?:_?[0-7])+|0x(?:_?[\da-f])+|[1-9](?:_?\d)*|0(?:_?0)*/iy;
const NAME = /[\p{L}\p{M}\p{N}\p{Pc}]+/uy;
const STRING = /'(?:[^'\\]|\\[\s\S])*'|"(?:[^"\\]|\\[\s\S])*"/y;
const OPERATOR = /\/\/|\*\*|==|!=|>=|<=|[-+/*%~[\](){}<>=.:|,;]/y;
const CLOSING: Readonly<Record<string, string>> = { "{": "}", "(": ")", "[": "]" };

/** Throws TemplateSyntaxError for what jinja2's lexer rejects. */
export function lex(source: string): Token[] {
  // jinja2 normalizes line ends to \n and drops a final one.
  return new Lexer(source.replace(/\r\n|\r/g, "\n").replace(/\n$/, "")).tokens();
}

class Lexer {
  private readonly source: string;
  private readonly found: Token[] = [];
  private at = 0;
  private line = 1;
  /** Whether the current position is at the start of a line. */
  private lineStarting = true;

  constructor(source: string) {
    this.source = source;
  }

  tokens(): Token[] {
    while (this.at < this.source.length) this.text();
    this.push("end-of-file", "");
    return this.found;
  }

  private push(type: TokenType, value: string): void {
    this.found.push({ type, value, line: this.line });
  }

  /** Advances to `end`, counting lines. */
  private skip(end: number): void {
    for (let i = this.at; i < end; i += 1) if (this.source.charCodeAt(i) === 10) this.line += 1;
    this.lineStarting = this.source[end - 1] === "\n";
    this.at = end;
  }

  private match(pattern: RegExp): RegExpExecArray | null {
    pattern.lastIndex = this.at;
    return pattern.exec(this.source);
  }

  /** Lexes text up to the next tag, and that tag. */
  private text(): void {
    const opening = this.match(OPENING);
    if (opening === null) {
      this.push("data", this.source.slice(this.at));
      this.skip(this.source.length);
      return;
    }
    const [tag, block, variable, comment] = opening;
    this.data(opening.index, block ?? variable ?? comment ?? "", variable !== undefined);
    if (block !== undefined) {
      const raw = this.match(RAW_BEGIN);
      if (raw !== null) this.raw(raw[0].length);
      else this.tag(tag.length, "block-begin", "block-end", BLOCK_END);
    } else if (variable !== undefined) this.tag(tag.length, "variable-begin", "variable-end", VARIABLE_END);
    else {
      this.skip(this.at + tag.length);
      const end = this.match(COMMENT_END);
      if (end === null) throw new TemplateSyntaxError("a comment has no end tag").at(this.line);
      this.skip(end.index + end[0].length);
    }
  }

  /** Emits the text before a tag at `end`, stripped according to the tag's sign or lstrip_blocks. */
  private data(end: number, sign: string, isVariable: boolean): void {
    let text = this.source.slice(this.at, end);
    if (sign === "-") text = trimEnd(text);
    else if (sign === "" && !isVariable) {
      const lineStart = text.lastIndexOf("\n") + 1;
      if ((lineStart > 0 || this.lineStarting) && ONLY_SPACES.test(text.slice(lineStart)))
        text = text.slice(0, lineStart);
    }
    if (text !== "") this.push("data", text);
    this.skip(end);
  }

  private raw(beginLength: number): void {
    const line = this.line;
    this.skip(this.at + beginLength);
    const end = this.match(RAW_END);
    if (end === null) throw new TemplateSyntaxError("a raw block has no end tag").at(line);
    this.data(end.index, end[1]!, false);
    this.skip(end.index + end[0].length);
  }

  private tag(beginLength: number, begin: TokenType, end: TokenType, ending: RegExp): void {
    this.push(begin, "");
    this.skip(this.at + beginLength);
    const open: string[] = [];
    while (this.at < this.source.length) {
      // Inside brackets, end tags are operators: `{{ {'a': {}}}}`.
      const closed = open.length === 0 ? this.match(ending) : null;
      if (closed !== null) {
        this.push(end, "");
        this.skip(this.at + closed[0].length);
        return;
      }
      this.inTag(open);
    }
  }

  private inTag(open: string[]): void {
    const space = this.match(SPACES);
    if (space !== null) {
      this.skip(this.at + space[0].length);
      return;
    }
    for (const [type, pattern] of [
      ["float", FLOAT],
      ["integer", INTEGER],
      ["name", NAME],
      ["string", STRING],
      ["operator", OPERATOR],
    ] as const) {
      const match = this.match(pattern);
      if (match === null) continue;
      const text = match[0];
      if (type === "operator") this.balance(text, open);
      this.push(type, this.value(type, text));
      this.skip(this.at + text.length);
      return;
    }
    const char = String.fromCodePoint(this.source.codePointAt(this.at)!);
    throw new TemplateSyntaxError(`unexpected character '${char}'`).at(this.line);
  }

  private value(type: TokenType, text: string): string {
    if (type === "string") return unescapeString(text.slice(1, -1), this.line);
    if (type === "integer" || type === "float") return text.replaceAll("_", "");
    if (type !== "name" || /^[A-Za-z_]\w*$/.test(text)) return text;
    if (/^\d/.test(text)) throw new TemplateSyntaxError(`'${text}' is not a name`).at(this.line);
    throw new TemplateUnsupported(`the name ${text}, which is not ASCII`).at(this.line);
  }

  private balance(operator: string, open: string[]): void {
    const closing = CLOSING[operator];
    if (closing !== undefined) open.push(closing);
    else if (operator === "}" || operator === ")" || operator === "]") {
      const expected = open.pop();
      if (expected === operator) return;
      const hint = expected === undefined ? "" : `, expected '${expected}'`;
      throw new TemplateSyntaxError(`unexpected '${operator}'${hint}`).at(this.line);
    }
  }
}
