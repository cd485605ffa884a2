"""A stand-in for SGLang's kernel package on a machine without a GPU.

The real package loads libcuda when it is imported, and SGLang imports it in many places even when it serves on the
CPU. This one satisfies those imports: three cache functions are written out in PyTorch, because the DFLASH worker calls
them; every other name is a stub that raises when it is called. Plain serving in fp32 calls none of them.
"""

from collections.abc import Callable

from . import _operators, _submodules
from ._cache import assign_extend_cache_locs_cpu, assign_req_to_token_pool_cpu, copy_all_layer_kv_cache_cpu
from ._stub import stub

__version__ = "0.0.0+stand-in"
__all__ = ["assign_extend_cache_locs_cpu", "assign_req_to_token_pool_cpu", "copy_all_layer_kv_cache_cpu"]

_submodules.install(__name__)
_operators.install()


def __getattr__(name: str) -> Callable[..., object]:
    return stub(__name__, name)
