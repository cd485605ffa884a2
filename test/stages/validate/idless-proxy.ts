/**
 * A proxy in front of a real server that drops token ids from chat answers, as old versions and strict gateways do, or
 * says other things about the server's settings.
 */
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";

export interface IdlessProxy {
  url: string;
  /** Added to every prompt count. */
  miscount: number;
  /** No /generate either, as gateways have it. */
  chatOnly: boolean;
  /** Ids stay where they are. */
  keepIds: boolean;
  /** Sent along with every chat request. */
  extra: Record<string, unknown> | undefined;
  /** Told by /server_info and /model_info instead of the server's own. */
  settings: Record<string, unknown>;
  /** Changes an answer further. */
  tamper: ((answer: ChatBody, request: ChatRequest) => void) | undefined;
  close(): Promise<void>;
}

export async function startIdlessProxy(target: string): Promise<IdlessProxy> {
  const proxy: IdlessProxy = {
    url: "",
    miscount: 0,
    chatOnly: false,
    keepIds: false,
    extra: undefined,
    settings: {},
    tamper: undefined,
    close: () => Promise.resolve(),
  };
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    if (proxy.chatOnly && request.url === "/generate") {
      response.writeHead(404).end("{}");
      return;
    }
    let body = chunks.length === 0 ? null : Buffer.concat(chunks);
    if (body !== null && proxy.extra !== undefined && request.url === "/v1/chat/completions") {
      body = Buffer.from(JSON.stringify({ ...JSON.parse(String(body)), ...proxy.extra }));
    }
    const answer = await fetch(target + request.url, {
      method: request.method ?? "GET",
      headers: { "content-type": "application/json" },
      body,
    });
    const text = await answer.text();
    response.writeHead(answer.status, { "content-type": "application/json" });
    if (answer.ok && (request.url === "/server_info" || request.url === "/model_info")) {
      const told = JSON.parse(text) as Record<string, unknown>;
      const other = Object.entries(proxy.settings).filter(([name]) => Object.hasOwn(told, name));
      response.end(JSON.stringify({ ...told, ...Object.fromEntries(other) }));
      return;
    }
    const isChat = request.url === "/v1/chat/completions" && answer.ok;
    response.end(isChat ? changed(text, String(body), proxy) : text);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  proxy.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  proxy.close = () =>
    new Promise((resolve) => {
      server.closeAllConnections();
      server.close(() => resolve());
    });
  return proxy;
}

export interface ChatRequest {
  max_tokens: number;
  separate_reasoning?: boolean;
}

export interface ChatBody {
  choices: (Record<string, unknown> & { message: Record<string, unknown> })[];
  usage: { prompt_tokens: number; completion_tokens: number };
  sglext?: unknown;
}

function changed(text: string, request: string, { miscount, keepIds, tamper }: IdlessProxy): string {
  if (keepIds) return text;
  const body = JSON.parse(text) as ChatBody;
  for (const choice of body.choices)
    for (const key of Object.keys(choice)) if (key.endsWith("token_ids")) delete choice[key];
  delete body.sglext;
  body.usage.prompt_tokens += miscount;
  tamper?.(body, JSON.parse(request) as ChatRequest);
  return JSON.stringify(body);
}
