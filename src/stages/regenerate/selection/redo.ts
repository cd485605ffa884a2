/** Which dialogues lose their earlier answers and are asked again: named by id, or by a report of validate. */
import { readFile } from "node:fs/promises";
import { z } from "zod";
import { DraftsmithError, fromErrno, sha256 } from "../../../base/index.js";
import type { RegenerateOptions } from "../options.js";

export interface Redo {
  ids: ReadonlySet<string>;
  /** Of the option `redo`: a dialogue with such an id must exist. Reports may be of other data. */
  required: readonly string[];
  /** Identifies this request, so that its continuation does not drop the new answers as well. */
  request: string;
}

/** Errors of these checks say that an answer is wrong; other errors would come back with any answer. */
const CHECKS_OF_ANSWERS = ["prompt", "ids", "stop", "images"] as const;

/** The part of validate's report.json that is needed here. */
const reportSchema = z.object({
  stage: z.literal("validate"),
  stoppedEarly: z.boolean(),
  disagreeing: z.partialRecord(z.string(), z.array(z.string())),
});

/**
 * @returns undefined where nothing is to be asked again
 * @throws DraftsmithError INPUT_MISSING, INPUT_INVALID - the report
 */
export async function readRedo(
  { redo, redoFrom }: Pick<RegenerateOptions, "redo" | "redoFrom">,
  note: (level: "info" | "warn", message: string) => void,
): Promise<Redo | undefined> {
  const reported = redoFrom === undefined ? [] : await disagreeingIn(redoFrom, note);
  const ids = new Set([...redo, ...reported]);
  if (ids.size === 0) return undefined;
  return { ids, required: redo, request: sha256(JSON.stringify([...ids].sort())).slice(0, 16) };
}

async function disagreeingIn(file: string, note: (level: "info" | "warn", message: string) => void): Promise<string[]> {
  const { stoppedEarly, disagreeing } = await readReport(file);
  const ids = CHECKS_OF_ANSWERS.flatMap((check) => disagreeing[check] ?? []);
  if (stoppedEarly) {
    note("warn", `${file} ends at its first error: run validate with keepGoing: true to name all dialogues`);
  }
  note("info", `${file} names ${new Set(ids).size} dialogues whose answers are to be asked again`);
  return ids;
}

async function readReport(file: string): Promise<z.infer<typeof reportSchema>> {
  let text: string;
  try {
    text = await readFile(file, "utf8");
  } catch (error) {
    throw fromErrno(error, file);
  }
  try {
    return reportSchema.parse(JSON.parse(text));
  } catch (error) {
    throw new DraftsmithError("INPUT_INVALID", "not a report.json of validate", {
      location: { file, field: "redoFrom" },
      hint: "name the report.json that validate wrote for these generations, with keepGoing: true",
      cause: error,
    });
  }
}
