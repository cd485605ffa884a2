/** Packs assembled dialogues into a few large arrays, which threads can transfer without copying. */
import type { TokenRow } from "../../artifacts/index.js";
import type { AssembledDialogue } from "./assembler.js";

type PackedRow = Omit<TokenRow, "inputIds" | "lossMask" | "mmTokenTypeIds"> & { length: number };

export interface Packed {
  dialogues: (Omit<AssembledDialogue, "rows"> & { rows: PackedRow[] })[];
  /** Ids of all rows, concatenated; masks and types likewise. */
  ids: Int32Array<ArrayBuffer>;
  masks: Int8Array<ArrayBuffer>;
  types: Int8Array<ArrayBuffer>;
}

export function pack(assembled: readonly AssembledDialogue[]): Packed {
  const length = assembled.flatMap(({ rows }) => rows).reduce((sum, { inputIds }) => sum + inputIds.length, 0);
  const packed: Packed = {
    dialogues: [],
    ids: new Int32Array(length),
    masks: new Int8Array(length),
    types: new Int8Array(length),
  };
  let at = 0;
  for (const { rows, ...dialogue } of assembled) {
    const own = rows.map(({ inputIds, lossMask, mmTokenTypeIds, ...row }): PackedRow => {
      packed.ids.set(inputIds, at);
      packed.masks.set(lossMask, at);
      packed.types.set(mmTokenTypeIds, at);
      at += inputIds.length;
      return { ...row, length: inputIds.length };
    });
    packed.dialogues.push({ ...dialogue, rows: own });
  }
  return packed;
}

/** The rows share the packed arrays' memory. */
export function* unpack({ dialogues, ids, masks, types }: Packed): Generator<AssembledDialogue> {
  let at = 0;
  for (const { rows, ...dialogue } of dialogues) {
    const own = rows.map(({ length, ...row }): TokenRow => {
      const [start, end] = [at, at + length];
      at = end;
      return {
        ...row,
        inputIds: ids.subarray(start, end),
        lossMask: masks.subarray(start, end),
        mmTokenTypeIds: types.subarray(start, end),
      };
    });
    yield { ...dialogue, rows: own };
  }
}
