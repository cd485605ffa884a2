/** Hidden states that SGLang >= 0.5.23 returns from /generate when it was started for it. */
import { isJsonObject, type JsonObject, type JsonValue } from "../base/index.js";
import { parseBoundedObject } from "./bounded-json.js";
import { arrayAt, objectAt } from "./fields.js";

/** No model has more layers. */
const MAX_LAYER = 1024;

/**
 * The layers whose outputs the server returns, in order, from /server_info; undefined where it returns none, or does
 * not say which.
 */
export function stateLayersOf(info: JsonObject): number[] | undefined {
  if (info.enable_return_aux_hidden_states !== true) return undefined;
  const layers = arrayAt(info, "return_aux_hidden_state_layer_ids");
  const isLayer = (value: JsonValue) => Number.isInteger(value) && Number(value) >= 0 && Number(value) < MAX_LAYER;
  return layers?.length !== undefined && layers.length > 0 && layers.every(isLayer) ? layers.map(Number) : undefined;
}

export class MalformedStates extends Error {
  override readonly name = "MalformedStates";
}

/**
 * The states of a prompt's tokens, row by row: all layers of the first token, then of the second.
 *
 * @param tokens - of the prompt, image pads expanded
 * @throws JsonFault. @throws MalformedStates - none, of another number of tokens, or not numbers of one width
 */
export function parseStates(body: Buffer, tokens: number): Float32Array {
  const meta = objectAt(parseBoundedObject(body), "meta_info");
  const parts = (meta && arrayAt(meta, "hidden_states")) ?? [];
  // A part is a piece of the prompt, a list of rows; then comes one row for each further token of the answer.
  const rows = parts.flatMap((part) => (Array.isArray(part) && Array.isArray(part[0]) ? part : []));
  if (rows.length !== tokens) {
    const more = rows.length < tokens ? ": is its prefix cache on?" : "";
    throw new MalformedStates(`it returned the states of ${rows.length} tokens, the prompt has ${tokens}${more}`);
  }
  const width = Array.isArray(rows[0]) ? rows[0].length : 0;
  const states = new Float32Array(tokens * width);
  for (const [at, row] of rows.entries()) {
    if (!Array.isArray(row) || row.length !== width || isJsonObject(row)) {
      throw new MalformedStates(`the states of token ${at} are not ${width} numbers`);
    }
    for (let k = 0; k < width; k += 1) {
      const value = row[k];
      if (typeof value !== "number")
        throw new MalformedStates(`the states of token ${at} hold something else than numbers`);
      states[at * width + k] = value;
    }
  }
  return states;
}
