/** Checks each training row on its own: masks, token types, image runs, ids. */

import type { TokenRow } from "../../artifacts/index.js";
import { defined } from "../../base/index.js";
import {
  type Grid,
  gridTokens,
  imageRunProblem,
  lossMask,
  patchTokens,
  tokenTypes,
  videoRunProblem,
} from "../../tokens/index.js";
import type { Check } from "./findings.js";
import type { Subject } from "./subject.js";

export function checkRow(subject: Subject, row: TokenRow, file: string): void {
  const { counts, findings, model } = subject;
  const { inputIds: ids, responseSpans: spans } = row;
  const say = (check: Check, message: string, index?: number): void => {
    const place = { id: row.dialogueId, file, ...defined({ index }) };
    findings.add({
      check,
      severity: "error",
      message: `row ${row.row} of dialogue ${row.dialogueId}: ${message}`,
      place,
    });
  };
  for (const check of ["input", "mask", "images", "ids"] as const) findings.look(check);
  const spanProblem = problemOfSpans(spans, ids.length);
  if (spanProblem !== null) say("mask", spanProblem);
  if (spans.length !== 2 * row.turns.length) say("mask", `${row.turns.length} turns, ${spans.length / 2} answer spans`);
  const masked = firstDifference(row.lossMask, lossMask(ids.length, [...spans]));
  if (masked !== null) say("mask", `the loss mask and the answer spans differ at id ${masked}`, masked);
  const typed = firstDifference(row.mmTokenTypeIds, tokenTypes(ids, model.specialIds));
  if (typed !== null) say("images", `the token type at id ${typed} does not match the id`, typed);
  const images = gridsOf(row.imageGridThw).map((grid) => gridTokens(grid, model.processor.mergeSize));
  const merge = model.video?.mergeSize ?? model.processor.mergeSize;
  const patches = gridsOf(row.videoGridThw).flatMap((grid) => patchTokens(grid, merge));
  const run = imageRunProblem(ids, model.specialIds, images) ?? videoRunProblem(ids, model.specialIds, patches);
  if (run !== null) say("images", run.message, run.at);
  for (let at = 0; at < ids.length; at += 1) {
    const id = ids[at]!;
    if (id < 0 || id >= model.config.vocabSize) say("ids", `id ${id} is outside the vocabulary`, at);
    if (id === model.maskTokenId) say("ids", `the mask token ${id} occurs in the data`, at);
  }
  for (let i = 1; i < spans.length; i += 2) {
    if (!model.specialIds.stop.includes(ids[spans[i]! - 1]!)) counts.answersWithoutStop += 1;
  }
}

function gridsOf(flat: Int32Array): Grid[] {
  return Array.from(
    { length: flat.length / 3 },
    (_, at): Grid => [flat[3 * at]!, flat[3 * at + 1]!, flat[3 * at + 2]!],
  );
}

function problemOfSpans(spans: Int32Array, length: number): string | null {
  let last = 0;
  for (let i = 0; i < spans.length; i += 2) {
    const [start, end] = [spans[i]!, spans[i + 1]!];
    if (start < last || end <= start || end > length) return `the answer span ${start}..${end} is impossible`;
    last = end;
  }
  return null;
}

function firstDifference(a: Int8Array, b: Int8Array): number | null {
  for (let i = 0; i < Math.max(a.length, b.length); i += 1) if (a[i] !== b[i]) return i;
  return null;
}
