/** What each shuffled row of the shards must contain: images by dialogue or turn, content digests by row. */
import { join } from "node:path";
import { readRowsFile, type TokenRow } from "../../artifacts/index.js";
import { sha256 } from "../../base/index.js";
import {
  type HistoryOption,
  imagesOf,
  type Message,
  type Picture,
  promptMessages,
  videosOf,
} from "../../dialogue/index.js";
import type { InputArtifact } from "../stage.js";
import { readGenerations } from "./check-generations.js";
import { hashesApart } from "./check-lineage.js";
import type { DialogueSource } from "./dialogue-source.js";
import type { Subject } from "./subject.js";

/** Hex digits kept of each hash: enough to rule out chance collisions, few enough for 100,000 dialogues in memory. */
const DIGITS = 16;

/** Hashes, shortened and joined. */
interface Shown {
  images: string;
  frames: string;
}

export class Origins {
  /**
   * With the whole history, one entry a dialogue, of which each row shows a beginning. With a window, one for each of its
   * turns: what the prompt of that turn shows.
   */
  private readonly shown = new Map<string, readonly Shown[]>();
  /** Digests by dialogue and row. */
  private readonly rows = new Map<string, string>();
  private hasImages = false;
  private hasRows = false;

  private constructor(private readonly history: HistoryOption) {}

  static async read(
    source: DialogueSource | undefined,
    generations: InputArtifact | undefined,
    rows: { input: InputArtifact; files: readonly string[] } | undefined,
    history: HistoryOption,
  ): Promise<Origins> {
    const origins = new Origins(history);
    if (generations !== undefined) {
      origins.hasImages = true;
      for await (const { id, messages, turns } of readGenerations(generations.path, undefined)) {
        const places = turns.map(({ message }) => message);
        origins.add(id, messages, places);
      }
    } else if (source?.store !== undefined) {
      origins.hasImages = true;
      for await (const item of source.items()) {
        if (!item.ok) continue;
        const { id, messages } = item.dialogue;
        const places = messages.flatMap(({ role }, at) => (role === "assistant" ? [at] : []));
        origins.add(id, messages, places);
      }
    }
    for (const file of rows?.files ?? []) {
      origins.hasRows = true;
      for await (const row of readRowsFile(join(rows!.input.path, file))) origins.rows.set(keyOf(row), digestOf(row));
    }
    return origins;
  }

  check({ findings }: Subject, row: TokenRow, file: string): void {
    const place = { id: row.dialogueId, file };
    const shown = this.shown.get(row.dialogueId);
    if (this.hasImages || this.hasRows) findings.look("lineage");
    if (this.hasImages && shown === undefined) {
      const message = `dialogue ${row.dialogueId} is in the shards, but not in the given data`;
      findings.add({ check: "lineage", severity: "error", message, place });
      return;
    }
    if (shown !== undefined) {
      const apart = this.apartFrom(row, shown);
      if (apart !== null) {
        const message = `row ${row.row} of dialogue ${row.dialogueId}: ${apart}`;
        findings.add({ check: "images", severity: "error", message, place });
        return;
      }
    }
    if (!this.hasRows || this.rows.get(keyOf(row)) === digestOf(row)) return;
    const message = `row ${row.row} of dialogue ${row.dialogueId} differs from the row of that number in the rows artifact`;
    findings.add({ check: "lineage", severity: "error", message, place });
  }

  private apartFrom(row: TokenRow, shown: readonly Shown[]): string | null {
    // A row shows what the prompt of its last turn does.
    const own = this.history === "all" ? shown[0] : shown[row.turns.at(-1) ?? -1];
    if (own === undefined) return `it supervises turn ${row.turns.at(-1)} of ${shown.length}`;
    const isPart = this.history === "all";
    return shownApart(row.imageHashes, own.images, isPart) ?? shownApart(row.videoFrames, own.frames, isPart);
  }

  /** @param places - of the answers among the messages */
  private add(id: string, messages: readonly Message[], places: readonly number[]): void {
    const prompts =
      this.history === "all"
        ? [messages]
        : places.map((place) => promptMessages(messages.slice(0, place), this.history));
    this.shown.set(id, prompts.map(shownBy));
  }
}

function shownBy(messages: readonly Message[]): Shown {
  return {
    images: shortened(imagesOf(messages)),
    frames: shortened(videosOf(messages).flatMap((video) => video.frames)),
  };
}

function shortened(pictures: readonly Picture[]): string {
  return pictures.map(({ hash }) => hash.slice(0, DIGITS)).join("");
}

/** @param isPart - the row may show a beginning only */
function shownApart(row: readonly string[], known: string, isPart: boolean): string | null {
  const short = row.map((hash) => hash.slice(0, DIGITS));
  const all = known.match(/.{16}/g) ?? [];
  const apart = hashesApart(short, all, ["shards", "data"]);
  if (apart !== null || isPart || short.length === all.length) return apart;
  return `the shards have ${short.length} images, the prompt in the data has ${all.length}`;
}

function keyOf({ dialogueId, row }: TokenRow): string {
  return `${row} ${dialogueId}`;
}

function digestOf(row: TokenRow): string {
  const { inputIds, lossMask, imageHashes, imageGridThw, videoFrames, videoFrameCounts, videoGridThw } = row;
  const bytes = [inputIds, lossMask, imageGridThw, videoFrameCounts, videoGridThw].map(
    ({ buffer, byteOffset, byteLength }) => Buffer.from(buffer, byteOffset, byteLength),
  );
  return sha256(Buffer.concat([...bytes, Buffer.from([...imageHashes, ...videoFrames].join())])).slice(0, DIGITS);
}
