/** What each shuffled row of the shards must contain: images by dialogue, content digests by row. */
import { join } from "node:path";
import { readRowsFile, type TokenRow } from "../../artifacts/index.js";
import { sha256 } from "../../base/index.js";
import { imagesOf, type Message, type Picture, videosOf } from "../../dialogue/index.js";
import type { InputArtifact } from "../stage.js";
import { readGenerations } from "./check-generations.js";
import { hashesApart } from "./check-lineage.js";
import type { DialogueSource } from "./dialogue-source.js";
import type { Subject } from "./subject.js";

/** Hex digits kept of each hash: enough to rule out chance collisions, few enough for 100,000 dialogues in memory. */
const DIGITS = 16;

export class Origins {
  /** Image hashes by dialogue, shortened and joined. */
  private readonly images = new Map<string, string>();
  /** The same for video frames, if there are any. */
  private readonly frames = new Map<string, string>();
  /** Digests by dialogue and row. */
  private readonly rows = new Map<string, string>();
  private hasImages = false;
  private hasRows = false;

  static async read(
    source: DialogueSource | undefined,
    generations: InputArtifact | undefined,
    rows: { input: InputArtifact; files: readonly string[] } | undefined,
  ): Promise<Origins> {
    const origins = new Origins();
    if (generations !== undefined) {
      origins.hasImages = true;
      for await (const { id, messages } of readGenerations(generations.path, undefined)) origins.add(id, messages);
    } else if (source?.store !== undefined) {
      origins.hasImages = true;
      for await (const item of source.items()) if (item.ok) origins.add(item.dialogue.id, item.dialogue.messages);
    }
    for (const file of rows?.files ?? []) {
      origins.hasRows = true;
      for await (const row of readRowsFile(join(rows!.input.path, file))) origins.rows.set(keyOf(row), digestOf(row));
    }
    return origins;
  }

  check({ findings }: Subject, row: TokenRow, file: string): void {
    const place = { id: row.dialogueId, file };
    const images = this.images.get(row.dialogueId);
    if (this.hasImages || this.hasRows) findings.look("lineage");
    if (this.hasImages && images === undefined) {
      const message = `dialogue ${row.dialogueId} is in the shards, but not in the given data`;
      findings.add({ check: "lineage", severity: "error", message, place });
      return;
    }
    if (images !== undefined) {
      const apart =
        shownApart(row.imageHashes, images) ?? shownApart(row.videoFrames, this.frames.get(row.dialogueId) ?? "");
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

  private add(id: string, messages: readonly Message[]): void {
    this.images.set(id, shortened(imagesOf(messages)));
    const frames = shortened(videosOf(messages).flatMap((video) => video.frames));
    if (frames !== "") this.frames.set(id, frames);
  }
}

function shortened(pictures: readonly Picture[]): string {
  return pictures.map(({ hash }) => hash.slice(0, DIGITS)).join("");
}

function shownApart(row: readonly string[], known: string): string | null {
  const short = row.map((hash) => hash.slice(0, DIGITS));
  return hashesApart(short, known.match(/.{16}/g) ?? [], ["shards", "data"]);
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
