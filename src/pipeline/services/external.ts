/** Servers that somebody else runs: only their health is checked. */
import { z } from "zod";
import { apiKeyEnvSchema } from "../../stages/shared-settings.js";
import { waitUntilHealthy } from "./health.js";
import { defineService } from "./service.js";

const optionsSchema = z
  .strictObject({
    url: z.url().optional().describe("address of the server, such as http://10.0.0.5:30000"),
    urls: z.array(z.url()).min(1).optional().describe("addresses of several servers with the same model"),
    apiKeyEnv: apiKeyEnvSchema,
    identity: z
      .string()
      .optional()
      .describe("what the servers serve, in your words: steps run again when it changes, not when an address does"),
  })
  .refine(({ url, urls }) => (url === undefined) !== (urls === undefined), "give either url or urls");

export const external = defineService({
  name: "external",
  summary: "servers that somebody else runs; checked for health before the first step that uses them",
  options: optionsSchema,
  neutralOptions: ["url", "urls", "apiKeyEnv"],
  properties: ["url", "urls"],
  known: (options) => ({ url: addresses(options)[0]!, urls: addresses(options) }),
  describe: (options) => `would check the health of ${addresses(options).join(", ")}`,
  start: async (options, { signal }) => {
    const urls = addresses(options);
    await Promise.all(urls.map((url) => waitUntilHealthy({ url, apiKeyEnv: options.apiKeyEnv, signal })));
    return { properties: { url: urls[0]!, urls }, stop: async () => undefined };
  },
});

function addresses({ url, urls = [] }: z.infer<typeof optionsSchema>): string[] {
  return url === undefined ? urls : [url];
}
