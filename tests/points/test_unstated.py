"""What a source leaves unsaid is unknown, unless a stated row agrees."""

from __future__ import annotations

import pytest

from paretoken.points.published import published_points
from paretoken.points.selection import Selection
from paretoken.points.unstated import SAME_TPOT, UNKNOWN
from tests.support.points import prepared, row

PLAIN = Selection(model="llama-3-70b", precision="fp8", isl=1024, osl=1024)
STATED = {"total_tput_per_gpu_tok_s": 100.0, "median_tpot_s": 0.020}
UNSTATED = STATED | {"speculative": None, "source": "other"}


def methods(*rows: dict) -> list[str]:
    return prepared(*rows)["speculation"].to_list()


def test_unstated_is_unknown_and_never_plain():
    assert methods(row(**UNSTATED)) == [UNKNOWN]
    assert PLAIN.select(prepared(row(**UNSTATED))).is_empty()


@pytest.mark.parametrize("apart", [1.0, 1 + 0.9 * SAME_TPOT, 1 - 0.9 * SAME_TPOT])
def test_a_stated_row_that_agrees_tells_the_method(apart):
    unstated = row(**UNSTATED | {"median_tpot_s": 0.020 * apart})
    assert methods(row(**STATED), unstated) == ["none", "none"]
    assert methods(row(**STATED, speculative="mtp"), unstated) == ["mtp", "mtp"]


@pytest.mark.parametrize(
    "change",
    [
        {"median_tpot_s": 0.020 * 1.12},
        {"concurrency": 16.0},
        {"tp": 4},
        {"n_gpus": 4},
        {"engine": "sglang"},
        {"precision": "fp4"},
        {"isl": 8192},
        {"disaggregated": True},
    ],
)
def test_a_row_of_something_else_tells_nothing(change):
    assert methods(row(**STATED), row(**UNSTATED | change))[1] == UNKNOWN


def test_the_nearest_stated_row_decides():
    """A run that drafts tokens and one that does not may both be within the tolerance."""
    rows = [row(**STATED), row(**STATED | {"median_tpot_s": 0.0185}, speculative="mtp")]
    assert methods(*rows, row(**UNSTATED | {"median_tpot_s": 0.0188}))[2] == "mtp"
    assert methods(*rows, row(**UNSTATED | {"median_tpot_s": 0.0196}))[2] == "none"


def test_unknown_disaggregation_is_not_one_pool():
    assert PLAIN.select(prepared(row(**STATED, disaggregated=None, tp=4))).is_empty()
    assert PLAIN.select(prepared(row(**STATED, disaggregated=None, tp=8))).height == 1  # one group of GPUs
    assert PLAIN.select(prepared(row(**STATED, disaggregated=None, tp=None, n_gpus=1))).height == 1  # one GPU
    assert PLAIN.select(prepared(row(**STATED, multinode=None))).height == 1
    assert PLAIN.select(prepared(row(**STATED, n_gpus=16))).is_empty()
    assert PLAIN.select(prepared(row(**STATED, multinode=None, n_gpus=None))).is_empty()


def test_no_shipped_row_of_unknown_speculation_is_on_a_plain_frontier():
    points = published_points()
    cells = points.select("model", "precision", "isl", "osl").drop_nulls().unique()
    for model, precision, isl, osl in cells.iter_rows():
        rows = Selection(model=model, precision=precision, isl=isl, osl=osl).select(points)
        assert set(rows["speculation"].unique()) <= {"none"}
    unstated = points.filter(points["speculative"].is_null())
    assert unstated.height > 3000
    assert set(unstated["speculation"].unique()) == {UNKNOWN, "none", "mtp"}


def test_another_row_of_the_same_run_tells_the_method_whatever_the_engine_is_called():
    run = {"mean_ttft_s": 0.1234567, "mean_tpot_s": 0.0213579, "total_tput_per_gpu_tok_s": 100.0}
    rows = [row(**run, engine="dynamo-trtllm", speculative="mtp"), row(**run, engine="trtllm", speculative=None)]
    assert methods(*rows) == ["mtp", "mtp"]
