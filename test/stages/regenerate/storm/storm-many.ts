/** `tsx storm-many.ts [REQUESTS] [SEED]`: storms until so many requests were sent; prints each account, exits 1 if one is wrong. */
import { runStorm } from "./storm.js";

const [wanted = 100_000, seed = 20_261_125] = process.argv.slice(2).map(Number);
const DIALOGUES = 5000;
let sent = 0;
let wrong = 0;
for (let round = 0; sent < wanted; round += 1) {
  // Every second storm is without deaths: the number of requests must then be the planned one, too.
  const report = await runStorm(DIALOGUES, seed + round, round % 2 === 0 ? 2000 : 0);
  sent += report.requests;
  wrong += report.wrong.length;
  console.log(JSON.stringify({ round, ...report }));
}
console.log(JSON.stringify({ requests: sent, wrong }));
process.exit(wrong === 0 ? 0 : 1);
