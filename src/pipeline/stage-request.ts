/** What a stage on its own is given: options and inputs, checked and opened. */
import { resolve } from "node:path";
import { type ArtifactKind, openArtifact } from "../artifacts/index.js";
import { DraftsmithError, defined, formatLocation, isDraftsmithError } from "../base/index.js";
import type { InputArtifact, InputSpec, Stage } from "../stages/stage.js";
import { kindsOf } from "./inputs.js";
import { parseOptions } from "./options.js";
import { suggestion } from "./suggest.js";

export function checkOptions(stage: Stage, value: Record<string, unknown>, cwd: string): Record<string, unknown> {
  const result = parseOptions(stage, value, cwd);
  if ("options" in result) return result.options;
  const [first, ...others] = result.issues.map(({ message, path, hint }) => ({ message, hint, field: path.join(".") }));
  throw new DraftsmithError("OPTIONS_INVALID", first!.message, {
    location: { field: first!.field === "" ? stage.name : first!.field },
    ...(first!.hint === undefined
      ? { hint: `draftsmith ${stage.name} --help lists the options` }
      : { hint: first!.hint }),
    ...(others.length === 0
      ? {}
      : { frame: others.map(({ message, field }) => `also at ${formatLocation({ field })}: ${message}`).join("\n") }),
  });
}

/** @param partial takes inputs that were not named for such that do not exist yet */
export async function openAll(
  stage: Stage,
  paths: Readonly<Record<string, string>>,
  cwd: string,
  partial = false,
): Promise<Record<string, InputArtifact | undefined>> {
  const specs = stage.inputs as Record<string, InputSpec>;
  const unknown = Object.keys(paths).find((name) => !Object.hasOwn(specs, name));
  if (unknown !== undefined) {
    throw new DraftsmithError("USAGE", `${stage.name} has no input ${unknown}`, {
      hint: suggestion(unknown, Object.keys(specs), "inputs"),
    });
  }
  const opened: Record<string, InputArtifact | undefined> = {};
  for (const [name, spec] of Object.entries(specs)) {
    const path = paths[name];
    if (path !== undefined) opened[name] = await openNamed(name, resolve(cwd, path), kindsOf(spec));
    else if (spec.optional === true || partial) opened[name] = undefined;
    else {
      throw new DraftsmithError("USAGE", `${stage.name} needs its input ${name}: ${spec.description}`, {
        hint: `add --in ${name}=DIRECTORY with a directory of kind ${kindsOf(spec).join(" or ")}`,
      });
    }
  }
  return opened;
}

async function openNamed(name: string, path: string, kinds: readonly ArtifactKind[]): Promise<InputArtifact> {
  try {
    return await openArtifact(path, kinds);
  } catch (error) {
    if (!isDraftsmithError(error)) throw error;
    const { code, message, hint, location } = error;
    throw new DraftsmithError(code, message, {
      location: { ...location, field: `in.${name}` },
      cause: error,
      ...defined({ hint }),
    });
  }
}
