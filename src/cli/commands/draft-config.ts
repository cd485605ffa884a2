import { resolve } from "node:path";
import type { CommandModule } from "yargs";
import { writeNewFile } from "../../base/index.js";
import { draftConfigText, ROTARY_MODES, type RotaryMode } from "../../model/index.js";
import { wholeNumber } from "../whole-number.js";

interface DraftConfigArguments {
  model: string;
  layers: number | undefined;
  "block-size": number | undefined;
  rotary: RotaryMode;
  "mask-token-id": number | undefined;
  out: string | undefined;
  force: boolean;
}

export const command: CommandModule<object, DraftConfigArguments> = {
  command: "draft-config <model>",
  describe: "print the config of a new draft for a target, by the layer rule",
  builder: (yargs) =>
    yargs
      .positional("model", { type: "string", demandOption: true, describe: "model directory of the target" })
      .option("layers", {
        type: "string",
        requiresArg: true,
        coerce: wholeNumber("--layers", 1),
        describe: "decoder layers of the draft [number, default 5]",
      })
      .option("block-size", {
        type: "string",
        requiresArg: true,
        coerce: wholeNumber("--block-size", 2, 64),
        describe: "tokens of a block, the anchor included [number, default 8]",
      })
      .option("rotary", {
        choices: ROTARY_MODES,
        default: "plain" as const,
        describe: "position scheme; engines serve plain",
      })
      .option("mask-token-id", {
        type: "string",
        requiresArg: true,
        coerce: wholeNumber("--mask-token-id", 0),
        describe: "id of the mask; left out, the known one of the target's vocabulary [number]",
      })
      .option("out", { type: "string", requiresArg: true, describe: "also write it to this file" })
      .option("force", { type: "boolean", default: false, describe: "replace a file that holds something else" })
      .example("$0 draft-config models/Qwen3.5-9B --out draft.json", "then train with draft.config: draft.json"),
  handler: async ({ model, layers, "block-size": blockSize, rotary, "mask-token-id": maskTokenId, out, force }) => {
    const text = await draftConfigText(resolve(model), { layers, blockSize, rotary, maskTokenId });
    if (out !== undefined) await writeNewFile(resolve(out), text, { force });
    process.stdout.write(text);
  },
};
