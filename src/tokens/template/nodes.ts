/**
 * The syntax tree of @huggingface/jinja, as far as it is read here. That package parses; evaluation is ours, because
 * its own interpreter differs from Python in silence (design notes, "Jinja").
 */
export interface Node {
  type: string;
}
export interface Literal<T> extends Node {
  value: T;
}
export type Identifier = Literal<string>;
export interface If extends Node {
  test: Node;
  body: Node[];
  alternate: Node[];
}
export interface For extends Node {
  loopvar: Node;
  iterable: Node;
  body: Node[];
  defaultBlock: Node[];
}
export interface SetNode extends Node {
  assignee: Node;
  value: Node | null;
  body: Node[];
}
export interface Macro extends Node {
  name: Identifier;
  args: Node[];
  body: Node[];
}
export interface Member extends Node {
  object: Node;
  property: Node;
  computed: boolean;
}
export interface Call extends Node {
  callee: Node;
  args: Node[];
}
export interface KeywordArgument extends Node {
  key: Identifier;
  value: Node;
}
export interface Binary extends Node {
  operator: { value: string };
  left: Node;
  right: Node;
}
export interface Unary extends Node {
  operator: { value: string };
  argument: Node;
}
export interface Filter extends Node {
  operand: Node;
  filter: Node;
}
export interface Test extends Node {
  operand: Node;
  negate: boolean;
  test: Identifier;
}
export interface Select extends Node {
  lhs: Node;
  test: Node;
}
export interface Ternary extends Node {
  condition: Node;
  trueExpr: Node;
  falseExpr: Node;
}
export interface Slice extends Node {
  start?: Node;
  stop?: Node;
  step?: Node;
}
