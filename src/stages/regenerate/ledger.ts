/**
 * What is finished, on disk. One journal line for every answer that is followed by another question, one for the end
 * of every dialogue; so a crash costs no more than the answers in flight. In memory there are only offsets.
 */
import { crc32 } from "node:zlib";
import { type Journal, openJournal } from "../../artifacts/journal.js";
import { readLines } from "../../artifacts/jsonl-reader.js";
import { DraftsmithError, type JsonObject, type JsonValue } from "../../base/index.js";
import type { EndRow, EndStatus, GeneratedTurn, Message } from "../../dialogue/index.js";
import { BlockReader } from "./block-reader.js";
import { changedSettings, settingsConflict } from "./settings.js";

/** An answer that the history of the next question needs. */
export interface TurnRecord {
  message: Message;
  turn: GeneratedTurn;
}

/** How often a re-checked dialogue's turns came out equal. */
export interface CheckRecord {
  turns: number;
  equal: number;
  /** For each turn that differs: the index of the first other id. */
  firstDifferences: number[];
  /** Who answered first, and who was asked again. */
  servers: [string, string];
}

interface Place {
  offset: number;
  bytes: number;
}

interface Entry {
  end?: Place & { status: EndStatus };
  /** Answers of a dialogue that has not ended, or has failed. */
  turns?: Place[];
  check?: Place;
  claimed: boolean;
}

/** 128 bits of the digest tell dialogues apart; half the memory of all of it. */
const KEY_DIGITS = 32;
const MAX_LINE_BYTES = 512 << 20;
/** `["<crc32>",` before and `]` after each record: the journal's line form. */
const LINE_PREFIX = '["00000000",'.length;
/** Enough of a record for the fields in front. */
const HEAD_BYTES = 160;
const HEAD = /^\{"type":"(settings|turn|end|check)"(?:,"key":"([0-9a-f]{64})"(?:,"status":"([a-z]+)")?)?/;

export class Ledger {
  private entries = new Map<string, Entry>();
  private readonly reader: BlockReader;

  private constructor(
    readonly path: string,
    private readonly journal: Journal,
  ) {
    this.reader = new BlockReader(path);
  }

  /**
   * Opens the journal, cuts a torn end, and finds what is there.
   *
   * @throws DraftsmithError RESUME_CONFLICT - it was written with other settings
   */
  static async open(path: string, settings: JsonObject): Promise<Ledger> {
    const ledger = new Ledger(path, await openJournal(path));
    try {
      const earlier = await ledger.index();
      if (earlier !== undefined) {
        if (changedSettings(earlier, settings).length > 0)
          throw settingsConflict("unfinished answers", path, earlier, settings);
      } else if (ledger.entries.size === 0) await ledger.journal.append({ type: "settings", settings });
      else throw lostSettings(path);
      return ledger;
    } catch (error) {
      await ledger.close();
      throw error;
    }
  }

  /** Lines that opening found damaged, and that count as never written. */
  get damagedLines(): number {
    return this.journal.found.damaged;
  }

  /** Marks a dialogue as taken in this run and says what is known of it. */
  claim(digest: string): EndStatus | "open" | "duplicate" {
    const key = keyOf(digest);
    const entry = this.entries.get(key);
    if (entry === undefined) {
      this.entries.set(key, { claimed: true });
      return "open";
    }
    if (entry.claimed) return "duplicate";
    entry.claimed = true;
    return entry.end?.status ?? "open";
  }

  /** Whether a dialogue's end is known. */
  has(digest: string): boolean {
    return this.entries.get(keyOf(digest))?.end !== undefined;
  }

  /** The answers that an earlier run left of a dialogue, in order. */
  async turnsOf(digest: string): Promise<TurnRecord[]> {
    const key = keyOf(digest);
    const entry = this.entries.get(key);
    const places = entry?.turns ?? [];
    const turns: TurnRecord[] = [];
    for (const place of places) {
      const record = (await this.read(place)) as unknown as TurnRecord & { index: number };
      // A damaged line costs the turns after it, too: their history would be another one.
      if (record.index !== turns.length) break;
      turns.push({ message: record.message, turn: record.turn });
    }
    if (entry !== undefined) delete entry.turns;
    return turns;
  }

  /** Resolves when the answer is durable. */
  addTurn(digest: string, index: number, record: TurnRecord): Promise<void> {
    return this.append({ type: "turn", key: digest, index, message: record.message, turn: record.turn });
  }

  /** @param server - who gave the last answer; stays in the journal, for the re-check */
  addEnd(digest: string, status: EndStatus, row: EndRow, server?: string): Promise<void> {
    return this.append({ type: "end", key: digest, status, row, ...(server === undefined ? {} : { server }) });
  }

  addCheck(digest: string, check: CheckRecord): Promise<void> {
    return this.append({ type: "check", key: digest, check });
  }

  /** Reads the journal again, so that ends that were written since are found. */
  async refresh(): Promise<void> {
    this.entries = new Map();
    this.reader.forget();
    await this.index();
  }

  /** How a dialogue ended; undefined if it has not. */
  async endOf(digest: string): Promise<{ status: EndStatus; row: EndRow; server: string | undefined } | undefined> {
    const end = this.entries.get(keyOf(digest))?.end;
    if (end === undefined) return undefined;
    const record = (await this.read(end)) as { row: JsonValue; server?: string };
    return { status: end.status, row: record.row as unknown as EndRow, server: record.server };
  }

  async checkOf(digest: string): Promise<CheckRecord | undefined> {
    const place = this.entries.get(keyOf(digest))?.check;
    if (place === undefined) return undefined;
    return ((await this.read(place)) as { check: JsonValue }).check as unknown as CheckRecord;
  }

  /** All re-checks of earlier runs. */
  async checks(): Promise<CheckRecord[]> {
    const found: CheckRecord[] = [];
    for (const { check } of this.entries.values()) {
      if (check !== undefined) found.push((await this.read(check)).check as unknown as CheckRecord);
    }
    return found;
  }

  async close(): Promise<void> {
    try {
      await this.journal.close();
    } finally {
      await this.reader.close();
    }
  }

  private append(record: object): Promise<void> {
    return this.journal.append(record as JsonObject);
  }

  /** One pass over the file: only the fields in front are looked at. @returns the settings line, if there is one */
  private async index(): Promise<JsonObject | undefined> {
    let settings: JsonObject | undefined;
    for await (const { content, offset, bytes } of readLines(this.path, { maxLineBytes: MAX_LINE_BYTES })) {
      const body = content === undefined ? undefined : recordIn(content);
      if (body === undefined) continue;
      const head = HEAD.exec(body.toString("latin1", 0, HEAD_BYTES));
      if (head === null) continue;
      const [, type, digest, status] = head;
      if (type === "settings") settings ??= JSON.parse(body.toString("utf8")).settings as JsonObject;
      else if (digest !== undefined) this.note(digest, type!, status, { offset, bytes });
    }
    return settings;
  }

  private note(digest: string, type: string, status: string | undefined, place: Place): void {
    const key = keyOf(digest);
    let entry = this.entries.get(key);
    if (entry === undefined) {
      entry = { claimed: false };
      this.entries.set(key, entry);
    }
    if (type === "turn") {
      entry.turns ??= [];
      entry.turns.push(place);
    } else if (type === "check") entry.check = place;
    else {
      entry.end = { ...place, status: status as EndStatus };
      // A failed dialogue goes on from its last good answer when it is asked again.
      if (status !== "failed") delete entry.turns;
    }
  }

  private async read({ offset, bytes }: Place): Promise<JsonObject> {
    const line = await this.reader.read(offset, bytes);
    return JSON.parse(line.toString("utf8", LINE_PREFIX, bytes - "]\n".length)) as JsonObject;
  }
}

/** A string of its own: a slice of the digest would keep the journal line in memory that the digest was read from. */
function keyOf(digest: string): string {
  return Buffer.from(digest.slice(0, KEY_DIGITS), "hex").toString("latin1");
}

/** The record's JSON text inside a journal line; undefined when the line is damaged. */
function recordIn(line: Buffer): Buffer | undefined {
  if (line.length <= LINE_PREFIX || line[line.length - 1] !== 0x5d) return undefined;
  const body = line.subarray(LINE_PREFIX, line.length - 1);
  const sum = crc32(body).toString(16).padStart(8, "0");
  return line.toString("latin1", 0, LINE_PREFIX) === `["${sum}",` ? body : undefined;
}

function lostSettings(path: string): DraftsmithError {
  return new DraftsmithError("RESUME_CONFLICT", "the line that says how the unfinished answers were made is damaged", {
    location: { file: path },
    hint: "start anew without them: onConflict: restart",
  });
}
