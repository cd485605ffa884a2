"""GPU rates and the share of them that training reaches; all measured figures are in this module.

Rates are measured, not taken from data sheets: bf16 matmuls of 8192 x 8192 x 8192 with random data under sustained
load, and device copies counted as bytes read plus bytes written.
"""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass

_TERA = 10**12
_MIB = 2**20


@dataclass(frozen=True)
class Card:
    """A GPU. ``matrix``: bf16 operations per second; ``copy``: bytes per second; None if not measured."""

    name: str
    memory: int
    matrix: float | None = None
    copy: float | None = None


#: H200: 730 to 767 TFLOP/s and 4.3 TB/s, H100 (SXM, 80 GB): 778 to 798 TFLOP/s in short bursts and 3.0 TB/s, both
#: 28 Nov 2026, torch 2.11. Under load both run at the same clock, so the H100 gets the H200's rate.
KNOWN = (
    Card("H100", 81_559 * _MIB, 750 * _TERA, 3.0 * _TERA),
    Card("H200", 143_771 * _MIB, 750 * _TERA, 4.3 * _TERA),
)

#: Share of the floor (operations at the card's matrix rate) that whole steps reach, by target type: measured on an H200
#: for Qwen3-VL (test/trainer/bench_training, 28 Nov 2026), and assumed for Qwen3.5.
SHARE = {"qwen3_vl": 0.73, "qwen3_vl_moe": 0.55, "qwen3_5": 0.73, "qwen3_5_moe": 0.55}

#: Data-parallel scaling efficiency: two GPUs do the work of 1.93.
SCALING = 0.967

#: Bytes that one optimizer step moves per draft parameter: masters and both moments read and written, the gradient
#: read for its norm, read for the update and scaled by it in place, and the bf16 copy made from the masters.
OPTIMIZER_BYTES = 3 * 8 + (4 + 8) + (4 + 2)


def visible_cards() -> list[Card]:
    """The GPUs visible to this process, with rates for known models; empty without a driver."""
    query = ["nvidia-smi", "--query-gpu=index,uuid,memory.total,name", "--format=csv,noheader,nounits"]
    try:
        done = subprocess.run(query, capture_output=True, text=True, timeout=20, check=True)
    except (OSError, subprocess.SubprocessError):
        return []
    return read_cards(done.stdout, os.environ.get("CUDA_VISIBLE_DEVICES"))


def read_cards(listing: str, visible: str | None = None) -> list[Card]:
    """Cards from lines of ``index, uuid, MiB, name``. MIG slices and cards of other sizes have no known rate.

    Args:
        visible: CUDA_VISIBLE_DEVICES: indices or UUID prefixes; None means all.
    """
    wanted = None if visible is None else [part.strip() for part in visible.split(",") if part.strip()]
    cards = []
    for line in listing.strip().splitlines():
        index, uuid, mib, name = (part.strip() for part in line.split(",", 3))
        shown = wanted is None or any(one == index or uuid.startswith(one) for one in wanted)
        if not shown or not mib.isdigit():
            continue
        memory = int(mib) * _MIB
        known = next((card for card in KNOWN if card.name in name and abs(card.memory - memory) < 0.05 * memory), None)
        rates = (known.matrix, known.copy) if known else (None, None)
        cards.append(Card(name, memory, *rates))
    return cards
