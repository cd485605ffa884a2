/** The toolkit's own server for a target (and a draft), on this machine, on a free port. */
import { z } from "zod";
import { statesTarget } from "../../stages/shared-settings.js";
import { waitUntilHealthy } from "./health.js";
import { defineService } from "./service.js";

const optionsSchema = z.strictObject({
  model: z.string().describe("model directory of the target"),
  draft: z.string().optional().describe("draft directory, to serve with speculative decoding"),
  servedModelName: z.string().optional().describe("name reported by /v1/models; default: the directory's name"),
  port: z.number().int().min(0).max(65535).default(0).describe("port on 127.0.0.1; 0 chooses a free one"),
  maxBatch: z.number().int().positive().optional().describe("requests that are decoded together"),
  threads: z.number().int().positive().optional().describe("CPU threads for the model"),
});

export const referenceServer = defineService({
  name: "reference-server",
  summary: "the toolkit's own server with SGLang's HTTP contract, started on this machine",
  options: optionsSchema,
  fileOptions: { model: "directory", draft: "directory" },
  neutralOptions: ["port", "maxBatch", "threads"],
  properties: ["url"],
  states: ({ model }) => [statesTarget(model)],
  describe: ({ model, draft }) =>
    `would start a server for ${model}${draft === undefined ? "" : ` with the draft ${draft}`}`,
  start: async (options, { log, events, signal }) => {
    const { startServer } = await import("../../trainer-process/index.js");
    const server = await startServer({ ...options, log, events, signal });
    try {
      await waitUntilHealthy({ url: server.url, signal, attempts: 10 });
    } catch (error) {
      await server.stop();
      throw error;
    }
    return {
      properties: { url: server.url },
      died: server.died,
      stop: () => server.stop(),
      kill: () => {
        try {
          process.kill(server.pid, "SIGKILL");
        } catch {
          // It had exited already.
        }
      },
    };
  },
});
