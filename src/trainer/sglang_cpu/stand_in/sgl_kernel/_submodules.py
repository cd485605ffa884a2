"""Answer `import sgl_kernel.anything`, with the wheel's own module where that is plain Python."""

import importlib.abc
import importlib.machinery
import importlib.metadata
import importlib.util
import sys
from collections.abc import Sequence
from types import ModuleType

from ._stub import stub

# Holds type descriptions that SGLang's quantisation code reads at import; it needs no compiled library.
_FROM_WHEEL = frozenset({"scalar_type"})
_WHEEL = "sglang-kernel"


class _StubLoader(importlib.abc.Loader):
    def create_module(self, _spec: importlib.machinery.ModuleSpec) -> ModuleType | None:
        return None

    def exec_module(self, module: ModuleType) -> None:
        name = module.__name__
        module.__getattr__ = lambda attribute: stub(name, attribute)  # type: ignore[method-assign]


class _Finder(importlib.abc.MetaPathFinder):
    def __init__(self, package: str) -> None:
        self._prefix = f"{package}."

    def find_spec(
        self, fullname: str, _path: Sequence[str] | None, _target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if not fullname.startswith(self._prefix):
            return None
        name = fullname.removeprefix(self._prefix)
        if name.startswith("_"):
            return None
        if name in _FROM_WHEEL:
            file = importlib.metadata.distribution(_WHEEL).locate_file(f"sgl_kernel/{name}.py")
            return importlib.util.spec_from_file_location(fullname, str(file))
        return importlib.machinery.ModuleSpec(fullname, _StubLoader(), is_package=True)


def install(package: str) -> None:
    """Put the finder first, so that it decides before the path is searched."""
    sys.meta_path.insert(0, _Finder(package))
