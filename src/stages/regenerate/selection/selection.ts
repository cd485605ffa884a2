/**
 * Which dialogues are asked. In this order: the first `limit`, those of `onlyIds`, of these a sample, of the sample one
 * part; so the parts of a sample put together are the sample of an undivided run.
 */
import { readFile } from "node:fs/promises";
import { DraftsmithError, defined, fromErrno, type JsonObject, sha256 } from "../../../base/index.js";
import { type Dialogue, dialogueDigest, type Partition, partitionOf } from "../../../dialogue/index.js";
import type { RegenerateOptions } from "../options.js";
import { ByteList } from "./byte-list.js";
import type { Redo } from "./redo.js";

const NOT_CHOSEN = ["only-ids", "sample", "partition"] as const;
/** Why a dialogue is not asked. */
export type NotChosen = (typeof NOT_CHOSEN)[number];

/** A dialogue that is asked, and the digest of its content. */
export interface Chosen {
  dialogue: Dialogue;
  digest: string;
}

/** 52 bits of a hash, exact in a double. */
const KEY_DIGITS = 13;
const KEY_RANGE = 16 ** KEY_DIGITS;
const NAMED_IDS = 5;
const DIGEST_BYTES = 32;
/** The mark of a dialogue that is asked; others are the place of their reason plus one. */
const CHOSEN = 0;

export class Selection {
  /** Chosen dialogues before they are divided, and those of this part; known after `survey`. */
  whole: number | undefined;
  chosen: number | undefined;
  readonly partition: Partition | undefined;
  /** Sample keys up to this one are chosen. */
  private highestKey: number;
  private marks: Buffer = Buffer.alloc(0);
  private digests: Buffer = Buffer.alloc(0);

  private constructor(
    private readonly options: Pick<RegenerateOptions, "sample" | "sampleSeed" | "partition">,
    private readonly ids: ReadonlySet<string> | undefined,
    private readonly redo: readonly string[],
  ) {
    const { sample, partition } = options;
    const [index = 0, count = 1] = (partition ?? "0/1").split("/").map(Number);
    this.partition = partition === undefined ? undefined : { index, count };
    this.highestKey = sample === undefined || sample >= 1 ? Infinity : sample * KEY_RANGE;
  }

  /** @throws DraftsmithError INPUT_MISSING, INPUT_INVALID - the file of ids */
  static async of(options: RegenerateOptions, redo?: Pick<Redo, "required">): Promise<Selection> {
    const { onlyIds, onlyIdsFile } = options;
    const listed = onlyIdsFile === undefined ? [] : await readIds(onlyIdsFile);
    const ids = onlyIdsFile === undefined && onlyIds.length === 0 ? undefined : new Set([...onlyIds, ...listed]);
    return new Selection(options, ids, redo?.required ?? []);
  }

  /** Whether all dialogues must be read once before the first is asked. */
  get needsSurvey(): boolean {
    return !this.takesAll || this.redo.length > 0;
  }

  /** Whether every dialogue is asked. */
  get takesAll(): boolean {
    return this.takesWhole && this.partition === undefined;
  }

  private get takesWhole(): boolean {
    return this.ids === undefined && this.options.sample === undefined;
  }

  /**
   * One pass over all dialogues: counts the chosen ones, finds which belong to a sample of a fixed size, and keeps what
   * the run would otherwise have to find out again: for each dialogue a byte, for each chosen one its digest.
   *
   * @throws DraftsmithError INPUT_INVALID - an id of `onlyIds` or `redo` that no dialogue has. @throws DraftsmithError
   * DATA_EMPTY
   */
  async survey(dialogues: AsyncIterable<Dialogue>, signal: AbortSignal): Promise<void> {
    const { sample, sampleSeed } = this.options;
    const marks = new ByteList();
    const digests = new ByteList();
    const keys: number[] = [];
    const missing = new Set(this.ids);
    const missingRedo = new Set(this.redo);
    for await (const dialogue of dialogues) {
      if (signal.aborted) throw new DraftsmithError("INTERRUPTED", "stopped while dialogues were chosen");
      missing.delete(dialogue.id);
      missingRedo.delete(dialogue.id);
      const isListed = this.ids?.has(dialogue.id) !== false;
      marks.add([isListed ? CHOSEN : markOf("only-ids")]);
      if (!isListed) continue;
      const digest = dialogueDigest(dialogue);
      digests.add(Buffer.from(digest, "hex"));
      if (sample !== undefined) keys.push(sampleKey(digest, sampleSeed));
    }
    if (missing.size > 0) throw unknownIds("onlyIds", [...missing]);
    if (missingRedo.size > 0) throw unknownIds("redo", [...missingRedo]);
    if (sample !== undefined && sample >= 1 && sample < keys.length) {
      this.highestKey = Float64Array.from(keys).sort()[sample - 1]!;
    }
    this.divide(marks.bytes, digests.bytes, keys);
    if (this.chosen === 0) {
      throw new DraftsmithError("DATA_EMPTY", `no dialogue of ${digests.bytes.length / DIGEST_BYTES} is chosen`, {
        hint: "choose more with sample, or fewer partitions",
      });
    }
  }

  /** Why the dialogue at this place of the input is not asked; undefined: it is. Known after `survey`. */
  reasonAt(place: number): NotChosen | undefined {
    return NOT_CHOSEN[this.marks[place]! - 1];
  }

  /** Of the chosen dialogues, by their order. */
  digestAt(index: number): string {
    return this.digests.toString("hex", index * DIGEST_BYTES, (index + 1) * DIGEST_BYTES);
  }

  /** Takes the sample and the part out of those that are listed. */
  private divide(marks: Buffer, digests: Buffer, keys: readonly number[]): void {
    let listed = 0;
    let whole = 0;
    let chosen = 0;
    for (let place = 0; place < marks.length; place += 1) {
      if (marks[place] !== CHOSEN) continue;
      const at = listed * DIGEST_BYTES;
      const isInSample = this.options.sample === undefined || keys[listed]! <= this.highestKey;
      listed += 1;
      if (!isInSample) marks[place] = markOf("sample");
      else {
        whole += 1;
        if (!this.isOfPart(digests.toString("hex", at, at + DIGEST_BYTES))) marks[place] = markOf("partition");
        else {
          digests.copyWithin(chosen * DIGEST_BYTES, at, at + DIGEST_BYTES);
          chosen += 1;
        }
      }
    }
    this.marks = marks;
    this.whole = whole;
    this.chosen = chosen;
    // A copy: what is not chosen need not stay in memory.
    this.digests = Buffer.from(digests.subarray(0, chosen * DIGEST_BYTES));
  }

  /** For the manifest: what a merge of parts must know to tell a dialogue that was not chosen from one that is missing. */
  facts(limit: number | undefined): JsonObject {
    const { sample, sampleSeed } = this.options;
    const choice: JsonObject = {};
    if (limit !== undefined) choice.limit = limit;
    if (this.ids !== undefined) choice.onlyIds = sha256([...this.ids].sort().join("\n"));
    if (sample !== undefined) Object.assign(choice, { sample, sampleSeed });
    if (!this.takesWhole) choice.chosen = this.whole!;
    return {
      ...(Object.keys(choice).length === 0 ? {} : { selection: choice }),
      ...defined({ partition: this.partition && { ...this.partition } }),
    };
  }

  private isOfPart(digest: string): boolean {
    const { partition } = this;
    return partition === undefined || partitionOf(digest, partition.count) === partition.index;
  }
}

function markOf(reason: NotChosen): number {
  return NOT_CHOSEN.indexOf(reason) + 1;
}

/** Hashed once more with the seed: independent of partitions and of the re-check. */
function sampleKey(digest: string, seed: number): number {
  return Number.parseInt(sha256(`${seed}:${digest}`).slice(0, KEY_DIGITS), 16);
}

async function readIds(file: string): Promise<string[]> {
  let text: string;
  try {
    text = await readFile(file, "utf8");
  } catch (error) {
    throw fromErrno(error, file);
  }
  const ids = text.split(/\r?\n/).filter((line) => line !== "");
  if (ids.length > 0) return ids;
  throw new DraftsmithError("INPUT_INVALID", "the file lists no ids; one a line was expected", { location: { file } });
}

function unknownIds(field: "onlyIds" | "redo", missing: string[]): DraftsmithError {
  const shown = missing.slice(0, NAMED_IDS).join(", ");
  const more = missing.length > NAMED_IDS ? ` and ${missing.length - NAMED_IDS} more` : "";
  return new DraftsmithError("INPUT_INVALID", `no dialogue has the id ${shown}${more}`, {
    location: { field },
    hint: "ids are the `id` fields of dialogues.jsonl; with --limit only its first rows are read",
  });
}
