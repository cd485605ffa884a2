/** `${vars.x}`, `${services.NAME.url}`, `${steps.NAME}`, `${matrix.k}`: found and replaced; nothing else is evaluated. */
import { JsonNumber } from "../base/index.js";
import type { Path } from "./source.js";

export type Reference =
  | { kind: "vars"; name: string; rest: string[] }
  | { kind: "services"; name: string; property: string }
  /** `selector` is what stands in brackets: `lr=0.001`, or `*` for all. */
  | { kind: "steps"; name: string; selector: string | undefined }
  | { kind: "matrix"; name: string };

export interface Place {
  path: Path;
  /** The reference as written, with its braces. */
  text: string;
}

/** Gives the value of a reference, or throws an error that points at the place. */
export type Resolver = (reference: Reference, place: Place) => unknown;
export type Refuse = (place: Place, message: string, hint?: string) => Error;

/** `$${` is an escape for a literal `${`. */
const PATTERN = /\$\$\{|\$\{([^}]*)\}?/g;
const WHOLE = /^\$\{([^}]*)\}$/;
const STEP = /^([A-Za-z][A-Za-z0-9_-]*)(?:\[(.*)\])?$/;

/**
 * A deep copy with every reference replaced. A string that is one reference takes the value with its type; inside
 * longer text the value is spelled out. A list as an item of a list is spliced in.
 */
export function substitute(value: unknown, path: Path, resolve: Resolver, refuse: Refuse): unknown {
  if (typeof value === "string") return substituteText(value, path, resolve, refuse);
  if (Array.isArray(value)) {
    return value.flatMap((item: unknown, k) => {
      const replaced = substitute(item, [...path, k], resolve, refuse);
      return typeof item === "string" && Array.isArray(replaced) ? (replaced as unknown[]) : [replaced];
    });
  }
  if (typeof value !== "object" || value === null || value instanceof JsonNumber) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, member]) => [key, substitute(member, [...path, key], resolve, refuse)]),
  );
}

function substituteText(text: string, path: Path, resolve: Resolver, refuse: Refuse): unknown {
  const whole = WHOLE.exec(text);
  if (whole !== null) return resolve(parseReference(whole[1]!, { path, text }, refuse), { path, text });
  return text.replaceAll(PATTERN, (match, inside: string | undefined) => {
    if (match === "$${") return "${";
    const place = { path, text: match };
    if (!match.endsWith("}")) throw refuse(place, "a reference is not closed", "write ${...}, or $${ for a literal ${");
    const found = resolve(parseReference(inside ?? "", place, refuse), place);
    const value = found instanceof JsonNumber ? found.valueOf() : found;
    if (typeof value === "object") {
      throw refuse(
        place,
        `${match} is not a single value, so it cannot stand inside text`,
        "let the reference stand alone",
      );
    }
    return String(value);
  });
}

function parseReference(inside: string, place: Place, refuse: Refuse): Reference {
  const [kind = "", ...rest] = inside.trim().split(".");
  const [name = ""] = rest;
  if (kind === "vars" && name !== "") return { kind, name, rest: rest.slice(1) };
  if (kind === "matrix" && name !== "" && rest.length === 1) return { kind, name };
  if (kind === "services" && name !== "" && rest.length === 2) return { kind, name, property: rest[1]! };
  if (kind === "steps") {
    // Values in brackets may hold dots themselves: train[lr=0.001].
    const step = STEP.exec(rest.join("."));
    if (step !== null) return { kind, name: step[1]!, selector: step[2] };
  }
  throw refuse(
    place,
    `${place.text} is not a reference`,
    "references are ${vars.NAME}, ${services.NAME.url}, ${steps.NAME} and ${matrix.KEY}",
  );
}

/** Every reference in a value with its place, in order. */
export function findReferences(value: unknown, path: Path, refuse: Refuse): { reference: Reference; place: Place }[] {
  const found: { reference: Reference; place: Place }[] = [];
  substitute(
    value,
    path,
    (reference, place) => {
      found.push({ reference, place });
      return "";
    },
    refuse,
  );
  return found;
}

/** What an `in:` value names: a step with an optional selector, or undefined when it is a path. */
export function parseStepName(text: string): { name: string; selector: string | undefined } | undefined {
  const bracket = text.indexOf("[");
  if ((bracket < 0 ? text : text.slice(0, bracket)).includes("/")) return undefined;
  const step = STEP.exec(text);
  return step === null ? undefined : { name: step[1]!, selector: step[2] };
}
