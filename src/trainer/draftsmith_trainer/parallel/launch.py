"""``python -m draftsmith_trainer.parallel.launch``: torchrun, with stops that may last and deaths that are explained.

Takes torchrun's own arguments. What differs: a request to stop is handed to every process of this machine, however
often it arrives and however long they take to save (torchrun kills after 30 seconds); SIGUSR1, Slurm's warning, is one;
and the error event of a process that died names its rank, host, signal and last lines.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
from pathlib import Path
from types import FrameType
from typing import Any

from ..base.errors import UserError
from ..base.events import Events
from ..base.signals import SIGNALS

#: Exit codes of a job, see __main__: it was stopped, it has printed an error event, it has lost another rank.
_STOPPED, _EXPLAINED, _LOST = 128 + signal.SIGINT, 2, 4
#: Lines of a dead process's standard error that an error shows, and how much of the file is read for them.
_LINES, _BYTES = 20, 64 * 1024
#: What torchrun is left to handle, and where it shall copy standard error to (2: to files as well as to its own).
_SETTINGS = {"PET_SIGNALS_TO_HANDLE": "SIGQUIT", "TORCHELASTIC_SIGNALS_TO_HANDLE": "SIGQUIT", "PET_TEE": "2"}


#: Whether a request to stop came here.
_asked: list[int] = []


def main(argv: list[str]) -> int:
    """Runs the processes of this machine to their end; the exit code is the job's own."""
    os.environ.update(_SETTINGS)
    for number in (*SIGNALS, signal.SIGHUP):
        signal.signal(number, _forward)
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.run import parse_args, run

    arguments = parse_args(argv)
    try:
        run(arguments)
    except ChildFailedError as error:
        return _explain(error.failures, Path(arguments.log_dir) if arguments.log_dir else None)
    return 0


def _forward(number: int, _frame: FrameType | None) -> None:
    """Hands a request to stop to the job's processes. They take several within two seconds for one."""
    _asked.append(number)
    for process in _children():
        try:
            os.kill(process, signal.SIGTERM)
        except ProcessLookupError:
            continue


def _children() -> list[int]:
    """Processes that this one has started."""
    found, me = [], str(os.getpid())
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            # The name, in brackets, may hold anything; the state and the parent follow it.
            _, _, rest = path.read_text("utf-8", "replace").rpartition(")")
        except OSError:
            continue
        if rest.split()[1] == me:
            found.append(int(path.parent.name))
    return found


def _explain(failures: dict[int, Any], logs: Path | None) -> int:
    """The exit code after some processes failed; prints an error event unless one of them has told why.

    Args:
        failures: by rank; torchrun's ProcessFailure.
    """
    codes = {rank: failure.exitcode for rank, failure in failures.items()}
    killed = [rank for rank, code in codes.items() if code < 0 and -code not in (*SIGNALS, signal.SIGHUP)]
    if killed:
        rank = killed[0]
        _report(rank, _of_signal(-codes[rank]), _HINT_KILLED, _tail(logs, failures[rank].local_rank))
        return _EXPLAINED
    # torchrun has sent SIGTERM to the others, which is no reason but a consequence.
    bugs = [rank for rank, code in codes.items() if code > 0 and code not in (_STOPPED, _EXPLAINED, _LOST)]
    if bugs:
        rank = bugs[0]
        _report(rank, f"ended with exit code {codes[rank]}", _HINT_BUG, _tail(logs, failures[rank].local_rank))
        return _EXPLAINED
    if _EXPLAINED in codes.values():
        return _EXPLAINED
    return _EXPLAINED if _LOST in codes.values() and not _asked else _STOPPED


_HINT_KILLED = "the same command continues from the last saved state"
_HINT_BUG = "this looks like a bug; the lines above are the end of its standard error"


def _of_signal(number: int) -> str:
    try:
        name = signal.Signals(number).name
    except ValueError:
        name = "unknown"
    cause = {
        signal.SIGKILL: ", most likely by the out-of-memory killer of the system or of its container",
        signal.SIGBUS: ", most likely because /dev/shm or a mapped file's disk is full",
    }
    return f"was killed by signal {number} ({name}){cause.get(number, '')}"  # type: ignore[call-overload]


def _report(rank: int, what: str, hint: str, lines: str) -> None:
    message = f"rank {rank} on {socket.gethostname()} {what}"
    Events().error(UserError("rank-died", message, hint, frame=lines or None))
    print(f"draftsmith_trainer: {message}", file=sys.stderr)


def _tail(logs: Path | None, local_rank: int) -> str:
    """The last lines of a process's standard error, as torchrun keeps it."""
    if logs is None:
        return ""
    files = sorted(logs.glob(f"*/attempt_*/{local_rank}/stderr.log"), key=lambda path: path.stat().st_mtime)
    if not files:
        return ""
    with files[-1].open("rb") as file:
        file.seek(max(0, files[-1].stat().st_size - _BYTES))
        text = file.read().decode("utf-8", "replace")
    return "\n".join(text.rstrip().splitlines()[-_LINES:])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
