/** What has to be known about a template's text before it is parsed: places where the two lexers differ in silence. */
import { tokenize } from "@huggingface/jinja";
import { TemplateUnsupported } from "./errors.js";

export type Token = ReturnType<typeof tokenize>[number];

const REFUSED: readonly [RegExp, string][] = [
  [/\{[%{#]\+|\+[%}#]\}/, "the white-space mark + in a tag"],
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these very characters are looked for
  [/[\x1c-\x1f\x85\ufeff]/, "a space character that Python and JavaScript treat differently"],
  [/^[ \t]+\{-/m, "a line that begins with spaces and a literal {-"],
  [/-\}\n/, "a literal -} at the end of a line"],
  [/\{%-?\s*(?:end)?generation\b/, "the generation tag"],
  [/\{%-?\s*raw\b/, "the raw tag"],
];

/** The tokens of a template, lexed as transformers sets jinja2 up (trim_blocks, lstrip_blocks). */
export function lexTemplate(source: string): Token[] {
  // jinja2 turns every kind of line end into \n first.
  const text = source.replace(/\r\n|\r/g, "\n");
  for (const [pattern, what] of REFUSED) if (pattern.test(text)) throw new TemplateUnsupported(what);
  const tokens = tokenize(text, { trim_blocks: true, lstrip_blocks: true });
  refuseBracketedSelect(tokens);
  return tokens;
}

/** `for x in (y if z)` is an inline if in jinja2; without the brackets it filters the loop, and the parser drops them. */
function refuseBracketedSelect(tokens: readonly Token[]): void {
  for (const [start, token] of tokens.entries()) {
    if (token.type !== "Identifier" || token.value !== "in" || tokens[start + 1]?.type !== "OpenParen") continue;
    let depth = 0;
    let hasIf = false;
    for (let at = start + 1; at < tokens.length; at += 1) {
      const { type, value } = tokens[at]!;
      if (type === "OpenParen") depth += 1;
      else if (type === "CloseParen") depth -= 1;
      else if (type === "Identifier" && value === "if" && depth === 1) hasIf = true;
      if (depth > 0) continue;
      if (hasIf && tokens[at + 1]?.type === "CloseStatement") throw new TemplateUnsupported("a loop over (x if y)");
      break;
    }
  }
}
