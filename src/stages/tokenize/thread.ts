/** A worker thread of tokenize: lines in, packed rows out. Loaded by `assembled.ts` only. */
import { parentPort, workerData } from "node:worker_threads";
import type { Line } from "../../artifacts/index.js";
import { errorAnswer, type PoolAnswer } from "../../base/index.js";
import { type AssembledDialogue, Assembler } from "./assembler.js";
import type { TokenizeOptions } from "./options.js";
import { type Packed, pack } from "./packed.js";

export interface ThreadData {
  options: TokenizeOptions;
  file: string;
}

const { options, file } = workerData as ThreadData;
const port = parentPort!;
const opening = Assembler.open(options, file);
// Told with the first answer.
opening.catch(() => undefined);

async function answer(lines: readonly Line[]): Promise<void> {
  try {
    const assembler = await opening;
    const dialogues: AssembledDialogue[] = [];
    for await (const dialogue of assembler.assemble(lines.map(asBuffer))) dialogues.push(dialogue);
    const result = pack(dialogues);
    const moved = [result.ids.buffer, result.masks.buffer, result.types.buffer];
    port.postMessage({ result } satisfies PoolAnswer<Packed>, moved);
  } catch (error) {
    port.postMessage(errorAnswer(error));
  }
}

/** Messages carry a Buffer as the plain array that it is. */
function asBuffer(line: Line): Line {
  const { content } = line;
  if (content === undefined) return line;
  return { ...line, content: Buffer.from(content.buffer, content.byteOffset, content.byteLength) };
}

// One after the other, so that answers come in the order of the questions.
let last: Promise<void> = Promise.resolve();
port.on("message", (lines: Line[]) => {
  last = last.then(() => answer(lines));
});
