/** Addresses of servers as people paste them. */
import { describe, expect, it } from "vitest";
import { fetchable, serverName } from "../../src/base/index.js";

describe("a server's address", () => {
  it.each([
    ["http://10.0.0.5:30000", "http://10.0.0.5:30000"],
    ["http://10.0.0.5:30000/", "http://10.0.0.5:30000"],
    ["http://10.0.0.5:30000/v1", "http://10.0.0.5:30000"],
    ["http://10.0.0.5:30000/v1/", "http://10.0.0.5:30000"],
    ["https://host/llm/v1", "https://host/llm"],
    ["https://host/llm//v1//", "https://host/llm"],
    ["https://user:word@host/v1", "https://host"],
    ["https://host/v1beta", "https://host/v1beta"],
    ["https://host/v10", "https://host/v10"],
  ])("%s is the server %s", (address, name) => {
    expect(serverName(address)).toBe(name);
    const { pathname } = fetchable(address, "/health", {}).address;
    expect(pathname).toBe(`${new URL(name).pathname.replace(/^\/$/, "")}/health`);
  });

  it.each([
    ["http://u:p@h:1/a/v1?x=1#y", "u:p"],
    ["http://u%40x:p%2Fw@h:1/a/v1", "u@x:p/w"],
    ["http://u@h:1/a", "u:"],
    ["http://:word@h:1/a", ":word"],
    // No URL encoding: the text as it is.
    ["http://u:100%@h:1/a", "u:100%"],
  ])("moves the credentials of %s into a header, and leaves the rest behind", (url, pair) => {
    const { address, headers } = fetchable(url, "/v1/models", { authorization: "Bearer key", "x-a": "b" });
    expect(address.href).toBe("http://h:1/a/v1/models");
    expect(headers).toEqual({ authorization: `Basic ${Buffer.from(pair).toString("base64")}`, "x-a": "b" });
  });

  it("without credentials keeps the key's header", () => {
    expect(fetchable("http://h", "/health", { authorization: "Bearer key" }).headers).toEqual({
      authorization: "Bearer key",
    });
  });
});
