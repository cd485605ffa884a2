/** The command line as a user without rights to other people's files, whoever starts the tests. */
import { exitWith } from "../../src/cli/failure.js";
import { runProgram } from "../../src/cli/program.js";
import { allStages } from "../../src/pipeline/stage-registry.js";
import "../../src/cli/commands/run.js";
import "../../src/cli/commands/stage.js";

const NOBODY = 65534;

// Compiled while it still may: later imports would have to start a compiler that nobody may run.
await allStages.load("import");
if (process.getuid!() === 0) {
  process.setgroups!([]);
  process.setgid!(NOBODY);
  process.setuid!(NOBODY);
}
await runProgram(process.argv.slice(2)).catch(exitWith);
