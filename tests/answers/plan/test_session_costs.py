"""The cost of a session in a plan is that of the replay of the same fleet under the same load."""

from __future__ import annotations

import pytest

from paretoken.answers.plan.question import PlanQuestion
from paretoken.answers.plan.run import plan
from paretoken.answers.predict_trace import PredictTraceQuestion, ReplayRow, predict_trace
from tests.support.recorded_sessions import chain, growing, write_trace

OWN = {"price_usd_per_gpu_h": {"H200": 2.5}, "model": "llama-3-70b", "tp": 4}
TTFT_S, TPOT_MS = 2.0, 40.0


@pytest.mark.slow
def test_a_plan_of_sessions_costs_what_its_replay_costs(tmp_path):
    """Replicas are whole: with one fewer, the replay of `predict --trace` misses the limits that it meets with all."""
    lengths = [growing(6 + i % 5, start=5000 + 37 * (i % 11)) for i in range(240)]
    log = write_trace(
        tmp_path, [chain(calls, name=str(i), begin_s=0.25 * i, call_s=2.0) for i, calls in enumerate(lengths)]
    )
    slo = f"ttft_p95={TTFT_S:g}s,tpot={TPOT_MS:g}ms"
    question = PlanQuestion(log=log, slo=slo, accelerators=("H200",), engines=("vllm",), precisions=("fp8",), **OWN)
    answer = plan(question)
    fleet = answer.rows[0]
    assert fleet.sessions.needed == fleet.replicas > 1

    def replayed(replicas: int) -> ReplayRow:
        deployment = {"accelerator": "H200", "engine": "vllm", "precision": "fp8", **OWN}
        (row,) = predict_trace(PredictTraceQuestion(trace=log, replicas=replicas, **deployment)).rows
        return row

    def meets(row: ReplayRow) -> bool:
        return row.ttft_ms.all.p95 <= TTFT_S * 1e3 and row.tpot_ms.p50 <= TPOT_MS

    same, fewer = replayed(fleet.replicas), replayed(fleet.replicas - 1)
    assert meets(same) and not meets(fewer)
    assert fleet.sessions.worst == pytest.approx(
        max(same.ttft_ms.all.p95 / (TTFT_S * 1e3), same.tpot_ms.p50 / TPOT_MS), rel=0.01
    )
    (bill,) = (b for b in fleet.bills if b.contract == "stated, fixed")
    serving = bill.usd_per_task * fleet.replicas / (fleet.replicas + fleet.spares)
    # The plan counts the sessions of a day at their rate; the replay also pays for the end of the last ones.
    begun_s = 0.25 * len(lengths)
    assert serving == pytest.approx(same.usd_per_session, rel=(same.span_s - begun_s) / begun_s)
    assert serving * same.sessions == pytest.approx(2.5 * 4 * fleet.replicas * answer.traffic.span_s / 3600, rel=1e-6)
