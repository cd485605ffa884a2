/**
 * The fields of an object in somebody's data. Whatever a reader takes is known; the name of every other field with a value
 * is noted, so that nothing is left out in silence.
 */
import { canonicalJson, JsonNumber, writtenKey } from "../base/index.js";
import { type DialogueReason, RowProblem } from "./row-problem.js";

export type Row = Readonly<Record<string, unknown>>;

/** Objects whose unread fields are told apart in counts. */
export type Place = "row" | "message" | "part" | "image" | "call" | "tags";

/** Rows are untrusted: one with a million keys must not fill memory with their names. */
const MOST_NAMES = 100;
const MOST_NAME_LENGTH = 60;
export const OTHER_FIELDS = "(others)";

/** Names of fields in one row that nobody read, as `message.weight`. */
export class UnreadFields {
  private readonly found: string[] = [];

  add(place: Place, stored: string): void {
    const key = writtenKey(stored);
    const cut = key.length > MOST_NAME_LENGTH ? `${key.slice(0, MOST_NAME_LENGTH)}...` : key;
    // Control characters of a key must not reach a terminal.
    const own = `${place}.${/^[\w.$@/-]+$/.test(cut) ? cut : JSON.stringify(cut)}`;
    const name = this.found.length < MOST_NAMES ? own : OTHER_FIELDS;
    if (!this.found.includes(name)) this.found.push(name);
  }

  get names(): readonly string[] {
    return this.found;
  }
}

/** Of an object with more keys than this a set of them is made; a short list is faster than a set. */
const FEW_KEYS = 16;

export class Fields {
  private readonly object: Row;
  /** Own keys that nobody has asked for. A row's objects have few of them, and readers ask for many names. */
  private readonly left: string[] | Set<string>;

  /** @param where names the object in messages, such as "message 3, part 0" */
  constructor(
    object: Row,
    readonly place: Place,
    readonly where: string,
    readonly unread: UnreadFields,
  ) {
    this.object = object;
    const keys = Object.keys(object);
    this.left = keys.length > FEW_KEYS ? new Set(keys) : keys;
  }

  /** Whether nothing is left to ask for. */
  get isDone(): boolean {
    return Array.isArray(this.left) ? this.left.length === 0 : this.left.size === 0;
  }

  /** Whether the field has not been taken; its value may still be empty. */
  has(key: string): boolean {
    return Array.isArray(this.left) ? this.left.includes(key) : this.left.has(key);
  }

  /** The field's value; null, an empty text, list or object say nothing and count as absent. */
  take(key: string): unknown {
    if (Array.isArray(this.left)) {
      const at = this.left.indexOf(key);
      if (at < 0) return undefined;
      this.left[at] = this.left[this.left.length - 1]!;
      this.left.pop();
    } else if (!this.left.delete(key)) return undefined;
    const value = this.object[key];
    return value === null || isEmpty(value) ? undefined : value;
  }

  /**
   * The value of the one field among several spellings that has one.
   * @throws RowProblem fields-contradict where two of them say different things
   */
  takeOne(keys: readonly string[]): unknown {
    if (this.isDone) return undefined;
    let found: unknown;
    let from = "";
    for (const key of keys) {
      const value = this.take(key);
      if (value === undefined) continue;
      if (found !== undefined && canonicalJson(found) !== canonicalJson(value)) throw this.contradiction(from, key);
      found ??= value;
      from ||= key;
    }
    return found;
  }

  /** For a field that only says how others are to be read. */
  takeIfOneOf(key: string, values: readonly string[]): void {
    if (values.includes(this.object[key] as string)) this.take(key);
  }

  /** @throws RowProblem where one of these fields has a value; `why` follows its name */
  refuse(keys: readonly string[], reason: DialogueReason, why: string, of = ""): void {
    if (this.isDone) return;
    for (const key of keys) if (this.take(key) !== undefined) throw this.problem(reason, `\`${key}\` ${why}${of}`);
  }

  problem(reason: DialogueReason, message: string): RowProblem {
    return new RowProblem(reason, this.where === "" ? message : `${this.where}: ${message}`);
  }

  contradiction(one: string, other: string): RowProblem {
    return this.problem("fields-contradict", `\`${one}\` and \`${other}\` say different things`);
  }

  /** Notes every field with a value that was not taken. Call it once everything is read. */
  finish(): void {
    for (const key of this.left) {
      const value = this.object[key];
      if (value !== null && value !== undefined) this.unread.add(this.place, key);
    }
  }
}

function isEmpty(value: unknown): boolean {
  if (typeof value !== "object") return value === "";
  if (Array.isArray(value)) return value.length === 0;
  if (value instanceof JsonNumber) return false;
  for (const _ in value) return false;
  return true;
}
