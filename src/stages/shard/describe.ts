/** Writes what explains the shards to people and to other programs: README.md and draftsmith.json. */
import { join } from "node:path";
import { CARD_FILE, writeFileAtomic } from "../../artifacts/index.js";
import { stringifyJson } from "../../base/index.js";
import { type CardFacts, datasetCard } from "./card.js";
import { COLUMNS_JSON } from "./columns.js";
import { splitsJson } from "./split-facts.js";

/** Readers such as `datasets` drop the metadata of Arrow schemas; this file keeps it within reach. */
export const SIDECAR_FILE = "draftsmith.json";

export async function describeShards(
  directory: string,
  facts: CardFacts,
  imageFiles: readonly string[],
): Promise<void> {
  const sidecar = {
    schemaVersion: 1,
    metadata: facts.metadata,
    splits: splitsJson(facts.splits),
    images: { count: facts.images, files: imageFiles },
    columns: COLUMNS_JSON,
  };
  await writeFileAtomic(join(directory, SIDECAR_FILE), `${stringifyJson(sidecar, 2)}\n`);
  await writeFileAtomic(join(directory, CARD_FILE), datasetCard(facts));
}
