/** Takes the pictures of dialogues in: located, canonicalised, stored; each distinct file decoded once, across restarts too. */
import { mkdir } from "node:fs/promises";
import { dirname, join } from "node:path";
import pLimit, { type LimitFunction } from "p-limit";
import { type Journal, linkOrCopy, openJournal } from "../../artifacts/index.js";
import { digestOf, fromErrno, isJsonObject, type JsonObject, type JsonValue, sha256 } from "../../base/index.js";
import {
  type DialogueReason,
  frameCountProblem,
  framesProblem,
  type OwnSize,
  type Picture,
  type RawDialogue,
  type RawImagePart,
  type RawVideoPart,
  type VideoLimits,
  type VideoReason,
} from "../../dialogue/index.js";
import {
  type CanonicalOptions,
  canonicalise,
  type ImageReason,
  type ImageResult,
  type ImageRoots,
  ImageStore,
  imagePath,
  isRemote,
  readReference,
} from "../../images/index.js";
import type { Fetcher } from "./fetcher.js";

type Taken = ImageResult<{ picture: Picture }>;
/** What a dialogue's pictures come to. */
export type TakenPictures =
  | { ok: true; pictures: Picture[] }
  | { ok: false; reason: ImageReason | VideoReason | DialogueReason; message: string };

export interface IntakeRules {
  /** Of single pictures; frames of videos keep their size. */
  options: CanonicalOptions;
  /** Target size of an image that asks for its own; undefined where no image is scaled. */
  ownSize: ((own: OwnSize) => CanonicalOptions["targetSize"]) | undefined;
  videoLimits: VideoLimits;
  /** Pictures worked on at once. */
  concurrency: number;
}

/** How a picture is treated. */
interface Use {
  options: CanonicalOptions;
  /** Stands before the hashes of sources, where the same file would look otherwise in another use. */
  mark: string;
}

/** Raise it when canonical images of the same file change: it keeps a restart from mixing old and new ones. */
const CANONICAL_VERSION = 1;
const LINKS_AT_ONCE = 16;
/** Names held at once while links are made. */
const LINKS_IN_GROUP = 1024;

export class ImageIntake {
  private readonly store: ImageStore;
  private readonly journal: Journal;
  private readonly roots: ImageRoots;
  private readonly image: Use;
  private readonly frame: Use;
  private readonly ownSize: IntakeRules["ownSize"];
  private readonly videoLimits: VideoLimits;
  private readonly limit: LimitFunction;
  /** By mark and sha256 of the source file: work under way or done in this run. */
  private readonly taken = new Map<string, Promise<Taken>>();
  /** By mark and sha256 of the source file: what an earlier, killed run had finished. */
  private readonly earlier = new Map<string, Picture>();
  /** By mark and sha256 of the address. */
  private readonly takenRemote = new Map<string, Promise<Taken>>();
  /** By sha256 of the address: sha256 of the file that an earlier run fetched there. */
  private readonly earlierRemote = new Map<string, string>();
  private journalFailure: { error: unknown } | undefined;
  /** Pictures decoded, and taken over from an earlier run. */
  readonly stats = { decoded: 0, reused: 0, references: 0 };

  private constructor(
    store: ImageStore,
    journal: Journal,
    roots: ImageRoots,
    { options, ownSize, videoLimits, concurrency }: IntakeRules,
    private readonly fetcher: Fetcher | undefined,
  ) {
    this.store = store;
    this.journal = journal;
    this.roots = roots;
    this.image = { options, mark: "" };
    // The rule for videos looks at all frames together, so what suits a single picture does not suit them.
    const { targetSize, ...asTheyAre } = options;
    this.frame = { options: asTheyAre, mark: targetSize === undefined ? "" : "frame " };
    this.ownSize = ownSize;
    this.videoLimits = videoLimits;
    this.limit = pLimit(concurrency);
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
    rules: IntakeRules,
    fetcher?: Fetcher,
  ): Promise<ImageIntake> {
    const key = digestOf({ settings, version: CANONICAL_VERSION }).slice(0, 16);
    const journal = await openJournal(join(resumeDir, `images-${key}.journal`));
    const store = new ImageStore(join(resumeDir, "images"));
    const intake = new ImageIntake(store, journal, roots, rules, fetcher);
    for await (const record of journal.records()) intake.recall(record);
    return intake;
  }

  private recall(record: JsonValue): void {
    if (!isJsonObject(record)) return;
    const { source, address, hash, width, height } = record;
    if (typeof source !== "string") return;
    if (typeof address === "string") this.earlierRemote.set(address, source);
    else if (typeof hash === "string") this.earlier.set(source, { hash, width: Number(width), height: Number(height) });
  }

  /** The dialogue's pictures in order, frames among them, or the first that is refused. */
  async take({ messages }: RawDialogue): Promise<TakenPictures> {
    const pictures: Picture[] = [];
    for (const [at, message] of messages.entries()) {
      for (const part of message.content) {
        if (part.type === "text") continue;
        const taken = part.type === "video" ? await this.takeVideo(part) : await this.takeImage(part);
        if (!taken.ok) return { ...taken, message: `message ${at}: ${taken.message}` };
        pictures.push(...taken.pictures);
      }
    }
    return { ok: true, pictures };
  }

  private async takeImage({ reference, size }: RawImagePart): Promise<TakenPictures> {
    const use = size === undefined ? this.image : this.useOf(size);
    if (use === undefined) {
      const message =
        "an image asks for a size of its own, but resize is none: set it to fixed-point, or drop those fields";
      return { ok: false, reason: "image-size-rule", message };
    }
    const taken = await this.takeOne(reference, use);
    return taken.ok ? { ok: true, pictures: [taken.picture] } : taken;
  }

  private useOf(size: OwnSize): Use | undefined {
    const targetSize = this.ownSize?.(size);
    if (targetSize === undefined) return undefined;
    const { minPixels = "", maxPixels = "", width = "", height = "" } = size;
    const mark = `size ${minPixels}-${maxPixels} ${width}x${height} `;
    return { options: { ...this.image.options, targetSize }, mark };
  }

  /** Frame by frame, so that one of another size or one too many ends it at once. */
  private async takeVideo({ frames }: RawVideoPart): Promise<TakenPictures> {
    const count = frameCountProblem(frames.length, this.videoLimits);
    if (count !== null) return { ok: false, ...count };
    const pictures: Picture[] = [];
    for (const [frame, reference] of frames.entries()) {
      const taken = await this.takeOne(reference, this.frame);
      if (!taken.ok) return { ...taken, message: `frame ${frame}: ${taken.message}` };
      pictures.push(taken.picture);
      const problem = framesProblem(pictures, this.videoLimits);
      if (problem !== null) return { ok: false, ...problem };
    }
    return { ok: true, pictures };
  }

  private takeOne(reference: string, use: Use): Promise<Taken> {
    this.stats.references += 1;
    return this.limit(() => this.takeNow(reference, use));
  }

  private async takeNow(reference: string, use: Use): Promise<Taken> {
    if (this.journalFailure !== undefined) throw this.journalFailure.error;
    if (this.fetcher !== undefined && isRemote(reference)) return this.takeRemote(reference, use, this.fetcher);
    const located = await readReference(reference, this.roots, use.options.limits.maxBytes);
    return located.ok ? this.takeFile(sha256(located.bytes), located.bytes, use) : located;
  }

  private takeRemote(reference: string, use: Use, fetcher: Fetcher): Promise<Taken> {
    const address = sha256(reference);
    let taken = this.takenRemote.get(use.mark + address);
    if (taken === undefined) {
      taken = this.fetch(address, reference, use, fetcher);
      this.takenRemote.set(use.mark + address, taken);
    }
    return taken;
  }

  private async fetch(address: string, reference: string, use: Use, fetcher: Fetcher): Promise<Taken> {
    const known = this.earlierRemote.get(address);
    const earlier = known === undefined ? undefined : await this.reuse(use.mark + known);
    if (earlier !== undefined) {
      fetcher.record(reference, known!, earlier.hash);
      return { ok: true, picture: earlier };
    }
    const fetched = await fetcher.fetch(reference);
    if (!fetched.ok) return fetched;
    const source = sha256(fetched.bytes);
    const taken = await this.takeFile(source, fetched.bytes, use);
    if (taken.ok) {
      fetcher.record(reference, source, taken.picture.hash);
      this.note({ address, source });
    }
    return taken;
  }

  /** @param file - its sha256 */
  private takeFile(file: string, bytes: Buffer, { options, mark }: Use): Promise<Taken> {
    const source = mark + file;
    let taken = this.taken.get(source);
    if (taken === undefined) {
      taken = this.work(source, bytes, options);
      this.taken.set(source, taken);
    }
    return taken;
  }

  private async work(source: string, bytes: Buffer, options: CanonicalOptions): Promise<Taken> {
    const earlier = await this.reuse(source);
    if (earlier !== undefined) return { ok: true, picture: earlier };
    const image = await canonicalise(bytes, options);
    this.stats.decoded += 1;
    if (!image.ok) return image;
    await this.store.put(image);
    const { hash, width, height } = image;
    this.note({ source, hash, width, height });
    return { ok: true, picture: { hash, width, height } };
  }

  /** What an earlier run made of this file, if it is still there and whole. */
  private async reuse(source: string): Promise<Picture | undefined> {
    const earlier = this.earlier.get(source);
    if (earlier === undefined || !(await this.store.holds(earlier.hash))) return undefined;
    this.stats.reused += 1;
    return earlier;
  }

  /** Not waited for: losing the last records costs decoding or fetching again, nothing else. */
  private note(record: JsonObject): void {
    this.journal.append(record).catch((error: unknown) => {
      this.journalFailure ??= { error };
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
        group.map((hash) => limit(() => linkOrCopy(this.store.fileOf(hash), join(target, imagePath(hash))))),
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
    await this.journal.close();
  }
}
