import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    exclude: ["test/sglang/**", "test/scratch/fixtures/**", "node_modules/**"],
    globalSetup: ["test/scratch/run.ts"],
    setupFiles: ["test/scratch/setup.ts"],
    // The real server and the trainer are child processes; on two cores more workers only fight them.
    maxWorkers: 2,
    testTimeout: 30_000,
    hookTimeout: 120_000,
  },
});
