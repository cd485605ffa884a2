/**
 * The column types in the words of the Python library `datasets`. Its readers look for them in the schema's metadata,
 * and know an image column only by them.
 */
import type { JsonObject } from "../base/index.js";
import type { ColumnKind, Columns } from "./arrow-columns.js";

/** Key of the schema metadata under which `datasets` writes and reads its own. */
export const FEATURES_KEY = "huggingface";

const value = (dtype: string): JsonObject => ({ dtype, _type: "Value" });
// "Sequence", not "List": versions before 4 know only the former, later ones read both.
const sequence = (dtype: string): JsonObject => ({ feature: value(dtype), _type: "Sequence" });

const FEATURES: Record<ColumnKind, JsonObject> = {
  int32: value("int32"),
  utf8: value("string"),
  binary: value("binary"),
  image: { _type: "Image" },
  "list<int32>": sequence("int32"),
  "list<int8>": sequence("int8"),
  "list<utf8>": sequence("string"),
};

/** The JSON under FEATURES_KEY. */
export function featuresText(columns: Columns): string {
  const features = Object.fromEntries(Object.entries(columns).map(([name, kind]) => [name, FEATURES[kind]]));
  return JSON.stringify({ info: { features } });
}
