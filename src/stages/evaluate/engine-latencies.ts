/** Latencies that were measured on an engine, from a file. */
import { z } from "zod";
import { DraftsmithError } from "../../base/index.js";
import { readFigures } from "../../report/index.js";
import type { Latencies } from "./break-even.js";
import type { MeasuredDraft } from "./drafts.js";

const milliseconds = z.number().positive();

export const engineLatenciesSchema = z.strictObject({
  engine: z.string().min(1).describe("name and version, as the report shows it"),
  blockSize: z.number().int().min(2).describe("of the draft that was measured"),
  layers: z.number().int().positive().optional().describe("of the draft that was measured; left out: of any"),
  points: z
    .array(
      z.strictObject({
        concurrency: z.number().int().positive(),
        stepMs: milliseconds.describe("between tokens of a sequence, without a draft"),
        draftMs: z.number().nonnegative().default(0).describe("drafting; 0 where verifyMs holds the whole round"),
        verifyMs: milliseconds,
      }),
    )
    .min(1),
});

/**
 * The latencies of every measured draft of the shape that the file names.
 *
 * @throws DraftsmithError INPUT_MISSING, INPUT_INVALID - also where no measured draft has this shape
 */
export async function readEngineLatencies(file: string, drafts: readonly MeasuredDraft[]): Promise<Latencies[]> {
  const parsed = engineLatenciesSchema.safeParse(await readFigures(file));
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    throw new DraftsmithError("INPUT_INVALID", issue?.message ?? "another shape than expected", {
      location: { file, field: (issue?.path ?? []).join(".") },
      hint: 'expected {"engine", "blockSize", "points": [{"concurrency", "stepMs", "draftMs", "verifyMs"}]}',
    });
  }
  const { engine, blockSize, layers, points } = parsed.data;
  const fitting = drafts.filter(
    ({ setup }) => setup.blockSize === blockSize && (layers === undefined || setup.layers === layers),
  );
  if (fitting.length === 0) {
    const shapes = drafts.map(({ name, setup }) => `${name}: block ${setup.blockSize}, ${setup.layers ?? "?"} layers`);
    throw new DraftsmithError(
      "INPUT_INVALID",
      `no measured draft has the shape of these latencies (${shapes.join("; ")})`,
      { location: { file, field: "blockSize" }, hint: "measure the engine with a draft of the same shape" },
    );
  }
  const full = points.map((point) => ({ ...point, contextTokens: null, rounds: null }));
  return fitting.map(({ name }) => ({ draft: name, source: engine, points: full }));
}
