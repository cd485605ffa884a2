"""Small checked changes to installed source files.

An edit names the text that must be there and the text that replaces it. If the expected text is missing or occurs more
than once, the package is not the version that the edit was written for, and nothing is guessed.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path


class EditError(Exception):
    """An edit does not fit the file it is meant for."""


@dataclass(frozen=True)
class Edit:
    file: str  # relative to the package's directory
    why: str
    expect: str
    replace: str
    within: str = ""  # text that occurs once in the file; `expect` is looked for after it

    def apply(self, source: str) -> str:
        start = 0
        if self.within:
            if source.count(self.within) != 1:
                raise EditError(
                    f"{self.file}: expected {self.within!r} exactly once, found {source.count(self.within)}"
                )
            start = source.index(self.within)
        head, tail = source[:start], source[start:]
        found = tail.count(self.expect)
        if found == 0 or (found > 1 and not self.within):
            raise EditError(
                f"{self.file}: expected {self.expect!r} once, found {found}; the edit was meant to {self.why}"
            )
        return head + tail.replace(self.expect, self.replace, 1)


def apply_all(package: Path, edits: Sequence[Edit]) -> None:
    """Check every edit first, then write, so that a misfit leaves the package as it was."""
    changed: dict[Path, str] = {}
    for edit in edits:
        path = package / edit.file
        if path not in changed:
            if not path.is_file():
                raise EditError(f"{edit.file}: no such file in {package}")
            changed[path] = path.read_text(encoding="utf-8")
        changed[path] = edit.apply(changed[path])
    for path, source in changed.items():
        path.write_text(source, encoding="utf-8")
