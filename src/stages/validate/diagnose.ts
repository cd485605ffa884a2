/** Names the likely cause when two prompts for the same messages differ. */
import type { ImagePart } from "../../dialogue/index.js";
import { type ResizeRule, resizeRule, runsOf, smartResize } from "../../tokens/index.js";
import type { Subject } from "./subject.js";
import { textCause } from "./text-cause.js";

/** Two prompts that differ. */
export interface Prompts {
  /** Rendered here. */
  ours: Int32Array;
  theirs: Int32Array;
  /** Images of the messages, in order. */
  images: readonly ImagePart[];
}

type Judge = Pick<Subject, "model" | "spell" | "renderer">;

/** One clause, without a full stop. */
export async function likelyCause(subject: Judge, { ours, theirs, images }: Prompts): Promise<string> {
  const pad = subject.model.specialIds.imagePad;
  const [left, right] = [collapse(ours, pad), collapse(theirs, pad)];
  const sizes = imageCause(subject, ours, theirs, images);
  if (sizes !== null && (equal(left, right) || sizes.missing)) return sizes.text;
  const [ourText, theirText] = await Promise.all(
    [left, right].map((ids) => subject.renderer.tokenizer.decode([...ids])),
  );
  if (ourText === theirText) {
    return "both spell the same text but split it into different tokens: the tokenizers differ";
  }
  const cause = edgeCause(subject, left, right) ?? textCause(ourText!, theirText!);
  return sizes === null ? cause : `${cause}; besides, ${sizes.text}`;
}

/** Collapses every run of pads into one, to compare texts regardless of image sizes. */
function collapse(ids: Int32Array, pad: number): Int32Array {
  return ids.filter((id, at) => id !== pad || at === 0 || ids[at - 1] !== pad);
}

function equal(a: Int32Array, b: Int32Array): boolean {
  return a.length === b.length && a.every((id, at) => id === b[at]);
}

function imageCause(
  { model }: Judge,
  ours: Int32Array,
  theirs: Int32Array,
  images: readonly ImagePart[],
): { text: string; missing: boolean } | null {
  const [left, right] = [runsOf(ours, model.specialIds.imagePad), runsOf(theirs, model.specialIds.imagePad)];
  if (left.length !== right.length) {
    return { text: `the server saw ${right.length} images, the prompt holds ${left.length}`, missing: true };
  }
  for (const [index, run] of left.entries()) {
    const here = run.end - run.start;
    const there = right[index]!.end - right[index]!.start;
    const image = images[index];
    if (here === there || image === undefined) continue;
    const counts = `server ${number(there)}, here ${number(here)} pads for a ${image.width}x${image.height} image`;
    return { text: `${counts}: ${limitOf(image, here, there, resizeRule(model.processor))}`, missing: false };
  }
  return null;
}

/** The pixel limit of the server that would produce this many tokens. */
function limitOf(image: ImagePart, here: number, there: number, rule: ResizeRule): string {
  const pixels = there * rule.factor ** 2;
  const free = smartResize(image, { ...rule, minPixels: 1, maxPixels: Number.MAX_SAFE_INTEGER });
  const unlimited = free === null ? 0 : free.width * free.height;
  const range = limitsFor(image, there, unlimited, rule);
  const between = range && `its max_pixels is between ${number(range[0])} and ${number(range[1])}`;
  const hereMax = `(here ${number(rule.maxPixels)})`;
  if (pixels < unlimited) {
    return `${between ?? `its patch size differs, or its max_pixels is about ${number(pixels)}`} ${hereMax}`;
  }
  const other = limitBeyond(pixels, unlimited, there > here, rule);
  // A limit leaves at least one patch of a narrow side, and may then enlarge the long one.
  return between === null ? other : `${between} ${hereMax}, or ${other}`;
}

/** The limit that gives at least the pixels of the image without any. */
function limitBeyond(pixels: number, unlimited: number, isMore: boolean, rule: ResizeRule): string {
  if (pixels > unlimited) return `its min_pixels is about ${number(pixels)} (here ${number(rule.minPixels)})`;
  return isMore
    ? `its max_pixels is ${number(pixels)} or more (here ${number(rule.maxPixels)})`
    : `its min_pixels is ${number(pixels)} or less (here ${number(rule.minPixels)})`;
}

/**
 * Smallest and largest max_pixels that give exactly this many tokens; null if none does with these patches.
 *
 * Below `unlimited` both sides grow with max_pixels and never shrink, rounding included, so bisection is exact. A grid
 * would miss limits: an image can have a given count for a few hundred pixels only.
 */
function limitsFor(
  image: ImagePart,
  there: number,
  unlimited: number,
  rule: ResizeRule,
): [least: number, greatest: number] | null {
  const tokensAt = (maxPixels: number): number => {
    const size = smartResize(image, { ...rule, minPixels: 1, maxPixels });
    return size === null ? 0 : (size.width * size.height) / rule.factor ** 2;
  };
  /** Smallest max_pixels of at least so many tokens; `unlimited` where no smaller one has them. */
  const leastFor = (tokens: number): number => {
    let [low, high] = [1, unlimited];
    while (low < high) {
      const middle = Math.floor((low + high) / 2);
      if (tokensAt(middle) >= tokens) high = middle;
      else low = middle + 1;
    }
    return low;
  };
  const [least, beyond] = [leastFor(there), leastFor(there + 1)];
  return least < beyond ? [least, beyond - 1] : null;
}

/** Ids that only one side has, before the first or after the last common one. */
function edgeCause({ model, spell }: Judge, ours: Int32Array, theirs: Int32Array): string | null {
  const shared = Math.min(ours.length, theirs.length);
  if (Math.abs(ours.length - theirs.length) === 1) {
    const [longer, shorter] = ours.length > theirs.length ? [ours, theirs] : [theirs, ours];
    const first = longer[0]!;
    if (equal(longer.subarray(1), shorter) && model.tokenizer.addedTokens.some(({ id }) => id === first)) {
      const token = JSON.stringify(spell(first));
      return longer === ours
        ? `the server's prompt lacks the BOS token ${token}`
        : `the server's prompt begins with the BOS token ${token}, which is not rendered here`;
    }
  }
  const starts = ours.length !== theirs.length && equal(ours.subarray(0, shared), theirs.subarray(0, shared));
  const ends = equal(ours.subarray(ours.length - shared), theirs.subarray(theirs.length - shared));
  const cut = ours.length - theirs.length;
  // The generation prompt alone is shorter.
  if (cut > 16 && (starts || ends)) {
    return `the server's prompt is cut: ${cut} ids are missing at its ${starts ? "end" : "beginning"} (allow_auto_truncate?)`;
  }
  return null;
}

function number(value: number): string {
  return value.toLocaleString("en-US");
}
