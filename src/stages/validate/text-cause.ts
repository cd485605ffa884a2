/** Names what differs between two renderings of the same messages, by parsing their ChatML. */

interface Block {
  role: string;
  body: string;
}

interface Rendering {
  blocks: Block[];
  /** Text after the last closed block: the generation prompt. */
  opening: string;
}

const THOUGHT = /<think>[\s\S]*?<\/think>\s*/g;

/** @returns one clause. The texts must differ, with every run of image pads collapsed. */
export function textCause(ours: string, theirs: string): string {
  const [left, right] = [parse(ours), parse(theirs)];
  return (
    systemCause(left, right) ??
    historyCause(left, right) ??
    openingCause(left.opening, right.opening) ??
    template(ours, theirs)
  );
}

function parse(text: string): Rendering {
  const blocks: Block[] = [];
  const pattern = /<\|im_start\|>([^\n<]*)\n?([\s\S]*?)<\|im_end\|>/g;
  let end = 0;
  for (const match of text.matchAll(pattern)) {
    blocks.push({ role: match[1]!, body: match[2]! });
    end = match.index + match[0].length;
  }
  return { blocks, opening: text.slice(end).replace(/^\n/, "") };
}

function systemCause(left: Rendering, right: Rendering): string | null {
  const [here, there] = [systemOf(left), systemOf(right)];
  if (here === there) return null;
  if (here === null)
    return `the server puts a system prompt in front, ${quote(there!)}, which the messages do not have`;
  if (there === null) return `the server leaves out the system prompt ${quote(here)}`;
  if (here.trim() === there.trim()) return "the system prompts differ in white space at their edges";
  if (here.includes("<tools>") && there.includes("<tools>")) {
    return `the system blocks differ ${apart(here, there)}: tool definitions are written differently, or the templates differ`;
  }
  return `the system prompt differs ${apart(here, there)}`;
}

function systemOf({ blocks }: Rendering): string | null {
  return blocks[0]?.role === "system" ? blocks[0].body : null;
}

function historyCause(left: Rendering, right: Rendering): string | null {
  if (left.blocks.length !== right.blocks.length) {
    return `the server's prompt has ${right.blocks.length} messages, here are ${left.blocks.length}: the chat templates differ, or what prompts carry of the dialogue (history)`;
  }
  for (const [index, block] of left.blocks.entries()) {
    const other = right.blocks[index]!;
    if (block.role !== other.role) {
      return `message ${index} is of the role ${quote(other.role)} on the server, ${quote(block.role)} here: the chat templates differ`;
    }
    if (block.body === other.body) continue;
    if (block.role === "assistant" && answerOf(block.body) === answerOf(other.body)) {
      const [there, here] = other.body.length > block.body.length ? ["unchanged", "trimmed"] : ["trimmed", "unchanged"];
      return `message ${index} differs in the white space around thinking and before the answer: the server's prompt holds it ${there} (historyContent: ${there}), here it is ${here}`;
    }
    if (block.body.replace(THOUGHT, "") === other.body.replace(THOUGHT, "")) {
      const keeps =
        block.body.length > other.body.length ? "here keeps, the server drops" : "the server keeps, here drops";
      return `thinking in earlier answers is treated differently: the template ${keeps} it`;
    }
    if (strip(block.body) === strip(other.body)) {
      return `message ${index} differs in white space only: the chat templates differ, ${apart(block.body, other.body)}`;
    }
    return `message ${index} (${block.role}) differs, ${apart(block.body, other.body)}`;
  }
  return null;
}

/** An answer without white space where trimming takes it away: around thinking, and in front. */
function answerOf(body: string): string {
  return body.replaceAll(/\s*(<\/?think>)\s*/g, "$1").trimStart();
}

/** How the prompt opens the answer. */
function openingCause(here: string, there: string): string | null {
  if (here === there) return null;
  const [thinksHere, thinksThere] = [thinkingOf(here), thinkingOf(there)];
  if (thinksHere !== thinksThere) {
    return `thinking is ${SWITCH[thinksThere]} at the server and ${SWITCH[thinksHere]} here: the prompts open the answer with ${quote(there)} and ${quote(here)}`;
  }
  if (here.trimEnd() === there.trimEnd()) {
    const [a, b] = [here.slice(here.trimEnd().length), there.slice(there.trimEnd().length)];
    const after = lastWord(here);
    if (a === "\n" && b === "") return `the server's prompt lacks the trailing newline after ${after}`;
    if (a === "" && b === "\n") return `the server's prompt has a newline after ${after} that is not rendered here`;
    return `the server's prompt ends with ${quote(b)} after ${after}, here with ${quote(a)}`;
  }
  if (there === "") return "the server's prompt lacks the generation prompt that opens the answer";
  if (here === "") return "the server's prompt opens the answer, the one rendered here does not";
  return `the chat templates open the answer differently, ${apart(here, there)}`;
}

const SWITCH = { open: "on", closed: "off (an empty thought)", none: "off" } as const;

function thinkingOf(opening: string): keyof typeof SWITCH {
  if (!opening.includes("<think>")) return "none";
  return opening.includes("</think>") ? "closed" : "open";
}

function lastWord(opening: string): string {
  const word = opening.trimEnd().split(/[\n>]/).at(-1);
  return word === "" || word === undefined ? quote(opening.trimEnd().slice(-20)) : word;
}

function template(ours: string, theirs: string): string {
  const [left, right] = [strip(ours), strip(theirs)];
  const what = left === right ? "white space between messages differs" : "the texts differ";
  return `${what}: the chat templates differ, ${apart(ours, theirs)}`;
}

function strip(text: string): string {
  return text.replaceAll(/\s+/g, "");
}

const SHOWN = 40;

/** Quotes both texts from just before their first difference. */
function apart(here: string, there: string): string {
  let at = 0;
  while (at < here.length && here[at] === there[at]) at += 1;
  const from = Math.max(0, at - 8);
  return `${quote(there.slice(from, from + SHOWN))} on the server, ${quote(here.slice(from, from + SHOWN))} here`;
}

function quote(text: string): string {
  return JSON.stringify(text.length > 200 ? `${text.slice(0, 200)}...` : text);
}
