/**
 * Takes credentials out of what people and files get to see. An error shows the line that is wrong, and a line that is
 * wrong may hold a password; so whatever shows a user's own text passes here.
 */

export const HIDDEN = "[hidden]";
/** Stands for user and password of an address. */
const NOBODY = "...@";

/** Longest user or password that is looked for: text without blanks may be megabytes of base64. */
const LONGEST = 1024;
/** To the last @ of a word, since a password may hold any character; another address in the same word begins anew. */
const UP_TO_AT = `(?:(?!["'\`,;|\\]})]+\\s*[a-z][a-z0-9+.-]{0,20}:[\\\\/]{2})\\S){0,${LONGEST}}(?:@|%40)`;
/** With its slashes, whichever way they lean or are spelled, or user:password@host without them. */
const ADDRESS = new RegExp(
  `((?:\\b[a-z][a-z0-9+.-]{0,20}:)?(?:[\\\\/]{2}|%2f%2f))${UP_TO_AT}|` +
    `(?<![^\\s"'\`[\\]{}(),;=<>])[^\\s"'\`[\\]{}(),;=<>:]{1,${LONGEST}}:${UP_TO_AT}`,
  "gi",
);

const NAMES = [
  "(?:proxy-)?authorization",
  "(?:x-)?api[-_ ]?key",
  "password",
  "passwd",
  "passphrase",
  "client[-_]?secret",
  "(?:x-)?(?:access|auth|refresh)[-_]?token",
].join("|");
/** `password: x`, `"api_key":"x"`, `authorization=Bearer x`, also inside JSON inside JSON. */
const NAMED = new RegExp(
  `((?<![a-z0-9])(?:${NAMES})(?:\\\\?["'])?[ \\t]*[:=][ \\t]*)` +
    `(?:\\\\"(?:(?!\\\\").)*\\\\"|"(?:[^"\\\\]|\\\\.)*"|'[^']*'|(?:(?:bearer|basic)\\s+)?[^\\s"',;}\\]]+)`,
  "gi",
);
const SCHEME = /\b(bearer\s+(?=\S{8})|basic\s+(?=\S*[\d=]))[A-Za-z0-9._~+/=-]{6,}/gi;
/** Forms that the makers of keys gave them. */
const KEY = /\b(?:sk|hf|ghp|gho|glpat|xoxb)[-_](?=[\w-]*\d)[\w-]{16,}/g;

/** The same text without what it gives away; text without secrets comes back as it is, hidden text stays hidden. */
export function hideSecrets(text: string): string {
  return (/@|%40/.test(text) ? text.replace(ADDRESS, (_all, slashes?: string) => `${slashes ?? ""}${NOBODY}`) : text)
    .replace(NAMED, `$1${HIDDEN}`)
    .replace(SCHEME, `$1${HIDDEN}`)
    .replace(KEY, HIDDEN);
}

const SECRET_NAME =
  /(?:apikey|password|passwd|passphrase|secret|secretkey|authorization|credentials?|cookie|(?:^|auth|access|api|bearer|refresh|hf|secret)token)$/;

/** Whether a field of this name holds a secret. */
export function isSecretName(name: string): boolean {
  return SECRET_NAME.test(name.replaceAll(/[^A-Za-z]/g, "").toLowerCase());
}

/** Whether a map of this name holds headers, any of which may be a key. */
export function isHeadersName(name: string): boolean {
  return /headers?$/i.test(name);
}

/** Whether this is a key where only the name of an environment variable belongs. Variables are upper case by custom. */
export function isKeyForVariable(name: string, value: unknown): boolean {
  return /apikeyenv$/i.test(name) && typeof value === "string" && !/^[A-Z][A-Z0-9_]{0,63}$/.test(value);
}

/** A deep copy without secrets: those in texts, and texts under names that tell what they are. */
export function hideSecretsIn<T>(value: T): T {
  return hidden(value, "", "") as T;
}

function hidden(value: unknown, name: string, outer: string): unknown {
  if (Array.isArray(value)) return value.map((item: unknown) => hidden(item, name, outer));
  if (typeof value === "object" && value !== null) {
    return Object.fromEntries(
      Object.entries(value).map(([key, member]) => [hideSecrets(key), hidden(member, key, name)]),
    );
  }
  if (typeof value !== "string" && typeof value !== "number") return value;
  if (isSecretName(name) || isHeadersName(outer) || isKeyForVariable(name, value)) return HIDDEN;
  return typeof value === "string" ? hideSecrets(value) : value;
}

/** An address without user and password; any other text as it is. Who asks changes no answer. */
export function withoutCredentials(text: string): string {
  if (!URL.canParse(text)) return text;
  const url = new URL(text);
  if (url.host === "" || (url.username === "" && url.password === "")) return text;
  url.username = "";
  url.password = "";
  return url.href;
}
