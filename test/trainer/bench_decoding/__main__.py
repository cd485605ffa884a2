"""Decoding of the embedded target on a CPU, against the plain way and the floor: `python test/trainer/bench_decoding`.

Prints the measured matrix rate; then, for each batch, tokens a second of plain steps, what their products alone would
take at that rate, and the same steps by transformers' own forward over its own cache; the same for prompts that join
one by one or together; and for blocks that a draft of random weights proposes (tokens verified: how many of them a
trained draft gains is another question). Time is the processor's, of all threads, so that other load on the machine
counts little; the ways take turns, and the median of the rounds counts. Not a test: nothing is asserted.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

_ROOT = Path(__file__).parents[3]
sys.path[:0] = [str(Path(__file__).parent), str(_ROOT / "src" / "trainer"), str(_ROOT / "test" / "trainer")]

import torch  # noqa: E402
from draft_maker import lively_draft, small_config  # noqa: E402
from plain_way import PlainWay  # noqa: E402
from reference_server.decode.batch import SequenceBatch  # noqa: E402
from reference_server.decode.decoder import Decoder  # noqa: E402
from reference_server.decode.drafting import Speculation  # noqa: E402
from reference_server.decode.linear import Product  # noqa: E402
from reference_server.decode.speculative import drafting_for  # noqa: E402
from work import forward_operations  # noqa: E402


def main() -> None:
    flags = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    flags.add_argument("--model", type=Path, default=_ROOT / "fixtures" / "tiny-gui")
    flags.add_argument("--threads", type=int, default=1)
    flags.add_argument("--context", type=int, default=300, help="tokens before the steps")
    flags.add_argument("--steps", type=int, default=24, help="steps in a round")
    flags.add_argument("--rounds", type=int, default=5)
    chosen = flags.parse_args()
    torch.set_num_threads(chosen.threads)
    target = Decoder.load(chosen.model)
    rate = _matrix_rate(target.packed)
    print(f"{chosen.threads} threads, torch {torch.__version__}: {rate / 1e9:.0f} GFLOP/s in large products")
    print(f"{'':24}{'ours':>14}{'floor':>14}{'of it':>8}{'plain way':>14}{'times it':>9}")
    bench = Bench(target, chosen.context, chosen.steps, chosen.rounds, rate)
    for rows in (1, 8, 32):
        bench.steps(rows)
    for rows in (1, 4):
        bench.prompts(rows)
    for rows in (1, 32):
        bench.blocks(rows)


class Bench:
    """One line of figures for each kind of work."""

    def __init__(self, target: Decoder, context: int, steps: int, rounds: int, rate: float) -> None:
        self._target, self._context, self._steps, self._rounds, self._rate = target, context, steps, rounds, rate
        self._plain = PlainWay(target.model)

    def steps(self, rows: int) -> None:
        """Single tokens of ``rows`` running sequences."""

        def ours() -> Callable[[], None]:
            batch = self._filled(rows)
            tokens = [1] * rows

            def run() -> None:
                for _ in range(self._steps):
                    batch.step(tokens)

            return run

        def plain() -> Callable[[], None]:
            self._plain.prefill(self._ids(rows))
            tokens = torch.ones(rows, 1, dtype=torch.int64)

            def run() -> None:
                for _ in range(self._steps):
                    self._plain.step(tokens)

            return run

        config = self._target.text_config
        middle = self._context + self._steps // 2
        work = self._steps * forward_operations(config, rows, rows * middle, rows)
        self._line(f"{rows} rows, a token each", rows * self._steps, work, ours, plain)

    def prompts(self, rows: int) -> None:
        """Prompts that join together."""
        ids = self._ids(rows)
        prompts = [self._target.prompt(one) for one in ids.tolist()]

        def ours() -> Callable[[], None]:
            batch = SequenceBatch(self._target, rows)
            return lambda: _ignore(batch.advance(prompts, []))

        def plain() -> Callable[[], None]:
            return lambda: _ignore(self._plain.prefill(ids))

        n = self._context
        work = forward_operations(self._target.text_config, rows * n, rows * n * (n + 1) // 2, rows)
        self._line(f"{rows} prompts of {n}", rows * n, work, ours, plain)

    def blocks(self, rows: int) -> None:
        """Blocks of 8 that a two-layer draft proposes and the target verifies."""
        config = self._target.text_config
        draft = lively_draft(
            small_config(
                hidden_size=config.hidden_size,
                num_attention_heads=config.num_attention_heads,
                num_key_value_heads=config.num_key_value_heads,
                head_dim=config.head_dim,
                intermediate_size=config.intermediate_size,
                vocab_size=config.vocab_size,
                block_size=8,
                mask_token_id=config.vocab_size - 1,
                target_layer_ids=(3, 4, 5, 6),
                num_target_layers=config.num_hidden_layers,
            )
        )
        drafting = drafting_for(self._target, draft)

        def ours() -> Callable[[], None]:
            batch = SequenceBatch(self._target, rows, drafting.capture)
            speculation = Speculation(drafting, batch)
            for start in batch.advance(self._prompts(rows), [])[0]:
                speculation.join(start)

            def run() -> None:
                for _ in range(self._steps):
                    speculation.run_round([1] * rows)

            return run

        # What the draft itself computes is in the time, not in the floor: a floor below the true one.
        work = self._steps * forward_operations(config, 8 * rows, 8 * rows * self._context, 8 * rows)
        self._line(f"{rows} rows, a block of 8", 8 * rows * self._steps, work, ours, None)

    def _filled(self, rows: int) -> SequenceBatch:
        batch = SequenceBatch(self._target, rows)
        batch.advance(self._prompts(rows), [])
        return batch

    def _prompts(self, rows: int) -> list[Any]:
        return [self._target.prompt(ids) for ids in self._ids(rows).tolist()]

    def _ids(self, rows: int) -> torch.Tensor:
        generator = torch.Generator().manual_seed(rows)
        return torch.randint(0, 1900, (rows, self._context), generator=generator)

    def _line(
        self,
        name: str,
        tokens: int,
        work: float,
        ours: Callable[[], Callable[[], None]],
        plain: Callable[[], Callable[[], None]] | None,
    ) -> None:
        times: dict[str, list[float]] = {"ours": [], "plain": []}
        ways = {"ours": ours} if plain is None else {"ours": ours, "plain": plain}
        for _ in range(self._rounds):
            for way, make in ways.items():
                run = make()
                start = time.process_time()
                run()
                times[way].append(time.process_time() - start)
        took = statistics.median(times["ours"])
        floor = work / self._rate
        line = f"{name:24}{tokens / took:10.0f} t/s{tokens / floor:10.0f} t/s{floor / took:8.2f}"
        if plain is not None:
            other = statistics.median(times["plain"])
            line += f"{tokens / other:10.0f} t/s{other / took:9.2f}"
        print(line, flush=True)


def _matrix_rate(packed: bool) -> float:
    """Operations per second of processor time, by the library that the decoder uses, in products of a prompt's size."""
    x, product = torch.randn(256, 256), Product(torch.randn(1536, 256), packed=packed)
    best = 0.0
    for _ in range(10):
        start = time.process_time()
        for _ in range(50):
            product(x)
        best = max(best, 50 * 2.0 * 256 * 256 * 1536 / (time.process_time() - start))
    return best


def _ignore(_value: object) -> None:
    pass


if __name__ == "__main__":
    with torch.inference_mode():
        main()
