"""Acceptance of drafted tokens: what can be, what is alike, and K from what clients report."""

from __future__ import annotations

import json

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from paretoken.errors import BadRows
from paretoken.points.acceptance import (
    DraftAcceptance,
    acceptance_of,
    difference,
    shares_of,
    shares_text,
    tokens_of_rate,
    whole_tokens,
)
from paretoken.points.check import checked
from paretoken.points.importers.drafting import accepted, shares_of_steps
from paretoken.points.load import import_file

POINT = {
    "origin": "measured",
    "source": "x",
    "accelerator": "H200",
    "model": "m",
    "engine": "vllm",
    "isl": "1024",
    "osl": "1024",
    "load_kind": "closed",
    "concurrency": "4",
}


@pytest.mark.parametrize(
    ("columns", "why"),
    [
        ({"acceptance_length": "0.9"}, "is below 1"),
        ({"acceptance_length": "4.1", "speculative_tokens": "3"}, "is above the K + 1 tokens of a step"),
        ({"acceptance_length": "1.5", "speculative": "none"}, "contradicts speculative none"),
        ({"acceptance_by_position": "0.5 0.6"}, "is no list of shares"),
        ({"acceptance_by_position": "80 60"}, "is no list of shares"),
        ({"speculative_tokens": "0"}, "must be above 0"),
    ],
)
def test_an_acceptance_that_cannot_be_is_refused(columns, why):
    with pytest.raises(BadRows) as e:
        checked(pl.DataFrame([POINT, POINT | columns]), "f.csv")
    (error,) = e.value.errors
    assert (error.row, why in error.why) == (2, True)


def test_an_acceptance_that_can_be_is_kept():
    columns = {"acceptance_length": "4", "speculative_tokens": "3", "acceptance_by_position": "1 1 1"}
    table, errors = checked(
        pl.DataFrame([POINT | columns, POINT | {"acceptance_length": "1", "speculative": "none"}]), "f"
    )
    assert not errors and table["acceptance_length"].to_list() == [4.0, 1.0]


def mtp(length: float | None, tokens: int | None = 3, *shares: float) -> DraftAcceptance:
    return DraftAcceptance("mtp", tokens, length, shares)


@pytest.mark.parametrize(
    ("one", "other", "by"),
    [
        (mtp(2.5), mtp(2.5), 0.0),
        (mtp(2.5), mtp(3.0), 0.2),
        (mtp(2.5, None), mtp(3.0), 0.2),
        (mtp(2.5), mtp(None), None),
        (mtp(1.8, 1), mtp(2.44, 2), 0.0),  # each token accepted with probability 0.8
        (mtp(1.8, 1), mtp(2.5, 3, 0.8, 0.5, 0.2), 0.0),  # by position, whatever follows
        (mtp(1.9, 1), mtp(2.4, 3, 0.8, 0.4, 0.2), 1.9 / 1.8 - 1),
    ],
)
def test_of_two_k_the_smaller_counts(one, other, by):
    expected = None if by is None else pytest.approx(by, abs=1e-6)
    assert difference(one, other) == expected == difference(other, one)


@given(st.floats(0.0, 1.0), st.integers(1, 12), st.integers(1, 12))
def test_one_probability_gives_like_acceptance_at_any_k(probability, first, second):
    sides = [mtp(sum(probability**i for i in range(k + 1)), k) for k in (first, second)]
    assert difference(*sides) == pytest.approx(0.0, abs=1e-6)


@pytest.mark.parametrize(
    ("point", "text"),
    [
        ({"speculation": "none"}, None),
        ({"speculation": "unknown"}, None),
        ({"speculation": "mtp"}, "MTP"),
        ({"speculation": "eagle3", "speculative_tokens": 3}, "EAGLE3 K=3"),
        ({"speculation": "mtp", "speculative_tokens": 3, "acceptance_length": 2.917}, "MTP K=3, 2.92 tokens a step"),
    ],
)
def test_what_a_point_states(point, text):
    stated = acceptance_of(point)
    assert (stated.text if stated else None) == text


def test_k_is_a_whole_number_or_not_stated():
    assert [whole_tokens(mean) for mean in (3, 2.97, "2.97", 2.6, 0, None, float("nan"), 1e9)] == [3, 3, 3] + [None] * 5
    assert tokens_of_rate(2.65, 0.55) == 3 and tokens_of_rate(2.65, 0) is None


def test_shares_as_text():
    assert shares_of(shares_text([0.75, 0.5, 1 / 3])) == (0.75, 0.5, 0.3333)
    assert shares_of(None) == () and shares_text([]) is None


@pytest.mark.parametrize(
    ("shares", "text"),
    [([0.9, 0.6], "0.9 0.6"), ([90.0, 60.0], "0.9 0.6"), ([0.5, 0.6], None), ([0.5, "x"], None), ("0.5", None)],
)
def test_shares_of_clients_are_fractions_or_percent(shares, text):
    assert accepted(2.5, shares).get("acceptance_by_position") == text


def test_nothing_drafted_is_no_acceptance():
    assert accepted(0.0) == accepted(None) == {}


def test_shares_from_steps_by_accepted_tokens():
    assert shares_of_steps({"0": 20, "1": 30, "2": 30, "3": 20}) == pytest.approx([0.8, 0.5, 0.2])
    assert shares_of_steps({}) is None and shares_of_steps({"0": 5}) == []


def test_vllm_states_all_of_it(catalog, tmp_path):
    run = {
        "model_id": "Qwen/Qwen3-32B",
        "backend": "vllm",
        "completed": 10,
        "total_input_tokens": 10240,
        "total_output_tokens": 10240,
        "request_throughput": 1.0,
        "output_throughput": 1000.0,
        "request_rate": "inf",
        "max_concurrency": 4,
        "duration": 10.0,
        "spec_decode_acceptance_length": 2.62,
        "spec_decode_num_drafts": 37085,
        "spec_decode_draft_tokens": 111255,
        "spec_decode_per_position_acceptance_rates": [0.767, 0.5151, 0.3372],
    }
    row = _only(run, catalog, tmp_path, accelerator="H200", n_gpus="2")
    assert (row["speculative"], row["speculative_tokens"], row["acceptance_length"]) == ("on", 3, 2.62)
    assert row["acceptance_by_position"] == "0.767 0.5151 0.3372"


def test_aiperf_weighs_every_step_alike(catalog, tmp_path):
    run = {
        "request_throughput": {"unit": "requests/sec", "avg": 2.0},
        "request_latency": {"unit": "ms", "avg": 900.0},
        "request_count": {"unit": "requests", "avg": 20},
        "output_token_throughput": {"unit": "tokens/sec", "avg": 200.0},
        "spec_decode_acceptance_length": {"unit": "ratio", "avg": 2.7},
        "spec_decode_token_weighted_acceptance_length": {"unit": "ratio", "avg": 2.5},
        "total_spec_decode_steps": {"unit": "count", "avg": 100},
        "total_draft_tokens": {"unit": "tokens", "avg": 300},
        "pooled_spec_decode_acceptance_histogram": {"0": 20, "1": 30, "2": 30, "3": 20},
        "input_config": {"endpoint": {"model_names": ["Qwen/Qwen3-32B"]}, "loadgen": {"concurrency": 4}},
    }
    row = _only(run, catalog, tmp_path, accelerator="H200", n_gpus="1", engine="vllm", isl="100", osl="100")
    assert (row["speculative_tokens"], row["acceptance_length"]) == (3, 2.5)
    assert row["acceptance_by_position"] == "0.8 0.5 0.2"


def test_aiperf_tables_state_it_under_a_heading(catalog, tmp_path):
    path = tmp_path / "profile_export_aiperf.csv"
    path.write_text(
        "Metric,avg,min,max,p50\nRequest Latency (ms),900,1,2000,800\nInput Sequence Length (tokens),100,1,2,100\n"
        "Output Sequence Length (tokens),100,1,2,100\n\nMetric,Value\nOutput Token Throughput (tokens/sec),200\n"
        "Token-Weighted Acceptance Length (ratio),2.5\n"
    )
    values = {"accelerator": "H200", "n_gpus": "1", "engine": "vllm", "model": "qwen3-32b", "concurrency": "4"}
    table, _ = import_file(path, catalog=catalog, values=values)
    assert table["acceptance_length"].to_list() == [2.5]


def test_the_user_states_an_acceptance_that_the_file_does_not(call, tmp_path):
    pl.DataFrame([POINT]).write_csv(tmp_path / "mine.csv")
    line = "import mine.csv --speculative mtp --speculative-tokens {} --acceptance 2.5 --out p.parquet"
    code, _, err = call(line.format(3))
    assert code == 0, err
    assert pl.read_parquet(tmp_path / "p.parquet")["acceptance_length"].to_list() == [2.5]
    code, _, err = call(line.format(1))
    assert code == 2 and "is above the K + 1 tokens of a step" in err


def _only(run: dict, catalog, tmp_path, **values: str) -> dict:
    path = tmp_path / "run.json"
    path.write_text(json.dumps(run))
    table, _ = import_file(path, catalog=catalog, values=values)
    return table.row(0, named=True)
