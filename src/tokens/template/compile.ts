/** A chat template, compiled once and rendered many times, to the text that transformers' jinja2 gives. */
import { parse } from "@huggingface/jinja";
import { TemplateFailure, TemplateUnsupported } from "./errors.js";
import type { Node } from "./nodes.js";
import { Scope } from "./scope.js";
import { lexTemplate } from "./source.js";
import { compileBlock, type Output } from "./statements.js";
import { fromJson, Namespace, PyFunction, typeName, type Value } from "./values.js";

export interface ChatTemplate {
  /** Throws TemplateFailure where the template rejects the input, TemplateUnsupported where it meets an unknown construct. */
  render(variables: Readonly<Record<string, unknown>>): string;
}

/** Throws TemplateUnsupported, naming the construct, for a template that cannot be rendered exactly. */
export function compileTemplate(source: string): ChatTemplate {
  let nodes: Node[];
  try {
    nodes = parse(lexTemplate(source)).body as unknown as Node[];
  } catch (error) {
    if (error instanceof TemplateUnsupported) throw error;
    throw new TemplateUnsupported(`its syntax: ${error instanceof Error ? error.message : String(error)}`);
  }
  const block = compileBlock(nodes);
  return {
    render(variables) {
      const scope = new Scope();
      for (const [name, value] of Object.entries(GLOBALS)) scope.set(name, value);
      for (const [name, value] of Object.entries(variables)) scope.set(name, fromJson(value));
      const output: Output = { text: "" };
      block(scope, output);
      return output.text;
    },
  };
}

const GLOBALS: Readonly<Record<string, Value>> = {
  raise_exception: new PyFunction("raise_exception", ([message]) => {
    throw new TemplateFailure(typeof message === "string" ? message : "the template raised an exception");
  }),
  strftime_now: new PyFunction("strftime_now", () => {
    throw new TemplateUnsupported("strftime_now: the prompt would depend on the day");
  }),
  namespace: new PyFunction("namespace", (positional, keywords) => {
    const members = new Map<string, Value>();
    for (const source of positional) {
      if (!(source instanceof Map)) throw new TemplateUnsupported(`namespace() of a ${typeName(source)}`);
      for (const [name, value] of source) members.set(name, value);
    }
    for (const [name, value] of keywords) members.set(name, value);
    return new Namespace(members);
  }),
  range: new PyFunction("range", (positional) => {
    const bounds = positional.map((bound) => {
      if (typeof bound !== "number") throw new TemplateFailure("range() needs whole numbers");
      return bound;
    });
    const [start, stop, step] =
      bounds.length === 1 ? [0, bounds[0]!, 1] : [bounds[0] ?? 0, bounds[1] ?? 0, bounds[2] ?? 1];
    if (step === 0) throw new TemplateFailure("range() arg 3 must not be zero");
    const numbers: number[] = [];
    for (let i = start; step > 0 ? i < stop : i > stop; i += step) numbers.push(i);
    return numbers;
  }),
};
