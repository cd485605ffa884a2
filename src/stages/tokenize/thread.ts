/** Worker thread of tokenize: takes lines, returns packed rows. Loaded by `assembled.ts` only. */
import { workerData } from "node:worker_threads";
import type { Line } from "../../artifacts/index.js";
import { parseJson, serveWorkerPool } from "../../base/index.js";
import { type AssembledDialogue, Assembler } from "./assembler.js";
import type { TokenizeOptions } from "./options.js";
import { type Packed, pack } from "./packed.js";

export interface ThreadData {
  options: TokenizeOptions;
  /** As JSON: structured clone does not know JsonNumber. */
  chatTemplateKwargs: string;
  file: string;
}

const { options: others, chatTemplateKwargs, file } = workerData as ThreadData;
const options = {
  ...others,
  chatTemplateKwargs: parseJson(chatTemplateKwargs) as TokenizeOptions["chatTemplateKwargs"],
};
const opening = Assembler.open(options, file);
// Rejections are reported with the first answer.
opening.catch(() => undefined);

serveWorkerPool<Line[], Packed>(async (lines) => {
  const assembler = await opening;
  const dialogues: AssembledDialogue[] = [];
  for await (const dialogue of assembler.assemble(lines.map(asBuffer))) dialogues.push(dialogue);
  const result = pack(dialogues);
  return { result, moved: [result.ids.buffer, result.masks.buffer, result.types.buffer] };
});

/** Structured clone turns a Buffer into a plain Uint8Array. */
function asBuffer(line: Line): Line {
  const { content } = line;
  if (content === undefined) return line;
  return { ...line, content: Buffer.from(content.buffer, content.byteOffset, content.byteLength) };
}
