import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { RecordPlace } from "../../../../src/artifacts/journal.js";
import { sha256 } from "../../../../src/base/index.js";
import type { EndStatus } from "../../../../src/dialogue/index.js";
import { LedgerIndex } from "../../../../src/stages/regenerate/ledger/ledger-index.js";

interface Entry {
  claimed: boolean;
  end?: { status: EndStatus; place: RecordPlace };
  turns: RecordPlace[];
  check?: RecordPlace;
  dropped?: string;
}

const dialogue = fc.nat(40);
// Beyond 4 GiB, as the journal of a long run is.
const place = fc.record({ offset: fc.nat().map((low) => low * 1024), bytes: fc.integer({ min: 1, max: 2 ** 29 }) });
const status = fc.constantFrom<EndStatus>("done", "partial", "rejected", "failed");
const step = fc.oneof(
  fc.record({ kind: fc.constantFrom("claim", "takeTurns", "ask"), dialogue }),
  fc.record({ kind: fc.constantFrom("turn", "check"), dialogue, place }),
  fc.record({ kind: fc.constant("end"), dialogue, place, status }),
  fc.record({ kind: fc.constant("drop"), dialogue, request: fc.constantFrom("one", "two") }),
);
type Step = { kind: string; dialogue: number; place?: RecordPlace; status?: EndStatus; request?: string };

/** What the ledger promises, in objects. */
class Plain {
  readonly entries = new Map<string, Entry>();
  /** In order. */
  readonly claimed: { digest: string; toRecheck: boolean }[] = [];

  entry(digest: string): Entry {
    const known = this.entries.get(digest) ?? { claimed: false, turns: [] };
    this.entries.set(digest, known);
    return known;
  }
}

function apply(index: LedgerIndex, plain: Plain, { kind, dialogue, place, status, request }: Step): void {
  const digest = sha256(String(dialogue));
  if (kind === "ask") {
    expect(index.endOf(digest)).toEqual(plain.entries.get(digest)?.end);
    expect(index.checkOf(digest)).toEqual(plain.entries.get(digest)?.check);
    // By number as by digest.
    const found = (numbers: Uint32Array) =>
      Array.from(numbers, (number) => [index.endOf(number), index.checkOf(number)]);
    const wanted = (claimed: Plain["claimed"]) =>
      claimed.map(({ digest: own }) => [plain.entries.get(own)?.end, plain.entries.get(own)?.check]);
    expect(found(index.claimed)).toEqual(wanted(plain.claimed));
    expect(found(index.toRecheck)).toEqual(wanted(plain.claimed.filter(({ toRecheck }) => toRecheck)));
    return;
  }
  if (kind === "takeTurns") {
    const known = plain.entries.get(digest);
    expect(index.takeTurns(digest)).toEqual(known?.turns ?? []);
    if (known !== undefined) known.turns = [];
    return;
  }
  const entry = plain.entry(digest);
  if (kind === "claim") {
    const toRecheck = dialogue % 3 === 0;
    expect(index.claim(digest, toRecheck)).toBe(entry.claimed ? "duplicate" : (entry.end?.status ?? "open"));
    if (!entry.claimed) plain.claimed.push({ digest, toRecheck });
    entry.claimed = true;
  } else if (kind === "turn") {
    index.noteTurn(digest, place!);
    entry.turns.push(place!);
  } else if (kind === "check") {
    index.noteCheck(digest, place!);
    entry.check = place!;
  } else if (kind === "drop") {
    const hasAnswers = entry.end !== undefined || entry.turns.length > 0;
    expect(index.isOlderThan(digest, request!)).toBe(hasAnswers && entry.dropped !== request);
    index.noteDrop(digest, request!);
    plain.entries.set(digest, { claimed: entry.claimed, turns: [], dropped: request! });
  } else {
    index.noteEnd(digest, status!, place!);
    entry.end = { status: status!, place: place! };
    if (status !== "failed") entry.turns = [];
  }
}

describe("the ledger's index", () => {
  it("knows what objects in a map would know, and gives checks in the order in which dialogues came", () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 300 }), (steps) => {
        const [index, plain] = [new LedgerIndex(), new Plain()];
        for (const each of steps) apply(index, plain, each);
        expect(index.size).toBe(plain.entries.size);
        const checks = [...plain.entries.values()].flatMap(({ check }) => (check === undefined ? [] : [check]));
        expect([...index.allChecks()]).toEqual(checks);
      }),
      { seed: 71, numRuns: 150 },
    );
  });

  it("keeps everything while it grows", () => {
    const index = new LedgerIndex();
    const digests = Array.from({ length: 5000 }, (_, k) => sha256(String(k)));
    for (const [k, digest] of digests.entries()) {
      index.claim(digest);
      index.noteEnd(digest, "done", { offset: k * 2 ** 20, bytes: k + 1 });
      if (k % 7 === 0) index.noteCheck(digest, { offset: k, bytes: 1 });
    }
    for (const [k, digest] of digests.entries()) {
      expect(index.endOf(digest)).toEqual({ status: "done", place: { offset: k * 2 ** 20, bytes: k + 1 } });
      expect(index.checkOf(digest)).toEqual(k % 7 === 0 ? { offset: k, bytes: 1 } : undefined);
      expect(index.claim(digest)).toBe("duplicate");
    }
  });

  it("refuses what is no digest instead of taking a part of another one", () => {
    const index = new LedgerIndex();
    index.claim(sha256("a"));
    expect(() => index.claim("abc")).toThrow('"abc" is not a dialogue\'s digest');
    expect(() => index.endOf(`${sha256("a").slice(0, 30)}xy`)).toThrow("is not a dialogue's digest");
  });
});
