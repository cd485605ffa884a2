/** Child process of the crash test: shards a world and prints the outcome as one line of JSON. */

import { formatError, isDraftsmithError } from "../../../src/base/index.js";
import { runStage } from "./world.js";

const { world, options, workDir, resumeDir } = JSON.parse(process.argv[2]!) as {
  world: Parameters<typeof runStage>[0];
  options: object;
  workDir: string;
  resumeDir: string;
};
try {
  await runStage(world, options, { workDir, resumeDir });
} catch (error) {
  if (!isDraftsmithError(error)) throw error;
  process.stderr.write(`${formatError(error)}\n`);
  process.exitCode = error.exitCode;
}
