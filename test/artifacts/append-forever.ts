/** Child process of the journal test: appends numbered records and prints the number of each durable one until killed. */
import { openJournal } from "../../src/artifacts/index.js";

const journal = await openJournal(process.argv[2]!);
for (let k = 1; ; k += 1) {
  const done = journal.append({ k });
  if (k % 16 === 0) await done;
  if (k % 16 === 0) process.stdout.write(`${k}\n`);
}
