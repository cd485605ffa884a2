/** Parses operands: literals, names and brackets, followed by members, subscripts and calls. */
import type { CallArguments, Expression, SliceNode } from "./nodes.js";
import type { TokenStream } from "./token-stream.js";

const CONSTANTS: Readonly<Record<string, boolean | null>> = {
  true: true,
  True: true,
  false: false,
  False: false,
  none: null,
  None: null,
};

export interface TupleOptions {
  /** Whether `a if b` is one expression; false before the `if` of a `for`. */
  conditional?: boolean;
  inBrackets?: boolean;
}

export abstract class PrimaryParser {
  constructor(protected readonly stream: TokenStream) {}

  protected abstract expression(): Expression;
  protected abstract tuple(options?: TupleOptions): Expression;

  protected primary(): Expression {
    const { type, value } = this.stream.current;
    switch (type) {
      case "name":
        this.stream.take();
        if (Object.hasOwn(CONSTANTS, value)) return { kind: "constant", value: CONSTANTS[value]! };
        return { kind: "name", name: value };
      case "string": {
        let text = "";
        while (this.stream.is("string")) text += this.stream.take().value;
        return { kind: "constant", value: text };
      }
      case "integer":
      case "float":
        this.stream.take();
        return { kind: type, digits: value };
      default:
        return this.bracketed();
    }
  }

  private bracketed(): Expression {
    if (this.stream.skip("operator", "(")) {
      const value = this.tuple({ inBrackets: true });
      this.stream.expect("operator", ")");
      return value;
    }
    if (this.stream.skip("operator", "[")) return { kind: "list", items: this.items("]", () => this.expression()) };
    if (this.stream.skip("operator", "{")) {
      const members = this.items("}", (): [Expression, Expression] => {
        const key = this.expression();
        this.stream.expect("operator", ":");
        return [key, this.expression()];
      });
      return { kind: "dict", members };
    }
    throw this.stream.error(`unexpected ${this.stream.describe()}`);
  }

  /** Parses comma-separated items up to a closing bracket, with an optional trailing comma. */
  private items<T>(close: string, item: () => T): T[] {
    const items: T[] = [];
    while (!this.stream.isOperator(close)) {
      if (items.length > 0) this.stream.expect("operator", ",");
      if (this.stream.isOperator(close)) break;
      items.push(item());
    }
    this.stream.expect("operator", close);
    return items;
  }

  protected postfix(operand: Expression): Expression {
    let value = operand;
    while (true) {
      if (this.stream.isOperator("(")) value = { kind: "call", callee: value, args: this.callArguments() };
      else if (this.stream.skip("operator", ".")) value = this.member(value);
      else if (this.stream.skip("operator", "[")) value = { kind: "item", object: value, key: this.subscript() };
      else return value;
    }
  }

  private member(object: Expression): Expression {
    const token = this.stream.take();
    if (token.type === "name") return { kind: "attribute", object, name: token.value };
    if (token.type !== "integer") throw this.stream.error("expected a name or a number after '.'", token.line);
    return { kind: "item", object, key: { kind: "integer", digits: token.value } };
  }

  private subscript(): Expression | SliceNode {
    const keys: (Expression | SliceNode)[] = [];
    while (!this.stream.isOperator("]")) {
      if (keys.length > 0) this.stream.expect("operator", ",");
      keys.push(this.sliceOrKey());
    }
    this.stream.expect("operator", "]");
    if (keys.length === 1) return keys[0]!;
    const items = keys.map((key) => {
      if (key.kind === "slice") throw this.stream.error("a slice among several keys");
      return key;
    });
    return { kind: "tuple", items };
  }

  private sliceOrKey(): Expression | SliceNode {
    const bounds: (Expression | null)[] = [];
    if (this.stream.isOperator(":")) bounds.push(null);
    else {
      const key = this.expression();
      if (!this.stream.isOperator(":")) return key;
      bounds.push(key);
    }
    this.stream.expect("operator", ":");
    bounds.push([":", "]", ","].some((end) => this.stream.isOperator(end)) ? null : this.expression());
    const hasStep = this.stream.skip("operator", ":") && !["]", ","].some((end) => this.stream.isOperator(end));
    return { kind: "slice", bounds: [bounds[0]!, bounds[1]!, hasStep ? this.expression() : null] };
  }

  protected callArguments(): CallArguments {
    const args = noArguments();
    const { stream } = this;
    stream.expect("operator", "(");
    for (let first = true; !stream.isOperator(")"); first = false) {
      if (!first) {
        stream.expect("operator", ",");
        if (stream.isOperator(")")) break;
      }
      this.argument(args);
    }
    stream.expect("operator", ")");
    return args;
  }

  private argument(args: CallArguments): void {
    const { stream } = this;
    const misplaced = (): Error => stream.error("this argument is not allowed after keyword or starred arguments");
    if (stream.skip("operator", "*")) {
      if (args.rest !== null || args.restKeywords !== null) throw misplaced();
      args.rest = this.expression();
    } else if (stream.skip("operator", "**")) {
      if (args.restKeywords !== null) throw misplaced();
      args.restKeywords = this.expression();
    } else if (stream.is("name") && stream.next.type === "operator" && stream.next.value === "=") {
      if (args.restKeywords !== null) throw misplaced();
      const name = stream.take().value;
      stream.take();
      args.keywords.push([name, this.expression()]);
    } else {
      if (args.rest !== null || args.restKeywords !== null || args.keywords.length > 0) throw misplaced();
      args.positional.push(this.expression());
    }
  }
}

export function noArguments(): CallArguments {
  return { positional: [], keywords: [], rest: null, restKeywords: null };
}
