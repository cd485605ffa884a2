/** Takes the pictures of dialogues in: located, canonicalised, stored; each distinct file decoded once, across restarts too. */
import { mkdir } from "node:fs/promises";
import { dirname, join } from "node:path";
import pLimit, { type LimitFunction } from "p-limit";
import { type Journal, linkOrCopy, openJournal } from "../../artifacts/index.js";
import { digestOf, fromErrno, isJsonObject, type JsonObject, type JsonValue, sha256 } from "../../base/index.js";
import type { ImagePart, RawDialogue } from "../../dialogue/index.js";
import {
  type CanonicalOptions,
  canonicalise,
  type ImageResult,
  type ImageRoots,
  ImageStore,
  imagePath,
  isRemote,
  readReference,
} from "../../images/index.js";
import type { Fetcher } from "./fetcher.js";

type Taken = ImageResult<{ part: ImagePart }>;

/** Raise it when canonical images of the same file change: it keeps a restart from mixing old and new ones. */
const CANONICAL_VERSION = 1;
const LINKS_AT_ONCE = 16;
/** Names held at once while links are made. */
const LINKS_IN_GROUP = 1024;

export class ImageIntake {
  readonly #store: ImageStore;
  readonly #journal: Journal;
  readonly #roots: ImageRoots;
  readonly #options: CanonicalOptions;
  readonly #limit: LimitFunction;
  /** By sha256 of the source file: work under way or done in this run. */
  readonly #taken = new Map<string, Promise<Taken>>();
  /** By sha256 of the source file: what an earlier, killed run had finished. */
  readonly #earlier = new Map<string, ImagePart>();
  /** By sha256 of the address. */
  readonly #takenRemote = new Map<string, Promise<Taken>>();
  /** By sha256 of the address: sha256 of the file that an earlier run fetched there. */
  readonly #earlierRemote = new Map<string, string>();
  #journalFailure: { error: unknown } | undefined;
  /** Pictures decoded, and taken over from an earlier run. */
  readonly stats = { decoded: 0, reused: 0, references: 0 };

  private constructor(
    store: ImageStore,
    journal: Journal,
    roots: ImageRoots,
    options: CanonicalOptions,
    concurrency: number,
    private readonly fetcher: Fetcher | undefined,
  ) {
    this.#store = store;
    this.#journal = journal;
    this.#roots = roots;
    this.#options = options;
    this.#limit = pLimit(concurrency);
  }

  /**
   * @param resumeDir keeps stored pictures and the journal of finished ones until the stage is done
   * @param settings everything that decides what a canonical picture looks like
   * @param fetcher for pictures at remote addresses; without one they are refused
   */
  static async open(
    resumeDir: string,
    settings: JsonValue,
    roots: ImageRoots,
    options: CanonicalOptions,
    concurrency: number,
    fetcher?: Fetcher,
  ): Promise<ImageIntake> {
    const key = digestOf({ settings, version: CANONICAL_VERSION }).slice(0, 16);
    const journal = await openJournal(join(resumeDir, `images-${key}.journal`));
    const store = new ImageStore(join(resumeDir, "images"));
    const intake = new ImageIntake(store, journal, roots, options, concurrency, fetcher);
    for await (const record of journal.records()) intake.#recall(record);
    return intake;
  }

  #recall(record: JsonValue): void {
    if (!isJsonObject(record)) return;
    const { source, address, hash, width, height } = record;
    if (typeof source !== "string") return;
    if (typeof address === "string") this.#earlierRemote.set(address, source);
    else if (typeof hash === "string")
      this.#earlier.set(source, { type: "image", hash, width: Number(width), height: Number(height) });
  }

  /** The dialogue's pictures in order, or the first that is refused. */
  async take({ messages }: RawDialogue): Promise<ImageResult<{ parts: ImagePart[] }>> {
    const parts: ImagePart[] = [];
    for (const [at, message] of messages.entries()) {
      for (const part of message.content) {
        if (part.type !== "image") continue;
        this.stats.references += 1;
        const taken = await this.#limit(() => this.#takeOne(part.reference));
        if (!taken.ok) return { ...taken, message: `message ${at}: ${taken.message}` };
        parts.push(taken.part);
      }
    }
    return { ok: true, parts };
  }

  async #takeOne(reference: string): Promise<Taken> {
    if (this.#journalFailure !== undefined) throw this.#journalFailure.error;
    if (this.fetcher !== undefined && isRemote(reference)) return this.#takeRemote(reference, this.fetcher);
    const located = await readReference(reference, this.#roots, this.#options.limits.maxBytes);
    return located.ok ? this.#takeFile(sha256(located.bytes), located.bytes) : located;
  }

  #takeRemote(reference: string, fetcher: Fetcher): Promise<Taken> {
    const address = sha256(reference);
    let taken = this.#takenRemote.get(address);
    if (taken === undefined) {
      taken = this.#fetch(address, reference, fetcher);
      this.#takenRemote.set(address, taken);
    }
    return taken;
  }

  async #fetch(address: string, reference: string, fetcher: Fetcher): Promise<Taken> {
    const known = this.#earlierRemote.get(address);
    const earlier = known === undefined ? undefined : await this.#reuse(known);
    if (earlier !== undefined) {
      fetcher.record(reference, known!, earlier.hash);
      return { ok: true, part: earlier };
    }
    const fetched = await fetcher.fetch(reference);
    if (!fetched.ok) return fetched;
    const source = sha256(fetched.bytes);
    const taken = await this.#takeFile(source, fetched.bytes);
    if (taken.ok) {
      fetcher.record(reference, source, taken.part.hash);
      this.#note({ address, source });
    }
    return taken;
  }

  #takeFile(source: string, bytes: Buffer): Promise<Taken> {
    let taken = this.#taken.get(source);
    if (taken === undefined) {
      taken = this.#work(source, bytes);
      this.#taken.set(source, taken);
    }
    return taken;
  }

  async #work(source: string, bytes: Buffer): Promise<Taken> {
    const earlier = await this.#reuse(source);
    if (earlier !== undefined) return { ok: true, part: earlier };
    const image = await canonicalise(bytes, this.#options);
    this.stats.decoded += 1;
    if (!image.ok) return image;
    await this.#store.put(image);
    const { hash, width, height } = image;
    this.#note({ source, hash, width, height });
    return { ok: true, part: { type: "image", hash, width, height } };
  }

  /** What an earlier run made of this file, if it is still there and whole. */
  async #reuse(source: string): Promise<ImagePart | undefined> {
    const earlier = this.#earlier.get(source);
    if (earlier === undefined || !(await this.#store.holds(earlier.hash))) return undefined;
    this.stats.reused += 1;
    return earlier;
  }

  /** Not waited for: losing the last records costs decoding or fetching again, nothing else. */
  #note(record: JsonObject): void {
    this.#journal.append(record).catch((error: unknown) => {
      this.#journalFailure ??= { error };
    });
  }

  /** Gives the pictures that are really used their place in the artifact; the store itself may hold more. */
  async publish(hashes: Iterable<string>, target: string): Promise<void> {
    const limit = pLimit(LINKS_AT_ONCE);
    const prefixes = new Set<string>();
    let group: string[] = [];
    const place = async (): Promise<void> => {
      for (const hash of group) {
        const prefix = hash.slice(0, 2);
        if (prefixes.has(prefix)) continue;
        prefixes.add(prefix);
        try {
          await mkdir(join(target, prefix), { recursive: true });
        } catch (error) {
          throw fromErrno(error, dirname(join(target, prefix)));
        }
      }
      await Promise.all(
        group.map((hash) => limit(() => linkOrCopy(this.#store.fileOf(hash), join(target, imagePath(hash))))),
      );
      group = [];
    };
    for (const hash of hashes) {
      group.push(hash);
      if (group.length === LINKS_IN_GROUP) await place();
    }
    await place();
  }

  async close(): Promise<void> {
    await this.fetcher?.close();
    await this.#journal.close();
  }
}
