/** Reads dialogues from an artifact, or from a user file as import would read it. */
import { stat } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { openArtifact, readChecked, readJsonRows } from "../../artifacts/index.js";
import { DraftsmithError, defined, fromErrno, isJsonObject, type JsonValue, sha256 } from "../../base/index.js";
import {
  DEFAULT_VIDEO_LIMITS,
  type Dialogue,
  dialogueSchema,
  frameCountProblem,
  framesProblem,
  type Picture,
  picturesNamed,
  placePictures,
  type RawDialogue,
  readDialogue,
  recordedSystemPrompt,
  type SystemPromptOption,
  withSystemPrompt,
} from "../../dialogue/index.js";
import {
  canonicalise,
  DEFAULT_LIMITS,
  headerSize,
  type ImageRoots,
  openRoots,
  readReference,
  readStoredImage,
} from "../../images/index.js";
import { type EncodedImage, encodedImage } from "../../sglang/index.js";
import { DIALOGUES, dialoguesIn, type InputArtifact } from "../stage.js";
import type { ValidateOptions } from "./options.js";

/** Reads the canonical PNG of one of a dialogue's images. */
export type ReadImage = (hash: string) => Promise<EncodedImage>;

export type SourceItem =
  | { ok: true; dialogue: Dialogue; image: ReadImage }
  /** A row that import would reject. */
  | { ok: false; line: number; id: string | undefined; reason: string; message: string };

export interface DialogueSource {
  /** For messages. */
  name: string;
  total: number | undefined;
  /** Root of the content-addressed image store; undefined for a user file. */
  store: string | undefined;
  /** Reads any image of that store. */
  stored: ReadImage | undefined;
  items(limit?: number): AsyncGenerator<SourceItem>;
}

/** @throws DraftsmithError INPUT_MISSING, ARTIFACT_INVALID, OPTIONS_INVALID */
export async function openSource(
  options: ValidateOptions,
  input: InputArtifact | undefined,
): Promise<{ source: DialogueSource | undefined; artifact: InputArtifact | undefined }> {
  const path = options.dialogues;
  if (path === undefined) return { source: input && artifactSource(input), artifact: input };
  if (input !== undefined) {
    throw new DraftsmithError("OPTIONS_INVALID", "dialogues are given twice, as an input and as an option", {
      location: { field: "dialogues" },
      hint: "leave one of them out",
    });
  }
  const found = await stat(path).catch((error: unknown) => {
    throw fromErrno(error, path);
  });
  if (found.isDirectory()) {
    const artifact = await openArtifact(path, DIALOGUES);
    return { source: artifactSource(artifact), artifact };
  }
  const directories = options.imageRoots ?? [dirname(path)];
  const roots = await openRoots(directories).catch((error: unknown) => {
    throw fromErrno(error, directories.join(", "));
  });
  return { source: fileSource(path, roots, options.format), artifact: undefined };
}

/** The dialogues as tokenize rendered them for these rows: it may have set their system prompt. */
export function asTokenized(
  source: DialogueSource | undefined,
  made: readonly (InputArtifact | undefined)[],
): DialogueSource | undefined {
  const option = made.map((input) => fixedPrompt(input)).find((found) => found !== undefined);
  if (source === undefined || option === undefined) return source;
  return {
    ...source,
    async *items(limit) {
      for await (const item of source.items(limit)) {
        if (!item.ok) {
          yield item;
          continue;
        }
        const messages = withSystemPrompt(item.dialogue.messages, option);
        // tokenize has dropped and counted the others.
        if (messages !== undefined) yield { ...item, dialogue: { ...item.dialogue, messages } };
      }
    },
  };
}

/**
 * The system prompt that tokenize set; undefined if it rendered no dialogues. Shards keep the facts of their rows as
 * `rows`.
 */
function fixedPrompt(input: InputArtifact | undefined): SystemPromptOption | undefined {
  const facts = input?.manifest.facts ?? {};
  const made = isJsonObject(facts.rows) ? facts.rows : facts;
  return made.source === "fixed" ? recordedSystemPrompt(made) : undefined;
}

function artifactSource(input: InputArtifact): DialogueSource {
  const { path } = input;
  const store = join(path, "images");
  const image = storedImage(store);
  return {
    name: "the dialogues",
    total: dialoguesIn(input),
    store,
    stored: image,
    async *items(limit) {
      for await (const dialogue of readChecked(join(path, "dialogues.jsonl"), dialogueSchema, limit)) {
        yield { ok: true, dialogue, image };
      }
    },
  };
}

function storedImage(store: string): ReadImage {
  return async (hash) => encodedImage(await readStoredImage(store, hash));
}

function fileSource(path: string, roots: ImageRoots, format: ValidateOptions["format"]): DialogueSource {
  const name = basename(path);
  return {
    name,
    total: undefined,
    store: undefined,
    stored: undefined,
    async *items(limit) {
      let read = 0;
      for await (const item of readJsonRows(path)) {
        if (limit !== undefined && read >= limit) return;
        read += 1;
        const { line } = item;
        if ("problem" in item) yield { ok: false, line, id: undefined, reason: item.problem, message: item.message };
        else yield await readRow(item.value, { file: name, line }, { format, roots, directory: dirname(path) });
      }
    },
  };
}

async function readRow(
  value: JsonValue,
  source: Dialogue["source"],
  { format, roots, directory }: { format: ValidateOptions["format"]; roots: ImageRoots; directory: string },
): Promise<SourceItem> {
  const canonical = dialogueSchema.safeParse(value);
  if (canonical.success) {
    return { ok: true, dialogue: canonical.data, image: storedImage(join(directory, "images")) };
  }
  const { line } = source;
  const row = readDialogue(value, format);
  if (!row.ok) return { ok: false, line, id: row.id, reason: row.reason, message: row.message };
  const id = row.dialogue.id ?? `${source.file}:${line}`;
  const images = await locate(row.dialogue, roots);
  if (!images.ok) return { ok: false, line, id, reason: images.reason, message: images.message };
  const dialogue = {
    id,
    source,
    ...rest(row.dialogue),
    messages: placePictures(row.dialogue.messages, images.pictures),
  };
  return { ok: true, dialogue, image: (hash) => readUserImage(images.references.get(hash)!, roots) };
}

function rest({ tools, tags }: RawDialogue): Pick<Dialogue, "tools" | "tags"> {
  return defined({ tools, tags });
}

/**
 * Takes sizes from image headers; pixels are decoded only to ask a server. Images are named by the hash of their own
 * file.
 */
async function locate({ messages }: RawDialogue, roots: ImageRoots) {
  const pictures: Picture[] = [];
  const references = new Map<string, string>();
  const refused = (at: number, { reason, message }: { reason: string; message: string }) => {
    return { ok: false as const, reason, message: `message ${at}: ${message}` };
  };
  for (const [at, { content }] of messages.entries()) {
    for (const part of content) {
      if (part.type === "image" && part.size !== undefined) {
        const message = "an image asks for a size of its own: import such rows first, which scales it";
        return refused(at, { reason: "image-size-rule", message });
      }
      const count = part.type === "video" ? frameCountProblem(part.frames.length, DEFAULT_VIDEO_LIMITS) : null;
      if (count !== null) return refused(at, count);
      const own: Picture[] = [];
      for (const reference of picturesNamed(part)) {
        const located = await readReference(reference, roots, DEFAULT_LIMITS.maxBytes);
        if (!located.ok) return refused(at, located);
        const size = await headerSize(located.bytes);
        if (!size.ok) return refused(at, size);
        const hash = sha256(located.bytes);
        references.set(hash, reference);
        own.push({ hash, width: size.width, height: size.height });
      }
      const frames = part.type === "video" ? framesProblem(own, DEFAULT_VIDEO_LIMITS) : null;
      if (frames !== null) return refused(at, frames);
      pictures.push(...own);
    }
  }
  return { ok: true as const, pictures, references };
}

/** As import would store it, but at its own size, so that a different pixel limit on the server shows. */
async function readUserImage(reference: string, roots: ImageRoots): Promise<EncodedImage> {
  const located = await readReference(reference, roots, DEFAULT_LIMITS.maxBytes);
  const image = located.ok
    ? await canonicalise(located.bytes, { limits: DEFAULT_LIMITS, flattenColour: "#ffffff" })
    : located;
  if (image.ok) return encodedImage(image.png);
  throw new DraftsmithError("INPUT_INVALID", `an image cannot be read: ${image.message}`, {
    location: { field: image.reason },
    hint: "import rejects such rows; correct or drop them",
  });
}
