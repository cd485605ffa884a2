/** The servers' API key, which no option and no file of a run ever holds. */
import { DraftsmithError, isKeyForVariable } from "../../../base/index.js";

/** @throws DraftsmithError OPTIONS_INVALID - the variable is not set */
export function apiKey(variable: string): string {
  const key = process.env[variable];
  if (key !== undefined && key !== "") return key;
  // The option may hold the key itself by mistake.
  const named = isKeyForVariable("apiKeyEnv", variable) ? "that it names" : variable;
  throw new DraftsmithError("OPTIONS_INVALID", `the environment variable ${named} is not set`, {
    location: { field: "apiKeyEnv" },
    hint: `export it before the run; the option takes the variable's name, never the key`,
  });
}
