/** The syntax tree of a template, with jinja2's node kinds. */

export type Comparison = "==" | "!=" | "<" | "<=" | ">" | ">=" | "in" | "not in";
export type Arithmetic = "+" | "-" | "*" | "/" | "//" | "%" | "**";

export interface CallArguments {
  positional: Expression[];
  keywords: [string, Expression][];
  /** `*expression` */
  rest: Expression | null;
  /** `**expression` */
  restKeywords: Expression | null;
}

export interface SliceNode {
  kind: "slice";
  bounds: [Expression | null, Expression | null, Expression | null];
}

export interface FilterNode {
  kind: "filter";
  /** null if it applies to the text of a filter or set block. */
  operand: Expression | null;
  name: string;
  args: CallArguments;
  line: number;
}

export interface CallNode {
  kind: "call";
  callee: Expression;
  args: CallArguments;
}

export type Expression =
  | { kind: "constant"; value: string | boolean | null }
  | { kind: "integer" | "float"; digits: string }
  | { kind: "name"; name: string }
  | { kind: "list" | "tuple"; items: Expression[] }
  | { kind: "dict"; members: [Expression, Expression][] }
  | { kind: "attribute"; object: Expression; name: string }
  | { kind: "item"; object: Expression; key: Expression | SliceNode }
  | CallNode
  | FilterNode
  | { kind: "test"; operand: Expression; name: string; args: CallArguments; line: number }
  | { kind: "not"; operand: Expression }
  | { kind: "sign"; operator: "+" | "-"; operand: Expression }
  | { kind: "arithmetic"; operator: Arithmetic; left: Expression; right: Expression }
  | { kind: "concat"; items: Expression[] }
  | { kind: "compare"; first: Expression; rest: [Comparison, Expression][] }
  | { kind: "and" | "or"; left: Expression; right: Expression }
  | { kind: "conditional"; test: Expression; value: Expression; otherwise: Expression | null };

/** An assignment target: a name, `namespace.name`, or several of them. */
export type Target =
  | { kind: "name"; name: string }
  | { kind: "member"; namespace: string; name: string }
  | { kind: "targets"; items: Target[] };

export interface Parameter {
  name: string;
  fallback: Expression | null;
}

/** A macro, or the body of a call or generation block, which acts as one. */
export interface MacroNode {
  name: string | null;
  parameters: Parameter[];
  body: Statement[];
}

export interface ForNode {
  kind: "for";
  target: Target;
  source: Expression;
  filter: Expression | null;
  recursive: boolean;
  body: Statement[];
  otherwise: Statement[];
}

export type Statement = { line: number } & (
  | { kind: "text"; text: string }
  | { kind: "output"; value: Expression }
  | { kind: "if"; test: Expression; body: Statement[]; otherwise: Statement[] }
  | ForNode
  | { kind: "set"; target: Target; value: Expression }
  | { kind: "set-block"; target: Target; filter: FilterNode | null; body: Statement[] }
  | { kind: "with"; targets: Target[]; values: Expression[]; body: Statement[] }
  | { kind: "macro"; macro: MacroNode }
  | { kind: "call-block"; call: CallNode; macro: MacroNode }
  | { kind: "generation"; macro: MacroNode }
  | { kind: "filter-block"; filter: FilterNode; body: Statement[] }
  | { kind: "break" | "continue" }
);
