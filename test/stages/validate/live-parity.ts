/**
 * Puts generated chats with 0 to 3 images to a running server and compares every prompt's ids with ours.
 * Run it with `npx tsx test/stages/validate/live-parity.ts URL [chats] [seed] [model directory]`; the server must serve
 * that model; TOOLS=0 leaves tool definitions out. Exit code 1 where any prompt differs or is refused.
 */
import { TINY_GUI } from "../../tokens/reference.js";
import { compareChats } from "./generated-chats.js";

const [url, chats = "2000", seed = "1", model = TINY_GUI] = process.argv.slice(2);
if (url === undefined) throw new Error("name the server's address");

const began = performance.now();
const tally = await compareChats({
  url,
  chats: Number(chats),
  seed: Number(seed),
  model,
  tools: process.env.TOOLS !== "0",
});
const seconds = Math.round((performance.now() - began) / 1000);
console.log(JSON.stringify({ ...tally, seed: Number(seed), seconds }, null, 2));
process.exitCode = tally.equal === Number(chats) ? 0 : 1;
