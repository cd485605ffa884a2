/**
 * Removes credentials from whatever is shown or logged. An error quotes the offending line, which may contain a
 * password, so every text that a user wrote passes through here.
 */
import { JsonNumber } from "./json-number.js";

export const HIDDEN = "[hidden]";
/** Replaces the user and password of a URL. */
const NOBODY = "...@";

/** Longest user or password that is searched for: text without spaces may be megabytes of base64. */
const LONGEST = 1024;
/**
 * Up to the last @ of a word, since a password may contain any character; a second URL in a word is a match of its own.
 */
const UP_TO_AT = `(?:(?!["'\`,;|\\]})]+\\s*[a-z][a-z0-9+.-]{0,20}:[\\\\/]{2})\\S){0,${LONGEST}}(?:@|%40)`;
/** With slashes or backslashes, escaped or not, or user:password@host without a scheme. */
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
/** Key formats of well-known providers. */
const KEY = /\b(?:sk|hf|ghp|gho|glpat|xoxb)[-_](?=[\w-]*\d)[\w-]{16,}/g;

/**
 * The text with its secrets replaced. Text without secrets is returned unchanged; applying it twice changes nothing
 * more.
 */
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

/** Whether this is a key where the name of an environment variable belongs. Those are upper case by convention. */
export function isKeyForVariable(name: string, value: unknown): boolean {
  return /apikeyenv$/i.test(name) && typeof value === "string" && !/^[A-Z][A-Z0-9_]{0,63}$/.test(value);
}

/** A deep copy without secrets: those inside strings, and whole strings under names such as `password`. */
export function hideSecretsIn<T>(value: T): T {
  return hidden(value, "", "") as T;
}

function hidden(value: unknown, name: string, outer: string): unknown {
  if (Array.isArray(value)) return value.map((item: unknown) => hidden(item, name, outer));
  const isNumber = typeof value === "number" || value instanceof JsonNumber;
  if (typeof value === "object" && value !== null && !isNumber) {
    return Object.fromEntries(
      Object.entries(value).map(([key, member]) => [hideSecrets(key), hidden(member, key, name)]),
    );
  }
  if (typeof value !== "string" && !isNumber) return value;
  if (isSecretName(name) || isHeadersName(outer) || isKeyForVariable(name, value)) return HIDDEN;
  return typeof value === "string" ? hideSecrets(value) : value;
}

/**
 * A URL without user and password; other text unchanged. Credentials do not change what is answered, so cache keys
 * leave them out.
 */
export function withoutCredentials(text: string): string {
  if (!URL.canParse(text)) return text;
  const url = new URL(text);
  if (url.host === "" || (url.username === "" && url.password === "")) return text;
  url.username = "";
  url.password = "";
  return url.href;
}
