/** The accept length on production's own traffic beside that on held-out rows: is the draft as good where it is used? */
import { join } from "node:path";
import { readFigures } from "../../report/index.js";
import type { InputArtifact } from "../stage.js";
import type { Interval } from "./draft-figures.js";
import { evaluationSchema, type TrafficReport } from "./report.js";
import { evaluationReport } from "./report-files.js";

/** Subdirectory of the artifact with the trainer's whole evaluation of the traffic. */
export const TRAFFIC_DIRECTORY = "traffic";

/** Held-out rows, if there are any: others may have been trained on. */
export function trafficSplit({ manifest: { counts } }: InputArtifact): "heldout" | "train" {
  return typeof counts.heldout === "number" && counts.heldout > 0 ? "heldout" : "train";
}

/** What the trainer writes of both. */
const walkedSchema = evaluationSchema.pick({ split: true, rows: true, drafts: true });

/**
 * Compares the trainer's evaluation of the traffic, in its subdirectory, with that of the held-out rows.
 *
 * @param heldOut - the trainer's figures
 */
export async function compareTraffic(directory: string, heldOut: unknown): Promise<TrafficReport> {
  const found = await readFigures(join(directory, TRAFFIC_DIRECTORY, evaluationReport.file));
  const { split, rows, drafts } = walkedSchema.parse(found);
  const here = drafts.trained!;
  const there = walkedSchema.parse(heldOut).drafts.trained!;
  const { responses, pooledAcceptLength, interval, tokensPerStep, aboveBreakEven } = here;
  return {
    split,
    rows,
    responses,
    pooledAcceptLength,
    interval,
    tokensPerStep,
    aboveBreakEven,
    difference: pooledAcceptLength - there.pooledAcceptLength,
    differenceInterval: differenceInterval(
      { value: pooledAcceptLength, interval },
      { value: there.pooledAcceptLength, interval: there.interval },
    ),
  };
}

interface Measured {
  value: number;
  interval: Interval;
}

/**
 * The interval of the difference of two independent figures from their own intervals, at the same level (Zou and Donner,
 * Statistics in Medicine 27, 2008: MOVER). null where one of them has none.
 */
export function differenceInterval(one: Measured, other: Measured): Interval {
  if (one.interval === null || other.interval === null) return null;
  const difference = one.value - other.value;
  const below = Math.hypot(one.value - one.interval[0], other.interval[1] - other.value);
  const above = Math.hypot(one.interval[1] - one.value, other.value - other.interval[0]);
  return [difference - below, difference + above];
}
