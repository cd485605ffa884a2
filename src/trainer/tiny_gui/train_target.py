"""Trains the target from random weights within a wall-clock budget, and writes bf16 snapshots while it trains.

python -m tiny_gui.train_target --dir OUT --seconds 1000 --workers 15 --device cuda
"""

from __future__ import annotations

import argparse
import json
import math
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
import torch.multiprocessing
import torch.nn.functional as F
from safetensors.torch import load_file
from torch.utils.data import DataLoader, IterableDataset, get_worker_info

from .build import random_model
from .draws import Draws
from .fast import FastModel
from .inputs import Batch, Encoder, draw_batch
from .save import save_weights
from .screens import SIZES

LEARNING_RATE = 1.2e-3
WARM_UP = 200  # steps


class Stream(IterableDataset[Batch]):
    """An endless stream of batches. `progress` is the elapsed share of the time budget, set by the main process."""

    def __init__(self, directory: Path, seed: int, images: int, first_phase: float, progress: Any) -> None:
        self.directory, self.seed, self.images = directory, seed, images
        self.first_phase, self.progress = first_phase, progress

    def __iter__(self) -> Iterator[Batch]:
        """Worker w of n generates batches w, w + n, ..., so that no two workers generate the same batch."""
        torch.set_num_threads(1)
        encoder = Encoder(self.directory)
        info = get_worker_info()
        at, step = (info.id, info.num_workers) if info else (0, 1)
        while True:
            draws = Draws("train", self.seed, at)
            at += step
            early = self.progress.value < self.first_phase
            roll = draws.below(100)
            if early:
                turns = 1 if roll < 80 else 2
            else:
                turns = 1 if roll < 40 else 2 if roll < 65 else 3 if roll < 82 else 4
            listing = 70.0 if early else 12.0
            talk = (2.0 if early else 8.0) if turns == 1 else 0.0
            yield draw_batch(encoder, draws, draws.pick(SIZES), turns, self.images, listing, talk)


def rate(step: int, progress: float) -> float:
    """The share of the peak learning rate: linear warm-up over steps, then cosine decay over time to 1 %."""
    return min(1.0, (step + 1) / WARM_UP) * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * progress)))


class Trainer:
    """The model, its optimiser, and a training step."""

    def __init__(self, directory: Path, seed: int, device: torch.device, start: Path | None) -> None:
        self.device = device
        self.model = random_model(directory, seed)
        if start:
            self.model.load_state_dict(load_file(str(start)), strict=False)  # the file lacks the tied lm_head
        self.model.to(device)
        self.fast = FastModel(self.model)
        parameters = [p for p in self.model.parameters() if p.requires_grad]
        groups = [
            {"params": [p for p in parameters if p.ndim >= 2], "weight_decay": 0.05},
            {"params": [p for p in parameters if p.ndim < 2], "weight_decay": 0.0},
        ]
        cuda = device.type == "cuda"
        self.optimiser = torch.optim.AdamW(groups, lr=LEARNING_RATE, betas=(0.9, 0.95), fused=cuda)
        self.parameters = parameters

    def step(self, batch: Batch, learning_rate: float) -> tuple[torch.Tensor, torch.Tensor]:
        """One update. Returns the loss and the share of answers with every token right (teacher-forced)."""
        for group in self.optimiser.param_groups:
            group["lr"] = learning_rate
        with torch.autocast(self.device.type, dtype=torch.bfloat16):
            logits = self.fast.logits(batch)
        logits = logits.float()
        loss = (F.cross_entropy(logits, batch.labels, reduction="none") * batch.weights).sum()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.parameters, 1.0)
        self.optimiser.step()
        self.optimiser.zero_grad(set_to_none=True)
        with torch.no_grad():
            wrong = torch.zeros(len(batch.labels), device=self.device)
            wrong.index_add_(0, batch.answer, (logits.argmax(-1) != batch.labels).float())
            answers = batch.answer[-1] + 1
            right = (wrong[: len(batch.labels)] > 0).sum()
        return loss.detach(), 1 - right / answers


class CompileTrial:
    """Tries torch.compile during the first steps and keeps it if it works and is faster."""

    FIRST, WARM, LAST = 40, 70, 100  # steps; the eager model is timed before FIRST, the compiled one from WARM to LAST

    def __init__(self, trainer: Trainer) -> None:
        self.trainer, self.eager, self.open = trainer, trainer.fast, True
        self.seconds = [0.0, 0.0]

    def step(self, number: int, batch: Batch, learning_rate: float) -> tuple[torch.Tensor, torch.Tensor]:
        """One training step, timed."""
        if number == self.FIRST:
            self.trainer.fast = FastModel(self.trainer.model, compiled=True)
        began = time.monotonic()
        try:
            out = self.trainer.step(batch, learning_rate)
            out[0].item()
        except Exception as error:
            print(json.dumps({"compile": "failed", "why": repr(error)[:300]}), flush=True)
            self.trainer.fast, self.open = self.eager, False
            self.trainer.optimiser.zero_grad(set_to_none=True)
            return self.trainer.step(batch, learning_rate)
        took = time.monotonic() - began
        if self.FIRST // 4 <= number < self.FIRST:
            self.seconds[0] += took / (self.FIRST - self.FIRST // 4)
        if self.WARM <= number < self.LAST:
            self.seconds[1] += took / (self.LAST - self.WARM)
        if number == self.LAST - 1:
            if self.seconds[1] > self.seconds[0]:
                self.trainer.fast = self.eager
            self.open = False
            print(json.dumps({"eager_step": self.seconds[0], "compiled_step": self.seconds[1]}), flush=True)
        return out


def train(arguments: argparse.Namespace) -> None:
    """Trains until the time budget is used up."""
    torch.backends.cuda.matmul.allow_tf32 = True
    device = torch.device(arguments.device)
    trainer = Trainer(arguments.dir, arguments.seed, device, arguments.start)
    trial = CompileTrial(trainer) if arguments.compile else None
    progress = torch.multiprocessing.get_context("fork").Value("d", 0.0)
    loader: DataLoader[Batch] = DataLoader(
        Stream(arguments.dir, arguments.seed, arguments.images, arguments.first_phase, progress),
        batch_size=None,
        num_workers=arguments.workers,
        pin_memory=device.type == "cuda",
        prefetch_factor=3 if arguments.workers else None,
        multiprocessing_context="fork" if arguments.workers else None,
    )
    began = saved = time.monotonic()
    totals = torch.zeros(3, device=device)
    for step, cpu_batch in enumerate(loader):
        now = time.monotonic()
        progress.value = (now - began) / arguments.seconds
        if progress.value >= 1 or step == arguments.steps:
            break
        learning_rate = arguments.peak * rate(step, progress.value)
        if trial and trial.open:
            loss, right = trial.step(step, cpu_batch.to(device), learning_rate)
        else:
            loss, right = trainer.step(cpu_batch.to(device), learning_rate)
        totals += torch.stack((loss, right, torch.ones_like(loss)))
        if step % arguments.log_every == arguments.log_every - 1:
            mean = (totals / totals[2]).tolist()
            totals.zero_()
            line = {"step": step + 1, "seconds": round(time.monotonic() - began), "loss": round(mean[0], 4)}
            print(json.dumps(line | {"answers_right": round(mean[1], 4)}), flush=True)
        if now - saved > arguments.save_every:
            save_weights(trainer.model, arguments.dir)
            saved = now
    save_weights(trainer.model, arguments.dir)
    (arguments.dir / "finished").write_text("")


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dir", type=Path, required=True, help="directory with configs and tokenizer, for the weights")
    parser.add_argument("--seconds", type=float, default=1000)
    parser.add_argument("--steps", type=int, default=-1)
    parser.add_argument("--images", type=int, default=256, help="screenshots per step")
    parser.add_argument("--workers", type=int, default=15)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--log-every", type=int, default=100)
    parser.add_argument("--save-every", type=float, default=60, help="seconds between snapshots")
    parser.add_argument("--compile", action="store_true", help="try torch.compile and keep it if it is faster")
    parser.add_argument("--start", type=Path, help="safetensors file to start from instead of random weights")
    parser.add_argument("--peak", type=float, default=LEARNING_RATE, help="peak learning rate")
    parser.add_argument(
        "--first-phase", type=float, default=0.35, help="share of the time spent mostly on listing widgets"
    )
    train(parser.parse_args())


if __name__ == "__main__":
    main()
