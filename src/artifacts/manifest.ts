/**
 * The manifest of an artifact directory, written last: what it holds, what it was made from, and the hash of every
 * file.
 */
import { z } from "zod";
import { digestOf, JsonNumber, type JsonObject, type JsonValue } from "../base/index.js";

export const ARTIFACT_KINDS = [
  "raw",
  "dialogues",
  "generations",
  // Dialogues and generations in one: what production was asked and answered.
  "traffic",
  "rows",
  "shards",
  "validation",
  "checkpoints",
  "evaluation",
  "draft",
] as const;
export const artifactKindSchema = z.enum(ARTIFACT_KINDS);
export type ArtifactKind = z.infer<typeof artifactKindSchema>;

/** zod's own knows no JsonNumber. */
const jsonValue: z.ZodType<JsonValue> = z.lazy(() =>
  z.union([
    z.string(),
    z.number(),
    z.instanceof(JsonNumber),
    z.boolean(),
    z.null(),
    z.array(jsonValue),
    z.record(z.string(), jsonValue),
  ]),
);
const jsonObject = z.record(z.string(), jsonValue) as z.ZodType<JsonObject>;
const sha256Hex = z.string().regex(/^[0-9a-f]{64}$/);

/** Rows by outcome. `read` = `kept` + the sum of `rejected`, in every stage that handles rows. */
export const countsSchema = z
  .object({
    read: z.number().int().nonnegative().optional(),
    kept: z.number().int().nonnegative().optional(),
    rejected: z.record(z.string(), z.number().int().nonnegative()).optional(),
  })
  .catchall(jsonValue);
export type Counts = z.infer<typeof countsSchema>;

export const manifestSchema = z.object({
  kind: artifactKindSchema,
  schemaVersion: z.literal(1),
  producer: z.object({ stage: z.string(), version: z.string(), options: jsonObject }),
  inputs: z.record(z.string(), z.object({ kind: artifactKindSchema, digest: sha256Hex })),
  /** Sorted by path; paths are relative, with forward slashes. manifest.json itself is not listed. */
  files: z.array(z.object({ path: z.string(), bytes: z.number().int().nonnegative(), sha256: sha256Hex })),
  counts: countsSchema,
  /** What later stages and people need to know: model, server and template fingerprints, seeds. */
  facts: jsonObject,
  /** sha256 of the canonical JSON of {kind, schemaVersion, files, facts}: equal content, equal digest. */
  digest: sha256Hex,
});
export type Manifest = z.infer<typeof manifestSchema>;

/** What a stage returns; the executor adds files, inputs and digest when it seals the directory. */
export interface ManifestDraft {
  counts: Counts;
  facts: JsonObject;
}

export const MANIFEST_FILE = "manifest.json";

export function manifestDigest(manifest: Pick<Manifest, "kind" | "schemaVersion" | "files" | "facts">): string {
  const { kind, schemaVersion, files, facts } = manifest;
  return digestOf({ kind, schemaVersion, files, facts });
}
