"""How far predictions may be off: the ends of the interval, and each candidate its own."""

from __future__ import annotations

from math import log

import numpy as np
import pytest

from paretoken.plan.candidate import FleetCandidate
from paretoken.plan.uncertainty import E2E, TPOT, TTFT, LatencyError, latency_errors
from paretoken.predict.calibration.bands import NORMAL_90
from paretoken.predict.calibration.file import shipped_calibration
from paretoken.predict.deployment import Deployment, Lengths
from paretoken.predict.pools.layout import checked_pools, decoding, parse_layout, prefilling

LENGTHS = Lengths(isl=1024, osl=256)


def one(accelerator: str = "H200", **fields: object) -> Deployment:
    stated = {"model": "llama-3-70b", "precision": "fp8", "engine": "vllm", "gpus": 4, "tp": 4}
    return Deployment(accelerator=accelerator, **{**stated, **fields})


@pytest.fixture(scope="module")
def errors(catalog):
    layout = parse_layout("1xTP4+1xTP4", prefilling(one()), decoding(one()), "dynamo-vllm")
    deployments = [one(), checked_pools(layout, catalog), one("MI300X")]
    candidates = [FleetCandidate(d) for d in deployments]
    return latency_errors(candidates, LENGTHS, [8.0] * 3, shipped_calibration(), catalog)


def test_draws_end_at_the_ends_of_the_interval():
    error = LatencyError({TTFT: (-log(3), log(2)), TPOT: (-0.1, 0.2), E2E: (0.0, 0.0)}, ())
    draws = np.array([-NORMAL_90, 0.0, NORMAL_90])
    assert error.factors(TTFT, draws) == pytest.approx([1 / 3, 1, 2])
    assert error.factors("itl", draws) == pytest.approx(error.factors(TPOT, draws))
    assert error.factors(E2E, draws) == pytest.approx([1, 1, 1])


def test_nine_draws_of_ten_are_within_the_interval():
    error = LatencyError({TPOT: (-0.4, 0.2)}, ())
    drawn = error.factors(TPOT, np.random.default_rng(0).standard_normal(20_000))
    inside = (drawn >= np.exp(-0.4)) & (drawn <= np.exp(0.2))
    assert inside.mean() == pytest.approx(0.9, abs=0.01)


def test_every_candidate_has_its_own_error(errors, catalog):
    for error in errors:
        assert set(error.ends) == {TTFT, TPOT, E2E}
        assert all(low < 0 < high for low, high in error.ends.values())
    h200, pools, mi300x = errors
    for error, name in ((h200, "H200"), (mi300x, "MI300X")):
        (alone,) = latency_errors([FleetCandidate(one(name))], LENGTHS, [8.0], shipped_calibration(), catalog)
        assert error.ends == alone.ends
    assert pools.ends != h200.ends


def test_an_accelerator_without_data_is_less_certain(catalog):
    without_data, with_data = latency_errors(
        [FleetCandidate(one("Gaudi3")), FleetCandidate(one())], LENGTHS, [8.0] * 2, shipped_calibration(), catalog
    )
    assert without_data.novelty and without_data.ends[TPOT][1] > with_data.ends[TPOT][1]
