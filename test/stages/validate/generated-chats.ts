/** Generated chats with 0 to 3 pictures, put to a running server: every prompt's ids against ours. */
import fc from "fast-check";
import sharp from "sharp";
import type { JsonObject } from "../../../src/base/index.js";
import { imagesOf, type Message, requestMessages } from "../../../src/dialogue/index.js";
import { openModel } from "../../../src/model/index.js";
import { ask, backoffMs, type EncodedImage, pause, type Question, ServerClient } from "../../../src/sglang/index.js";
import { createRenderer, type PromptRenderer } from "../../../src/tokens/index.js";
import { canonicalMessages, jsonValue } from "../../tokens/arbitraries.js";

export interface ChatsRequest {
  url: string;
  /** Chats compared; those that are not rendered here, or hold more than 3 pictures, do not count. */
  chats: number;
  seed: number;
  model: string;
  tools?: boolean;
}

export interface ChatsTally {
  equal: number;
  different: number;
  /** Chats by their number of pictures. */
  byImages: number[];
  severalTurns: number;
  thinking: number;
  tools: number;
  promptTokens: number;
  /** By the server's reason. */
  refused: Record<string, number>;
  /** The first few prompts that differ. */
  examples: { messages: Message[]; ours: string; theirs: string }[];
}

const MAX_IMAGES = 3;
const AT_ONCE = 4;

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

interface Chat {
  messages: Message[];
  tools: JsonObject[] | undefined;
  thinking: boolean;
}

export async function compareChats(request: ChatsRequest): Promise<ChatsTally> {
  const model = await openModel(request.model);
  const renderers = { plain: createRenderer(model), thinking: createRenderer(model, { enable_thinking: true }) };
  const client = new ServerClient(request.url, { connections: AT_ONCE });
  const pictures = new Pictures();
  const tally: ChatsTally = {
    equal: 0,
    different: 0,
    byImages: [0, 0, 0, 0],
    severalTurns: 0,
    thinking: 0,
    tools: 0,
    promptTokens: 0,
    refused: {},
    examples: [],
  };
  const compare = async (chat: Chat, local: { ids: Int32Array; text: string }): Promise<void> => {
    const question = await questionOf(chat, pictures);
    const outcome = await askPatiently(client, question);
    if (outcome.answer === undefined) {
      const reason = "message" in outcome.verdict ? outcome.verdict.message : outcome.verdict.kind;
      tally.refused[reason] = (tally.refused[reason] ?? 0) + 1;
      return;
    }
    const { promptIds } = outcome.answer;
    count(tally, chat, promptIds.length);
    if (promptIds.length === local.ids.length && promptIds.every((id, at) => id === local.ids[at])) tally.equal += 1;
    else {
      tally.different += 1;
      const theirs = await renderers.plain.tokenizer.decode(promptIds);
      if (tally.examples.length < 3) tally.examples.push({ messages: chat.messages, ours: local.text, theirs });
    }
  };
  try {
    await client.identify();
    const chats = comparableChats(request, renderers);
    await Promise.all(
      Array.from({ length: AT_ONCE }, async () => {
        for (let next = await chats.next(); next.done !== true; next = await chats.next()) {
          await compare(next.value.chat, next.value.local);
        }
      }),
    );
  } finally {
    await client.close();
  }
  return tally;
}

/** Exactly as many as asked for, the same ones for every server. */
async function* comparableChats(
  { chats, seed, tools = true }: ChatsRequest,
  renderers: { plain: PromptRenderer; thinking: PromptRenderer },
) {
  let found = 0;
  for (let block = 0; found < chats; block += 1) {
    const blockSeed = seed + 1_000_003 * block;
    const sample = fc.sample(canonicalMessages(), { numRuns: chats, seed: blockSeed });
    const withTools = fc.sample(someTools, { numRuns: chats, seed: blockSeed });
    for (const [index, messages] of sample.entries()) {
      if (found === chats) return;
      const chat: Chat = {
        messages,
        tools: tools && index % 4 === 1 ? withTools[index] : undefined,
        thinking: index % 3 === 0,
      };
      if (imagesOf(messages).length > MAX_IMAGES) continue;
      const renderer = chat.thinking ? renderers.thinking : renderers.plain;
      const local = await renderer.prompt({ messages, tools: chat.tools, generationPrompt: true });
      if (!local.ok) continue;
      found += 1;
      yield { chat, local };
    }
  }
}

function count(tally: ChatsTally, { messages, tools, thinking }: Chat, promptTokens: number): void {
  tally.byImages[imagesOf(messages).length]! += 1;
  tally.severalTurns += messages.some(({ role }) => role === "assistant") ? 1 : 0;
  tally.thinking += thinking ? 1 : 0;
  tally.tools += tools === undefined ? 0 : 1;
  tally.promptTokens += promptTokens;
}

async function questionOf({ messages, tools, thinking }: Chat, pictures: Pictures): Promise<Question> {
  const sizes = new Map(imagesOf(messages).map(({ hash, width, height }) => [hash, [width, height] as const]));
  const image = (hash: string): Promise<EncodedImage> => pictures.of(...sizes.get(hash)!);
  return {
    messages: await requestMessages(messages, image),
    templateKwargs: thinking ? { enable_thinking: true } : {},
    maxTokens: 1,
    stopTokenIds: [],
    ...(tools === undefined ? {} : { tools }),
  };
}

async function askPatiently(client: ServerClient, question: Question) {
  for (let attempt = 1; ; attempt += 1) {
    const outcome = await ask(client, question, "chat", { special: undefined, loops: undefined }, 120_000);
    if (outcome.answer !== undefined || outcome.verdict.kind !== "transient" || attempt === 5) return outcome;
    await pause(backoffMs(attempt, undefined));
  }
}

/** One picture a size. */
class Pictures {
  private readonly made = new Map<string, Promise<EncodedImage>>();

  of(width: number, height: number): Promise<EncodedImage> {
    const key = `${width}x${height}`;
    let picture = this.made.get(key);
    if (picture === undefined) {
      picture = sharp({ create: { width, height, channels: 3, background: "teal" } })
        .png()
        .toBuffer()
        .then((png) => ({ base64: Buffer.from(png.toString("base64"), "latin1") }));
      this.made.set(key, picture);
    }
    return picture;
  }
}
