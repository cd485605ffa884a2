"""The ``train`` job: reads its file, brings target, data and draft together, and hands them to the loop."""

from __future__ import annotations

import hashlib
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np

from ..data.blocks import candidates
from ..data.images import PixelReader
from ..data.shards import ImageShards, Ints, RowShards
from ..data.states import StateSource
from ..draft.config import DraftConfig
from ..draft.model import DFlashDraft, new_draft
from ..draft.store import load_draft
from ..errors import UserError
from ..events import Events
from ..jobs import TrainJob, TrainOptions, read_job, to_json
from ..target import load_target, read_spec
from .device import choose_compute
from .geometry import draft_config
from .lock import hold
from .loop import Corpus, Trainer
from .ranks import join_ranks


def run(path: Path, events: Events) -> None:
    """Trains as the job file at ``path`` says and prints a result event.

    Raises:
        UserError: for anything wrong with options, target or shards.
        Interrupted: after SIGINT or SIGTERM, with the state saved.
    """
    job = read_job(TrainJob, path)
    options = job.options
    compute = choose_compute(options.device, options.dtype, options.attention, options.threads)
    spec = read_spec(job.target)
    config = draft_config(options.draft, spec)
    corpus = open_corpus(job.shards, options, config.mask_token_id)
    ranks = join_ranks(compute.device)
    try:
        device = f"cuda:{ranks.local}" if compute.device == "cuda" else "cpu"
        target = load_target(spec, config.target_layer_ids, compute.dtype, device)
        draft = _start(options, config).to(device)
        pixels = PixelReader(job.target, ImageShards(job.shards))
        # A second thread decodes the next batch's pictures while a GPU works; on a CPU it would only take its time.
        source = StateSource(target, pixels, options.state_cache_mb, ahead=2 if compute.device == "cuda" else 0)
        fingerprint = _fingerprint(job, config, corpus, ranks.world)
        with hold(job.resume_dir, events) if ranks.first else nullcontext():
            facts = Trainer(job, corpus, target, draft, source, compute, ranks, events, fingerprint).run()
        if ranks.first:
            events.result(corpus.counts, facts)
    finally:
        ranks.close()


def open_corpus(shards: Path, options: TrainOptions, mask_id: int) -> Corpus:
    """Opens both splits, sets aside rows that cannot be trained on, and counts them.

    Raises:
        UserError: ``no-rows`` when nothing is left; ``mask-in-data`` when a supervised token is the mask id.
    """
    train, heldout = RowShards(shards, "train"), RowShards(shards, "heldout")
    limit = min(len(train), options.max_train_rows or len(train))
    usable, no_anchor, too_long = [], 0, 0
    for i in range(limit):
        if train.lengths[i] > options.max_length:
            too_long += 1
            continue
        row = train[i]
        if not len(candidates(row)):
            no_anchor += 1
            continue
        if bool(((row.input_ids == mask_id) & (row.loss_mask > 0)).any()):
            raise UserError(
                "mask-in-data",
                f"row {row.dialogue_id}/{row.row}: a response holds the mask id {mask_id}",
                "choose another draft.maskTokenId: one that the target never says",
            )
        usable.append(i)
    if not usable:
        raise UserError("no-rows", f"{shards}: none of {limit} training rows can be trained on")
    measured: Ints = np.flatnonzero(heldout.lengths <= options.max_length)[: options.eval_rows]
    counts = {
        "read": limit,
        "kept": len(usable),
        "rejected": {"too-long": too_long, "no-anchors": no_anchor},
        "heldout": len(heldout),
        "heldoutMeasured": len(measured),
    }
    return Corpus(train, heldout, np.array(usable, np.int64), measured, counts)


def _start(options: TrainOptions, config: DraftConfig) -> DFlashDraft:
    if options.init_from is None:
        return new_draft(config, options.seed)
    draft = load_draft(options.init_from).train()
    if draft.config.with_dtype(config.torch_dtype) != config:
        differing = _difference(to_json(draft.config), to_json(config))
        raise UserError("init-from", f"the draft in {options.init_from} has another geometry: {differing}")
    draft.config = config
    return draft


def _difference(old: dict[str, Any], new: dict[str, Any]) -> str:
    keys = [key for key in new if old.get(key) != new[key] and key != "torchDtype"]
    return ", ".join(f"{key} {old.get(key)} instead of {new[key]}" for key in keys)


def _fingerprint(job: TrainJob, config: DraftConfig, corpus: Corpus, world: int) -> dict[str, Any]:
    """What a saved state belongs to. Options that only say how fast or how often to look are left out."""
    options = to_json(job.options)
    for name in ("threads", "stateCacheMb", "checkpointEvery", "maxMinutes", "device", "attention"):
        options.pop(name)
    lengths = hashlib.sha256(corpus.train.lengths.tobytes() + corpus.heldout.lengths.tobytes()).hexdigest()
    weights = {path.name: path.stat().st_size for path in job.target.glob("*.safetensors")}
    return {"options": options, "draft": config.to_json(), "rows": lengths, "weights": weights, "ranks": world}
