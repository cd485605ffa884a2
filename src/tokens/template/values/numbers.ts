/** Python's arithmetic: ints of any size, floats, and bools that count as ints. */
import { TemplateFailure, TemplateUnsupported } from "../errors.js";
import { int, PyFloat, typeName, type Value } from "./values.js";

/** Larger ints are unsupported, to bound the work. */
const MAX_BITS = 4096n;

type Int = number | bigint;

/** The int of an int or bool, or undefined. */
export function intOf(value: Value | undefined): Int | undefined {
  if (typeof value === "number" || typeof value === "bigint") return value;
  return typeof value === "boolean" ? Number(value) : undefined;
}

/** The number behind an int, float or bool, or undefined. */
export function numberOf(value: Value): Int | undefined {
  return value instanceof PyFloat ? value.value : intOf(value);
}

/** Equality by value across number types, as in Python; NaN equals nothing. */
export function sameNumber(a: Int, b: Int): boolean {
  return typeof a === typeof b ? a === b : a <= b && a >= b;
}

function bounded(value: bigint): Int {
  const result = int(value);
  if (typeof result === "bigint" && (result < 0n ? -result : result) >> MAX_BITS !== 0n) {
    throw new TemplateUnsupported(`whole numbers of more than ${MAX_BITS} bits`);
  }
  return result;
}

/** Computes with numbers if the result is exact, else with bigints. */
function exact(a: Int, b: Int, small: (a: number, b: number) => number, large: (a: bigint, b: bigint) => bigint): Int {
  if (typeof a === "number" && typeof b === "number") {
    const result = small(a, b);
    // Adding 0 turns negative zero into 0.
    if (Number.isSafeInteger(result)) return result + 0;
  }
  return bounded(large(BigInt(a), BigInt(b)));
}

function floorDivide(a: bigint, b: bigint): bigint {
  const quotient = a / b;
  return a % b !== 0n && a < 0n !== b < 0n ? quotient - 1n : quotient;
}

function floatModulo(a: number, b: number): number {
  const rest = a % b;
  if (rest === 0) return b < 0 ? -0 : 0;
  return rest < 0 !== b < 0 ? rest + b : rest;
}

function floatFloorDivide(a: number, b: number): number {
  const quotient = (a - floatModulo(a, b)) / b;
  if (quotient === 0) return a / b < 0 ? -0 : 0;
  const floor = Math.floor(quotient);
  return quotient - floor > 0.5 ? floor + 1 : floor;
}

function power(a: Int, b: Int): Value {
  if (b < 0) throw new TemplateUnsupported("a power with a negative exponent");
  const base = BigInt(a);
  const bits = BigInt(base.toString(2).length) * BigInt(b);
  if (bits > MAX_BITS) throw new TemplateUnsupported(`whole numbers of more than ${MAX_BITS} bits`);
  return int(base ** BigInt(b));
}

/** The result of an arithmetic operator, or undefined if an operand is not a number. */
export function calculate(operator: string, a: Value, b: Value): Value | undefined {
  const left = numberOf(a);
  const right = numberOf(b);
  if (left === undefined || right === undefined) return undefined;
  if ((operator === "/" || operator === "//" || operator === "%") && Number(right) === 0) {
    throw new TemplateFailure("division by zero");
  }
  const isFloat = a instanceof PyFloat || b instanceof PyFloat;
  if (operator === "/") return divide(left, right);
  if (isFloat) return floatResult(operator, Number(left), Number(right));
  switch (operator) {
    case "+":
      return exact(
        left,
        right,
        (x, y) => x + y,
        (x, y) => x + y,
      );
    case "-":
      return exact(
        left,
        right,
        (x, y) => x - y,
        (x, y) => x - y,
      );
    case "*":
      return exact(
        left,
        right,
        (x, y) => x * y,
        (x, y) => x * y,
      );
    case "//":
      return exact(left, right, (x, y) => Math.floor(x / y), floorDivide);
    case "%":
      return exact(left, right, floatModulo, (x, y) => x - y * floorDivide(x, y));
    default:
      return power(left, right);
  }
}

function divide(left: Int, right: Int): PyFloat {
  if (typeof left === "bigint" || typeof right === "bigint") {
    throw new TemplateUnsupported("dividing whole numbers above 2^53");
  }
  return new PyFloat(left / right);
}

function floatResult(operator: string, a: number, b: number): PyFloat {
  switch (operator) {
    case "+":
      return new PyFloat(a + b);
    case "-":
      return new PyFloat(a - b);
    case "*":
      return new PyFloat(a * b);
    case "//":
      return new PyFloat(floatFloorDivide(a, b));
    case "%":
      return new PyFloat(floatModulo(a, b));
    default:
      // C libraries differ in the last digit of pow().
      throw new TemplateUnsupported("a power of floats");
  }
}

/** `-value` or `+value`. */
export function signed(operator: "+" | "-", value: Value): Value {
  if (value instanceof PyFloat) return operator === "-" ? new PyFloat(-value.value) : value;
  const number = intOf(value);
  if (number === undefined) throw new TemplateFailure(`bad operand type for unary ${operator}: '${typeName(value)}'`);
  if (operator === "+") return number;
  return typeof number === "bigint" ? int(-number) : 0 - number;
}

/** A whole number from a literal's digits (0x, 0o and 0b included). */
export function integerLiteral(digits: string): Int {
  return bounded(BigInt(/^0\d/.test(digits) ? "0" : digits));
}

/** A finite float with a fixed number of decimal places; exact ties round to even, as in Python. */
export function fixed(value: number, places: number): string {
  if (places > 100) throw new TemplateUnsupported("rounding to more than 100 places");
  if (Math.abs(value) >= 1e21) return BigInt(value) + (places === 0 ? "" : `.${"0".repeat(places)}`);
  const text = value.toFixed(places);
  // Every double has a finite decimal expansion; a tie continues with 5 and zeros.
  const rest = places < 100 ? value.toFixed(100).split(".")[1]!.slice(places) : "";
  if (!/^50*$/.test(rest)) return text;
  const down = towardsZero(value, places);
  return Number(down.at(-1)) % 2 === 0 ? down : text;
}

function towardsZero(value: number, places: number): string {
  const [whole, fraction] = value.toFixed(100).split(".") as [string, string];
  return places === 0 ? whole : `${whole}.${fraction.slice(0, places)}`;
}
