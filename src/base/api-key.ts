/** The servers' API key: options name an environment variable, so that no option and no file ever holds the key. */
import { DraftsmithError } from "./errors.js";
import { isKeyForVariable } from "./hide-secrets.js";

/**
 * The headers that carry the key. Call it before any work whose result would be lost if the variable were missing.
 *
 * @param variable - value of the option apiKeyEnv
 * @throws DraftsmithError OPTIONS_INVALID - the variable is not set
 */
export function apiKeyHeaders(variable: string | undefined): Record<string, string> {
  if (variable === undefined) return {};
  const key = process.env[variable];
  if (key !== undefined && key !== "") return { authorization: `Bearer ${key}` };
  // The option may hold the key itself by mistake.
  const named = isKeyForVariable("apiKeyEnv", variable) ? "that it names" : variable;
  throw new DraftsmithError("OPTIONS_INVALID", `the environment variable ${named} is not set`, {
    location: { field: "apiKeyEnv" },
    hint: `export it before the run; the option takes the variable's name, never the key`,
  });
}

/** Whether a status says that the key is missing or wrong. */
export function isAccessDenied(status: number): boolean {
  return status === 401 || status === 403;
}

/** What to do about an HTTP 401 or 403. */
export function accessHint(variable: string | undefined): string {
  if (variable === undefined) {
    return "the server wants an API key; export it in an environment variable and name that variable in apiKeyEnv";
  }
  const named = isKeyForVariable("apiKeyEnv", variable) ? "that apiKeyEnv names" : `${variable} (apiKeyEnv)`;
  return `the server refuses the key in the environment variable ${named}: export the right one, or name another variable`;
}
