import { createHash } from "node:crypto";
import { createServer } from "node:http";
import { type AddressInfo, createServer as createNetServer, type Socket } from "node:net";
import { setImmediate } from "node:timers/promises";
import { afterEach, describe, expect, it } from "vitest";
import { DraftsmithError, type JsonObject, sha256 } from "../../src/base/index.js";
import {
  ask,
  backoffMs,
  type ChatRequest,
  DIALECTS,
  encodeChat,
  encodeGenerate,
  findRisks,
  identityDifferences,
  identityFacts,
  JsonFault,
  modelBaseName,
  parseBounded,
  probeServer,
  type RequestBody,
  ServerClient,
  type StreamedImage,
  servesModel,
  Transport,
} from "../../src/sglang/index.js";
import { bodyBytes } from "./body-bytes.js";
import { closingStubs } from "./closing-stubs.js";
import { recorded } from "./recorded.js";
import { startStub } from "./stub-server.js";

const closers: (() => Promise<void>)[] = [];
const { stubOf } = closingStubs();
function clientOf(url: string): ServerClient {
  const client = new ServerClient(url, { connections: 4 });
  closers.push(() => client.close());
  return client;
}
afterEach(async () => {
  await Promise.all(closers.splice(0).map((close) => close()));
});

const jsonOf = async ({ pieces }: RequestBody): Promise<JsonObject> =>
  JSON.parse((await bodyBytes(pieces)).toString()) as JsonObject;

describe("request bodies", () => {
  const picture = { base64: Buffer.from("iVBORw0KGgo=") };
  const request: ChatRequest = {
    messages: [
      { role: "system", content: 'quotes " and é\n' },
      {
        role: "user",
        content: [
          { type: "text", text: "one" },
          { type: "image", image: picture },
          { type: "text", text: "two" },
        ],
      },
      {
        role: "assistant",
        content: "",
        reasoning: "hm",
        toolCalls: [{ id: "c0", name: "click", arguments: { x: 1 } }],
      },
      { role: "tool", content: "ok", toolCallId: "c0" },
    ],
    maxTokens: 5,
  };

  it("are JSON with the picture inside as a data URI", async () => {
    const body = await jsonOf(encodeChat("m", request, DIALECTS.sglang));
    expect(body.messages).toEqual([
      { role: "system", content: 'quotes " and é\n' },
      {
        role: "user",
        content: [
          { type: "text", text: "one" },
          { type: "image_url", image_url: { url: "data:image/png;base64,iVBORw0KGgo=" } },
          { type: "text", text: "two" },
        ],
      },
      {
        role: "assistant",
        content: "",
        reasoning_content: "hm",
        tool_calls: [{ id: "c0", type: "function", function: { name: "click", arguments: '{"x":1}' } }],
      },
      { role: "tool", content: "ok", tool_call_id: "c0" },
    ]);
  });

  it("name thinking as the engine does, and leave out what is not set", async () => {
    const body = await jsonOf(encodeChat("m", request, DIALECTS.vllm));
    expect((body.messages as JsonObject[])[2]).toMatchObject({ reasoning: "hm" });
    for (const key of ["tools", "chat_template_kwargs", "stop_token_ids", "input_ids"])
      expect(body).not.toHaveProperty(key);
  });

  it("do not copy a large picture, and count the bytes of all pieces", async () => {
    const image = { base64: Buffer.alloc(200_000, "A") };
    const parts = [
      { type: "image" as const, image },
      { type: "text" as const, text: "é" },
    ];
    const body = encodeChat("m", { ...request, messages: [{ role: "user", content: parts }] }, DIALECTS.sglang);
    expect(body.pieces).toContain(image.base64);
    expect(body.bytes).toBe((await bodyBytes(body.pieces)).length);
  });

  it("of /generate hold only sampling keys that SGLang knows", async () => {
    const body = await jsonOf(encodeGenerate({ inputIds: [1, 2], images: [picture], maxTokens: 9 }));
    const message = recorded("err_generate_unknown_sampling_key").json.error as string;
    for (const key of Object.keys(body.sampling_params as JsonObject)) expect(message).toContain(`\`${key}\``);
    expect(body).toMatchObject({ input_ids: [1, 2], image_data: ["data:image/png;base64,iVBORw0KGgo="] });
  });
});

/** A server that does what it likes with connections. */
async function rawServer(take: (socket: Socket) => void): Promise<Transport> {
  const sockets = new Set<Socket>();
  const server = createNetServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => undefined);
    take(socket);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const transport = new Transport(`http://127.0.0.1:${(server.address() as AddressInfo).port}`, { connections: 4 });
  closers.push(async () => {
    await transport.close();
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return transport;
}

/** In parts, with a pause before each. */
function streamed(bytes: number, fill: number, fault?: Error): StreamedImage {
  async function* read(): AsyncGenerator<Buffer> {
    for (let left = bytes; left > 0; left -= 190_000) {
      await setImmediate();
      if (fault !== undefined && left < bytes) throw fault;
      yield Buffer.alloc(Math.min(left, 190_000), fill);
    }
  }
  return { bytes, read };
}

describe("transport", () => {
  const large = { pieces: [Buffer.from("["), Buffer.alloc(64 << 20, "1"), Buffer.from("]")], bytes: (64 << 20) + 2 };

  it("sends large pictures between small ones whole, in requests side by side", async () => {
    const server = createServer((request, response) => {
      const hash = createHash("sha256");
      request.on("data", (chunk: Buffer) => hash.update(chunk));
      request.on("end", () => response.end(`${request.headers["content-length"]} ${hash.digest("hex")}`));
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const transport = new Transport(`http://127.0.0.1:${(server.address() as AddressInfo).port}`, { connections: 3 });
    const pictures = [20, 40_000, 300, 3_000_000, 70_000].flatMap((size, k) => [
      { type: "image" as const, image: { base64: Buffer.alloc(size, 65 + k) } },
      { type: "image" as const, image: streamed(size, 97 + k) },
    ]);
    await Promise.all(
      Array.from({ length: 20 }, async (_, k) => {
        const content = [...pictures.slice(k % 10), { type: "text" as const, text: `é ${k}` }];
        const body = encodeChat("m", { messages: [{ role: "user", content }], maxTokens: 5 }, DIALECTS.sglang);
        const whole = await bodyBytes(body.pieces);
        const { body: seen } = await transport.post("/", body, 20_000);
        expect(seen.toString()).toBe(`${whole.length} ${sha256(whole)}`);
      }),
    );
    await transport.close();
    server.close();
  });

  it("has as many connections as requests under way, uses them again, and none once it is closed", async () => {
    const MANY = 100;
    const held: (() => void)[] = [];
    let connections = 0;
    const server = createServer((request, response) => {
      request.resume();
      held.push(() => response.end("{}"));
      // Nobody gets an answer before all have asked.
      if (held.length === MANY) for (const answer of held.splice(0)) answer();
    });
    server.on("connection", () => {
      connections += 1;
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const transport = new Transport(url, { connections: null });
    const body = encodeChat("m", { messages: [], maxTokens: 5 }, DIALECTS.sglang);
    for (let round = 0; round < 3; round += 1) {
      const replies = await Promise.all(Array.from({ length: MANY }, () => transport.post("/", body, 20_000)));
      expect(replies.every(({ status }) => status === 200)).toBe(true);
      // In groups of 32, and no others for those who ask as soon as they have an answer.
      expect(transport.connectionsOpened).toBeGreaterThanOrEqual(MANY);
      expect(transport.connectionsOpened).toBeLessThanOrEqual(128);
    }
    await transport.close();
    await expect(transport.post("/", body, 20_000)).rejects.toMatchObject({ kind: "closed" });
    const never = new Transport(url, { connections: null });
    await never.close();
    await expect(never.post("/", body, 20_000)).rejects.toMatchObject({ kind: "closed" });
    expect(connections).toBe(transport.connectionsOpened);
    server.closeAllConnections();
    server.close();
  });

  it("fails with the very error of a picture that cannot be read, and sends the next request", async () => {
    const server = createServer((request, response) => {
      request.resume();
      request.on("end", () => response.end("{}"));
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const transport = new Transport(`http://127.0.0.1:${(server.address() as AddressInfo).port}`, { connections: 1 });
    const ask = (image: StreamedImage) =>
      transport.post(
        "/",
        encodeChat(
          "m",
          { messages: [{ role: "user", content: [{ type: "image", image }] }], maxTokens: 5 },
          DIALECTS.sglang,
        ),
        20_000,
      );
    const fault = new DraftsmithError("ARTIFACT_INVALID", "the picture is gone");
    for (let time = 0; time < 3; time += 1) {
      await expect(ask(streamed(500_000, 65, fault))).rejects.toBe(fault);
      expect((await ask(streamed(500_000, 65))).status).toBe(200);
    }
    await transport.close();
    server.closeAllConnections();
    server.close();
  });

  it("takes an answer that comes before all of a large body is sent, and asks the next on another connection", async () => {
    let connections = 0;
    const transport = await rawServer((socket) => {
      connections += 1;
      socket.once("data", () => socket.write("HTTP/1.1 413 Too Large\r\ncontent-length: 2\r\n\r\nno"));
    });
    for (let k = 0; k < 3; k += 1) expect(await transport.post("/", large, 5000)).toMatchObject({ status: 413 });
    expect(connections).toBe(3);
  });

  it("ends a large body at the time limit where the server does not read, and as reset where it goes away", async () => {
    const deaf = await rawServer((socket) => socket.pause());
    await expect(deaf.post("/", large, 200)).rejects.toMatchObject({ kind: "timeout" });
    const rude = await rawServer((socket) => socket.once("data", () => socket.resetAndDestroy()));
    await expect(rude.post("/", large, 5000)).rejects.toMatchObject({ kind: "reset" });
    const gone = await rawServer((socket) => socket.once("data", () => socket.destroy()));
    await expect(gone.post("/", large, 5000)).rejects.toMatchObject({ kind: "reset" });
  });

  it("bounds answers by their announced and by their real size", async () => {
    const server = createServer((request, response) => {
      if (request.url === "/announced") response.writeHead(200, { "content-length": 5000 });
      response.write(Buffer.alloc(5000));
      if (request.url !== "/endless") response.end();
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const transport = new Transport(`http://127.0.0.1:${(server.address() as AddressInfo).port}`, {
      connections: 2,
      maxResponseBytes: 1000,
    });
    for (const path of ["/announced", "/chunked", "/endless"]) {
      await expect(transport.get(path, 2000)).rejects.toMatchObject({ name: "TransportFault", kind: "too-large" });
    }
    await transport.close();
    server.closeAllConnections();
    server.close();
  });

  it("ends a request at its own time limit, also while the answer trickles", async () => {
    const stub = await stubOf({ fault: () => "hang" });
    const client = clientOf(stub.url);
    const began = Date.now();
    await expect(client.chat({ messages: [], maxTokens: 1 }, 100)).rejects.toMatchObject({ kind: "timeout" });
    expect(Date.now() - began).toBeLessThan(2000);
  });

  it("tells a server that is away from one that breaks off", async () => {
    const stub = await startStub({ fault: () => "reset" });
    const client = clientOf(stub.url);
    await expect(client.chat({ messages: [], maxTokens: 1 }, 1000)).rejects.toMatchObject({ kind: "reset" });
    await stub.close();
    await expect(client.chat({ messages: [], maxTokens: 1 }, 1000)).rejects.toMatchObject({ kind: "unreachable" });
  });

  it("keeps credentials of the address out of its name, and sends them", async () => {
    let seen: string | undefined;
    const server = createServer((request, response) => {
      seen = request.headers.authorization;
      response.end("{}");
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const { port } = server.address() as AddressInfo;
    const transport = new Transport(`http://me:pa%20ss@127.0.0.1:${port}/gateway/`, { connections: 1 });
    expect(transport.name).toBe(`http://127.0.0.1:${port}/gateway`);
    await transport.get("/x", 1000);
    expect(seen).toBe(`Basic ${Buffer.from("me:pa ss").toString("base64")}`);
    await transport.close();
    server.closeAllConnections();
    server.close();
  });
});

describe("parseBounded", () => {
  it("refuses what nests too deeply, is cut off or is not JSON", () => {
    for (const text of ["[".repeat(100) + "]".repeat(100), '{"a": [1, 2', "hello", ""]) {
      expect(() => parseBounded(Buffer.from(text))).toThrow(JsonFault);
    }
    expect(parseBounded(Buffer.from(`{"a":"${"[".repeat(100)}\\"${"{".repeat(100)}"}`))).toHaveProperty("a");
  });
});

describe("identity", () => {
  it("is read from what the real server says, without its secrets", async () => {
    const stub = await stubOf({
      models: recorded("v1_models").json,
      modelInfo: recorded("model_info").json,
      serverInfo: { ...recorded("server_info").json, api_key: "SECRET", launch_command: "--api-key SECRET" },
    });
    const identity = await clientOf(stub.url).identify();
    expect(identity).toMatchObject({
      dialect: "sglang",
      servedModelName: "/models/own-random",
      weightVersion: "default",
      contextLength: 4096,
      engineVersion: "0.5.23",
      understandsImages: true,
    });
    expect(JSON.stringify(identity)).not.toContain("SECRET");
    expect(findRisks(identity)).toEqual([]);
    expect(identityFacts(identity)).toMatchObject({ servedModelName: "own-random", modelPath: "own-random" });
  });

  it("is refused when it is endless", async () => {
    const stub = await stubOf({ modelInfo: { served_model_name: "x".repeat(300_000) } });
    await expect(clientOf(stub.url).identify()).rejects.toMatchObject({ name: "NotAServer" });
  });

  it("of vLLM has no settings, which is a risk to be allowed", async () => {
    const stub = await stubOf({ dialect: "vllm" });
    const identity = await clientOf(stub.url).identify();
    expect(identity).toMatchObject({
      dialect: "vllm",
      servedModelName: "stub",
      engineVersion: "0.33.0",
      settings: undefined,
    });
    expect(findRisks(identity).map(({ name }) => name)).toEqual(["unknown-settings"]);
  });

  it("compares servers by what matters", async () => {
    const one = await clientOf((await stubOf({ modelInfo: { model_path: "/a/stub/" } })).url).identify();
    const same = await clientOf((await stubOf({ modelInfo: { model_path: "/b/stub" } })).url).identify();
    const other = await clientOf(
      (await stubOf({ serverInfo: { mm_process_config: { image: { max_pixels: 1 } } } })).url,
    ).identify();
    expect(identityDifferences(one, same)).toEqual([]);
    expect(identityDifferences(one, other)).toMatchObject([{ field: "mm_process_config" }]);
  });

  it("takes a model by name, by path or by the path's last part", () => {
    expect(modelBaseName("Qwen/Qwen3-VL")).toBe("Qwen/Qwen3-VL");
    expect(modelBaseName("/data/models/tiny-gui/")).toBe("tiny-gui");
    const identity = { servedModelName: "gui", modelPath: "/data/tiny-gui" } as Parameters<typeof servesModel>[0];
    for (const name of ["gui", "/data/tiny-gui", "/elsewhere/tiny-gui/", "tiny-gui"])
      expect(servesModel(identity, name)).toBe(true);
    expect(servesModel({ ...identity, modelPath: "Some/tiny-gui" }, "tiny-gui")).toBe(true);
    expect(servesModel({ ...identity, modelPath: "Some/tiny-gui" }, "Other/tiny-gui")).toBe(false);
    for (const name of ["tiny", "Qwen/tiny-gui-2"]) expect(servesModel(identity, name)).toBe(false);
  });
});

describe("probing", () => {
  const options = { idSource: "auto", templateKwargs: {}, timeoutMs: 5000, withImage: true } as const;

  it.each([
    ["response_token_ids", "chat", "choices[].response_token_ids"],
    ["token_ids", "chat", "choices[].token_ids"],
    ["sglext", "chat", "sglext.output_ids"],
    ["none", "generate", "output_ids"],
  ] as const)("finds the ids of a server that calls them %s", async (responseIdField, idSource, field) => {
    const client = clientOf((await stubOf({ responseIdField })).url);
    await client.identify();
    const result = await probeServer(client, options);
    expect(result).toMatchObject({ probe: { idSource, idFields: { response: field } } });
  });

  it("takes the prompt from chat where /generate does not return it, and the same ids come out", async () => {
    const older = clientOf((await stubOf({ responseIdField: "none", generatePrompt: "none" })).url);
    const newer = clientOf((await stubOf()).url);
    const results = [];
    for (const client of [older, newer]) {
      await client.identify();
      results.push(await probeServer(client, options));
    }
    const [one, two] = results.map((result) => ("probe" in result ? result.probe : undefined));
    expect(one?.idSource).toBe("generate");
    expect(one?.rendering).toBe(two?.rendering);
  });

  it("refuses a /generate that answers another prompt than it was sent", async () => {
    const client = clientOf((await stubOf({ responseIdField: "none", generatePrompt: "other" })).url);
    await client.identify();
    const question = { messages: [{ role: "user" as const, content: "hi" }], maxTokens: 500, stopTokenIds: [] };
    const special = { ends: new Set([1001]), structure: new Set([1000]), imagePad: 1005 };
    const outcome = await ask(client, question, "generate", { special, loops: undefined }, 5000);
    expect(outcome.verdict).toMatchObject({ kind: "reject", reason: "prompt-changed" });
    expect(await probeServer(client, options)).toHaveProperty("problem");
  });

  it("gets the same prompt ids by chat and by /generate", async () => {
    const client = clientOf((await stubOf()).url);
    await client.identify();
    const chat = await probeServer(client, { ...options, idSource: "chat" });
    const generate = await probeServer(client, { ...options, idSource: "generate" });
    expect("probe" in chat && chat.probe.rendering).toBe("probe" in generate && generate.probe.rendering);
  });

  it("speaks vLLM's dialect: ids on top, an unsaid stop", async () => {
    const client = clientOf((await stubOf({ dialect: "vllm" })).url);
    await client.identify();
    const question = { messages: [{ role: "user" as const, content: "hi" }], maxTokens: 500, stopTokenIds: [] };
    const outcome = await ask(client, question, "chat", { special: undefined, loops: undefined }, 5000);
    expect(outcome.verdict.kind).toBe("good");
    expect(outcome.answer).toMatchObject({
      finish: { type: "stop", matched: 1001 },
      idFields: { prompt: "prompt_token_ids" },
    });
  });
});

describe("backoff", () => {
  it("grows, is bounded, is random by half, and respects Retry-After", () => {
    const options = { firstMs: 100, factor: 2, maxMs: 1000 };
    expect(backoffMs(1, undefined, options, () => 0)).toBe(50);
    expect(backoffMs(1, undefined, options, () => 1)).toBe(100);
    expect(backoffMs(3, undefined, options, () => 1)).toBe(400);
    expect(backoffMs(30, undefined, options, () => 1)).toBe(1000);
    expect(backoffMs(1, 5000, options, () => 0)).toBe(5000);
    expect(backoffMs(1, 1e9, options, () => 0)).toBe(120_000);
  });
});
