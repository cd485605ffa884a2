/** Compares a server that has the draft with the target's greedy answers, and pools its accept length. */
import pLimit from "p-limit";
import { z } from "zod";
import { accessHint, DraftsmithError, defined, isAccessDenied } from "../../base/index.js";
import {
  describeServerError,
  encodeGenerate,
  GENERATE_PATH,
  type RequestBody,
  Transport,
  TransportFault,
} from "../../sglang/index.js";
import type { StageContext } from "../stage.js";
import { poolAcceptance, type Speculation, speculationSchema } from "./accept-length.js";
import type { EvaluateOptions } from "./options.js";
import type { ServedReport } from "./report.js";
import { readPictures, type ServedPrompt, selectPrompts } from "./served-prompts.js";

type ServedDifference = ServedReport["differences"][number];

const replySchema = z.looseObject({ output_ids: z.array(z.number().int()), meta_info: speculationSchema });
/** Keeps the report short; the counts cover all of them. */
const MAX_DIFFERENCES = 50;

export interface ServedRequest {
  server: string;
  /** Sent with every request; may hold the API key. */
  headers: Record<string, string>;
  shards: string;
  imagePadId: number;
  stopTokenIds: number[];
  options: EvaluateOptions;
  context: StageContext;
}

/** @throws DraftsmithError SERVER_UNREACHABLE, SERVER_REFUSED (an error status, or no spec_* figures: no draft there). */
export async function evaluateServed(request: ServedRequest): Promise<ServedReport> {
  const { server, headers, shards, imagePadId, options, context } = request;
  const { prompts, rowsWithVideos } = await selectPrompts({
    shards,
    split: options.split,
    imagePadId,
    limit: options.serverRows,
  });
  const pictures = await readPictures(shards, prompts);
  const transport = new Transport(server, { connections: options.serverConcurrency, headers });
  const lane = pLimit(options.serverConcurrency);
  const answers: Speculation[] = [];
  const differences: ServedDifference[] = [];
  let done = 0;
  try {
    await Promise.all(
      prompts.map((prompt) =>
        lane(async () => {
          if (context.signal.aborted) throw new DraftsmithError("INTERRUPTED", "evaluation was stopped");
          const images = prompt.imageHashes.map((hash) => pictures.get(hash)!);
          const body = encodeGenerate({
            inputIds: prompt.inputIds,
            images,
            maxTokens: prompt.expected.length,
            stopTokenIds: request.stopTokenIds,
          });
          const reply = await ask(transport, body, options);
          answers.push(reply.meta_info);
          const difference = firstDifference(prompt, reply.output_ids);
          if (difference !== null) differences.push(difference);
          done += 1;
          context.events.emit({
            type: "step-progress",
            step: context.step,
            done,
            total: prompts.length,
            unit: "answers",
            note: "asking the server with the draft",
          });
        }),
      ),
    );
  } finally {
    lane.clearQueue();
    await transport.close();
  }
  const pooled = poolAcceptance(answers);
  if (pooled.steps === 0 && answers.length > 0) {
    throw new DraftsmithError("SERVER_REFUSED", `${server} reports no speculative steps: it serves no draft`, {
      hint: "start it with the exported draft, or leave out evaluate's server option",
    });
  }
  // Answers arrive in any order; the report must not depend on it.
  differences.sort((a, b) => (a.dialogueId < b.dialogueId ? -1 : a.dialogueId > b.dialogueId ? 1 : a.turn - b.turn));
  return {
    ...pooled,
    identical: answers.length - differences.length,
    differences: differences.slice(0, MAX_DIFFERENCES),
    rowsWithVideos,
  };
}

async function ask(
  transport: Transport,
  body: RequestBody,
  { requestTimeoutSeconds, apiKeyEnv }: EvaluateOptions,
): Promise<z.infer<typeof replySchema>> {
  const reply = await transport.post(GENERATE_PATH, body, requestTimeoutSeconds * 1000).catch((error: unknown) => {
    if (!(error instanceof TransportFault)) throw error;
    throw new DraftsmithError("SERVER_UNREACHABLE", error.message, { cause: error });
  });
  if (reply.status !== 200) {
    throw new DraftsmithError(
      "SERVER_REFUSED",
      `${transport.name} answers ${describeServerError(reply.status, reply.body)}`,
      defined({ hint: isAccessDenied(reply.status) ? accessHint(apiKeyEnv) : undefined }),
    );
  }
  const parsed = replySchema.safeParse(JSON.parse(reply.body.toString("utf8")));
  if (!parsed.success) {
    throw new DraftsmithError("SERVER_REFUSED", `${transport.name} answers /generate in an unknown form`, {
      frame: z.prettifyError(parsed.error),
    });
  }
  return parsed.data;
}

function firstDifference(
  { dialogueId, turn, expected }: ServedPrompt,
  got: readonly number[],
): ServedDifference | null {
  const length = Math.max(expected.length, got.length);
  for (let at = 0; at < length; at += 1) {
    if (expected[at] !== got[at]) return { dialogueId, turn, at, expected: expected[at] ?? null, got: got[at] ?? null };
  }
  return null;
}
