#!/usr/bin/env node
/** The command line's entry: everything else is loaded when a command needs it. */
import { exitWith } from "./failure.js";
import { runProgram } from "./program.js";

// A reader that closes the pipe early (`| head`) is not an error; the run goes on and leaves its record.
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code !== "EPIPE") throw error;
});

try {
  await runProgram(process.argv.slice(2));
} catch (error) {
  exitWith(error);
}
