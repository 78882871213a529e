"""Levels that a fleet of nodes measures against a server of known truth."""

from __future__ import annotations

import json

import numpy as np
import pytest

from paretoken.bench.config import BenchConfig
from paretoken.bench.run_folder import RunFolder
from paretoken.bench.setup import prepare
from paretoken.bench.sweep import sweep
from paretoken.bench.truth.server import TruthServer, read_truth


def setup_for(server, users: str, until: str = "2s", **more):
    config = BenchConfig(
        urls=(server.base_url,),
        isl="16",
        osl="20",
        concurrency=users,
        until=until,
        warmup_per_user=1,
        dialect="vllm",
        **more,
    )
    return prepare(config, api_key="sk-secret")


def measured(setup, folder, fleet):
    class Nobody:
        begins = goes_on = ends = staticmethod(lambda *_: None)

    fleet.start_after_s = 1.0
    run = RunFolder(folder)
    run.create(setup.metadata("test"))
    return list(sweep(setup, run, Nobody(), run_one=fleet.measure))


def summary_of(level) -> dict:
    return json.loads((level.folder / "summary.json").read_bytes())


def agrees_with(server: TruthServer, level, answers_before: int) -> None:
    """No answer came before the server sent it, and none late unless the client says that it was the limit."""
    truth, summary = read_truth(server.log, answers_before), summary_of(level)
    ttft_s, tpot_s = (summary["latency"][metric]["p50"] for metric in ("ttft_s", "tpot_s"))
    assert ttft_s >= truth.ttft_s.min() - 1e-3 and tpot_s > 0
    if not summary["fidelity"]["client_limited"]:
        assert ttft_s == pytest.approx(np.median(truth.ttft_s), abs=0.03)
        assert tpot_s == pytest.approx(np.nanmedian(truth.tpot_s), abs=0.003)
