/** Opens the parts of a run and checks them against each other: each exactly once, all made in the same way. */
import { type Manifest, openArtifact } from "../../artifacts/index.js";
import { DraftsmithError, isJsonObject, type JsonObject, type JsonValue } from "../../base/index.js";
import type { Partition } from "../../dialogue/index.js";

export interface Part {
  path: string;
  partition: Partition;
  manifest: Manifest;
}

/** Facts that belong to one part alone. */
const OWN_FACTS = new Set(["partition", "summary"]);

/**
 * @returns all parts, by their index
 * @throws DraftsmithError INPUT_MISSING, ARTIFACT_INVALID, INPUT_INVALID
 */
export async function openParts(paths: readonly string[], dialogues: Manifest): Promise<Part[]> {
  const parts: Part[] = [];
  for (const path of paths) {
    const { manifest } = await openArtifact(path, "generations");
    parts.push({ path, partition: partitionIn(path, manifest), manifest });
  }
  const [first, ...others] = parts;
  for (const part of others) compareParts(first!, part);
  for (const { path, manifest } of parts) {
    if (manifest.inputs.dialogues?.digest === dialogues.digest) continue;
    throw refused(path, `${path} was made from other dialogues`, "name the dialogues that the parts were made from");
  }
  return inOrder(parts);
}

/** Facts of the merged artifact: those that all parts share. */
export function sharedFacts(part: Part): JsonObject {
  return Object.fromEntries(Object.entries(part.manifest.facts).filter(([name]) => !OWN_FACTS.has(name)));
}

function partitionIn(path: string, { facts, producer }: Manifest): Partition {
  const { partition } = facts;
  if (isJsonObject(partition) && typeof partition.index === "number" && typeof partition.count === "number") {
    return { index: partition.index, count: partition.count };
  }
  throw refused(path, `${path} is no part: ${producer.stage} made it without partition`, "it holds all that was asked");
}

function compareParts(first: Part, part: Part): void {
  if (part.partition.count !== first.partition.count) {
    throw refused(
      part.path,
      `${part.path} is one of ${part.partition.count} parts, but ${first.path} one of ${first.partition.count}`,
      "parts of different divisions overlap; run them again with the same n in --partition i/n",
    );
  }
  const [one, other] = [sharedFacts(first), sharedFacts(part)];
  const name = differing(one, other);
  if (name === undefined) return;
  throw refused(
    part.path,
    `${part.path} was made with a different ${name} than ${first.path}: ${show(at(other, name))}, not ${show(at(one, name))}`,
    "all parts must be made with the same options, by servers of the same model",
  );
}

/** Dotted name of the first place where two objects differ. */
function differing(one: JsonObject, other: JsonObject, place = ""): string | undefined {
  for (const name of [...new Set([...Object.keys(one), ...Object.keys(other)])].sort()) {
    const [a, b] = [one[name], other[name]];
    if (JSON.stringify(a) === JSON.stringify(b)) continue;
    const here = place === "" ? name : `${place}.${name}`;
    return (isJsonObject(a) && isJsonObject(b) && differing(a, b, here)) || here;
  }
  return undefined;
}

function at(object: JsonObject, name: string): JsonValue | undefined {
  let value: JsonValue | undefined = object;
  for (const key of name.split(".")) value = isJsonObject(value) ? value[key] : undefined;
  return value;
}

function show(value: JsonValue | undefined): string {
  const text = JSON.stringify(value ?? null);
  return text.length > 200 ? `${text.slice(0, 200)}...` : text;
}

function inOrder(parts: readonly Part[]): Part[] {
  const { count } = parts[0]!.partition;
  const sorted = new Array<Part | undefined>(count).fill(undefined);
  for (const part of parts) {
    const { index } = part.partition;
    const twin = sorted[index];
    if (twin !== undefined) {
      const hint = "name each part once";
      throw refused(part.path, `part ${index}/${count} is there twice: ${twin.path} and ${part.path}`, hint);
    }
    sorted[index] = part;
  }
  const missing = sorted.flatMap((part, index) => (part === undefined ? [`${index}/${count}`] : []));
  if (missing.length > 0) {
    const shown =
      missing.length > 8 ? `${missing.slice(0, 8).join(", ")} and ${missing.length - 8} more` : missing.join(", ");
    throw new DraftsmithError(
      "INPUT_MISSING",
      `${missing.length === 1 ? "part" : "parts"} ${shown} of the run missing`,
      {
        location: { field: "parts" },
        hint: "run regenerate with these partitions, then name all parts",
      },
    );
  }
  return sorted as Part[];
}

export function refused(file: string, message: string, hint: string): DraftsmithError {
  return new DraftsmithError("INPUT_INVALID", message, { location: { file }, hint });
}
