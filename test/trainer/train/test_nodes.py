"""Two nodes of one process each train as one node with two: torchrun on loopback, files of their own on each node."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest
from job_runner import environment, free_port, job_in, run_job, tree
from sample import write_shards

OPTIONS = {
    "draft": {"layers": 1, "blockSize": 4, "intermediateSize": 64, "maskTokenId": 510},
    "epochs": 6,
    "batchSize": 1,
    "anchors": 5,
    "lr": 0.002,
    "evalEvery": 10,
    "checkpointEvery": 4,
    "device": "cpu",
    "threads": 1,
}


@pytest.fixture(scope="module")
def shards(tmp_path_factory):
    return write_shards(tmp_path_factory.mktemp("shards"), train=9, heldout=3)


def start(job, node: int, port: int) -> subprocess.Popen:
    command = [sys.executable, "-m", "torch.distributed.run", "--nnodes", "2", "--node-rank", str(node)]
    command += ["--nproc-per-node", "1", "--master-addr", "127.0.0.1", "--master-port", str(port)]
    command += ["--log-dir", str(job.parent / "torchrun")]
    command += ["-m", "draftsmith_trainer", "train", "--config", str(job)]
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen(command, env={**environment(), "GLOO_SOCKET_IFNAME": "lo"}, **streams)


def finish(nodes) -> list[tuple[int, list[dict], str]]:
    outputs = [node.communicate(timeout=280) for node in nodes]
    return [
        (node.returncode, [json.loads(line) for line in out.splitlines()], err)
        for node, (out, err) in zip(nodes, outputs, strict=True)
    ]


def run_nodes(jobs) -> list[tuple[int, list[dict], str]]:
    port = free_port()
    return finish([start(job, node, port) for node, job in enumerate(jobs)])


def losses(root) -> list[float]:
    lines = [json.loads(line) for line in (root / "work" / "metrics.jsonl").read_text().splitlines()]
    return [line["loss"] for line in lines if "loss" in line]


@pytest.mark.slow
def test_two_nodes_equal_two_processes(tmp_path, target_dirs, shards):
    target = target_dirs["qwen3_vl"]
    run_job("train", job_in(tmp_path / "one", target, shards, OPTIONS), 2)
    jobs = [job_in(tmp_path / name, target, shards, OPTIONS) for name in ("first", "second")]
    (code, events, errors), (other_code, other_events, other_errors) = run_nodes(jobs)
    assert (code, other_code) == (0, 0), errors[-1500:] + other_errors[-1500:]
    assert events[-1]["type"] == "result" and events[-1]["facts"]["steps"] == 30
    assert other_events == [], "only the first node speaks"
    assert len(losses(tmp_path / "first")) == 3
    assert tree(tmp_path / "first" / "work") == tree(tmp_path / "one" / "work")
    assert tree(tmp_path / "second" / "work") == {}


@pytest.mark.slow
def test_a_stopped_run_goes_on_though_only_the_first_node_has_its_state(tmp_path, target_dirs, shards):
    target = target_dirs["qwen3_vl"]
    run_job("train", job_in(tmp_path / "one", target, shards, OPTIONS), 2)
    jobs = [job_in(tmp_path / name, target, shards, OPTIONS) for name in ("first", "second")]
    port = free_port()
    nodes = [start(job, node, port) for node, job in enumerate(jobs)]
    state = tmp_path / "first" / "resume"
    until = time.monotonic() + 200
    while not list(state.glob("state-*")):
        assert time.monotonic() < until and nodes[0].poll() is None, nodes[0].communicate()[1][-2000:]
        time.sleep(0.02)
    # To the second node: both stop at the same step, and the first saves.
    os.kill(nodes[1].pid, signal.SIGTERM)
    finish(nodes)
    assert not (tmp_path / "first" / "work" / "best.json").exists()
    assert list(state.glob("state-*")) and not list((tmp_path / "second" / "resume").glob("state-*"))
    (code, events, errors), (other_code, _, other_errors) = run_nodes(jobs)
    assert (code, other_code) == (0, 0), errors[-1500:] + other_errors[-1500:]
    assert any("resuming at step" in event.get("message", "") for event in events)
    assert tree(tmp_path / "first" / "work") == tree(tmp_path / "one" / "work")


@pytest.mark.slow
def test_nodes_with_other_rows_are_refused(tmp_path, target_dirs, shards):
    other = write_shards(tmp_path / "other", train=8, heldout=3)
    target = target_dirs["qwen3_vl"]
    jobs = [job_in(tmp_path / "first", target, shards, OPTIONS), job_in(tmp_path / "second", target, other, OPTIONS)]
    first, second = run_nodes(jobs)
    assert first[0] != 0 and second[0] != 0
    said = [event["message"] for event in first[1] if event["type"] == "error"]
    assert said == ["process 1 of 2 has other rows than the first"], first[2][:3000]
    # The second node says the same, unless the end of the first one ends it in the middle.
    assert {event["message"] for event in second[1] if event["type"] == "error"} <= set(said)
