import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { allowedAddressProblem, isRemote, RemoteFault, RemoteImages, remoteName } from "../../src/images/index.js";

type Answer = (request: IncomingMessage, response: ServerResponse) => void;
const answers = new Map<string, Answer>();
const seen: IncomingMessage[] = [];
const server = createServer((request, response) => {
  seen.push(request);
  const answer = answers.get(new URL(request.url!, "http://stub").pathname);
  if (answer === undefined) response.writeHead(404).end();
  else answer(request, response);
});
let origin: string;
beforeAll(async () => {
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterAll(() => {
  server.closeAllConnections();
  server.close();
});

async function fetchOne(path: string, more: { retries?: number; timeoutMs?: number; maxBytes?: number } = {}) {
  const rules = { allow: [`${origin}/set/`], maxBytes: 1000, timeoutMs: 2000, retries: 0, retryDelayMs: 1, ...more };
  const images = new RemoteImages(rules);
  try {
    const address = isRemote(path) ? path : origin + path;
    const result = await images.fetch(address, new AbortController().signal);
    return result.ok ? result.bytes.toString() : `${result.reason}: ${result.message}`;
  } finally {
    await images.close();
  }
}

describe("addresses", () => {
  it("are fetched below what is allowed, with their query and without credentials", async () => {
    answers.set("/set/a.png", (_, response) => response.end("picture"));
    seen.length = 0;
    expect(await fetchOne("/set/a.png?signature=s3cret")).toBe("picture");
    expect(seen[0]!.url).toBe("/set/a.png?signature=s3cret");
    expect(seen[0]!.headers).not.toHaveProperty("authorization");
    expect(seen[0]!.headers).not.toHaveProperty("cookie");
  });

  it("elsewhere are never asked for, however they are spelled", async () => {
    seen.length = 0;
    const port = new URL(origin).port;
    const outside = [
      "/other/a.png",
      "/set",
      "/set/../other/a.png",
      "/set/%2e%2e/other/a.png",
      "/set/..%2fother/a.png",
      "/set/..%5Cother/a.png",
      "/set\\..\\other",
      `http://localhost:${port}/set/a.png`,
      `http://user:word@127.0.0.1:${port}/set/a.png`,
      `https://127.0.0.1:${port}/set/a.png`,
      `http://127.0.0.1:1/set/a.png`,
      `http://127.0.0.1:${port}.example.org/set/a.png`,
      "http://",
    ];
    for (const address of outside) expect(await fetchOne(address), address).toMatch(/^image-remote-refused/);
    expect(seen).toHaveLength(0);
  });

  it("show neither query nor credentials in messages", async () => {
    expect(await fetchOne("/set/none.png?signature=s3cret")).toBe(
      `image-remote-status: ${origin}/set/none.png: status 404`,
    );
    expect(remoteName("https://user:s3cret@a.example/b?c=s3cret#s3cret")).toBe("https://a.example/b");
    const fault = fetchOne("http://user:s3cret@127.0.0.1:1/set/?s3cret");
    expect(await fault).not.toContain("s3cret");
  });

  it("can be allowed only as the beginning of an address", () => {
    expect(allowedAddressProblem("https://images.example.org/set/")).toBeUndefined();
    expect(allowedAddressProblem("http://127.0.0.1:8000/")).toBeUndefined();
    expect(allowedAddressProblem("https://images.example.org/set")).toContain('end in "/"');
    expect(allowedAddressProblem("https://u:p@images.example.org/")).toContain("credentials");
    expect(allowedAddressProblem("https://images.example.org/?a=/")).toContain("query");
    for (const text of ["images.example.org/", "ftp://images.example.org/", "file:///etc/", "*", ""])
      expect(allowedAddressProblem(text), text).toContain("no http or https address");
  });
});

describe("answers", () => {
  it("that redirect are refused, and the redirect is not followed", async () => {
    answers.set("/set/moved.png", (_, response) => response.writeHead(302, { location: "/set/a.png" }).end());
    seen.length = 0;
    expect(await fetchOne("/set/moved.png")).toMatch(/^image-remote-refused: .*redirects/);
    expect(seen).toHaveLength(1);
  });

  it("are bounded, whether or not they say how long they are", async () => {
    answers.set("/set/long.png", (_, response) =>
      response.writeHead(200, { "content-length": "5000" }).end("x".repeat(5000)),
    );
    answers.set("/set/endless.png", (request, response) => {
      const timer = setInterval(() => response.write("x".repeat(400)), 1);
      request.socket.on("close", () => clearInterval(timer));
    });
    expect(await fetchOne("/set/long.png")).toMatch(/^image-too-many-bytes: 5000 bytes/);
    expect(await fetchOne("/set/endless.png")).toMatch(/^image-too-many-bytes/);
    answers.set("/set/exact.png", (_, response) => response.end("x".repeat(1000)));
    expect(await fetchOne("/set/exact.png")).toHaveLength(1000);
  });

  it("that may pass are asked for again: busy, broken off, late", async () => {
    let times = 0;
    answers.set("/set/flaky.png", (request, response) => {
      times += 1;
      if (times === 1) response.writeHead(503).end();
      else if (times === 2) response.writeHead(429).end();
      else if (times === 3) request.socket.destroy();
      else if (times === 4) {
        response.writeHead(200, { "content-length": "100" }).write("cut");
        setTimeout(() => request.socket.destroy(), 10);
      } else if (times > 5) response.end("at last");
    });
    expect(await fetchOne("/set/flaky.png", { retries: 5, timeoutMs: 300 })).toBe("at last");
    expect(times).toBe(6);
  });

  it("that never come end in a fault that names the address and the attempts", async () => {
    answers.set("/set/down.png", (_, response) => response.writeHead(500).end());
    const fault = await fetchOne("/set/down.png?key=s3cret", { retries: 2 }).catch((error: unknown) => error);
    expect(fault).toBeInstanceOf(RemoteFault);
    expect((fault as Error).message).toBe(`${origin}/set/down.png: status 500, 3 attempts`);
    answers.set("/set/silent.png", () => undefined);
    await expect(fetchOne("/set/silent.png", { timeoutMs: 50 })).rejects.toThrow("no complete answer in time");
  });

  it("are not waited for once the run is stopped", async () => {
    const images = new RemoteImages({
      ...{ allow: [`${origin}/set/`], maxBytes: 1000, timeoutMs: 60_000, retries: 9, retryDelayMs: 60_000 },
    });
    const stop = new AbortController();
    const waiting = [
      images.fetch(`${origin}/set/silent.png`, stop.signal),
      images.fetch(`${origin}/set/down.png`, stop.signal),
    ];
    setTimeout(() => stop.abort(new Error("stopped")), 50);
    for (const one of await Promise.allSettled(waiting)) expect(one.status).toBe("rejected");
    await images.close();
  });
});
