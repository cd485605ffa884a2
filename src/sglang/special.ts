/** Tokens with a meaning of their own: never part of an answer, and dangerous as text in a request. */

/** Ends of an answer. */
export const END_LITERALS = ["<|im_end|>", "<|endoftext|>"] as const;
/** Roles and pictures: an answer that holds one of these ids would break the row's structure. */
export const STRUCTURE_LITERALS = [
  "<|im_start|>",
  "<|vision_start|>",
  "<|vision_end|>",
  "<|vision_pad|>",
  "<|image_pad|>",
  "<|video_pad|>",
] as const;

const ALL_LITERALS = [...END_LITERALS, ...STRUCTURE_LITERALS];
const LITERAL = new RegExp(ALL_LITERALS.map((literal) => literal.replaceAll("|", "\\|")).join("|"));

/** Ids of these tokens on one server, as its own tokenizer gives them. */
export interface SpecialTokens {
  ends: ReadonlySet<number>;
  structure: ReadonlySet<number>;
  imagePad: number | undefined;
}

/**
 * A special token spelled out in text, if any. Servers tokenise rendered text, so such text becomes the special token:
 * a fake turn, or a picture that is not there (HTTP 400 or 500).
 *
 * @param withImages - since 0.5.20 SGLang also takes a plain `<image>` for a placeholder when a request has pictures
 */
export function specialLiteral(text: string, withImages: boolean): string | undefined {
  // All of them begin so; most texts hold nothing of the kind.
  const found = text.includes("<|") ? LITERAL.exec(text)?.[0] : undefined;
  if (found !== undefined) return found;
  return withImages && text.includes("<image>") ? "<image>" : undefined;
}

/** Tokenises every literal alone; those that are not one token in this vocabulary are left out. */
export async function learnSpecialTokens(
  tokenize: (text: string) => Promise<number[] | undefined>,
): Promise<SpecialTokens> {
  const idOf = async (literal: string): Promise<number | undefined> => {
    const ids = await tokenize(literal);
    return ids?.length === 1 ? ids[0] : undefined;
  };
  const known = async (literals: readonly string[]): Promise<Set<number>> =>
    new Set((await Promise.all(literals.map(idOf))).filter((id) => id !== undefined));
  const [ends, structure, imagePad] = await Promise.all([
    known(END_LITERALS),
    known(STRUCTURE_LITERALS),
    idOf("<|image_pad|>"),
  ]);
  return { ends, structure, imagePad };
}
