/** jinja2's tests (`x is mapping`), without those that take arguments. */
import { TemplateUnsupported } from "./errors.js";
import { Markup, PyFloat, PyFunction, PyView, Undefined, type Value } from "./values.js";

type Test = (value: Value) => boolean;

const isText: Test = (value) => typeof value === "string" || value instanceof Markup;
const isInt: Test = (value) => typeof value === "number" || typeof value === "bigint";
/** An undefined value has __len__, __getitem__ and __iter__ in Python: it is a sequence and iterable. */
const isIterable: Test = (value) =>
  isText(value) || Array.isArray(value) || value instanceof Map || value instanceof Undefined;

const TESTS: Record<string, Test> = {
  defined: (value) => !(value instanceof Undefined),
  undefined: (value) => value instanceof Undefined,
  none: (value) => value === null,
  string: isText,
  mapping: (value) => value instanceof Map,
  sequence: (value) => isIterable(value) && !(value instanceof PyView),
  iterable: isIterable,
  boolean: (value) => typeof value === "boolean",
  true: (value) => value === true,
  false: (value) => value === false,
  integer: isInt,
  float: (value) => value instanceof PyFloat,
  number: (value) => isInt(value) || typeof value === "boolean" || value instanceof PyFloat,
  callable: (value) => value instanceof PyFunction,
};

export function findTest(name: string): Test {
  const test = Object.hasOwn(TESTS, name) ? TESTS[name] : undefined;
  if (test === undefined) throw new TemplateUnsupported(`the test ${name}`);
  return test;
}
