/** The commands, each loaded only when it is called; all of them only for the help text. */
import yargs, { type Argv, type CommandModule } from "yargs";
import { DraftsmithError, VERSION } from "../base/index.js";
import { suggestion } from "../pipeline/index.js";
import { isStageName, STAGE_NAMES } from "../stages/registry.js";

/** Adds a command to the program. Its arguments' types end here: yargs has one for each command. */
type Register = (program: Argv) => Argv;

function registration<Arguments>(command: CommandModule<object, Arguments>): Register {
  return (program) => program.command(command);
}

const commands: Readonly<Record<string, () => Promise<Register>>> = {
  run: async () => registration((await import("./commands/run.js")).command),
  graph: async () => registration((await import("./commands/graph.js")).command),
  why: async () => registration((await import("./commands/why.js")).command),
  schema: async () => registration((await import("./commands/schema.js")).command),
  report: async () => registration((await import("./commands/report.js")).command),
  inspect: async () => registration((await import("./commands/inspect.js")).command),
  "draft-config": async () => registration((await import("./commands/draft-config.js")).command),
  doctor: async () => registration((await import("./commands/doctor.js")).command),
  errors: async () => registration((await import("./commands/errors.js")).command),
};

/** @throws DraftsmithError; anything else is a bug. */
export async function runProgram(args: readonly string[]): Promise<void> {
  const name = args.find((arg) => !arg.startsWith("-"));
  if (name !== undefined && !isCommand(name) && name !== "help") {
    const known = [...Object.keys(commands), ...STAGE_NAMES];
    throw new DraftsmithError("USAGE", `there is no command ${name}`, { hint: suggestion(name, known, "commands") });
  }
  let program: Argv = yargs()
    .scriptName("draftsmith")
    .usage("$0 COMMAND [options]\n\nFrom raw screenshots and dialogues to a DFlash draft model that SGLang can serve.")
    .version(VERSION)
    .help()
    .strict()
    .demandCommand(1, 1, "name a command; draftsmith --help lists them")
    .option("python", {
      type: "string",
      global: true,
      describe: "Python with torch and transformers, instead of the toolkit's own",
    })
    .middleware((argv) => {
      if (typeof argv.python === "string") process.env.DRAFTSMITH_PYTHON = argv.python;
    })
    // Flags are read as text and checked by the stage's schema, so the help text must not promise strings.
    .updateStrings({ string: "value" })
    .wrap(Math.min(120, process.stdout.columns ?? 100))
    .exitProcess(false)
    // Without a throw here, yargs would run the command nevertheless.
    .fail((message: string | null, error: Error | undefined) => {
      // What a coerce function throws arrives wrapped, as yargs' own kind of error.
      if (error !== undefined && error !== null && error.name !== "YError") throw error;
      throw usageError(error?.message ?? message ?? "the command line is wrong", program, name);
    });
  const wanted = name === undefined || name === "help" ? [...Object.keys(commands), ...STAGE_NAMES] : [name];
  for (const each of wanted) program = (await loadCommand(each))(program);
  await program.parseAsync([...args]);
}

function isCommand(name: string): boolean {
  return Object.hasOwn(commands, name) || isStageName(name);
}

async function loadCommand(name: string): Promise<Register> {
  const load = commands[name];
  if (load !== undefined) return load();
  const { stageCommand } = await import("./commands/stage.js");
  return registration(await stageCommand(name));
}

function usageError(message: string, program: Argv, command: string | undefined): DraftsmithError {
  const unknown = /^Unknown arguments?: ([^,]+)/.exec(message)?.[1];
  const help = `draftsmith${command === undefined ? "" : ` ${command}`} --help lists what can be given`;
  if (unknown === undefined) return new DraftsmithError("USAGE", message, { hint: help });
  const known = knownFlags(program);
  const flag = unknown.length === 1 ? `-${unknown}` : `--${unknown}`;
  return new DraftsmithError("USAGE", `unknown option ${flag}`, { hint: suggestion(flag, known, "options") });
}

/** yargs keeps the options of the command that was being parsed, but its types do not declare this. */
function knownFlags(program: Argv): string[] {
  const internal: unknown = program;
  const { key } = (internal as { getOptions(): { key: Record<string, unknown> } }).getOptions();
  return Object.keys(key)
    .filter((name) => name.length > 1 && !/[A-Z]/.test(name))
    .map((name) => `--${name}`);
}
