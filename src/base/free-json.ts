/**
 * Numbers and keys of options as users wrote them. Schemas check plain values, as everywhere; literals such as `0.0` and
 * the order of keys such as "10" come back only where a schema takes any JSON (`z.json()`), because only such values are
 * sent on as JSON or printed by a template.
 */
import type { z } from "zod";
import { writtenKey } from "./index-keys.js";
import { isJsonObject } from "./json.js";
import { JsonNumber } from "./json-number.js";

/** The value with every JsonNumber as a plain number and every key as it was written; the same object where it has none. */
export function plainNumbers(value: unknown): unknown {
  if (value instanceof JsonNumber) return value.valueOf();
  if (Array.isArray(value)) {
    const items = value.map(plainNumbers);
    return items.some((item, k) => item !== value[k]) ? items : value;
  }
  if (!isPlainObject(value)) return value;
  const members = Object.entries(value).map(([key, member]) => [writtenKey(key), plainNumbers(member)] as const);
  return members.some(([key, member]) => member !== value[key]) ? Object.fromEntries(members) : value;
}

/**
 * As `schema.safeParse`, for a value that may hold JsonNumbers: issues are those of plain numbers, and the parsed data
 * has JsonNumbers only where the schema is `z.json()` or `z.unknown()`.
 */
export function parseKeepingLiterals<Schema extends z.ZodType>(schema: Schema, value: unknown) {
  const plain = plainNumbers(value);
  const parsed = schema.safeParse(plain, { reportInput: true });
  if (!parsed.success || plain === value) return parsed;
  return { ...parsed, data: restored(schema, value, parsed.data) as z.output<Schema> };
}

/** `parsed` with the JsonNumbers of `written`, the value before it was parsed. */
function restored(schema: z.core.$ZodType, written: unknown, parsed: unknown): unknown {
  const { def } = (schema as z.core.$ZodTypes)._zod;
  switch (def.type) {
    case "unknown":
      return written;
    case "lazy":
      return isFreeJson(def.getter()) ? withLiterals(written, parsed) : restored(def.getter(), written, parsed);
    case "object":
      return mapMembers(written, parsed, (key) => (Object.hasOwn(def.shape, key) ? def.shape[key] : undefined));
    case "record":
      return mapWritten(written, parsed, (member, value) => restored(def.valueType, member, value));
    case "array":
      if (!Array.isArray(written) || !Array.isArray(parsed)) return parsed;
      return parsed.map((item, k) => restored(def.element, written[k], item));
    case "union":
      return def.options.reduce<unknown>((value, option) => restored(option, written, value), parsed);
    case "optional":
    case "nullable":
    case "default":
    case "prefault":
    case "nonoptional":
    case "readonly":
    case "catch":
      return restored(def.innerType, written, parsed);
    case "pipe":
      return restored(def.out, written, restored(def.in, written, parsed));
    default:
      return parsed;
  }
}

function mapMembers(written: unknown, parsed: unknown, schemaOf: (key: string) => z.core.$ZodType | undefined) {
  if (!isPlainObject(written) || !isPlainObject(parsed)) return parsed;
  return Object.fromEntries(
    Object.entries(parsed).map(([key, member]) => {
      const schema = Object.hasOwn(written, key) ? schemaOf(key) : undefined;
      return [key, schema === undefined ? member : restored(schema, written[key], member)];
    }),
  );
}

/** `parsed` under the keys of `written` and in their order; of what schemas add nothing is lost. */
function mapWritten(written: unknown, parsed: unknown, map: (written: unknown, parsed: unknown) => unknown): unknown {
  if (!isPlainObject(written) || !isPlainObject(parsed)) return parsed;
  const keys = Object.keys(written).filter((key) => Object.hasOwn(parsed, writtenKey(key)));
  const known = new Set(keys.map(writtenKey));
  const added = Object.entries(parsed).filter(([key]) => !known.has(key));
  return Object.fromEntries([...keys.map((key) => [key, map(written[key], parsed[writtenKey(key)])]), ...added]);
}

function withLiterals(written: unknown, parsed: unknown): unknown {
  if (written instanceof JsonNumber && typeof parsed === "number") return written;
  if (Array.isArray(written) && Array.isArray(parsed)) return parsed.map((item, k) => withLiterals(written[k], item));
  return mapWritten(written, parsed, withLiterals);
}

const JSON_TYPES = ["string", "number", "boolean", "null", "array", "record"];

/** Whether this is the union that `z.json()` is made of. */
function isFreeJson(schema: z.core.$ZodType): boolean {
  const { def } = (schema as z.core.$ZodTypes)._zod;
  if (def.type !== "union") return false;
  const types = def.options.map((option) => (option as z.core.$ZodTypes)._zod.def.type as string);
  return JSON_TYPES.every((type) => types.includes(type));
}

function isPlainObject(value: unknown): value is Record<string, unknown> {
  if (!isJsonObject(value)) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}
