/** A proxy in front of a real server that drops token ids from chat answers, as old versions and strict gateways do. */
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";

export interface Proxy {
  url: string;
  /** Added to every prompt count. */
  miscount: number;
  close(): Promise<void>;
}

export async function startIdlessProxy(target: string): Promise<Proxy> {
  const proxy: Proxy = { url: "", miscount: 0, close: () => Promise.resolve() };
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const body = chunks.length === 0 ? null : Buffer.concat(chunks);
    const answer = await fetch(target + request.url, {
      method: request.method ?? "GET",
      headers: { "content-type": "application/json" },
      body,
    });
    const text = await answer.text();
    response.writeHead(answer.status, { "content-type": "application/json" });
    response.end(request.url === "/v1/chat/completions" ? withoutIds(text, proxy.miscount) : text);
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

interface ChatBody {
  choices: Record<string, unknown>[];
  usage: { prompt_tokens: number };
  sglext?: unknown;
}

function withoutIds(text: string, miscount: number): string {
  const body = JSON.parse(text) as ChatBody;
  for (const choice of body.choices)
    for (const key of Object.keys(choice)) if (key.endsWith("token_ids")) delete choice[key];
  delete body.sglext;
  body.usage.prompt_tokens += miscount;
  return JSON.stringify(body);
}
