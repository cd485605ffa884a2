"""The ``train`` job: reads its file, loads target, data and draft, and runs the training loop."""

from __future__ import annotations

import time
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from ..algorithms.drafts import new_draft
from ..algorithms.settings import config_notes, new_config
from ..algorithms.store import load_draft
from ..base.compiling import worth_compiling
from ..base.errors import UserError
from ..base.events import Events
from ..base.lock import hold
from ..base.phase import phase
from ..base.signals import StopRequest
from ..base.typed_json import read_job, to_json
from ..data.shards import ImageShards
from ..draft.config import DraftConfig
from ..draft.model import DFlashDraft
from ..feed import Preparer, StateSource
from ..feed.packing import pack_target
from ..parallel.device import Compute, choose_compute, matrix_rate, smallest_card
from ..parallel.ranks import Ranks, join_ranks
from ..plan.floor import RowFloor
from ..plan.shape import read_shape
from ..plan.sharding import decide_sharding
from ..target import Target, TargetSpec, load_target, read_spec
from ..target.pictures import open_pictures
from ..target.weights import check_weights
from ..train.corpus import Corpus, open_corpus
from ..train.extent import Extent, extent, rows_per_step
from ..train.loop import Trainer
from ..train.options import TrainJob, TrainOptions
from ..train.reporters import check_reporters
from ..train.resume import find_state
from ..train.settings import run_layout, run_settings
from ..train.soft_labels import check_soft_labels, soft_cost
from ..train.state_cache import decide_cache

#: Seconds that other processes outlive the first when all of them are rejected.
_LEAVE_SECONDS = 5.0


def run(path: Path, events: Events) -> None:
    """Runs the training in the job file at ``path`` and prints a result event.

    Raises:
        UserError: for anything wrong with options, target or shards.
        Interrupted: after SIGINT, SIGTERM or SIGUSR1, with the state saved.
    """
    job = read_job(TrainJob, path)
    with StopRequest() as request:
        # Until the first step there is nothing to save.
        request.at_once = True
        _run(job, events, request)


def _run(job: TrainJob, events: Events, request: StopRequest) -> None:
    options = job.options
    compute = choose_compute(options.device, options.dtype, options.attention, options.threads)
    spec = read_spec(job.target)
    check_weights(job.target)
    check_reporters(options.report_to)
    config = new_config(options.draft, spec)
    for note in [*config_notes(options.draft, spec), *spec.notes]:
        events.log(note, "warn")
    with phase(events, "reading the shards"):
        corpus = open_corpus(job.shards, options, config.mask_token_id)
    with phase(events, "waiting for the other processes"):
        joined = join_ranks(compute.device)
    with (
        joined as ranks,
        ranks.together(events.error),
        hold(job.resume_dir, events) if ranks.first else nullcontext(),
    ):
        settings, layout = _settings(job, config, corpus, ranks, events)
        planned = extent(len(corpus.usable), options, settings["rowsPerStep"])
        with phase(events, f"loading the target ({_gib(job.target)})"):
            target = _target(job, spec, config, corpus, compute, ranks, events)
        draft = _start(options, config).to(target.device)
        cache_mb = _cache_mb(options, target, corpus, compute, planned, ranks, events)
        packed = pack_target(target, options.slow_recurrence)
        preparer = Preparer(
            target, config, compute.attention, packed is not None, options.pack_tokens, options.draft_tokens
        )
        if worth_compiling(compute.device, config.hidden_size):
            draft.compile_layers()
        with open_pictures(job.target, ImageShards(job.shards), target.device, ranks.local_world) as pictures:
            source = StateSource(target, pictures, cache_mb, packed)
            soft = options.soft_labels is not None
            floor = RowFloor(read_shape(job.target), config, corpus.facts, options.anchors, matrix_rate(compute), soft)
            trainer = Trainer(
                *(job, corpus, target, draft, source, preparer, compute, ranks, events, request),
                *(planned, settings, layout, floor),
            )
            facts = trainer.run()
        if ranks.first:
            events.result(corpus.counts, facts)


def _settings(
    job: TrainJob, config: DraftConfig, corpus: Corpus, ranks: Ranks, events: Events
) -> tuple[dict[str, Any], dict[str, int]]:
    """What identifies the run, and how its rows are shared out, after the state to continue was found.

    Before anything is loaded, so that a conflict is told at once.
    """
    options = job.options
    settings = run_settings(job, config, corpus, rows_per_step(options, ranks.world))
    layout = run_layout(options, ranks.world)
    _check_agreement({**settings, "layout": layout}, ranks)
    batch = settings["rowsPerStep"]
    if ranks.first:
        batch = find_state(
            job.resume_dir, job.other_resume_dirs, settings, layout, options.on_conflict, events
        ).rows_per_step
    return {**settings, "rowsPerStep": ranks.tell(batch)}, layout


def _target(
    job: TrainJob,
    spec: TargetSpec,
    config: DraftConfig,
    corpus: Corpus,
    compute: Compute,
    ranks: Ranks,
    events: Events,
) -> Target:
    """The target on this rank's device, whole or its share."""
    sharded = decide_sharding(
        job.options, job.target, config, corpus, compute.dtype.itemsize, ranks.world, smallest_card(compute, ranks)
    )
    if sharded.reason is not None:
        events.log(sharded.reason)
    soft = job.options.soft_labels is not None
    if soft:
        check_soft_labels(config)
        events.log(soft_cost(config, spec))
    device = f"cuda:{ranks.local}" if compute.device == "cuda" else "cpu"
    return load_target(spec, config.target_layer_ids, compute.dtype, device, shard=sharded.shard, final=soft)


def _cache_mb(
    options: TrainOptions,
    target: Target,
    corpus: Corpus,
    compute: Compute,
    planned: Extent,
    ranks: Ranks,
    events: Events,
) -> int:
    """MiB of captured states that this process keeps."""
    cache = decide_cache(
        0 if target.sharded else options.state_cache_mb,
        corpus.facts.take(corpus.usable),
        corpus.heldout_facts.take(corpus.measured),
        planned,
        ranks.world,
        target.width * compute.dtype.itemsize,
    )
    events.log("captured states are not kept: the target is sharded" if target.sharded else cache.reason)
    return cache.budget_mb


def _gib(directory: Path) -> str:
    return f"{sum(file.stat().st_size for file in directory.glob('*.safetensors')) / 2**30:.1f} GiB on disk"


def _check_agreement(settings: dict[str, Any], ranks: Ranks) -> None:
    """Checks that every process has the first one's inputs and options: other machines read their own files.

    Raises:
        UserError: ``ranks-differ``.
    """
    for part, what in (
        ("options", "options"),
        ("layout", "options"),
        ("draft", "draft settings"),
        ("rows", "rows"),
        ("weights", "target weights"),
    ):
        others = ranks.differing(settings[part])
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
