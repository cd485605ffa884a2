/**
 * Report files: figures as JSON under a schema, and pages that depend on these figures alone. A page can thus be drawn again
 * long after the run, and everything on it is in the figures.
 */
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { z } from "zod";
import { DraftsmithError, fromErrno, stringifyJson } from "../base/index.js";

export interface ReportFiles {
  /** Name of the JSON file. */
  readonly file: string;
  /** Schema of the JSON file; exported beside the schemas of options. */
  readonly schema: z.ZodType;
  /**
   * The pages by file name.
   *
   * @param figures - content of the JSON file, parsed
   * @throws z.ZodError where it does not fit the schema
   */
  draw(figures: unknown): Record<string, string>;
}

/** @param pages - by file name; pure functions of their argument: no clock, no files, no environment */
export function defineReport<Data>(
  file: string,
  schema: z.ZodType<Data>,
  pages: Readonly<Record<string, (data: Data) => string>>,
): ReportFiles {
  return {
    file,
    schema,
    draw: (figures) => {
      const data = schema.parse(figures);
      return Object.fromEntries(Object.entries(pages).map(([name, draw]) => [name, draw(data)]));
    },
  };
}

/**
 * Writes the figures first, then draws every page from the figures as read back.
 *
 * @throws DraftsmithError DISK_FULL, DISK_FAILED
 */
export async function writeReport(report: ReportFiles, data: object, directory: string): Promise<void> {
  const text = `${stringifyJson(data, 2)}\n`;
  try {
    await mkdir(directory, { recursive: true });
    await writeFile(join(directory, report.file), text);
    await writePages(report.draw(JSON.parse(text)), directory);
  } catch (error) {
    throw fromErrno(error, directory, { use: "write" });
  }
}

/**
 * Draws the pages of figures that another program wrote into the directory.
 *
 * @throws z.ZodError where the figures do not fit the schema
 * @throws DraftsmithError INPUT_MISSING, INPUT_INVALID, DISK_FULL, DISK_FAILED
 */
export async function drawReport(report: ReportFiles, directory: string): Promise<void> {
  const pages = report.draw(await readFigures(join(directory, report.file)));
  try {
    await writePages(pages, directory);
  } catch (error) {
    throw fromErrno(error, directory, { use: "write" });
  }
}

/**
 * Draws the pages of a report again, beside its figures.
 *
 * @returns the paths of the pages
 * @throws DraftsmithError INPUT_MISSING, INPUT_INVALID - the file of figures, or its content
 */
export async function redrawReport(report: ReportFiles, file: string): Promise<string[]> {
  const hint = "figures of another version of draftsmith may have another shape; run the step again";
  const figures = await readFiguresAs(file, report.schema, hint);
  try {
    return await writePages(report.draw(figures), dirname(file));
  } catch (error) {
    throw fromErrno(error, dirname(file), { use: "write" });
  }
}

/**
 * @param hint - what to do where the content does not fit the schema
 * @throws DraftsmithError INPUT_MISSING, INPUT_INVALID
 */
export async function readFiguresAs<Data>(file: string, schema: z.ZodType<Data>, hint: string): Promise<Data> {
  const found = schema.safeParse(await readFigures(file));
  if (found.success) return found.data;
  const [issue] = found.error.issues;
  throw new DraftsmithError("INPUT_INVALID", issue?.message ?? "another shape than expected", {
    location: { file, field: (issue?.path ?? []).join(".") },
    hint,
  });
}

/** @throws DraftsmithError INPUT_MISSING, INPUT_INVALID */
export async function readFigures(file: string): Promise<unknown> {
  const text = await readFile(file, "utf8").catch((error: unknown) => {
    throw fromErrno(error, file);
  });
  try {
    return JSON.parse(text) as unknown;
  } catch (cause) {
    throw new DraftsmithError("INPUT_INVALID", `${file} is not JSON`, { location: { file }, cause });
  }
}

async function writePages(pages: Readonly<Record<string, string>>, directory: string): Promise<string[]> {
  const paths: string[] = [];
  for (const [name, text] of Object.entries(pages)) {
    const path = join(directory, name);
    await writeFile(path, text);
    paths.push(path);
  }
  return paths;
}
