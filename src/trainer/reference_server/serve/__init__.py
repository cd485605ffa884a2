"""The reference target server: SGLang's HTTP contract over the exact greedy decoding of ``decode``.

It is the embedded default of the pipelines, the way to evaluate a draft without a GPU, and what tests talk to. It
copies what SGLang 0.5.23 answers, its errors included; where it is stricter (it decodes greedily only, and refuses
what SGLang would pass over in silence), the refusal says so.
"""

from __future__ import annotations


def main(argv: list[str]) -> int:
    """Runs the server until it is told to stop; returns the exit code."""
    from .cli import run

    return run(argv)
