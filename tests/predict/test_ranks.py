"""Who wins at equal latency: frontiers whose winners can be counted by hand."""

from __future__ import annotations

from dataclasses import astuple

import numpy as np
import polars as pl
import pytest

from paretoken.predict.calibration.ranks import LATENCIES, Ranks, ranks
from paretoken.predict.calibration.sample import CalibrationSample
from paretoken.predict.calibration.splits import Fold
from paretoken.predict.calibration.validate import HeldOut
from tests.support.points import prepared, row

NONE = (np.nan, 0, np.nan, np.nan, 0)


def at(accelerator: str, e2e_s: float, load: float, ratio: float = 1.0, drafting: bool = False, **changes) -> dict:
    """A case with load/E2E · 256 tok/s/GPU, and a predicted E2E of `ratio` times what was observed."""
    known = {"e2e": e2e_s, "ratio": ratio, "drafting": drafting}
    return row(accelerator=accelerator, concurrency=float(load), **changes) | known


def line(accelerator: str, start: float, slope: float, *, ratio: float = 1.0, **changes) -> list[dict]:
    """A frontier of start + slope · E2E (in 256 tok/s/GPU) from 1 to 128 s; two points have a straight line."""
    return [at(accelerator, e, (start + slope * e) * e, ratio, **changes) for e in (1.0, 128.0)]


def ranked(*cases: dict, crude: float = 1.0) -> Ranks:
    """Ranks where each accelerator is a fold, and the baseline takes E2E for `crude` times what was observed."""
    table = prepared(*({k: v for k, v in c.items() if k not in ("e2e", "ratio", "drafting")} for c in cases))
    assert table["concurrency"].to_list() == [c["concurrency"] for c in cases]
    table = table.with_columns(
        drafting=pl.Series([c["drafting"] for c in cases]), gpus=pl.lit(8), _isl=pl.lit(1024.0), _osl=pl.lit(1024.0)
    )
    observed, ratio = (np.log([[c[name]] * 3 for c in cases]) for name in ("e2e", "ratio"))
    folds = [
        Fold("accelerator", name, (table["accelerator"] == name).to_numpy())
        for name in table["accelerator"].unique(maintain_order=True)
    ]
    ours = [HeldOut(f, -ratio[f.mask]) for f in folds]
    theirs = [HeldOut(f, np.full_like(ratio[f.mask], -np.log(crude))) for f in folds]
    n = len(table)
    return ranks(ours, theirs, CalibrationSample([], observed, np.empty((n, 0)), np.ones(n), table), "accelerator")


def is_(found: Ranks, *wanted: float) -> bool:
    return astuple(found) == pytest.approx(wanted, nan_ok=True)


def test_winners_at_equal_latency_are_counted():
    """At 1, 2, 4 … 128 s: H200 gives 99 + E and MI300X 48 + 2 E, which leads from 51 s on; A100 stays far below.

    H200 is predicted 1.5 times as slow: it then reaches from 1.5 s on, gives 66 + E/2.25, and MI300X leads from
    11.6 s on, so 16 and 32 s are named wrong of seven readings; against A100 all seven are right, and all eight of
    MI300X. At 1 s MI300X is the best of the two that can be read, and is named.
    """
    cases = [*line("H200", 99, 1, ratio=1.5), *line("MI300X", 48, 2), *line("A100", 10, 0.01)]
    assert is_(ranked(*cases), 20 / 22, 22, 1, 6 / 8, 8)


def test_perfect_predictions_are_all_right_and_every_latency_is_read():
    """The baseline has both 1.5 times as slow: read from 2 s on, it has MI300X ahead from 76.5 s, so 64 s wrong."""
    found = ranked(*line("H200", 99, 1), *line("MI300X", 48, 2), crude=1.5)
    assert is_(found, 1, LATENCIES, 6 / 7, 1, LATENCIES)


def test_frontiers_that_are_predicted_the_wrong_way_round():
    """Each is predicted to be what the other is, so all that can be read is wrong (the ends may be rounded off)."""
    fast, slow = (1.0, 2.0, 4.0), (2.0, 4.0, 8.0)
    cases = [at("H200", e, 4**i, b / e) for i, (e, b) in enumerate(zip(fast, slow, strict=True))]
    cases += [at("MI300X", e, 4**i, b / e) for i, (e, b) in enumerate(zip(slow, fast, strict=True))]
    found = ranked(*cases)
    assert (found.right, found.winner, found.crude) == (0, 0, 1)
    assert LATENCIES - 2 <= found.pairs == found.latencies <= LATENCIES


@pytest.mark.parametrize(
    "other",
    [
        [at("MI300X", 200, 4000), at("MI300X", 300, 9000)],
        line("MI300X", 48, 2, precision="bf16"),
        line("MI300X", 48, 2, osl=8192),
        line("MI300X", 48, 2, drafting=True),
        [],
    ],
    ids=["out of reach", "another precision", "another length", "drafting", "nobody"],
)
def test_without_a_common_latency_there_are_no_pairs(other):
    assert is_(ranked(*line("H200", 99, 1), *other), *NONE)


def test_a_split_that_holds_back_drafting_alone_has_no_pairs():
    assert is_(ranked(*line("H200", 99, 1, drafting=True)), *NONE)


def test_a_predicted_frontier_is_not_extrapolated():
    assert is_(ranked(*line("H200", 99, 1, ratio=1000), *line("MI300X", 48, 2)), np.nan, 0, 1, np.nan, 0)


@pytest.mark.parametrize(("lead", "pairs"), [(1.04, 0), (1.06, LATENCIES)])
def test_a_pair_within_five_percent_has_no_winner(lead, pairs):
    found = ranked(*line("H200", 99 * lead, lead), *line("MI300X", 99, 1))
    assert found.pairs == found.latencies == pairs


def test_an_accelerator_gives_what_its_best_engine_gives():
    """H200 is ahead with TensorRT-LLM alone; with it predicted out of reach, with vLLM it is named the slower."""
    with_vllm, other = line("H200", 40, 1), line("MI300X", 48, 2)
    assert is_(ranked(*with_vllm, *line("H200", 120, 3, engine="trtllm"), *other), 1, LATENCIES, 1, 1, LATENCIES)
    lost = line("H200", 120, 3, engine="trtllm", ratio=1000)
    assert is_(ranked(*with_vllm, *lost, *other), 0, LATENCIES, 1, 0, LATENCIES)


def test_of_several_dates_the_latest_stands():
    """A run of H200 at the same loads from before, predicted ten times as fast, is nobody's answer today."""
    before = line("H200", 99, 1, ratio=0.1, date="2025-06-01")
    cases = [*before, *line("H200", 99, 1), *line("MI300X", 48, 2)]
    assert is_(ranked(*cases), 1, LATENCIES, 1, 1, LATENCIES)
