/** Options of `regenerate` about its servers. */
import { z } from "zod";

const concurrencySchema = z.union([z.literal("auto"), z.number().int().min(1).max(4096)], {
  error: "a whole number of at least 1, or auto",
});
export type Concurrency = z.infer<typeof concurrencySchema>;

const addressSchema = z
  .url({ protocol: /^https?$/, error: "an http(s) address such as http://127.0.0.1:30000" })
  .refine(hasReadableCredentials, { error: "a percent sign in a user name or password is written %25" });

/** Credentials are sent decoded: what cannot be decoded must fail here, not when a connection is opened. */
function hasReadableCredentials(url: string): boolean {
  if (!URL.canParse(url)) return false;
  const { username, password } = new URL(url);
  try {
    decodeURIComponent(username);
    decodeURIComponent(password);
    return true;
  } catch {
    return false;
  }
}

/** An address, or an address with settings of its own; entries of a servers file have the same form. */
export const serverEntrySchema = z.union([
  addressSchema,
  z.strictObject({
    url: addressSchema.describe("the server's address"),
    concurrency: concurrencySchema.optional().describe("dialogues in flight on this server, instead of `concurrency`"),
  }),
]);
export type ServerEntry = z.infer<typeof serverEntrySchema>;

const megabytes = z.number().positive().max(512);

export const serverOptions = {
  servers: z
    .array(serverEntrySchema)
    .default([])
    .describe(
      "addresses of the servers, each as text or as {url, concurrency}; all must serve the same model in the same way",
    ),
  serversFile: z
    .string()
    .min(1)
    .optional()
    .describe(
      "a file with the addresses instead of `servers`: one a line (a concurrency may follow, # begins a comment), or a YAML or JSON list; read again during the run, so that servers may join and leave",
    ),
  serversReloadSeconds: z
    .number()
    .positive()
    .max(3600)
    .default(5)
    .describe("how often serversFile is read; a change takes effect when two reads in a row find it"),
  concurrency: concurrencySchema
    .default(16)
    .describe(
      "dialogues in flight on each server; auto: begin with 4 and take more as long as that gives more tokens per second",
    ),
  maxConcurrency: z
    .number()
    .int()
    .min(1)
    .max(4096)
    .default(256)
    .describe("dialogues in flight on a server at most, where concurrency is auto"),
  healthSeconds: z
    .number()
    .positive()
    .max(3600)
    .default(5)
    .describe("how often servers are asked whether they take new work; one that answers 503 gets no new dialogues"),
  maxRequestMegabytes: megabytes
    .default(256)
    .describe("size of a request at most, pictures included; a dialogue with a larger one ends there"),
  maxResponseMegabytes: megabytes
    .default(32)
    .describe("size of an answer at most; larger ones are cut off and count as a fault of the server"),
};

/** Nothing here changes what an answer is. */
export const NEUTRAL_SERVER_OPTIONS = [
  "servers",
  "serversFile",
  "serversReloadSeconds",
  "concurrency",
  "maxConcurrency",
  "healthSeconds",
  "maxResponseMegabytes",
] as const;
