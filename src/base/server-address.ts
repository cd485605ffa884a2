/** Addresses of servers as people write them: many paste the base of an OpenAI client, which ends in /v1. */

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

/** The address of a path on a server, credentials included. @param path begins with a slash */
export function serverPath(url: string, path: string): URL {
  const address = new URL(url);
  address.pathname = serverPrefix(address) + path;
  address.search = "";
  address.hash = "";
  return address;
}
