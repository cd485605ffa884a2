/** Addresses of servers as people write them: many paste the base of an OpenAI client, which ends in /v1. */
import { defined } from "./defined.js";

/** The path below which a server's own paths begin: without slashes at its end, and without a closing /v1. */
export function serverPrefix(url: string | URL): string {
  const { pathname } = typeof url === "string" ? new URL(url) : url;
  return pathname.replace(/\/+$/, "").replace(/\/v1$/, "").replace(/\/+$/, "");
}

/** Origin and prefix of an address, without credentials: safe to print, and the same for the same server. */
export function serverName(url: string): string {
  const parsed = new URL(url);
  return parsed.origin + serverPrefix(parsed);
}

/**
 * The header that a URL's user and password stand for.
 *
 * @returns undefined where it has none
 */
export function basicAuthorization({ username, password }: URL): string | undefined {
  if (username === "" && password === "") return undefined;
  return `Basic ${Buffer.from(`${decoded(username)}:${decoded(password)}`).toString("base64")}`;
}

/** A user or password as it was before URL encoding; text that is not URL-encoded stays as it is. */
export function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/**
 * A path on a server as `fetch` takes it: credentials in a header, since fetch refuses addresses that hold them and
 * quotes them in its error.
 *
 * @param path - begins with a slash
 * @param headers - sent along; the URL's own credentials win over theirs
 */
export function fetchable(
  url: string,
  path: string,
  headers: Record<string, string>,
): { address: URL; headers: Record<string, string> } {
  const address = new URL(url);
  const authorization = basicAuthorization(address);
  address.username = "";
  address.password = "";
  address.pathname = serverPrefix(address) + path;
  address.search = "";
  address.hash = "";
  return { address, headers: { ...headers, ...defined({ authorization }) } };
}
