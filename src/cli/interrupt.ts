/** Ctrl-C and SIGTERM: the first asks the run to stop and save, the second ends it at once. */
import { ERROR_CODES } from "../base/index.js";

export interface Interrupt {
  signal: AbortSignal;
  /** What the second Ctrl-C kills before it exits. */
  onKillable(kill: () => void): void;
  /** Gives the signals back to Node. */
  release(): void;
}

export function listenForInterrupt(): Interrupt {
  const controller = new AbortController();
  let kill: () => void = () => undefined;
  const handle = (): void => {
    if (controller.signal.aborted) {
      kill();
      process.exit(ERROR_CODES.INTERRUPTED.exit);
    }
    process.stderr.write("\nstopping: work in flight is being saved; press Ctrl-C again to exit at once\n");
    controller.abort();
  };
  process.on("SIGINT", handle).on("SIGTERM", handle);
  return {
    signal: controller.signal,
    onKillable: (given) => {
      kill = given;
    },
    release: () => {
      process.off("SIGINT", handle).off("SIGTERM", handle);
    },
  };
}
