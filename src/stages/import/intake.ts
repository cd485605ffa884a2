/** Takes the pictures of dialogues in: located, canonicalised, stored; each distinct file decoded once, across restarts too. */
import { createHash } from "node:crypto";
import { mkdir } from "node:fs/promises";
import { dirname, join } from "node:path";
import pLimit, { type LimitFunction } from "p-limit";
import { type Journal, linkOrCopy, openJournal } from "../../artifacts/index.js";
import { digestOf, fromErrno, isJsonObject, type JsonValue } from "../../base/index.js";
import type { ImagePart, RawDialogue } from "../../dialogue/index.js";
import {
  type CanonicalOptions,
  canonicalise,
  type ImageResult,
  type ImageRoots,
  ImageStore,
  imagePath,
  readReference,
} from "../../images/index.js";

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
  readonly #earlier: Map<string, ImagePart>;
  #journalFailure: { error: unknown } | undefined;
  /** Pictures decoded, and taken over from an earlier run. */
  readonly stats = { decoded: 0, reused: 0, references: 0 };

  private constructor(
    store: ImageStore,
    journal: Journal,
    earlier: Map<string, ImagePart>,
    roots: ImageRoots,
    options: CanonicalOptions,
    concurrency: number,
  ) {
    this.#store = store;
    this.#journal = journal;
    this.#earlier = earlier;
    this.#roots = roots;
    this.#options = options;
    this.#limit = pLimit(concurrency);
  }

  /**
   * @param resumeDir keeps stored pictures and the journal of finished ones until the stage is done
   * @param settings everything that decides what a canonical picture looks like
   */
  static async open(
    resumeDir: string,
    settings: JsonValue,
    roots: ImageRoots,
    options: CanonicalOptions,
    concurrency: number,
  ): Promise<ImageIntake> {
    const key = digestOf({ settings, version: CANONICAL_VERSION }).slice(0, 16);
    const journal = await openJournal(join(resumeDir, `images-${key}.journal`));
    const earlier = new Map<string, ImagePart>();
    for await (const record of journal.records()) {
      if (!isJsonObject(record)) continue;
      const { source, hash, width, height } = record;
      if (typeof source !== "string" || typeof hash !== "string") continue;
      earlier.set(source, { type: "image", hash, width: Number(width), height: Number(height) });
    }
    const store = new ImageStore(join(resumeDir, "images"));
    return new ImageIntake(store, journal, earlier, roots, options, concurrency);
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
    const located = await readReference(reference, this.#roots, this.#options.limits.maxBytes);
    if (!located.ok) return located;
    const source = createHash("sha256").update(located.bytes).digest("hex");
    let taken = this.#taken.get(source);
    if (taken === undefined) {
      taken = this.#work(source, located.bytes);
      this.#taken.set(source, taken);
    }
    return taken;
  }

  async #work(source: string, bytes: Buffer): Promise<Taken> {
    const earlier = this.#earlier.get(source);
    if (earlier !== undefined && (await this.#store.holds(earlier.hash))) {
      this.stats.reused += 1;
      return { ok: true, part: earlier };
    }
    const image = await canonicalise(bytes, this.#options);
    this.stats.decoded += 1;
    if (!image.ok) return image;
    await this.#store.put(image);
    const { hash, width, height } = image;
    // Not waited for: losing the last records costs decoding again, nothing else.
    this.#journal.append({ source, hash, width, height }).catch((error: unknown) => {
      this.#journalFailure ??= { error };
    });
    return { ok: true, part: { type: "image", hash, width, height } };
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
    await this.#journal.close();
  }
}
