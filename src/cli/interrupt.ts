/**
 * Ctrl-C, SIGTERM and SIGUSR1: the first asks the run to stop and save. A second Ctrl-C or SIGTERM ends it at once;
 * SIGUSR1 is a scheduler's warning, so that the SIGTERM behind it does not.
 */
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
  let demanded = false;
  const warn = (): void => {
    if (controller.signal.aborted) return;
    process.stderr.write("\nstopping: work in flight is being saved; press Ctrl-C again to exit at once\n");
    controller.abort();
  };
  const demand = (): void => {
    if (demanded) {
      kill();
      process.exit(ERROR_CODES.INTERRUPTED.exit);
    }
    demanded = true;
    warn();
  };
  process.on("SIGINT", demand).on("SIGTERM", demand).on("SIGUSR1", warn);
  return {
    signal: controller.signal,
    onKillable: (given) => {
      kill = given;
    },
    release: () => {
      process.off("SIGINT", demand).off("SIGTERM", demand).off("SIGUSR1", warn);
    },
  };
}
