/** Addresses of servers as people paste them. */
import { describe, expect, it } from "vitest";
import { serverName, serverPath } from "../../src/base/index.js";

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
    expect(serverPath(address, "/health").pathname).toBe(`${new URL(name).pathname.replace(/^\/$/, "")}/health`);
  });

  it("keeps credentials where it is asked, and nothing else behind the path", () => {
    expect(serverPath("http://u:p@h:1/a/v1?x=1#y", "/v1/models").href).toBe("http://u:p@h:1/a/v1/models");
  });
});
