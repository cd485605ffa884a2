/** Finds a schema by the name that a user typed. */
import { DraftsmithError } from "../base/index.js";
import { suggestion } from "../pipeline/index.js";

const ENDING = ".schema.json";

export function schemaNamed<T>(name: string, schemas: Readonly<Record<string, T>>): T {
  const found = schemas[`${name}${ENDING}`];
  if (found !== undefined) return found;
  const known = Object.keys(schemas).map((file) => file.slice(0, -ENDING.length));
  throw new DraftsmithError("USAGE", `there is no schema ${name}`, { hint: suggestion(name, known, "schemas") });
}
