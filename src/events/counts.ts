/** Reads the free-form counts of an event: how many rows were kept, and how many rejected for which reason. */
import { isJsonObject, type JsonValue } from "../base/index.js";
import type { ReasonCounts } from "./event.js";
import { formatNumber, formatReasons, sumReasons } from "./format.js";

export function keptOf(counts: Readonly<Record<string, JsonValue>>): number | undefined {
  return typeof counts.kept === "number" ? counts.kept : undefined;
}

export function rejectedOf(counts: Readonly<Record<string, JsonValue>>): ReasonCounts {
  if (!isJsonObject(counts.rejected)) return {};
  const entries = Object.entries(counts.rejected);
  return Object.fromEntries(entries.filter((entry): entry is [string, number] => typeof entry[1] === "number"));
}

/** `988 kept, 12 rejected (image-missing 12)`; empty when nothing was counted. */
export function describeCounts(counts: Readonly<Record<string, JsonValue>>): string {
  const kept = keptOf(counts);
  const rejected = rejectedOf(counts);
  const total = sumReasons(rejected);
  const parts = [
    ...(kept === undefined ? [] : [`${formatNumber(kept)} kept`]),
    ...(total === 0 ? [] : [`${formatNumber(total)} rejected (${formatReasons(rejected)})`]),
  ];
  return parts.join(", ");
}
