/** One template through this engine and through Python's jinja2, and what the two make of it. */
import type { JsonObject } from "../../src/base/index.js";
import { type ChatTemplate, compileTemplate, TemplateUnsupported } from "../../src/tokens/index.js";
import type { Reference } from "./reference.js";

/** transformers passes these three to every template. */
const GIVEN = { tools: null, documents: null, add_generation_prompt: false };

export interface Comparison {
  /** Both render, to the same text. */
  equal: number;
  /** Both refuse. */
  refused: number;
  /** Renderings that this engine refuses as unsupported, by the construct. */
  unsupported: Map<string, number>;
  /** Everything else, as sentences with both sides. */
  differences: string[];
}

export function emptyComparison(): Comparison {
  return { equal: 0, refused: 0, unsupported: new Map(), differences: [] };
}

/** Adds the renderings of a template with several sets of variables to a comparison. */
export async function compareRenderings(
  total: Comparison,
  reference: Reference,
  name: string,
  template: string,
  chats: readonly { name: string; variables: JsonObject }[],
): Promise<void> {
  const answers = await Promise.all(
    chats.map(({ variables }) => reference.ask<{ text: string }>({ kind: "template", template, variables })),
  );
  const render = compiled(template);
  for (const [index, chat] of chats.entries()) {
    const theirs = answers[index]!;
    const ours = render({ ...GIVEN, ...chat.variables });
    if (ours.unsupported) {
      // Named constructs, without the places and characters that differ from one template to the next.
      const construct = ours.text.replace(/ \(line .*|: .*/, "");
      total.unsupported.set(construct, (total.unsupported.get(construct) ?? 0) + 1);
    } else if (ours.ok && "text" in theirs && ours.text === theirs.text) total.equal += 1;
    else if (!ours.ok && "error" in theirs) total.refused += 1;
    else
      total.differences.push(
        `${name} with ${chat.name}: ${JSON.stringify(ours)} here, ${JSON.stringify(theirs)} there`,
      );
  }
}

interface Rendering {
  ok: boolean;
  unsupported: boolean;
  /** The text, or why there is none. */
  text: string;
}

function compiled(template: string): (variables: JsonObject) => Rendering {
  const failure = (error: unknown): Rendering => ({
    ok: false,
    unsupported: error instanceof TemplateUnsupported,
    text: error instanceof Error ? error.message : String(error),
  });
  let chat: ChatTemplate;
  try {
    chat = compileTemplate(template);
  } catch (error) {
    return () => failure(error);
  }
  return (variables) => {
    try {
      return { ok: true, unsupported: false, text: chat.render(variables) };
    } catch (error) {
      return failure(error);
    }
  };
}
