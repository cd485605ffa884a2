"""What tests need that only some of the supported releases of transformers have."""

from __future__ import annotations

from importlib.util import find_spec

import pytest

#: Precomputed inputs of vision towers, without which targets and pictures are read one by one.
NEEDS_TOWER_INPUTS = pytest.mark.skipif(
    find_spec("transformers.vision_utils") is None, reason="this transformers has no vision_utils"
)
