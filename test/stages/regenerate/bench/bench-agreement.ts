/**
 * `tsx bench-agreement.ts [DIALOGUES]`: the embedded target on reference servers, each answer asked again: on one server,
 * and on two, where the other one is asked; thinking on and off. Prints what the re-check found.
 */
import { join } from "node:path";
import { existingPython, packageRoot, startServer } from "../../../../src/trainer-process/index.js";
import { runStage, temporaryDirectory } from "../harness.js";
import { writeScreens } from "./screens.js";

const [count = 20] = process.argv.slice(2).map(Number);
const model = join(packageRoot(), "fixtures", "tiny-gui");
if ((await existingPython()) === null) throw new Error("no Python environment");
const start = () => startServer({ model, servedModelName: "tiny-gui", threads: 1 });
const servers = [await start(), await start()];
try {
  const input = await writeScreens(await temporaryDirectory(), count);
  for (const used of [1, 2]) {
    for (const thinking of ["on", "off"] as const) {
      const { draft } = await runStage({
        input,
        options: {
          servers: servers.slice(0, used).map(({ url }) => url),
          concurrency: 4,
          recheckShare: 1,
          thinking,
          maxNewTokens: 48,
          loops: { policy: "keep", minTokens: 64, minRepeats: 6 },
        },
      });
      const { done, partial, failed, turns, recheck } = draft.counts;
      console.log(JSON.stringify({ servers: used, thinking, count, done, partial, failed, turns, recheck }));
    }
  }
} finally {
  await Promise.all(servers.map((server) => server.stop()));
}
