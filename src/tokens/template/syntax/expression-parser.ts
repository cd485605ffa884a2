/** jinja2's expression grammar, from lowest to highest precedence. */
import type { Arithmetic, Comparison, Expression } from "./nodes.js";
import { noArguments, PrimaryParser, type TupleOptions } from "./primary-parser.js";

const COMPARISONS: readonly string[] = ["==", "!=", "<", "<=", ">", ">="];
/** Tokens that can start a test's argument without parentheses (`is divisibleby 3`). */
const ARGUMENT_TYPES: readonly string[] = ["name", "string", "integer", "float"];

export class ExpressionParser extends PrimaryParser {
  /** Parses one expression, or a tuple if commas follow. */
  protected override tuple(options: TupleOptions = {}): Expression {
    const items: Expression[] = [];
    let isTuple = false;
    while (true) {
      if (items.length > 0) this.stream.expect("operator", ",");
      if (this.endsTuple()) break;
      items.push(this.expression(options.conditional ?? true));
      if (!this.stream.isOperator(",")) break;
      isTuple = true;
    }
    if (!isTuple && items.length === 1) return items[0]!;
    if (!isTuple && options.inBrackets !== true) {
      throw this.stream.error(`expected an expression, got ${this.stream.describe()}`);
    }
    return { kind: "tuple", items };
  }

  protected endsTuple(): boolean {
    const { stream } = this;
    return stream.is("variable-end") || stream.is("block-end") || stream.isOperator(")");
  }

  protected override expression(conditional = true): Expression {
    let value = this.or();
    while (conditional && this.stream.skip("name", "if")) {
      const test = this.or();
      const otherwise = this.stream.skip("name", "else") ? this.expression() : null;
      value = { kind: "conditional", test, value, otherwise };
    }
    return value;
  }

  private or(): Expression {
    let left = this.and();
    while (this.stream.skip("name", "or")) left = { kind: "or", left, right: this.and() };
    return left;
  }

  private and(): Expression {
    let left = this.not();
    while (this.stream.skip("name", "and")) left = { kind: "and", left, right: this.not() };
    return left;
  }

  private not(): Expression {
    return this.stream.skip("name", "not") ? { kind: "not", operand: this.not() } : this.compare();
  }

  private compare(): Expression {
    const first = this.sum();
    const rest: [Comparison, Expression][] = [];
    for (let operator = this.comparison(); operator !== null; operator = this.comparison()) {
      rest.push([operator, this.sum()]);
    }
    return rest.length === 0 ? first : { kind: "compare", first, rest };
  }

  private comparison(): Comparison | null {
    const { current, next } = this.stream;
    if (current.type === "operator" && COMPARISONS.includes(current.value))
      return this.stream.take().value as Comparison;
    if (this.stream.skip("name", "in")) return "in";
    if (!this.stream.isName("not") || next.type !== "name" || next.value !== "in") return null;
    this.stream.take();
    this.stream.take();
    return "not in";
  }

  /** Parses left-associative operators of one precedence. */
  private chain(operators: readonly Arithmetic[], operand: () => Expression): Expression {
    let left = operand();
    while (this.stream.is("operator") && operators.includes(this.stream.current.value as Arithmetic)) {
      const operator = this.stream.take().value as Arithmetic;
      left = { kind: "arithmetic", operator, left, right: operand() };
    }
    return left;
  }

  private sum(): Expression {
    return this.chain(["+", "-"], () => this.concat());
  }

  private concat(): Expression {
    const items = [this.product()];
    while (this.stream.skip("operator", "~")) items.push(this.product());
    return items.length === 1 ? items[0]! : { kind: "concat", items };
  }

  private product(): Expression {
    return this.chain(["*", "/", "//", "%"], () => this.chain(["**"], () => this.unary()));
  }

  private unary(withFilters = true): Expression {
    let value: Expression;
    if (this.stream.isOperator("-") || this.stream.isOperator("+")) {
      const operator = this.stream.take().value as "+" | "-";
      value = { kind: "sign", operator, operand: this.unary(false) };
    } else value = this.primary();
    value = this.postfix(value);
    return withFilters ? this.filtersAndTests(value) : value;
  }

  private filtersAndTests(operand: Expression): Expression {
    let value = operand;
    while (true) {
      if (this.stream.isOperator("|")) value = this.filters(value);
      else if (this.stream.skip("name", "is")) value = this.test(value);
      else if (this.stream.isOperator("(")) value = { kind: "call", callee: value, args: this.callArguments() };
      else return value;
    }
  }

  /** Parses a chain of filters; in a filter block the first one has no bar. */
  protected filters(operand: Expression): Expression;
  protected filters(operand: null, first?: boolean): Expression | null;
  protected filters(operand: Expression | null, first = false): Expression | null {
    let value = operand;
    let inline = first;
    while (inline || this.stream.skip("operator", "|")) {
      const { line } = this.stream;
      const name = this.dottedName();
      const args = this.stream.isOperator("(") ? this.callArguments() : noArguments();
      value = { kind: "filter", operand: value, name, args, line };
      inline = false;
    }
    return value;
  }

  private dottedName(): string {
    let name = this.stream.expect("name").value;
    while (this.stream.skip("operator", ".")) name += `.${this.stream.expect("name").value}`;
    return name;
  }

  private test(operand: Expression): Expression {
    const negated = this.stream.skip("name", "not");
    const { line } = this.stream;
    const name = this.dottedName();
    let args = noArguments();
    if (this.stream.isOperator("(")) args = this.callArguments();
    else if (this.beginsArgument()) {
      if (this.stream.isName("is")) throw this.stream.error("tests cannot be chained with 'is'");
      args.positional.push(this.postfix(this.primary()));
    }
    const test: Expression = { kind: "test", operand, name, args, line };
    return negated ? { kind: "not", operand: test } : test;
  }

  private beginsArgument(): boolean {
    const { type, value } = this.stream.current;
    if (type === "operator") return value === "[" || value === "{";
    return ARGUMENT_TYPES.includes(type) && !this.stream.isName("else", "or", "and");
  }
}
