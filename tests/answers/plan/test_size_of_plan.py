"""The size of a plan's fleets: one replica as `predict --rate` has it, and never fewer for more traffic."""

from __future__ import annotations

import json
from itertools import pairwise

import numpy as np
import pytest

from paretoken.answers.plan.question import PlanQuestion
from paretoken.answers.plan.result import PlanRow
from paretoken.answers.plan.run import plan
from paretoken.answers.predict import PredictQuestion, predict
from paretoken.answers.seam import to_json

LIMITS = ("ttft_p50=1s", "ttft_p95=2s", "tpot_p50=40ms", "tpot_p99=60ms", "e2e_p50=10s")


def planned(**changes) -> PlanRow:
    """One deployment, sized."""
    deployment = {"accelerators": ("H100",), "engines": ("vllm",), "precisions": ("fp8",), "tp": 2}
    return plan(PlanQuestion(model="llama-3-70b", slo=",".join(LIMITS), **deployment, **changes)).rows[0]


@pytest.mark.slow
def test_one_replica_is_what_predict_says_of_the_rate():
    row = planned(rate="1/s", isl="1024", osl="128", spares=0)
    assert row.replicas == 1 and row.gpus == 2
    deployment = {"model": "llama-3-70b", "accelerator": "H100", "engine": "vllm", "precision": "fp8", "tp": 2}
    lengths = {"isl": 1024, "osl": 128, "length_range_ratio": 1.0}
    (of_rate,) = to_json(predict(PredictQuestion(rate=1.0, **deployment, **lengths)))["rows"]
    for limit in row.limits:
        metric, statistic = limit.text.split("=")[0].split("_")
        near = 0.05 if statistic == "p50" else 0.15  # tails of a few thousand requests
        assert 1e3 * limit.value == pytest.approx(of_rate[f"{statistic}_{metric}_ms"], rel=near), limit.text


@pytest.mark.slow
def test_twice_the_traffic_never_needs_fewer_gpus(tmp_path):
    rng = np.random.default_rng(3)
    times = np.sort(rng.uniform(0, 600, 900)).tolist()
    lengths = np.clip(rng.lognormal((6.5, 4.8), (0.8, 0.6), (900, 2)), 1, 8000).astype(int).tolist()
    rows = ({"time_s": t, "input_tokens": i, "output_tokens": o} for t, (i, o) in zip(times, lengths, strict=True))
    log = tmp_path / "log.jsonl"
    log.write_text("\n".join(map(json.dumps, rows)))
    fleets = [planned(log=log, growth=growth, spares=0) for growth in (1, 2, 4, 8)]
    assert all(more.gpus >= fewer.gpus for fewer, more in pairwise(fleets))
    assert fleets[0].gpus < fleets[-1].gpus
    assert all(limit.ratio <= 1 for row in fleets for limit in row.limits)
    assert planned(log=log, growth=8, spares=1).gpus == fleets[-1].gpus + 2
