/**
 * Puts generated chats with 0 to 3 images to a running server and compares every prompt's ids with ours.
 * Run it with `npx tsx test/stages/validate/live-parity.ts URL [chats] [seed] [model directory]`; the server must serve
 * that model; TOOLS=0 leaves tool definitions out. Exit code 1 where any prompt differs. Chats that the server refuses are counted by its reason.
 */
import fc from "fast-check";
import sharp from "sharp";
import type { JsonObject } from "../../../src/base/index.js";
import type { Message } from "../../../src/dialogue/index.js";
import { openModel } from "../../../src/model/index.js";
import { ask, backoffMs, type ChatMessage, type EncodedImage, pause, ServerClient } from "../../../src/sglang/index.js";
import { createRenderer, imagesOf } from "../../../src/tokens/index.js";
import { canonicalMessages, jsonValue } from "../../tokens/arbitraries.js";
import { TINY_GUI } from "../../tokens/reference.js";

const [url, chats = "2000", seed = "1", dir = TINY_GUI] = process.argv.slice(2);
if (url === undefined) throw new Error("name the server's address");

const renderer = createRenderer(await openModel(dir));
const client = new ServerClient(url, { connections: 4 });
await client.identify();
const pictures = new Map<string, Promise<EncodedImage>>();

function picture(width: number, height: number): Promise<EncodedImage> {
  const key = `${width}x${height}`;
  let made = pictures.get(key);
  if (made === undefined) {
    made = sharp({ create: { width, height, channels: 3, background: "teal" } })
      .png()
      .toBuffer()
      .then((png) => ({ base64: Buffer.from(png.toString("base64"), "latin1") }));
    pictures.set(key, made);
  }
  return made;
}

async function chatMessage({ role, content, reasoning, toolCalls, toolCallId }: Message): Promise<ChatMessage> {
  const isText = content.every((part) => part.type === "text");
  const chat: ChatMessage = {
    role,
    content: isText
      ? content.map((part) => part.text).join("")
      : await Promise.all(
          content.map(async (part) =>
            part.type === "text" ? part : { type: "image" as const, image: await picture(part.width, part.height) },
          ),
        ),
  };
  if (reasoning !== undefined) chat.reasoning = reasoning;
  if (toolCallId !== undefined) chat.toolCallId = toolCallId;
  if (toolCalls !== undefined) chat.toolCalls = toolCalls.map((call, index) => ({ ...call, id: `call_${index}` }));
  return chat;
}

/** Keys in any order and left out, as clients send them: servers write tools back in their own form. */
const someTools = fc.array(
  fc
    .record(
      {
        description: fc.string(),
        parameters: fc.record({ type: fc.constant("object"), "x-any": jsonValue() }),
        strict: fc.boolean(),
      },
      { requiredKeys: [] },
    )
    .chain((keys) => fc.shuffledSubarray([...Object.entries(keys), ["name", "f"]], { minLength: 1 }))
    .map((entries) => ({ type: "function", function: { ...Object.fromEntries(entries), name: "f" } }) as JsonObject),
  { minLength: 1, maxLength: 2 },
);

const tally = { equal: 0, different: 0, images: 0 };
const refused = new Map<string, number>();
const withTools = fc.sample(someTools, { numRuns: Number(chats), seed: Number(seed) });
const sample = fc.sample(canonicalMessages(), { numRuns: Number(chats), seed: Number(seed) });

async function compare(messages: Message[], index: number): Promise<void> {
  const tools = process.env.TOOLS !== "0" && index % 4 === 1 ? withTools[index]! : undefined;
  const templateKwargs = index % 3 === 0 ? { enable_thinking: true } : {};
  const local = await (index % 3 === 0 ? thinking : renderer).prompt({ messages, tools, generationPrompt: true });
  const images = imagesOf(messages).length;
  if (!local.ok || images > 3) return;
  const question = {
    messages: await Promise.all(messages.map(chatMessage)),
    templateKwargs,
    maxTokens: 1,
    stopTokenIds: [],
    ...(tools === undefined ? {} : { tools }),
  };
  let outcome = await ask(client, question, "chat", { special: undefined, loops: undefined }, 120_000);
  for (
    let attempt = 1;
    attempt < 5 && outcome.answer === undefined && outcome.verdict.kind === "transient";
    attempt += 1
  ) {
    await pause(backoffMs(attempt, undefined));
    outcome = await ask(client, question, "chat", { special: undefined, loops: undefined }, 120_000);
  }
  if (outcome.answer === undefined) {
    const reason = "message" in outcome.verdict ? outcome.verdict.message : outcome.verdict.kind;
    refused.set(reason, (refused.get(reason) ?? 0) + 1);
    return;
  }
  const { promptIds } = outcome.answer;
  tally.images += images;
  if (promptIds.join() === local.ids.join()) tally.equal += 1;
  else {
    tally.different += 1;
    if (tally.different <= 3)
      console.log(
        JSON.stringify({
          messages,
          ours: local.text,
          theirs: await renderer.tokenizer.decode(promptIds),
        }),
      );
  }
}

const thinking = createRenderer(await openModel(dir), { enable_thinking: true });
let next = 0;
await Promise.all(
  Array.from({ length: 4 }, async () => {
    while (next < sample.length) {
      const index = next++;
      await compare(sample[index]!, index);
    }
  }),
);
await client.close();
console.log(JSON.stringify({ ...tally, refused: Object.fromEntries(refused) }, null, 2));
process.exitCode = tally.different === 0 ? 0 : 1;
