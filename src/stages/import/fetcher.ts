/** Fetches the pictures that rows name by address, and writes down what lay there. */
import { join } from "node:path";
import { openJsonlWriter } from "../../artifacts/index.js";
import { DraftsmithError, sha256 } from "../../base/index.js";
import { type ImageResult, RemoteFault, RemoteImages, refuse, remoteName } from "../../images/index.js";
import type { ImportOptions } from "./options.js";

/** One line of remote-images.jsonl. */
interface RemoteRecord {
  /** Without its query, which may hold a signature. */
  address: string;
  /** Of the whole address. */
  addressSha256: string;
  /** Of the file that was fetched. */
  fileSha256: string;
  /** The canonical image. */
  image: string;
}

/** undefined when no address is allowed. */
export function fetcherFor(options: ImportOptions, signal: AbortSignal): Fetcher | undefined {
  return options.remoteImages.allow.length === 0 ? undefined : new Fetcher(options, signal);
}

export class Fetcher {
  private readonly images: RemoteImages;
  private readonly records = new Map<string, RemoteRecord>();
  private readonly rejects: boolean;

  constructor(
    { remoteImages, limits }: ImportOptions,
    private readonly signal: AbortSignal,
  ) {
    this.rejects = remoteImages.onUnreachable === "reject";
    this.images = new RemoteImages({
      allow: remoteImages.allow,
      maxBytes: limits.maxBytes,
      timeoutMs: remoteImages.timeoutSeconds * 1000,
      retries: remoteImages.retries,
      retryDelayMs: remoteImages.retryDelaySeconds * 1000,
    });
  }

  /** Addresses whose picture was taken, by this run or an interrupted one before. */
  get fetched(): number {
    return this.records.size;
  }

  /** @throws DraftsmithError SERVER_UNREACHABLE, INTERRUPTED */
  async fetch(reference: string): Promise<ImageResult<{ bytes: Buffer }>> {
    try {
      return await this.images.fetch(reference, this.signal);
    } catch (error) {
      if (this.signal.aborted) throw new DraftsmithError("INTERRUPTED", "the import was interrupted", { cause: error });
      if (!(error instanceof RemoteFault)) throw error;
      if (this.rejects) return refuse("image-remote-unreachable", error.message);
      throw new DraftsmithError("SERVER_UNREACHABLE", `an image could not be fetched: ${error.message}`, {
        cause: error,
        hint: "run the same command again, what was fetched is kept; or reject such rows: remoteImages.onUnreachable: reject",
      });
    }
  }

  record(reference: string, fileSha256: string, image: string): void {
    const addressSha256 = sha256(reference);
    // A picture that is also a frame of a video may be kept in two sizes.
    this.records.set(`${addressSha256} ${image}`, {
      address: remoteName(reference),
      addressSha256,
      fileSha256,
      image,
    });
  }

  /** In an order that does not depend on who answered first. */
  async writeRecords(workDir: string): Promise<void> {
    const file = await openJsonlWriter(join(workDir, "remote-images.jsonl"));
    try {
      for (const key of [...this.records.keys()].sort()) await file.write(this.records.get(key));
      await file.close();
    } catch (error) {
      await file.discard();
      throw error;
    }
  }

  close(): Promise<void> {
    return this.images.close();
  }
}
