/** File-system errors as errors of the user: which path, what is wrong with it, what to do. */
import { defined } from "./defined.js";
import { DraftsmithError, type ErrorCode, type ErrorLocation } from "./errors.js";

/** What the program was doing with the file. */
export type FileUse = "read" | "write";

export interface FileProblem {
  code: ErrorCode;
  message: string;
  hint?: string;
}

interface Verdict {
  code: ErrorCode;
  /** Follows the path in the message. */
  says: string;
  hint?: string;
}

const READ_PERMISSION = "give the user that runs draftsmith permission to read it";
const OTHER_PLACE = "choose another directory, or correct the path";

const READING: Readonly<Record<string, Verdict>> = {
  ENOENT: { code: "INPUT_MISSING", says: "does not exist" },
  ENOTDIR: { code: "INPUT_MISSING", says: "does not exist: a part of the path is a file" },
  EACCES: { code: "INPUT_MISSING", says: "cannot be read: permission denied", hint: READ_PERMISSION },
  EPERM: { code: "INPUT_MISSING", says: "cannot be read: permission denied", hint: READ_PERMISSION },
  EISDIR: { code: "INPUT_INVALID", says: "is a directory, but a file is needed", hint: "name a file inside it" },
  ELOOP: { code: "INPUT_INVALID", says: "cannot be resolved: its symbolic links form a loop" },
  ENAMETOOLONG: { code: "INPUT_INVALID", says: "is too long for a path on this file system" },
  ENXIO: { code: "INPUT_INVALID", says: "is a socket or a device, but a file is needed" },
  ENODEV: { code: "INPUT_INVALID", says: "is a device, but a file is needed" },
  ERR_INVALID_ARG_VALUE: { code: "INPUT_INVALID", says: "is not a path: it contains a null character" },
  ERR_FS_FILE_TOO_LARGE: { code: "INPUT_INVALID", says: "is too large to be read at once (2 GiB)" },
  ERR_STRING_TOO_LONG: { code: "INPUT_INVALID", says: "is too large to be read as one text (512 MiB)" },
};

const WRITING: Readonly<Record<string, Verdict>> = {
  ENOENT: { code: "OUTPUT_INVALID", says: "cannot be created: a directory above it does not exist", hint: OTHER_PLACE },
  ENOTDIR: { code: "OUTPUT_INVALID", says: "cannot be created: a part of the path is a file", hint: OTHER_PLACE },
  EEXIST: { code: "OUTPUT_INVALID", says: "is a file, but a directory is needed", hint: OTHER_PLACE },
  EISDIR: { code: "OUTPUT_INVALID", says: "is a directory, but a file is to be written", hint: "name a file" },
  EACCES: { code: "OUTPUT_INVALID", says: "cannot be written: permission denied", hint: OTHER_PLACE },
  EPERM: { code: "OUTPUT_INVALID", says: "cannot be written: permission denied", hint: OTHER_PLACE },
  EROFS: { code: "OUTPUT_INVALID", says: "cannot be written: the file system is read-only", hint: OTHER_PLACE },
  ELOOP: { code: "OUTPUT_INVALID", says: "cannot be created: symbolic links form a loop", hint: OTHER_PLACE },
  ENAMETOOLONG: { code: "OUTPUT_INVALID", says: "is too long for a path on this file system", hint: OTHER_PLACE },
  ENXIO: { code: "OUTPUT_INVALID", says: "is a pipe or a socket that nobody reads", hint: OTHER_PLACE },
  ERR_INVALID_ARG_VALUE: { code: "OUTPUT_INVALID", says: "is not a path: it contains a null character" },
};

const FULL = new Set(["ENOSPC", "EDQUOT", "EFBIG"]);
const WRITING_CALLS =
  /^(mkdir|mkdtemp|write|rename|link|symlink|unlink|rm|rmdir|ftruncate|truncate|fsync|copyfile|utime)/;
/** A path that is itself the problem may have thousands of characters. */
const MAX_SHOWN = 200;

interface NodeError extends Error {
  code: string;
  syscall?: string;
  path?: string;
}

export interface FileContext {
  /** Left out: what the failed system call tells, where `open` counts as reading. */
  use?: FileUse;
  /** The option or argument that named the path. */
  field?: string;
}

/**
 * The error of `node:fs` as a DraftsmithError; anything else is returned as it is.
 *
 * @param file - as the user wrote it where known
 */
export function fromErrno(error: unknown, file: string, { use, field }: FileContext = {}): unknown {
  if (!isNodeError(error)) return error;
  const location = { file: shown(file), ...defined({ field }) };
  const problem = problemOf(error.code, file, use ?? useOf(error));
  if (problem !== undefined) return fileError(problem, location, error);
  if (!/^E[A-Z]+$/.test(error.code)) return error;
  const message = `${error.code} at ${shown(file)}: ${error.message}`;
  return fileError({ code: "DISK_FAILED", message }, location, error);
}

/**
 * For errors that nobody turned into words where they arose: those of the file system become a DraftsmithError by the
 * path that Node keeps in them; anything else is returned as it is.
 */
export function withoutErrno(error: unknown): unknown {
  if (!isNodeError(error)) return error;
  if (error.path !== undefined && error.syscall !== undefined && !error.syscall.startsWith("spawn")) {
    return fromErrno(error, error.path);
  }
  return FULL.has(error.code) ? fromErrno(error, "the disk", { use: "write" }) : error;
}

/** The path that Node keeps in an error of its file system calls. */
export function pathOf(error: unknown): string | undefined {
  return isNodeError(error) ? error.path : undefined;
}

/** What an errno means for a path; undefined where the path is not to blame. */
export function problemOf(errno: string, file: string, use: FileUse): FileProblem | undefined {
  if (FULL.has(errno)) {
    return {
      code: "DISK_FULL",
      message: `no space left while writing ${shown(file)}`,
      hint: "free some space and run the same command again; finished work is kept",
    };
  }
  const table = use === "write" ? WRITING : READING;
  const verdict = Object.hasOwn(table, errno) ? table[errno] : undefined;
  if (verdict === undefined) return undefined;
  const { code, says, hint } = verdict;
  return { code, message: `${shown(file)} ${says}`, ...defined({ hint }) };
}

/** The problem as an error with its place. */
export function fileError(problem: FileProblem, location: ErrorLocation, cause?: unknown): DraftsmithError {
  const { code, message, hint } = problem;
  return new DraftsmithError(code, message, { location, cause, ...defined({ hint }) });
}

function useOf({ syscall }: NodeError): FileUse {
  return syscall !== undefined && WRITING_CALLS.test(syscall) ? "write" : "read";
}

function isNodeError(error: unknown): error is NodeError {
  return error instanceof Error && "code" in error && typeof error.code === "string";
}

function shown(file: string): string {
  const printable = file.replaceAll("\0", "\\0");
  return printable.length <= MAX_SHOWN ? printable : `${printable.slice(0, MAX_SHOWN)}...`;
}
