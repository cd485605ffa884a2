/** jinja2's grammar of statements, with transformers' `generation` and the `loopcontrols` extension. */
import { TemplateSyntaxError, TemplateUnsupported } from "../errors.js";
import { ExpressionParser } from "./expression-parser.js";
import { lex } from "./lexer.js";
import type { Expression, FilterNode, MacroNode, Parameter, Statement, Target } from "./nodes.js";
import { TokenStream } from "./token-stream.js";

/** Tags of jinja2 that this engine does not support. Any other unknown tag is an error of the template. */
const UNSUPPORTED_TAGS: readonly string[] = ["extends", "block", "include", "import", "from", "autoescape"];

/** Throws TemplateSyntaxError if jinja2 rejects the template too, TemplateUnsupported if only this engine does. */
export function parseTemplate(source: string): Statement[] {
  return new Parser(new TokenStream(lex(source))).template();
}

class Parser extends ExpressionParser {
  template(): Statement[] {
    const body = this.statements([]);
    return body;
  }

  /** Parses statements up to a tag named in `ends`, which is left to the caller, or to the template's end if there are none. */
  private statements(ends: readonly string[]): Statement[] {
    const { stream } = this;
    const body: Statement[] = [];
    while (true) {
      const { line } = stream;
      if (stream.is("data")) body.push({ kind: "text", text: stream.take().value, line });
      else if (stream.skip("variable-begin")) {
        body.push({ kind: "output", value: this.tuple(), line });
        stream.expect("variable-end");
      } else if (stream.skip("block-begin")) {
        if (ends.length > 0 && stream.isName(...ends)) return body;
        body.push(...this.statement(ends));
        stream.expect("block-end");
      } else if (ends.length === 0) return body;
      else throw stream.error(`the template ends where ${ends.map((end) => `'${end}'`).join(" or ")} was expected`);
    }
  }

  /** Parses the body of a block up to one of its end tags. */
  private body(...ends: string[]): Statement[] {
    this.stream.skip("operator", ":");
    this.stream.expect("block-end");
    return this.statements(ends);
  }

  /** Parses the body of a block and its only end tag. */
  private whole(end: string): Statement[] {
    const body = this.body(end);
    this.stream.take();
    return body;
  }

  private statement(ends: readonly string[]): Statement[] {
    const { stream } = this;
    const { line } = stream;
    if (!stream.is("name")) throw stream.error(`expected the name of a tag, got ${stream.describe()}`);
    const { value: tag } = stream.take();
    switch (tag) {
      case "if":
        return [this.if(line)];
      case "for":
        return [this.for(line)];
      case "set":
        return [this.set(line)];
      case "with":
        return [this.with(line)];
      case "macro": {
        const name = this.plainName();
        const parameters = this.signature();
        return [{ kind: "macro", macro: { name, parameters, body: this.whole("endmacro") }, line }];
      }
      case "call":
        return [this.call(line)];
      case "generation":
        return [{ kind: "generation", macro: { name: null, parameters: [], body: this.whole("endgeneration") }, line }];
      case "filter": {
        const filter = this.filters(null, true) as FilterNode;
        return [{ kind: "filter-block", filter, body: this.whole("endfilter"), line }];
      }
      case "print":
        return this.print(line);
      case "break":
      case "continue":
        return [{ kind: tag, line }];
      default:
        if (UNSUPPORTED_TAGS.includes(tag)) throw new TemplateUnsupported(`the tag ${tag}`).at(line);
        throw this.unknownTag(tag, ends, line);
    }
  }

  private unknownTag(tag: string, ends: readonly string[], line: number): TemplateSyntaxError {
    const expected = ends.length === 0 ? "" : `, expected ${ends.map((end) => `'${end}'`).join(" or ")}`;
    return new TemplateSyntaxError(`unknown tag '${tag}'${expected}`).at(line);
  }

  private if(line: number): Statement {
    const { stream } = this;
    const test = this.tuple({ conditional: false });
    const body = this.body("elif", "else", "endif");
    const next = stream.line;
    const { value: word } = stream.take();
    if (word === "elif") return { kind: "if", test, body, otherwise: [this.if(next)], line };
    return { kind: "if", test, body, otherwise: word === "else" ? this.whole("endif") : [], line };
  }

  private for(line: number): Statement {
    const { stream } = this;
    const target = this.targets(false);
    stream.expect("name", "in");
    const source = this.tuple({ conditional: false });
    const filter = stream.skip("name", "if") ? this.expression() : null;
    const recursive = stream.skip("name", "recursive");
    const body = this.body("endfor", "else");
    const otherwise = stream.take().value === "else" ? this.whole("endfor") : [];
    return { kind: "for", target, source, filter, recursive, body, otherwise, line };
  }

  private set(line: number): Statement {
    const target = this.targets(true);
    if (this.stream.skip("operator", "=")) return { kind: "set", target, value: this.tuple(), line };
    const filter = this.filters(null) as FilterNode | null;
    return { kind: "set-block", target, filter, body: this.whole("endset"), line };
  }

  private with(line: number): Statement {
    const { stream } = this;
    const targets: Target[] = [];
    const values: Expression[] = [];
    while (!stream.is("block-end")) {
      if (targets.length > 0) stream.expect("operator", ",");
      targets.push(this.targets(false));
      stream.expect("operator", "=");
      values.push(this.expression());
    }
    return { kind: "with", targets, values, body: this.whole("endwith"), line };
  }

  private call(line: number): Statement {
    const { stream } = this;
    const parameters = stream.isOperator("(") ? this.signature() : [];
    const call = this.expression();
    if (call.kind !== "call") throw stream.error("expected a call", line);
    const macro: MacroNode = { name: null, parameters, body: this.whole("endcall") };
    return { kind: "call-block", call, macro, line };
  }

  private print(line: number): Statement[] {
    const values: Statement[] = [];
    while (!this.stream.is("block-end")) {
      if (values.length > 0) this.stream.expect("operator", ",");
      values.push({ kind: "output", value: this.expression(), line });
    }
    return values;
  }

  private signature(): Parameter[] {
    const { stream } = this;
    const parameters: Parameter[] = [];
    stream.expect("operator", "(");
    while (!stream.isOperator(")")) {
      if (parameters.length > 0) stream.expect("operator", ",");
      const name = this.plainName();
      const fallback = stream.skip("operator", "=") ? this.expression() : null;
      if (fallback === null && parameters.some((other) => other.fallback !== null)) {
        throw stream.error("a parameter without a default follows one with a default");
      }
      parameters.push({ name, fallback });
    }
    stream.expect("operator", ")");
    return parameters;
  }

  /** A name as an assignment target. */
  private plainName(): string {
    const { value, line } = this.stream.expect("name");
    return this.assignable(value, line);
  }

  private assignable(name: string, line: number): string {
    if (["true", "True", "false", "False", "none", "None"].includes(name)) {
      throw this.stream.error(`cannot assign to '${name}'`, line);
    }
    return name;
  }

  private targets(members: boolean): Target {
    const { stream } = this;
    const items: Target[] = [];
    let several = false;
    while (true) {
      if (items.length > 0) stream.expect("operator", ",");
      // jinja2 3.1 does not recognize `in` here: after a trailing comma it is a name.
      if (this.endsTuple()) break;
      items.push(this.target(members));
      if (!stream.isOperator(",")) break;
      several = true;
    }
    if (several) return { kind: "targets", items };
    if (items.length === 0) throw stream.error(`expected a name, got ${stream.describe()}`);
    return items[0]!;
  }

  private target(members: boolean): Target {
    const { stream } = this;
    if (stream.isOperator("(")) {
      // jinja2 parses a parenthesized target as an expression; only names and tuples of names are assignable.
      const { line } = stream;
      return this.asTarget(this.primary(), line);
    }
    if (!stream.is("name")) throw stream.error(`cannot assign to ${stream.describe()}`);
    const { value, line } = stream.take();
    const name = this.assignable(value, line);
    if (!members || !stream.skip("operator", ".")) return { kind: "name", name };
    return { kind: "member", namespace: name, name: stream.expect("name").value };
  }

  private asTarget(node: Expression, line: number): Target {
    if (node.kind === "name") return node;
    if (node.kind === "tuple") return { kind: "targets", items: node.items.map((item) => this.asTarget(item, line)) };
    throw this.stream.error(`cannot assign to an expression`, line);
  }
}
