#!/usr/bin/env node
/** The command line's entry: everything else is loaded when a command needs it. */
import { exitWith } from "./failure.js";
import { runProgram } from "./program.js";

try {
  await runProgram(process.argv.slice(2));
} catch (error) {
  exitWith(error);
}
