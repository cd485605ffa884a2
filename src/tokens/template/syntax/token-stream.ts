/** The parser's view of the tokens. */
import { TemplateSyntaxError } from "../errors.js";
import type { Token, TokenType } from "./lexer.js";

export class TokenStream {
  private at = 0;

  constructor(private readonly tokens: readonly Token[]) {}

  get current(): Token {
    return this.tokens[this.at]!;
  }

  get next(): Token {
    return this.tokens[Math.min(this.at + 1, this.tokens.length - 1)]!;
  }

  get line(): number {
    return this.current.line;
  }

  /** Returns the current token and advances, but never past the end of the template. */
  take(): Token {
    const token = this.current;
    if (this.at < this.tokens.length - 1) this.at += 1;
    return token;
  }

  is(type: TokenType, value?: string): boolean {
    return this.current.type === type && (value === undefined || this.current.value === value);
  }

  isOperator(value: string): boolean {
    return this.is("operator", value);
  }

  isName(...values: string[]): boolean {
    return this.current.type === "name" && values.includes(this.current.value);
  }

  /** Advances if the current token matches; tells whether it did. */
  skip(type: TokenType, value?: string): boolean {
    if (!this.is(type, value)) return false;
    this.take();
    return true;
  }

  expect(type: TokenType, value?: string): Token {
    if (this.is(type, value)) return this.take();
    throw this.error(`expected ${value === undefined ? words(type) : `'${value}'`}, got ${this.describe()}`);
  }

  describe(): string {
    const { type, value } = this.current;
    return value === "" || type === "data" ? words(type) : `'${value}'`;
  }

  error(message: string, line = this.line): TemplateSyntaxError {
    return new TemplateSyntaxError(message).at(line);
  }
}

function words(type: TokenType): string {
  return type === "end-of-file" ? "the end of the template" : type.replace("-", " ");
}
