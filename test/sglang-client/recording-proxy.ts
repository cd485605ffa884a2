/** What a gateway of production would log: it passes requests on to a server and keeps each chat with its response. */
import { createServer, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import { isJsonObject, type JsonObject, parseJson } from "../../src/base/index.js";
import { CHAT_PATH, PROBE_TEXT } from "../../src/sglang/index.js";

export interface LoggedChat {
  request: JsonObject;
  response: JsonObject;
}

export interface RecordingProxy {
  url: string;
  /** Answered chats in the order of their answers, without the probes of an inspection. */
  chats: LoggedChat[];
  close(): Promise<void>;
}

export async function startRecordingProxy(target: string): Promise<RecordingProxy> {
  const chats: LoggedChat[] = [];
  const server = createServer((request, response) => {
    void pass(target, request).then(({ body, reply, bytes, type }) => {
      if (request.url === CHAT_PATH && reply === 200) note(chats, body, bytes);
      response.writeHead(reply, { "content-type": type });
      response.end(bytes);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    chats,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

async function pass(target: string, request: IncomingMessage) {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  const body = Buffer.concat(chunks);
  const isPost = request.method === "POST";
  const reply = await fetch(target + (request.url ?? "/"), {
    method: request.method ?? "GET",
    ...(isPost ? { body, headers: { "content-type": "application/json" } } : {}),
  });
  const bytes = Buffer.from(await reply.arrayBuffer());
  return { body, reply: reply.status, bytes, type: reply.headers.get("content-type") ?? "application/json" };
}

function note(chats: LoggedChat[], body: Buffer, bytes: Buffer): void {
  const [request, response] = [body, bytes].map((each) => parseJson(each.toString("utf8")));
  if (!isJsonObject(request) || !isJsonObject(response)) throw new Error("a chat that is no JSON object");
  if (!JSON.stringify(request).includes(JSON.stringify(PROBE_TEXT).slice(1, -1))) chats.push({ request, response });
}
