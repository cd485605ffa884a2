/** The precision of a snapshot's weights, as config.json declares it. */
import { isJsonObject, type JsonObject, type JsonValue } from "../base/index.js";

export interface Precision {
  /** Number format of the weights in torch's words, such as bfloat16; null if config.json names none. */
  dtype: string | null;
  /** `quant_method` of the weights, such as fp8 or awq; null for plain ones. */
  quantization: string | null;
}

/** transformers 5 writes `dtype`, 4 `torch_dtype`; composite models have either at the top or in text_config. */
export function readPrecision(config: JsonObject): Precision {
  const text = isJsonObject(config.text_config) ? config.text_config : {};
  const dtypes = [config.dtype, config.torch_dtype, text.dtype, text.torch_dtype];
  const dtype = dtypes.find((value) => typeof value === "string");
  const quantization = quantizationOf(config.quantization_config) ?? quantizationOf(text.quantization_config);
  return { dtype: typeof dtype === "string" ? dtype.replace(/^torch\./, "") : null, quantization };
}

function quantizationOf(value: JsonValue | undefined): string | null {
  if (!isJsonObject(value)) return null;
  // Old bitsandbytes snapshots name no method.
  return typeof value.quant_method === "string" ? value.quant_method : "unnamed";
}
