/** jinja2's tests (`x is mapping`). */

import { TemplateFailure, TemplateSyntaxError, TemplateUnsupported } from "../errors.js";
import type { Arguments } from "../values/arguments.js";
import { isAscii } from "../values/characters.js";
import { calculate, intOf } from "../values/numbers.js";
import { comparison } from "../values/operators.js";
import { contains } from "../values/order.js";
import { str } from "../values/text.js";
import {
  DictView,
  lengthOf,
  Markup,
  PyFloat,
  PyFunction,
  PyIterator,
  PyObject,
  textOf,
  typeName,
  Undefined,
  type Value,
} from "../values/values.js";

export type Test = (value: Value, args: Arguments) => boolean;

const bare =
  (apply: (value: Value) => boolean): Test =>
  (value, args) => {
    args.positionalOnly(0);
    return apply(value);
  };

const compared =
  (operator: "==" | "!=" | "<" | "<=" | ">" | ">="): Test =>
  (value, args) =>
    comparison(operator)(value, args.positionalOnly(1).required(0, "other"));

const isInt = (value: Value): boolean => typeof value === "number" || typeof value === "bigint";

/** jinja2's Undefined has __len__, __getitem__, __iter__ and __call__, so it is a sequence, iterable and callable. */
function isSequence(value: Value): boolean {
  return !(value instanceof DictView) && lengthOf(value) !== undefined;
}

function isIterable(value: Value): boolean {
  if (lengthOf(value) !== undefined || value instanceof PyIterator) return true;
  return value instanceof PyObject && value.typeName === "LoopContext";
}

function isCallable(value: Value): boolean {
  if (value instanceof PyObject) return value.isCallable;
  return value instanceof PyFunction || value instanceof Undefined;
}

/** `value % divisor == rest`. */
function rest(value: Value, divisor: Value, wanted: number): boolean {
  if (value instanceof Undefined) throw value.failure();
  const result = textOf(value) === undefined ? calculate("%", value, divisor) : undefined;
  if (result === undefined)
    throw new TemplateFailure(`unsupported operand types for %: '${typeName(value)}' and '${typeName(divisor)}'`);
  return result instanceof PyFloat ? result.value === wanted : Number(result) === wanted;
}

/** Python's `value is other`: known for None, booleans and containers. */
function sameAs(value: Value, other: Value): boolean {
  if (typeof value === "object" || typeof value === "boolean") return value === other;
  if (typeName(value) !== typeName(other)) return false;
  const small = intOf(value);
  // CPython caches small ints; whether other equal numbers and strings are identical depends on their origin.
  if (value !== other) return false;
  if (small !== undefined && small >= -5 && small <= 256) return true;
  throw new TemplateUnsupported("sameas of values that Python may or may not keep as one object");
}

/** str.islower() or str.isupper(). ASCII only, as Unicode tables differ between Python versions. */
function isCased(text: string, wanted: RegExp): boolean {
  if (!isAscii(text)) throw new TemplateUnsupported("the case of text outside ASCII");
  return wanted.test(text);
}

const TESTS: Readonly<Record<string, Test>> = {
  defined: bare((value) => !(value instanceof Undefined)),
  undefined: bare((value) => value instanceof Undefined),
  none: bare((value) => value === null),
  string: bare((value) => textOf(value) !== undefined),
  mapping: bare((value) => value instanceof Map),
  sequence: bare(isSequence),
  iterable: bare(isIterable),
  boolean: bare((value) => typeof value === "boolean"),
  true: bare((value) => value === true),
  false: bare((value) => value === false),
  integer: bare(isInt),
  float: bare((value) => value instanceof PyFloat),
  number: bare((value) => isInt(value) || typeof value === "boolean" || value instanceof PyFloat),
  callable: bare(isCallable),
  escaped: bare((value) => value instanceof Markup),
  odd: bare((value) => rest(value, 2, 1)),
  even: bare((value) => rest(value, 2, 0)),
  divisibleby: (value, args) => rest(value, args.expect("num").required(0, "num"), 0),
  lower: bare((value) => isCased(str(value), /^[^A-Z]*[a-z][^A-Z]*$/)),
  upper: bare((value) => isCased(str(value), /^[^a-z]*[A-Z][^a-z]*$/)),
  sameas: (value, args) => sameAs(value, args.expect("other").required(0, "other")),
  in: (value, args) => contains(args.expect("seq").required(0, "seq"), value),
  "==": compared("=="),
  eq: compared("=="),
  equalto: compared("=="),
  "!=": compared("!="),
  ne: compared("!="),
  ">": compared(">"),
  gt: compared(">"),
  greaterthan: compared(">"),
  ge: compared(">="),
  ">=": compared(">="),
  "<": compared("<"),
  lt: compared("<"),
  lessthan: compared("<"),
  "<=": compared("<="),
  le: compared("<="),
};

/** Unsupported tests of jinja2. Any other unknown name is an error of the template. */
const OTHER_TESTS: ReadonlySet<string> = new Set(["filter", "test"]);

/** The test with this name, or the error that explains why there is none. */
export function findTest(name: string): Test | Error {
  if (Object.hasOwn(TESTS, name)) return TESTS[name]!;
  if (OTHER_TESTS.has(name)) return new TemplateUnsupported(`the test ${name}`);
  return new TemplateSyntaxError(`no test named '${name}'`);
}
