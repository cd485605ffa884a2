"""The ``train`` job: reads its file, loads target, data and draft, and runs the training loop."""

from __future__ import annotations

import hashlib
import time
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from ..algorithms.drafts import new_draft
from ..algorithms.settings import config_json, new_config
from ..algorithms.store import load_draft
from ..base.compiling import worth_compiling
from ..base.errors import UserError
from ..base.events import Events
from ..base.lock import hold
from ..base.typed_json import read_job, to_json
from ..data.shards import ImageShards
from ..draft.config import DraftConfig
from ..draft.model import DFlashDraft
from ..feed import Preparer, StateSource
from ..feed.packing import pack_target
from ..parallel.device import choose_compute, matrix_rate, smallest_card
from ..parallel.ranks import Ranks, join_ranks
from ..plan.floor import RowFloor
from ..plan.shape import read_shape
from ..plan.sharding import decide_sharding
from ..target import load_target, read_spec
from ..target.pictures import open_pictures
from ..target.weights import check_weights
from ..train.corpus import Corpus, open_corpus
from ..train.extent import extent
from ..train.loop import Trainer
from ..train.options import TrainJob, TrainOptions
from ..train.reporters import check_reporters
from ..train.soft_labels import check_soft_labels, soft_cost
from ..train.state_cache import decide_cache

#: Seconds that other processes outlive the first when all of them are rejected.
_LEAVE_SECONDS = 5.0

#: Options that do not affect what is learned.
_NEUTRAL = (
    "threads",
    "stateCacheMb",
    "checkpointEvery",
    "maxMinutes",
    "device",
    "attention",
    "packTokens",
    "draftTokens",
    "slowRecurrence",
    "shardTarget",
    "reportTo",
)


def run(path: Path, events: Events) -> None:
    """Runs the training in the job file at ``path`` and prints a result event.

    Raises:
        UserError: for anything wrong with options, target or shards.
        Interrupted: after SIGINT or SIGTERM, with the state saved.
    """
    job = read_job(TrainJob, path)
    options = job.options
    compute = choose_compute(options.device, options.dtype, options.attention, options.threads)
    spec = read_spec(job.target)
    check_weights(job.target)
    check_reporters(options.report_to)
    config = new_config(options.draft, spec)
    corpus = open_corpus(job.shards, options, config.mask_token_id)
    with join_ranks(compute.device) as ranks:
        device = f"cuda:{ranks.local}" if compute.device == "cuda" else "cpu"
        sharded = decide_sharding(
            options, job.target, config, corpus, compute.dtype.itemsize, ranks.world, smallest_card(compute, ranks)
        )
        if sharded.reason is not None:
            events.log(sharded.reason)
        soft = options.soft_labels is not None
        if soft:
            check_soft_labels(config)
            events.log(soft_cost(config, spec))
        target = load_target(spec, config.target_layer_ids, compute.dtype, device, shard=sharded.shard, final=soft)
        draft = _start(options, config).to(device)
        planned = extent(len(corpus.usable), options, ranks.world)
        cache = decide_cache(
            0 if target.sharded else options.state_cache_mb,
            corpus.facts.take(corpus.usable),
            corpus.heldout_facts.take(corpus.measured),
            planned,
            ranks.world,
            target.width * compute.dtype.itemsize,
        )
        events.log("captured states are not kept: the target is sharded" if target.sharded else cache.reason)
        packed = pack_target(target, options.slow_recurrence)
        preparer = Preparer(
            target, config, compute.attention, packed is not None, options.pack_tokens, options.draft_tokens
        )
        if worth_compiling(compute.device, config.hidden_size):
            draft.compile_layers()
        fingerprint = _fingerprint(job, config, corpus, ranks.world)
        _check_agreement(fingerprint, ranks)
        with (
            open_pictures(job.target, ImageShards(job.shards), target.device, ranks.local_world) as pictures,
            hold(job.resume_dir, events) if ranks.first else nullcontext(),
        ):
            source = StateSource(target, pictures, cache.budget_mb, packed)
            shape = read_shape(job.target)
            floor = RowFloor(shape, config, corpus.facts, options.anchors, matrix_rate(compute), soft)
            trainer = Trainer(job, corpus, target, draft, source, preparer, compute, ranks, events, fingerprint, floor)
            facts = trainer.run()
        if ranks.first:
            events.result(corpus.counts, facts)


def _check_agreement(fingerprint: dict[str, Any], ranks: Ranks) -> None:
    """Checks that every process has the first one's inputs and options: other machines read their own files.

    Raises:
        UserError: ``ranks-differ``.
    """
    for part, what in (
        ("options", "options"),
        ("draft", "draft settings"),
        ("rows", "rows"),
        ("weights", "target weights"),
    ):
        others = ranks.differing(fingerprint[part])
        if others:
            # A process that exits breaks its connections, so the others wait until the first has told the user.
            if not ranks.first:
                time.sleep(_LEAVE_SECONDS)
            raise UserError(
                "ranks-differ",
                f"process {others[0]} of {ranks.world} has other {what} than the first",
                "start every node with the same command, over the same shards and the same model",
            )


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
    """Identifies the run of a saved state. Options that only affect speed or how often to evaluate are left out."""
    options = to_json(job.options)
    for name in _NEUTRAL:
        options.pop(name)
    lengths = hashlib.sha256(corpus.train.lengths.tobytes() + corpus.heldout.lengths.tobytes()).hexdigest()
    weights = {path.name: path.stat().st_size for path in job.target.glob("*.safetensors")}
    return {"options": options, "draft": config_json(config), "rows": lengths, "weights": weights, "ranks": world}
