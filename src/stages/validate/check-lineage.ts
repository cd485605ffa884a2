/** Checks that generations were made from the given dialogues: same messages, same images in the same order. */
import { type Dialogue, dialogueDigest, type Generation, picturesOf } from "../../dialogue/index.js";
import type { DialogueSource } from "./dialogue-source.js";
import type { Subject } from "./subject.js";

export class Lineage {
  private readonly dialogues: AsyncGenerator<Dialogue>;
  private current: Dialogue | undefined;
  private ended = false;

  constructor(
    private readonly subject: Subject,
    private readonly source: DialogueSource,
  ) {
    this.dialogues = dialoguesOf(source);
  }

  /** Call in the order of the generations: reads both files once, with one dialogue in memory. */
  async check(generation: Generation): Promise<void> {
    const dialogue = await this.find(generation.id);
    const { findings } = this.subject;
    findings.look("lineage");
    if (dialogue === undefined) return;
    const place = { id: generation.id };
    const swapped = imagesApart(generation, dialogue);
    if (swapped !== null) {
      findings.add({ check: "images", severity: "error", message: `dialogue ${generation.id}: ${swapped}`, place });
      return;
    }
    if (generation.dialogueDigest === dialogueDigest(dialogue)) return;
    findings.add({
      check: "lineage",
      severity: "error",
      message: `dialogue ${generation.id} is no longer the one that was answered: its messages, tools or tags have changed`,
      place,
    });
  }

  async close(): Promise<void> {
    await this.dialogues.return(undefined);
  }

  private async find(id: string): Promise<Dialogue | undefined> {
    if (this.ended) return undefined;
    while (this.current?.id !== id) {
      const next = await this.dialogues.next();
      if (next.done === true) {
        // Report once: no later dialogue can be found either.
        this.ended = true;
        const message = `${this.source.name} have no dialogue ${id} at its position: the generations were made from other dialogues`;
        this.subject.findings.add({ check: "lineage", severity: "error", message, place: { id } });
        return undefined;
      }
      this.current = next.value;
    }
    return this.current;
  }
}

async function* dialoguesOf(source: DialogueSource): AsyncGenerator<Dialogue> {
  for await (const item of source.items()) if (item.ok) yield item.dialogue;
}

/** A generation may end early, so its images are a prefix of the dialogue's. */
function imagesApart({ messages }: Generation, dialogue: Dialogue): string | null {
  const answered = picturesOf(messages).map((image) => image.hash);
  const given = picturesOf(dialogue.messages).map((image) => image.hash);
  return hashesApart(answered, given, ["generations", "dialogues"]);
}

/**
 * Describes the first difference; null if `some` is a prefix of `all`. Images of equal size give equal ids, so only
 * hashes can tell them apart.
 */
export function hashesApart(
  some: readonly string[],
  all: readonly string[],
  [here, there]: readonly [string, string],
): string | null {
  const at = some.findIndex((hash, index) => hash !== all[index]);
  if (at < 0) return null;
  const [ours, theirs] = [some[at]!, all[at]];
  if (theirs === undefined) return `the ${here} have ${some.length} images, the ${there} ${all.length}`;
  const order = [...some].sort().join() === all.slice(0, some.length).sort().join();
  const what = order ? "images are in a different order" : "an image was replaced";
  return `${what}: number ${at + 1} is ${ours.slice(0, 12)} in the ${here}, ${theirs.slice(0, 12)} in the ${there}`;
}
