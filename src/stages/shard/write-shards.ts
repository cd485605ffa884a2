/** Writes planned shards, two at a time. Each is written atomically, and finished ones survive a crash. */
import { mkdir, rm, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { setImmediate } from "node:timers/promises";
import {
  checkedRow,
  commitPartial,
  onDisk,
  openImagesWriter,
  openRowsWriter,
  partialPath,
} from "../../artifacts/index.js";
import { DraftsmithError, mapOrdered } from "../../base/index.js";
import { pngSize, readStoredImage } from "../../images/index.js";
import type { RowIndex } from "./row-index.js";
import type { ShardPlan } from "./shard-plan.js";

export interface ShardSources {
  index: RowIndex;
  /** Directory of the image store. */
  images: string;
}

/** Rows read between two turns of the event loop: reading blocks. */
const ROWS_PER_TURN = 32;
/** While one shard waits for the disk to sync it, the next one is filled. */
const AT_ONCE = 2;
/** Images read ahead of the writer. */
const READ_AHEAD = 8;
const IMAGES_SCHEMA = { schemaVersion: 1 };

/**
 * @param advance - called with the number of rows or images done, including those of finished shards
 * @returns how many shards an earlier run had finished
 * @throws DraftsmithError DISK_FULL, ARTIFACT_INVALID, INTERRUPTED
 */
export async function writeShards(
  plans: readonly ShardPlan[],
  directory: string,
  sources: ShardSources,
  signal: AbortSignal,
  advance: (kind: ShardPlan["kind"], count: number) => void,
): Promise<number> {
  let found = 0;
  let hasFailed = false;
  const write = async (plan: ShardPlan): Promise<void> => {
    const path = join(directory, plan.path);
    if (hasFailed) return;
    if (await exists(path)) {
      found += 1;
      advance(plan.kind, plan.kind === "rows" ? plan.rows.length : plan.hashes.length);
      return;
    }
    await onDisk(path, () => mkdir(dirname(path), { recursive: true }), "write");
    try {
      const onWritten = (count: number) => {
        if (signal.aborted) throw new DraftsmithError("INTERRUPTED", "sharding was interrupted");
        advance(plan.kind, count);
      };
      if (plan.kind === "rows") await writeRows(partialPath(path), plan.rows, sources.index, onWritten);
      else await writeImages(partialPath(path), plan.hashes, sources.images, onWritten);
    } catch (error) {
      hasFailed = true;
      // Remove the unfinished file: a full disk needs the room.
      await rm(partialPath(path), { force: true });
      throw error;
    }
    await commitPartial(path);
  };
  // On a failure the shard beside it is finished first.
  for await (const _ of mapOrdered(plans, AT_ONCE, write));
  return found;
}

type OnWritten = (count: number) => void;

async function writeRows(path: string, rows: Uint32Array, index: RowIndex, onWritten: OnWritten): Promise<void> {
  const writer = await openRowsWriter(path, index.metadata);
  try {
    for (const [done, number] of rows.entries()) {
      const { file, batch, at } = index.rows[number]!;
      const source = index.files[file]!;
      await writer.append(checkedRow(source.path, source.readRow(batch, at)));
      if ((done + 1) % ROWS_PER_TURN === 0) {
        onWritten(ROWS_PER_TURN);
        await setImmediate();
      }
    }
    onWritten(rows.length % ROWS_PER_TURN);
  } catch (error) {
    await writer.discard();
    throw error;
  }
  await writer.close();
}

async function writeImages(
  path: string,
  hashes: readonly string[],
  store: string,
  onWritten: OnWritten,
): Promise<void> {
  const writer = await openImagesWriter(path, IMAGES_SCHEMA);
  try {
    const read = async (hash: string) => ({ hash, png: await readStoredImage(store, hash) });
    for await (const { hash, png } of mapOrdered(hashes, READ_AHEAD, read)) {
      await writer.append({ hash, png, ...pngSize(png) });
      onWritten(1);
    }
  } catch (error) {
    await writer.discard();
    throw error;
  }
  await writer.close();
}

async function exists(path: string): Promise<boolean> {
  return (await stat(path).catch(() => undefined)) !== undefined;
}
