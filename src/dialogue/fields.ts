/**
 * The fields of an object in somebody's data. Whatever a reader takes is known; the name of every other field with a value
 * is noted, so that nothing is left out in silence.
 */
import { canonicalJson } from "../base/index.js";
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
  private readonly found = new Set<string>();

  add(place: Place, key: string): void {
    const cut = key.length > MOST_NAME_LENGTH ? `${key.slice(0, MOST_NAME_LENGTH)}...` : key;
    // Control characters of a key must not reach a terminal.
    const name = `${place}.${/^[\w.$@/-]+$/.test(cut) ? cut : JSON.stringify(cut)}`;
    this.found.add(this.found.size < MOST_NAMES || this.found.has(name) ? name : OTHER_FIELDS);
  }

  get names(): readonly string[] {
    return [...this.found];
  }
}

export class Fields {
  private readonly object: Row;
  private readonly taken: string[] = [];

  /** @param where names the object in messages, such as "message 3, part 0" */
  constructor(
    object: Row,
    readonly place: Place,
    readonly where: string,
    readonly unread: UnreadFields,
  ) {
    this.object = object;
  }

  /** The field's value; null, an empty text, list or object say nothing and count as absent. */
  take(key: string): unknown {
    const value = this.object[key];
    if (value === undefined || value === null) return undefined;
    this.taken.push(key);
    return isEmpty(value) ? undefined : value;
  }

  /**
   * The value of the one field among several spellings that has one.
   * @throws RowProblem fields-contradict where two of them say different things
   */
  takeOne(...keys: readonly string[]): unknown {
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

  /** @throws RowProblem where one of these fields has a value */
  refuse(keys: readonly string[], reason: DialogueReason, why: string): void {
    for (const key of keys) if (this.take(key) !== undefined) throw this.problem(reason, `\`${key}\` ${why}`);
  }

  problem(reason: DialogueReason, message: string): RowProblem {
    return new RowProblem(reason, this.where === "" ? message : `${this.where}: ${message}`);
  }

  contradiction(one: string, other: string): RowProblem {
    return this.problem("fields-contradict", `\`${one}\` and \`${other}\` say different things`);
  }

  /** Notes every field with a value that was not taken. Call it once everything is read. */
  finish(): void {
    for (const key of Object.keys(this.object)) {
      const value = this.object[key];
      if (value !== null && value !== undefined && !this.taken.includes(key)) this.unread.add(this.place, key);
    }
  }
}

function isEmpty(value: unknown): boolean {
  if (value === "") return true;
  if (typeof value !== "object") return false;
  for (const _ in value) return false;
  return Array.isArray(value) || Object.getPrototypeOf(value) === Object.prototype;
}
