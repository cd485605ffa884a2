/** Servers that leak, redirect, flood or never end. */
import { readFile } from "node:fs/promises";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import { idsAt } from "../../../../src/sglang/fields.js";
import { Secrets, ServerClient } from "../../../../src/sglang/index.js";
import { closingStubs } from "../../../sglang-client/closing-stubs.js";
import type { Stub } from "../../../sglang-client/stub-server.js";
import { dialogues, runStage, temporaryDirectory, writeArtifact } from "../harness.js";

const closers: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  delete process.env.DRAFTSMITH_TEST_KEY;
  for (const close of closers.splice(0)) await close();
});

const { stubOf } = closingStubs();

/** In front of a stub: what `handle` does not answer goes through. */
async function proxyOf(
  stub: Stub,
  handle: (request: IncomingMessage, body: string, response: ServerResponse) => boolean,
): Promise<string> {
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    response.on("error", () => undefined);
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      const body = Buffer.concat(chunks).toString("utf8");
      if (handle(request, body, response)) return;
      const init = request.method === "POST" ? { method: "POST", body } : {};
      void fetch(stub.url + request.url, init).then(async (reply) => {
        response.writeHead(reply.status).end(await reply.text());
      });
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  closers.push(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

const isWork = (body: string): boolean => body.includes("Dialogue");
const KEY = 'sk-very/secret+"key"';

describe("a server that repeats the key", () => {
  const echo = (status: number) => (request: IncomingMessage, body: string, response: ServerResponse) => {
    if (!isWork(body)) return false;
    const { authorization } = request.headers;
    response.writeHead(status).end(JSON.stringify({ message: `bad ${authorization}`, object: "error" }));
    return true;
  };

  it.each([400, 500, 302])("in answers of status %i: it stays out of rows, events and errors", async (status) => {
    process.env.DRAFTSMITH_TEST_KEY = KEY;
    const url = await proxyOf(await stubOf(), echo(status));
    const input = await writeArtifact(await temporaryDirectory(), dialogues(3));
    const options = { servers: [url], apiKeyEnv: "DRAFTSMITH_TEST_KEY", retries: 0, maxFailedShare: 1 };
    const workDir = await temporaryDirectory();
    const resumeDir = await temporaryDirectory();
    const outcome: unknown = await runStage({ input, options, workDir, resumeDir }).catch((error: unknown) => error);
    expect(outcome).toHaveProperty("code", "DATA_EMPTY");
    const files = [`${workDir}/rejected.jsonl`, `${resumeDir}/journal.jsonl`];
    const all = [String(outcome), JSON.stringify(outcome)];
    for (const file of files) all.push(await readFile(file, "utf8").catch(() => ""));
    expect(all.join("")).not.toContain("very/secret");
    if (status === 400) expect(all.join("")).toContain("[hidden]");
  });

  it("in what it says about itself, and in what is not even JSON", async () => {
    const answers = ["<html>KEY</html>", JSON.stringify({ data: [{ id: "KEY", owned_by: "sglang" }] })];
    for (const answer of answers) {
      const server = createServer((request, response) => {
        response.end(answer.replace("KEY", request.headers.authorization ?? ""));
      });
      await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
      closers.push(() => void server.close());
      const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
      const client = new ServerClient(url, { connections: 1, headers: { authorization: "Bearer sk-secret" } });
      const said = await client.identify().catch((error: unknown) => String(error));
      expect(JSON.stringify(said)).not.toContain("sk-secret");
      expect(JSON.stringify(said)).toContain("[hidden]");
      await client.close();
      server.closeAllConnections();
    }
  });

  it("has it hidden in every form, and short words are left alone", () => {
    const secrets = new Secrets(["Bearer abcdef/1", "12345"]);
    expect(secrets.hide("Bearer abcdef/1, abcdef/1, abcdef%2F1, Bearer of 12345")).toBe(
      "[hidden], [hidden], [hidden], Bearer of 12345",
    );
    const body = Buffer.from("nothing");
    expect(secrets.hideIn(body)).toBe(body);
  });
});

describe("bounds", () => {
  it("no redirect is followed", async () => {
    const elsewhere = await stubOf();
    const url = await proxyOf(await stubOf(), (request, body, response) => {
      if (!isWork(body)) return false;
      response.writeHead(307, { location: elsewhere.url + request.url }).end();
      return true;
    });
    const input = await writeArtifact(await temporaryDirectory(), dialogues(2));
    const run = runStage({ input, options: { servers: [url], retries: 0, maxFailedShare: 1 } });
    await expect(run).rejects.toThrow("answer-malformed 2");
    expect(elsewhere.requests).toHaveLength(0);
  });

  it("an answer that trickles for ever ends at the time limit", async () => {
    const url = await proxyOf(await stubOf(), (_request, body, response) => {
      if (!isWork(body)) return false;
      response.writeHead(200);
      const timer = setInterval(() => response.write(" "), 5);
      response.on("close", () => clearInterval(timer));
      return true;
    });
    const input = await writeArtifact(await temporaryDirectory(), dialogues(2));
    const options = { servers: [url], retries: 0, requestTimeoutSeconds: 0.2, maxFailedShare: 1 };
    await expect(runStage({ input, options })).rejects.toThrow("timeout 2");
  });

  it("a request that is too large is rejected unsent, and the others go on", async () => {
    const stub = await stubOf();
    const rows = dialogues(4);
    rows[1]!.messages.at(-2)!.content.push({ type: "text", text: "x".repeat(30_000) });
    const input = await writeArtifact(await temporaryDirectory(), rows);
    const result = await runStage({ input, options: { servers: [stub.url], maxRequestMegabytes: 0.02 } });
    expect(JSON.stringify(stub.requests)).not.toContain("xxxx");
    const { partial, rejected } = result.draft.counts as Record<string, Record<string, number>>;
    expect((partial?.["request-too-large"] ?? 0) + (rejected?.["request-too-large"] ?? 0)).toBe(1);
  });

  it("an answer above maxResponseMegabytes is a fault", async () => {
    const stub = await stubOf({ answer: (body) => (isWork(JSON.stringify(body)) ? "w".repeat(40_000) : undefined) });
    const input = await writeArtifact(await temporaryDirectory(), dialogues(1));
    const limits = { maxResponseMegabytes: 0.05, maxNewTokens: 60_000, retries: 0, maxFailedShare: 1 };
    await expect(runStage({ input, options: { servers: [stub.url], ...limits } })).rejects.toThrow(
      "answer-too-large 1",
    );
  });

  it("lists of ids are bounded in number and size", () => {
    expect(idsAt({ ids: [0, 2 ** 24 - 1] }, "ids")).toEqual([0, 2 ** 24 - 1]);
    for (const ids of [[2 ** 24], [-1], [0.5], ["1"], new Array<number>(2 ** 22 + 1).fill(1)])
      expect(idsAt({ ids }, "ids")).toBeNull();
  });
});
