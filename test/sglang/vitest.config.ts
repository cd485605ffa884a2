import { fileURLToPath } from "node:url";
import { defineConfig } from "vitest/config";

/** `npm run test:sglang`: against the real SGLang on the CPU. Opt-in, because its environment takes 11 GB. */
export default defineConfig({
  root: fileURLToPath(new URL("../..", import.meta.url)),
  test: {
    include: ["test/sglang/**/*.test.ts"],
    globalSetup: ["test/scratch/run.ts", "test/sglang/setup.ts"],
    setupFiles: ["test/scratch/setup.ts"],
    // Each file starts servers of its own; two at a time would fight for two cores and time out.
    fileParallelism: false,
    testTimeout: 600_000,
    hookTimeout: 600_000,
  },
});
