/** The cache key of a step: everything that can change its output, and nothing else. */
import { join } from "node:path";
import type { Manifest } from "../artifacts/index.js";
import {
  digestOf,
  fromErrno,
  type JsonObject,
  type JsonValue,
  parseJson,
  pathOf,
  stringifyJson,
  withoutCredentials,
} from "../base/index.js";
import type { Stage } from "../stages/stage.js";
import { contentOf, type HashCache } from "./content.js";
import { changeOption } from "./nested-options.js";
import { mapStrings } from "./options.js";
import { namedPaths, type PathOwner } from "./paths.js";
import type { PlannedService, PlannedStep } from "./plan-types.js";
import { workspacePaths } from "./workspace.js";

/** Raised when the meaning of a field below changes: every step then runs again. */
const FORMAT = 1;

export type Fingerprint = {
  /** So that keys of an older layout never match by accident. */
  format: typeof FORMAT;
  /** Different stages make different outputs. */
  stage: string;
  /**
   * Raised by a stage's author when the same input gives other output. The toolkit's version is not part of it: a
   * release that does not change a stage keeps its results valid.
   */
  codeVersion: number;
  /** Options with defaults filled in, so that a changed default counts. Without neutral options (concurrency, addresses), credentials and file options (below); services stand as placeholders, step directories as `steps/NAME`. */
  options: JsonObject;
  /** Content of every file and directory that an option names, by the option's place. Locations do not count. */
  files: JsonObject;
  /** Content of every input, by name; for steps that options refer to, `steps/NAME`. */
  inputs: Record<string, string>;
  /** What each service serves, by its own type, options and files: its address is not part of it. */
  services: Record<string, JsonObject>;
  /** `--limit` changes the output of the same options. */
  limit: number | null;
};

export interface FingerprintRequest {
  step: PlannedStep;
  services: readonly PlannedService[];
  /** Digest of a finished step's output. */
  digestOfStep(step: string): string;
  inputs: Readonly<Record<string, Pick<Manifest, "digest"> | undefined>>;
  limit: number | undefined;
  /** Undefined for a stage that runs alone. */
  workspace: string | undefined;
  cache: HashCache;
}

/** @throws DraftsmithError INPUT_MISSING for a file option that does not exist. */
export async function fingerprintOf(request: FingerprintRequest): Promise<Fingerprint> {
  const { step, services, inputs, limit, digestOfStep } = request;
  const { stage } = step;
  const own = await optionParts(stage, step.options, request, `steps.${step.name}.with`);
  const used = services.filter(({ name }) => step.services.includes(name));
  const digests = Object.entries(inputs).flatMap(([name, input]) =>
    input === undefined ? [] : [[name, input.digest]],
  );
  return {
    format: FORMAT,
    stage: stage.name,
    codeVersion: stage.codeVersion,
    options: own.options,
    files: own.files,
    inputs: {
      ...(Object.fromEntries(digests) as Record<string, string>),
      ...Object.fromEntries(step.references.map((name) => [`steps/${name}`, digestOfStep(name)])),
    },
    services: Object.fromEntries(
      await Promise.all(used.map(async (service) => [service.name, await serviceFingerprint(service, request)])),
    ) as Record<string, JsonObject>,
    limit: limit ?? null,
  };
}

export function fingerprintDigest(fingerprint: Fingerprint): string {
  return digestOf(fingerprint);
}

/** Names the resume directory: two runs that share it may continue each other. */
export function resumeDigest(stage: Pick<Stage, "continuedOptions">, fingerprint: Fingerprint): string {
  const continued = new Set<string>(stage.continuedOptions ?? []);
  if (continued.size === 0) return fingerprintDigest(fingerprint);
  const kept = Object.entries(fingerprint.options).filter(([name]) => !continued.has(name));
  return fingerprintDigest({ ...fingerprint, options: Object.fromEntries(kept) });
}

async function serviceFingerprint(service: PlannedService, request: FingerprintRequest): Promise<JsonObject> {
  const { options, files } = await optionParts(service.type, service.options, request, `services.${service.name}.with`);
  const steps = Object.fromEntries(service.references.map((name) => [name, request.digestOfStep(name)]));
  return { uses: service.type.name, options, files, steps };
}

async function optionParts(
  owner: PathOwner,
  options: Record<string, unknown>,
  { workspace, cache }: Pick<FingerprintRequest, "workspace" | "cache">,
  place: string,
): Promise<{ options: JsonObject; files: JsonObject }> {
  const left = [...Object.keys(owner.fileOptions ?? {}), ...(owner.neutralOptions ?? [])];
  const others = left.reduce((made, name) => changeOption(made, name, () => undefined), options);
  const plain = Object.fromEntries(Object.entries(others).filter(([, value]) => value !== undefined));
  const files: JsonObject = {};
  for (const named of namedPaths(owner, options)) {
    if (named.isNeutral) continue;
    files[named.place] = await fileContent(named.text, `${place}.${named.place}`, workspace, cache);
  }
  const portable = mapStrings(plain, (text) =>
    insideSteps(text, workspace) === undefined ? withoutCredentials(text) : `steps/${insideSteps(text, workspace)}`,
  );
  return { options: parseJson(stringifyJson(portable)) as JsonObject, files };
}

/** A file of another step's output is covered by that output's digest, so its place inside is enough. */
async function fileContent(
  path: string,
  field: string,
  workspace: string | undefined,
  cache: HashCache,
): Promise<JsonValue> {
  const inside = insideSteps(path, workspace);
  if (inside !== undefined) return `steps/${inside}`;
  try {
    return await contentOf(path, cache);
  } catch (error) {
    throw fromErrno(error, pathOf(error) ?? path, { use: "read", field });
  }
}

/** Path relative to the steps of the workspace, when it is inside them. */
export function insideSteps(path: string, workspace: string | undefined): string | undefined {
  if (workspace === undefined) return undefined;
  const root = join(workspacePaths.steps(workspace), "/");
  return path.startsWith(root) ? path.slice(root.length) : undefined;
}
