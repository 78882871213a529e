"""Capacities of the closed form: their curve, their errors, and requests that are too long."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from paretoken.plan.candidate import FleetCandidate
from paretoken.plan.coarse import coarse_capacities
from paretoken.plan.need import coarse_need
from paretoken.plan.sized import MOST_REFUSED
from paretoken.plan.sizes import size_factors
from paretoken.plan.uncertainty import LatencyError
from paretoken.predict.calibration.bands import NORMAL_90
from paretoken.predict.calibration.file import shipped_calibration
from paretoken.predict.deployment import Deployment
from paretoken.predict.pools.layout import parse_layout
from paretoken.slo import parse_slos
from paretoken.traffic.traffic import PrefixBlocks, Traffic
from tests.plan.fleets import traffic

H200 = Deployment(accelerator="H200", model="llama-3-70b", precision="fp8", engine="vllm", gpus=2, tp=2)
CHAT = traffic(4000, 5.0)


def capacity(slo: str, of: Traffic = CHAT, deployment=H200):
    (made,) = coarse_capacities([FleetCandidate(deployment)], of, parse_slos(slo), calibration=shipped_calibration())
    return made


def with_long(n: int) -> Traffic:
    """The traffic with n requests that are longer than the model's context."""
    inputs = CHAT.input_tokens.copy()
    inputs[:n] = 200_000
    return replace(CHAT, input_tokens=inputs)


def test_the_nearest_limit_decides():
    both, ttft, tpot = (capacity(slo) for slo in ("ttft_p95=400ms,tpot=50ms", "ttft_p95=400ms", "tpot=50ms"))
    assert both.capacity_s == min(ttft.capacity_s, tpot.capacity_s) > 0
    assert both.first_to_fail in ("ttft_p95=400ms", "tpot=50ms") and not both.unmet
    assert ttft.curve.latency_s("ttft", "p95", ttft.capacity_s) == pytest.approx(0.4)


def test_a_limit_that_one_request_alone_misses():
    made = capacity("ttft=10s,tpot=1ms")
    ((slo, value),) = made.unmet.items()
    assert (made.capacity_s, slo.text) == (0.0, "tpot=1ms") and value > 0.001


def test_the_error_of_a_limit_is_its_own():
    sure, unsure = (0.0, 0.0), (-0.5, 0.5)
    ttft_alone = LatencyError({"ttft": unsure, "tpot": sure, "e2e": sure}, ())
    late = np.array([NORMAL_90])
    ttft, tpot = capacity("ttft_p95=400ms"), capacity("tpot=50ms")
    # TTFT may be e^0.5 times what is predicted: the limit holds where 400 ms / e^0.5 is predicted.
    tighter = capacity(f"ttft_p95={0.4 / np.exp(0.5):.6f}s")
    (factor,) = size_factors(ttft.curve, parse_slos("ttft_p95=400ms"), ttft_alone, late, late)
    assert factor == pytest.approx(ttft.capacity_s / tighter.capacity_s, rel=0.03) and factor > 1.1
    assert size_factors(tpot.curve, parse_slos("tpot=50ms"), ttft_alone, late, late) == pytest.approx([1.0])


def test_a_fleet_for_more_load_is_used_less():
    made = capacity("tpot=50ms")
    once, thrice = (coarse_need(made, CHAT, 0, 0.0, factor) for factor in (1.0, 3.0))
    assert max(thrice.replicas) >= max(once.replicas)
    assert thrice.peaks_s == pytest.approx([3 * peak for peak in once.peaks_s])
    used = [np.dot(need.utilisation, need.replicas) for need in (once, thrice)]
    assert used[1] == pytest.approx(used[0])


@pytest.mark.parametrize("deployment", [H200, parse_layout("1xTP2+1xTP2", H200, H200, "dynamo-vllm")])
def test_requests_that_do_not_fit(deployment):
    most = int(MOST_REFUSED * len(CHAT))
    assert "longer than the 131,072 tokens" in capacity("tpot=50ms", with_long(most + 1), deployment).problem
    few = capacity("tpot=50ms", with_long(most), deployment)
    assert few.capacity_s > 0 and not few.problem


def test_prompt_blocks_are_no_matter():
    blocks = PrefixBlocks(ids=tuple((i,) for i in range(len(CHAT))), tokens=16)
    with_blocks = replace(with_long(1), prefixes=blocks)
    assert capacity("tpot=50ms", with_blocks).capacity_s == capacity("tpot=50ms", with_long(1)).capacity_s
