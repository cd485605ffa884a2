"""``python -m draftsmith_trainer <job> ...``: dispatches to one job, whose module is imported only when it runs."""

from __future__ import annotations

import errno
import os
import signal
import sys
import time
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

from .base.errors import Interrupted, UserError
from .base.events import Events
from .base.parent import watch
from .base.signals import interruptible
from .base.versions import check_transformers
from .parallel.allocator import use_expandable_segments

#: Jobs that read a job file: name -> module whose ``run(path, events)`` does the work.
JOBS = {
    "train": ("draftsmith_trainer.jobs.train", "train a draft from shards"),
    "plan": ("draftsmith_trainer.jobs.plan", "estimate the memory and time of a training run"),
    "evaluate": ("draftsmith_trainer.jobs.evaluate", "measure drafts on held-out rows"),
    "states": ("draftsmith_trainer.jobs.states", "compare a server's hidden states with captured ones"),
    "export": ("draftsmith_trainer.jobs.export", "write the directory that an engine serves"),
}

#: Programs with flags of their own: name -> module whose ``main(argv)`` does the work.
PROGRAMS = {
    "serve": ("reference_server.serve", "serve a target (and a draft) with SGLang's HTTP contract"),
    "demo-data": ("tiny_gui.raw", "write raw dialogues of the embedded target's task"),
}


#: Seconds that a rank outlives another, so that the launcher sees first who has died, and how.
_LAST_WORD = 2.0

#: Packages that an environment not built from our requirements may lack.
NEEDED = ("numpy", "PIL", "pyarrow", "safetensors", "torch", "torchvision", "transformers")


def main(argv: list[str]) -> int:
    """Runs one job; the exit code is 0 for success, 1 a bug, 2 a user error, 4 another rank has ended, 130 a stop."""
    if not argv or argv[0] in ("-h", "--help"):
        print(_usage())
        return 0 if argv else 2
    watch()
    use_expandable_segments()
    name, rest = argv[0], argv[1:]
    if name in PROGRAMS:
        program: Callable[[list[str]], int | None] = import_module(PROGRAMS[name][0]).main
        return program(rest) or 0
    events = Events(quiet=int(os.environ.get("RANK", "0")) != 0)
    try:
        if name not in JOBS:
            raise UserError("unknown-job", f"no job named {name!r}", f"known: {', '.join([*JOBS, *PROGRAMS])}")
        if name != "plan":
            check_transformers()
        with interruptible():
            import_module(JOBS[name][0]).run(_config_path(name, rest), events)
    except UserError as error:
        events.error(error)
        print(f"draftsmith_trainer {name}: {error.message}", file=sys.stderr)
        if error.code != "rank-lost":
            return 2
        time.sleep(_LAST_WORD)
        return 4
    except (Interrupted, KeyboardInterrupt):
        return 128 + signal.SIGINT
    except ModuleNotFoundError as error:
        missing = (error.name or "").partition(".")[0]
        if missing not in NEEDED:
            raise
        hint = "install src/trainer/requirements.txt into this Python, or run `draftsmith doctor` to see what it lacks"
        events.error(UserError("python-package-missing", f"{sys.executable} has no package {missing}", hint))
        return 2
    except Exception as error:
        if not _disk_is_full(error):
            raise
        events.error(UserError("disk-full", f"{name}: the disk is full: {error}", "free some space and run it again"))
        return 2
    return 0


def entry() -> None:
    """Console-script entry."""
    sys.exit(main(sys.argv[1:]))


def _config_path(job: str, rest: list[str]) -> Path:
    if len(rest) != 2 or rest[0] != "--config":
        raise UserError("bad-job", f"{job} needs --config job.json")
    return Path(rest[1])


def _disk_is_full(error: BaseException) -> bool:
    # safetensors wraps the operating system's message in its own exception type.
    return (isinstance(error, OSError) and error.errno == errno.ENOSPC) or "No space left on device" in str(error)


def _usage() -> str:
    lines = ["usage: python -m draftsmith_trainer <job> --config job.json", ""]
    lines += [f"  {name:<10} {about}" for name, (_, about) in {**JOBS, **PROGRAMS}.items()]
    return "\n".join(lines)


if __name__ == "__main__":
    entry()
