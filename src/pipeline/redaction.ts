/** Which parts of a YAML text must not be shown: found by the parsed values, since their spelling may disguise them. */

import { isAlias, isMap, isScalar, isSeq, type Node, type Pair, type YAMLMap } from "yaml";
import { hideSecrets, isHeadersName, isKeyForVariable, isSecretName } from "../base/index.js";

/** Offsets in a text, the end not included. */
export interface Range {
  start: number;
  end: number;
}

const INSTEAD = "...";

/** The node that an alias stands for. */
export type Resolve = (alias: Node) => Node | undefined;

/** The maps whose members `<<` brings into the map that the pair is in; none for any other key. */
export function mergedMaps({ key, value }: Pair, resolve: Resolve): YAMLMap[] {
  const name = isScalar(key) ? key.value : undefined;
  // With merging switched on, yaml makes a symbol of the key.
  if (name !== "<<" && !(typeof name === "symbol" && name.description === "<<")) return [];
  const sources = isSeq(value) ? value.items : [value];
  return sources.map((source) => (isAlias(source) ? resolve(source) : source)).filter((source) => isMap(source));
}

/** The text without its secret parts, addressed by offsets in the original. */
export class RedactedText {
  private readonly ranges: readonly Range[];

  /** @param root - null where the text is not YAML: then only patterns in the text count */
  constructor(
    readonly text: string,
    root: Node | null,
    resolve: Resolve,
  ) {
    this.ranges = merged(root === null ? [] : secretRanges(text, root, resolve));
  }

  /** A part of the text as it may be shown. Every line of a secret range leaves one mark. */
  shown(from: number, to: number): string {
    let out = "";
    let at = from;
    for (const { start, end } of this.ranges) {
      if (end <= at || start >= to) continue;
      out += hideSecrets(this.text.slice(at, Math.max(at, start)));
      const gone = this.text.slice(Math.max(at, start), Math.min(end, to));
      out += gone.replaceAll(/[^\s](?:.*[^\s])?/g, INSTEAD);
      at = Math.min(end, to);
    }
    return out + hideSecrets(this.text.slice(at, to));
  }
}

function secretRanges(text: string, root: Node, resolve: Resolve): Range[] {
  const found: Range[] = [];
  /** Those looked at as headers: a map that merges itself must come to an end. */
  const headers = new Set<Node>();
  const hideAll = (node: Node | null): void => {
    const target = isAlias(node) ? (resolve(node) ?? null) : node;
    if (isSeq(target)) for (const item of target.items) hideAll(item as Node | null);
    else if (isScalar(target) && target.range != null) found.push({ start: target.range[0], end: target.range[1] });
  };
  const visit = (node: Node | null, isInHeaders: boolean): void => {
    if (isScalar(node) && typeof node.value === "string" && node.range != null) {
      const range = { start: node.range[0], end: node.range[1] };
      if (isOpenSecret(node.value, text.slice(range.start, range.end))) found.push(range);
    } else if (isSeq(node)) for (const item of node.items) visit(item as Node | null, isInHeaders);
    else if (isMap(node)) {
      if (isInHeaders) {
        if (headers.has(node)) return;
        headers.add(node);
      }
      for (const pair of node.items as { key: Node; value: Node | null }[]) {
        const { key, value } = pair;
        // What is merged into headers is one, wherever it stands.
        if (isInHeaders) for (const map of mergedMaps(pair as Pair, resolve)) visit(map, true);
        const name = isScalar(key) ? String(key.value) : "";
        visit(key, false);
        const text = isScalar(value) ? value.value : undefined;
        if (isSecretName(name) || isInHeaders || isKeyForVariable(name, text)) hideAll(value);
        visit(value, isHeadersName(name));
      }
    }
  };
  visit(root, false);
  return found;
}

/** Whether a value holds a secret that `hideSecrets` cannot recognise by its spelling in the file. */
function isOpenSecret(value: string, spelled: string): boolean {
  return hideSecrets(value) !== value && spelled !== value && spelled.slice(1, -1) !== value;
}

function merged(ranges: readonly Range[]): Range[] {
  const sorted = [...ranges].sort((a, b) => a.start - b.start);
  const out: Range[] = [];
  for (const range of sorted) {
    const last = out.at(-1);
    if (last !== undefined && range.start <= last.end) last.end = Math.max(last.end, range.end);
    else out.push({ ...range });
  }
  return out;
}
