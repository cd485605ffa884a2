/**
 * What is finished, on disk. One journal line for every answer that is followed by another question, one for the end
 * of every dialogue; so a crash costs no more than the answers in flight. In memory there are only offsets.
 */
import { type Journal, openJournal, type RecordPlace as Place } from "../../artifacts/journal.js";
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

interface Entry {
  end?: Place & { status: EndStatus };
  /** Answers of a dialogue that has not ended, or has failed. */
  turns?: Place[];
  check?: Place;
  claimed: boolean;
}

/** 128 bits of the digest tell dialogues apart; half the memory of all of it. */
const KEY_DIGITS = 32;
/** `["<crc32>",` before and `]` after each record: the journal's line form. */
const LINE_PREFIX = '["00000000",'.length;
/** Enough of a record for the fields in front. */
const HEAD_BYTES = 160;
const HEAD = /^\{"type":"(settings|turn|end|check)"(?:,"key":"([0-9a-f]{64})"(?:,"status":"([a-z]+)")?)?/;

export class Ledger {
  private readonly entries = new Map<string, Entry>();
  private readonly reader: BlockReader;
  private opened: Journal | undefined;
  private settings: JsonObject | undefined;

  private constructor(readonly path: string) {
    this.reader = new BlockReader(path);
  }

  private get journal(): Journal {
    return this.opened!;
  }

  /**
   * Opens the journal, cuts a torn end, and finds what is there.
   *
   * @throws DraftsmithError RESUME_CONFLICT - it was written with other settings
   */
  static async open(path: string, settings: JsonObject): Promise<Ledger> {
    const ledger = new Ledger(path);
    ledger.opened = await openJournal(path, (text, place) => ledger.index(text, place));
    try {
      const earlier = ledger.settings;
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
  async addTurn(digest: string, index: number, record: TurnRecord): Promise<void> {
    // Not entered: a conversation has its own turns, and asks for those of an earlier run only.
    await this.append({ type: "turn", key: digest, index, message: record.message, turn: record.turn });
  }

  /** @param server - who gave the last answer; stays in the journal, for the re-check */
  async addEnd(digest: string, status: EndStatus, row: EndRow, server?: string): Promise<void> {
    const more = server === undefined ? {} : { server };
    this.note(digest, "end", status, await this.append({ type: "end", key: digest, status, row, ...more }));
  }

  async addCheck(digest: string, check: CheckRecord): Promise<void> {
    this.note(digest, "check", undefined, await this.append({ type: "check", key: digest, check }));
  }

  /** Before ends that this run wrote are read: what was read so far may lack them. */
  refresh(): void {
    this.reader.forget();
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

  private append(record: object): Promise<Place> {
    return this.journal.append(record as JsonObject);
  }

  /** Of a record, only the fields in front are looked at. */
  private index(text: Buffer, place: Place): void {
    const head = HEAD.exec(text.toString("latin1", 0, HEAD_BYTES));
    if (head === null) return;
    const [, type, digest, status] = head;
    if (type === "settings") this.settings ??= JSON.parse(text.toString("utf8")).settings as JsonObject;
    else if (digest !== undefined) this.note(digest, type!, status, place);
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

function lostSettings(path: string): DraftsmithError {
  return new DraftsmithError("RESUME_CONFLICT", "the line that says how the unfinished answers were made is damaged", {
    location: { file: path },
    hint: "start anew without them: onConflict: restart",
  });
}
