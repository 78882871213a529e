"""A planned fleet on loopback: as many emulated replicas as the plan says serve its trace as it says, fewer do not."""

from __future__ import annotations

import json
from contextlib import ExitStack

import numpy as np
import pytest

from paretoken.answers.plan.question import PlanQuestion
from paretoken.answers.plan.run import plan
from paretoken.bench.run_folder import RunFolder
from paretoken.bench.stats.level_summary import LevelSummary
from paretoken.plan.replica import mean_lengths
from paretoken.traffic.request import read_traffic
from tests.support.emulators import program

REQUESTS, SECONDS = 120, 8.0
DEPLOYMENT = "--accelerator H100 --model llama-3-70b --precision fp8 --engine vllm --tp 2"
SLO = "ttft_p90=2s,tpot_p90=38ms,ttft_p50=100s,tpot_p50=100s,e2e_p50=100s"


@pytest.fixture
def trace(tmp_path):
    rng = np.random.default_rng(0)
    columns = (
        np.sort(rng.uniform(0, SECONDS, REQUESTS)),
        rng.integers(300, 900, REQUESTS),
        rng.integers(20, 60, REQUESTS),
    )
    rows = zip(*(c.tolist() for c in columns), strict=True)
    lines = [json.dumps(dict(zip(("time_s", "input_tokens", "output_tokens"), row, strict=True))) for row in rows]
    (tmp_path / "trace.jsonl").write_text("\n".join(lines))
    return tmp_path / "trace.jsonl"


def test_emulated_replicas_do_what_the_plan_says(trace, call, tmp_path):
    deployed = {"accelerators": ("H100",), "engines": ("vllm",), "precisions": ("fp8",), "tp": 2}
    question = PlanQuestion(log=trace, model="llama-3-70b", slo=SLO, spares=0, **deployed)
    row = plan(question).rows[0]
    assert row.replicas == 2
    traffic = read_traffic(question)
    lengths = mean_lengths(traffic)

    def served(replicas: int) -> LevelSummary:
        pace = f"--isl {lengths.isl} --osl {lengths.osl} --length-range-ratio 1"
        with ExitStack() as stack:
            urls = [stack.enter_context(program(*DEPLOYMENT.split(), *pace.split())) for _ in range(replicas)]
            run = tmp_path / f"run-{replicas}"
            load = f"--trace {trace} --arrivals trace --balance least_outstanding --until {SECONDS + 60:g}s"
            code, out, err = call(f"bench {' '.join(urls)} {load} --out {run}")
            assert code == 0, out + err
        (level,) = RunFolder(run).levels()
        requests = level.requests()
        assert requests["status"].to_list() == ["ok"] * REQUESTS
        assert requests["output_tokens"].sum() == traffic.output_tokens.sum()
        share = np.bincount(requests["endpoint"].to_numpy(), minlength=replicas) / REQUESTS
        assert (share > 0.35 if replicas == 2 else share == 1).all()
        return level.summary

    summary, forecast = served(row.replicas), {limit.text: limit for limit in row.limits}
    for metric in ("ttft", "tpot", "e2e"):
        limit = forecast[f"{metric}_p50=100s"]
        assert limit.low <= summary.latency.by_metric[metric].p50 <= limit.high, metric
    bound_s = forecast["tpot_p90=38ms"].bound
    assert summary.latency.by_metric["tpot"].p50 < bound_s
    assert served(1).latency.by_metric["tpot"].p50 > bound_s
