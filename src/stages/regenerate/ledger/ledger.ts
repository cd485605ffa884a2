/**
 * What is finished, on disk. One journal line for every answer that is followed by another question, one for the end
 * of every dialogue; so a crash costs no more than the answers in flight. In memory there are only offsets.
 */
import { type Journal, openJournal, type RecordPlace as Place } from "../../../artifacts/index.js";
import { DraftsmithError, defined, type JsonObject, parseJson } from "../../../base/index.js";
import type { EndRow, EndStatus, GeneratedTurn, Message } from "../../../dialogue/index.js";
import { BlockReader } from "./block-reader.js";
import { type Answerers, type CheckRecord, readCheck } from "./check-record.js";
import { LedgerIndex } from "./ledger-index.js";
import { changedSettings, settingsConflict } from "./settings.js";

/** An answer that the history of the next question needs. */
export interface TurnRecord {
  message: Message;
  turn: GeneratedTurn;
  /** Who gave it; older journals do not say. Stays in the journal, for the re-check. */
  server?: string | undefined;
}

/** `["<crc32>",` before and `]` after each record: the journal's line form. */
const LINE_PREFIX = '["00000000",'.length;
/** Enough of a record for the fields in front. */
const HEAD_BYTES = 160;
const HEAD = /^\{"type":"(settings|turn|end|check|drop)"(?:,"key":"([0-9a-f]{64})"(?:,"status":"([a-z]+)")?)?/;

export class Ledger {
  private readonly index = new LedgerIndex();
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
    ledger.opened = await openJournal(path, (text, place) => ledger.note(text, place));
    try {
      const earlier = ledger.settings;
      if (earlier !== undefined) {
        if (changedSettings(earlier, settings).length > 0)
          throw settingsConflict("unfinished answers", path, earlier, settings);
      } else if (ledger.index.size === 0) await ledger.journal.append({ type: "settings", settings });
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

  /**
   * Marks a dialogue as taken in this run and says what is known of it.
   *
   * @param toRecheck - whether it belongs to the share that is asked again
   */
  claim(digest: string, toRecheck: boolean): EndStatus | "open" | "duplicate" {
    return this.index.claim(digest, toRecheck);
  }

  /** The dialogues of this run by number, in the order of the input: what comes after the questions need not read it again. */
  get claimed(): Uint32Array {
    return this.index.claimed;
  }

  /** Of these, the ones to ask again. */
  get toRecheck(): Uint32Array {
    return this.index.toRecheck;
  }

  /** Whether a dialogue's end is known. */
  has(digest: string): boolean {
    return this.index.endOf(digest) !== undefined;
  }

  /** The answers that an earlier run left of a dialogue, in order; once: after that they are the caller's. */
  async turnsOf(digest: string): Promise<TurnRecord[]> {
    const turns: TurnRecord[] = [];
    for (const place of this.index.takeTurns(digest)) {
      const record = await this.read<TurnRecord & { index: number }>(place);
      // A damaged line costs the turns after it, too: their history would be another one.
      if (record.index !== turns.length) break;
      turns.push({ message: record.message, turn: record.turn, server: record.server });
    }
    return turns;
  }

  /** Resolves when the answer is durable. */
  async addTurn(digest: string, index: number, { message, turn, server }: TurnRecord): Promise<void> {
    // Not entered: a conversation has its own turns, and asks for those of an earlier run only.
    await this.append({ type: "turn", key: digest, index, message, turn, ...defined({ server }) });
  }

  /** @param answerers - stay in the journal, for the re-check */
  async addEnd(digest: string, status: EndStatus, row: EndRow, answerers: Answerers = {}): Promise<void> {
    const place = await this.append({ type: "end", key: digest, status, row, ...answerers });
    this.index.noteEnd(digest, status, place);
  }

  async addCheck(digest: string, check: CheckRecord): Promise<void> {
    this.index.noteCheck(digest, await this.append({ type: "check", key: digest, check }));
  }

  /** Whether nothing has been answered yet. */
  get isEmpty(): boolean {
    return this.index.size === 0;
  }

  /**
   * Forgets a dialogue's answers, once for each request: what was answered after it stays.
   *
   * @param request - the same in a run and its continuation
   */
  async drop(digest: string, request: string): Promise<void> {
    if (!this.index.isOlderThan(digest, request)) return;
    await this.append({ type: "drop", key: digest, request });
    this.index.noteDrop(digest, request);
  }

  /** Before ends that this run wrote are read: what was read so far may lack them. */
  refresh(): void {
    this.reader.forget();
  }

  /**
   * How a dialogue ended; undefined if it has not.
   *
   * @param dialogue - its digest, or its number among `claimed`
   */
  async endOf(
    dialogue: string | number,
  ): Promise<{ status: EndStatus; row: EndRow; answerers: Answerers } | undefined> {
    const end = this.index.endOf(dialogue);
    if (end === undefined) return undefined;
    const { row, server, servers } = await this.read<{ row: EndRow } & Answerers>(end.place);
    return { status: end.status, row, answerers: { server, ...defined({ servers }) } };
  }

  async checkOf(dialogue: string | number): Promise<CheckRecord | undefined> {
    const place = this.index.checkOf(dialogue);
    if (place === undefined) return undefined;
    return readCheck((await this.read<{ check: CheckRecord }>(place)).check);
  }

  /** All re-checks of earlier runs. */
  async checks(): Promise<CheckRecord[]> {
    const found: CheckRecord[] = [];
    for (const place of this.index.allChecks()) {
      found.push(readCheck((await this.read<{ check: CheckRecord }>(place)).check));
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

  /** Indexes a record that was found, from its leading fields only. */
  private note(text: Buffer, place: Place): void {
    const head = HEAD.exec(text.toString("latin1", 0, HEAD_BYTES));
    if (head === null) return;
    const [, type, digest, status] = head;
    if (type === "settings") this.settings ??= JSON.parse(text.toString("utf8")).settings as JsonObject;
    else if (digest === undefined) return;
    else if (type === "turn") this.index.noteTurn(digest, place);
    else if (type === "check") this.index.noteCheck(digest, place);
    else if (type === "drop") this.index.noteDrop(digest, String(JSON.parse(text.toString("utf8")).request));
    else this.index.noteEnd(digest, status as EndStatus, place);
  }

  /** A record of ours, whose sum was checked when the journal was opened. */
  private async read<Content>({ offset, bytes }: Place): Promise<Content> {
    const line = await this.reader.read(offset, bytes);
    return parseJson(line.toString("utf8", LINE_PREFIX, bytes - "]\n".length)) as Content;
  }
}

function lostSettings(path: string): DraftsmithError {
  return new DraftsmithError("RESUME_CONFLICT", "the line that says how the unfinished answers were made is damaged", {
    location: { file: path },
    hint: "discard them with onConflict: restart",
  });
}
