"""The one error class for user errors; any other exception is a bug and shows its traceback."""

from __future__ import annotations

from .error_codes import TOOLKIT_CODES, ToolkitCode


class UserError(Exception):
    """A mistake in the input, the options or the environment, described in one sentence.

    Args:
        code: stable kebab-case code, one of :data:`.error_codes.TOOLKIT_CODES`.
        message: what is wrong, naming the file, field or value.
        hint: what to do about it, if known.
        field: the option that caused it, as users write it (``draft.targetLayerIds``).
        frame: lines that show the place or the cause, such as the end of a log.
        toolkit_code: the toolkit's code, for codes that are built at run time and so are not in the table.
    """

    def __init__(
        self,
        code: str,
        message: str,
        hint: str | None = None,
        field: str | None = None,
        frame: str | None = None,
        toolkit_code: ToolkitCode | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.hint = hint
        self.field = field
        self.frame = frame
        self.toolkit_code: ToolkitCode = toolkit_code or TOOLKIT_CODES[code]


class Interrupted(Exception):  # noqa: N818 - a request that was honored, not an error
    """The job was asked to stop (SIGINT, SIGTERM, SIGUSR1), saved its state, and should exit with code 130."""
