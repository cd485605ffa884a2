/** How the program ends after an error. */
import { EXIT_BUG, formatError, hideSecrets, isDraftsmithError, withoutErrno } from "../base/index.js";

/** Prints an error for people and sets the exit code; a bug shows its stack. */
export function exitWith(thrown: unknown): void {
  const error = withoutErrno(thrown);
  if (isDraftsmithError(error)) {
    process.stderr.write(`${formatError(error)}\n`);
    process.exitCode = error.exitCode;
    return;
  }
  const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
  process.stderr.write(`this is a bug in draftsmith, please report it:\n${hideSecrets(text)}\n`);
  process.exitCode = EXIT_BUG;
}
