/**
 * What the ledger knows of each dialogue, in typed arrays: 50 to 100 bytes a dialogue, none of which the garbage
 * collector has to traverse. Dialogues have numbers, in the order in which they were first noted.
 */
import type { RecordPlace as Place } from "../../../artifacts/index.js";
import { DigestIndex, DraftsmithError } from "../../../base/index.js";
import type { EndStatus } from "../../../dialogue/index.js";

const FIRST = 1 << 10;
/** 128 bits of the digest identify a dialogue. */
const KEY_BYTES = 16;
const STATUSES: readonly EndStatus[] = ["done", "partial", "rejected", "failed"];
/** Beside the status, which is its place in STATUSES plus one; 0: no end is known. */
const CLAIMED = 1 << 7;
const TO_RECHECK = 1 << 6;
const FLAGS = CLAIMED | TO_RECHECK;

export class LedgerIndex {
  private readonly numbers = new DigestIndex();
  private states = new Uint8Array(FIRST);
  private claims = new Uint32Array(FIRST);
  private claimedCount = 0;
  private readonly ends = new Places();
  private readonly checks = new Places();
  /** Answers of dialogues that have not ended, or have failed: few at a time. */
  private readonly turns = new Map<number, Place[]>();
  /** The last request to drop a dialogue's answers: few dialogues have one. */
  private readonly drops = new Map<number, string>();
  private readonly key = Buffer.alloc(KEY_BYTES);

  get size(): number {
    return this.numbers.size;
  }

  /**
   * Marks a dialogue as taken in this run and says what is known of it.
   *
   * @param toRecheck - whether it belongs to the share that is asked again
   */
  claim(digest: string, toRecheck = false): EndStatus | "open" | "duplicate" {
    const number = this.enter(digest);
    const state = this.states[number]!;
    if ((state & CLAIMED) !== 0) return "duplicate";
    this.states[number] = state | CLAIMED | (toRecheck ? TO_RECHECK : 0);
    this.claims = grown(this.claims, this.claimedCount);
    this.claims[this.claimedCount] = number;
    this.claimedCount += 1;
    return statusIn(state) ?? "open";
  }

  /** The numbers of the claimed dialogues, in the order in which they were claimed. */
  get claimed(): Uint32Array {
    return this.claims.subarray(0, this.claimedCount);
  }

  /** Of these, the ones to ask again. */
  get toRecheck(): Uint32Array {
    return this.claimed.filter((number) => (this.states[number]! & TO_RECHECK) !== 0);
  }

  noteTurn(digest: string, place: Place): void {
    const number = this.enter(digest);
    const before = this.turns.get(number);
    if (before === undefined) this.turns.set(number, [place]);
    else before.push(place);
  }

  noteEnd(digest: string, status: EndStatus, place: Place): void {
    const number = this.enter(digest);
    this.states[number] = (this.states[number]! & FLAGS) | (STATUSES.indexOf(status) + 1);
    this.ends.set(number, place);
    // A failed dialogue continues from its last good answer when it is asked again.
    if (status !== "failed") this.turns.delete(number);
  }

  noteCheck(digest: string, place: Place): void {
    this.checks.set(this.enter(digest), place);
  }

  /** Forgets how a dialogue ended and what was answered. @param request - that asked for it */
  noteDrop(digest: string, request: string): void {
    const number = this.enter(digest);
    this.states[number]! &= FLAGS;
    this.ends.clear(number);
    this.checks.clear(number);
    this.turns.delete(number);
    this.drops.set(number, request);
  }

  /** Whether a dialogue has anything that was not answered after this request to drop it. */
  isOlderThan(digest: string, request: string): boolean {
    const number = this.find(digest);
    if (number === undefined || this.drops.get(number) === request) return false;
    return statusIn(this.states[number]!) !== undefined || this.turns.has(number);
  }

  /** Where the answers lie that an earlier run left of a dialogue, in order; they are forgotten here. */
  takeTurns(digest: string): Place[] {
    const number = this.find(digest);
    const places = number === undefined ? undefined : this.turns.get(number);
    if (number !== undefined) this.turns.delete(number);
    return places ?? [];
  }

  endOf(dialogue: string | number): { status: EndStatus; place: Place } | undefined {
    const number = this.find(dialogue);
    if (number === undefined) return undefined;
    const status = statusIn(this.states[number]!);
    return status && { status, place: this.ends.get(number)! };
  }

  checkOf(dialogue: string | number): Place | undefined {
    const number = this.find(dialogue);
    return number === undefined ? undefined : this.checks.get(number);
  }

  /** Where all re-checks lie, in the order of the dialogues' numbers. */
  *allChecks(): Generator<Place> {
    for (let number = 0; number < this.size; number += 1) {
      const place = this.checks.get(number);
      if (place !== undefined) yield place;
    }
  }

  /** @param dialogue - its digest, or its number, which costs no search */
  private find(dialogue: string | number): number | undefined {
    return typeof dialogue === "number" ? dialogue : this.numbers.find(this.keyOf(dialogue));
  }

  private enter(digest: string): number {
    const number = this.numbers.add(this.keyOf(digest));
    this.states = grown(this.states, number);
    return number;
  }

  private keyOf(digest: string): Buffer {
    // A short write would leave the previous digest's bytes.
    if (this.key.write(digest, 0, KEY_BYTES, "hex") < KEY_BYTES) throw notADigest(digest);
    return this.key;
  }
}

/** Places by the number of their dialogue; lines are never empty, so 0 bytes say that there is none. */
class Places {
  private offsets = new Float64Array(0);
  private lengths = new Uint32Array(0);

  set(number: number, { offset, bytes }: Place): void {
    this.offsets = grown(this.offsets, number);
    this.lengths = grown(this.lengths, number);
    this.offsets[number] = offset;
    this.lengths[number] = bytes;
  }

  clear(number: number): void {
    if (number < this.lengths.length) this.lengths[number] = 0;
  }

  get(number: number): Place | undefined {
    const bytes = this.lengths[number] ?? 0;
    return bytes === 0 ? undefined : { offset: this.offsets[number]!, bytes };
  }
}

/** Journals and artifacts have checksums, so this file was edited by hand. */
function notADigest(text: string): DraftsmithError {
  return new DraftsmithError("ARTIFACT_INVALID", `${JSON.stringify(text)} is not a dialogue's digest`, {
    hint: "a digest has 64 hex digits",
  });
}

function statusIn(state: number): EndStatus | undefined {
  return STATUSES[(state & ~FLAGS) - 1];
}

/** The same array if it has a place for this index, else a longer one with its content. */
function grown<T extends Float64Array | Uint32Array | Uint8Array>(values: T, index: number): T {
  if (index < values.length) return values;
  let length = Math.max(FIRST, values.length);
  while (length <= index) length *= 2;
  const longer = new (values.constructor as new (length: number) => T)(length);
  longer.set(values);
  return longer;
}
