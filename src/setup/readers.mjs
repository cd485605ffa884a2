// Makes the Python environment with the libraries that users open shards with, for test/readers: 700 MB that the trainer
// does not need. `node src/setup/readers.mjs` prints its interpreter. Needs compiled output.
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const self = fileURLToPath(import.meta.url);
const root = join(dirname(self), "..", "..");

export async function ensureReaders() {
  const { ensureEnvironment } = await import("../../dist/trainer-process/index.js");
  const about = "the environment of the libraries that read shards (about 700 MB, a minute)";
  const requirements = join(root, "test", "readers", "requirements.txt");
  const events = { emit: (event) => event.type === "log" && console.error(`setup: ${event.message}`) };
  return ensureEnvironment({ name: "readers", requirements, about }, { events });
}

if (process.argv[1] === self) console.log(await ensureReaders());
