"""Speculative decoding over a level: counters of every engine, restarts, servers that count nothing, a live server."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from paretoken.bench.run_folder import RunFolder
from paretoken.bench.stats.prometheus import MetricsReading, merge, parse
from paretoken.bench.stats.scrape import summed
from paretoken.bench.stats.speculation import NO_DRAFTS, RESTARTED, LevelSpeculation, speculation
from paretoken.bench.stats.warnings import speculation_warnings
from paretoken.points.acceptance import MOST_TOKENS
from tests.support.drafting_server import Drafting, drafting_server

RECORDED = Path(__file__).parent.parent / "data" / "metrics"
VLLM = """vllm:spec_decode_num_drafts_total{engine="0"} 100
vllm:spec_decode_num_draft_tokens_total{engine="0"} 300
vllm:spec_decode_num_accepted_tokens_total{engine="0"} 150
vllm:spec_decode_num_accepted_tokens_per_pos_total{engine="0",position="0"} 80
vllm:spec_decode_num_accepted_tokens_per_pos_total{engine="0",position="2"} 20
vllm:spec_decode_num_accepted_tokens_per_pos_total{engine="0",position="1"} 50
vllm:spec_decode_num_accepted_tokens_per_pos_total{engine="0",position="no"} 7
"""
SGLANG = """sglang:generation_tokens_total{is_streaming="true"} 260
sglang:num_requests_total{is_streaming="true"} 10
sglang:spec_verify_calls_total 100
sglang:spec_accept_length{tp_rank="0"} 2.4
"""
TRTLLM = "".join(
    f'trtllm_spec_decode_{kind}_tokens_total{{model_name="m",token_position="{place}"}} {n}\n'
    for kind, counts in (("drafted", (100, 100, 100)), ("accepted", (80, 50, 20)))
    for place, n in enumerate(counts)
)
ATOM = "atom:mtp_draft_tokens_total 300\natom:mtp_accepted_tokens_total 150\n" + "".join(
    f'atom:mtp_decode_steps_total{{accepted_tokens="{j}"}} {n}\n' for j, n in enumerate((20, 30, 30, 20))
)
LLAMA = VLLM.replace("vllm:", "llamacpp:").replace('{engine="0"}', "").replace('engine="0",', "")


@pytest.mark.parametrize("text", [VLLM, TRTLLM, ATOM, LLAMA])
def test_every_engine_counts_the_same(text):
    read = parse(text)
    assert (read.drafts, read.drafted_tokens, read.accepted_tokens) == (100, 300, 150)
    assert read.accepted_by_position == (80, 50, 20)


def test_sglang_counts_steps_and_its_accepted_tokens_are_the_rest():
    """260 tokens of 10 requests, one each from the prefill, in 100 steps."""
    read = parse(SGLANG)
    assert (read.drafts, read.accepted_tokens, read.acceptance_length) == (100, 150, 2.4)
    assert parse(SGLANG.replace("sglang:spec_verify_calls_total 100\n", "")).accepted_tokens is None


@pytest.mark.parametrize("name", ["vllm", "sglang", "llama.cpp"])
def test_a_recorded_server_that_drafts_nothing_has_no_acceptance(name):
    reading = parse((RECORDED / f"{name}.txt").read_text())
    measured = speculation(summed([reading, reading]), None)
    assert measured is None or (measured.acceptance_length is None and measured.problem == NO_DRAFTS)
    assert (measured is None) == (name != "llama.cpp")


def test_replicas_add_up_and_their_gauges_are_averaged():
    one, other = parse(VLLM), MetricsReading(engine="vllm", drafts=1, accepted_by_position=(1, 1, 0, 1))
    both = merge([one, other], 0.0)
    assert (both.drafts, both.drafted_tokens, both.accepted_by_position) == (101, None, (81, 51, 20, 1))
    gauges = [MetricsReading(engine="sglang", acceptance_length=a) for a in (2.0, 3.0)]
    assert merge(gauges, 0.0).acceptance_length == 2.5


def reading(at_s: float, drafts: float | None, accepted: float | None = None, per: int = 3) -> MetricsReading:
    drafted = None if drafts is None else per * drafts
    shares = () if accepted is None else (accepted * 0.6, accepted * 0.4)
    return MetricsReading(
        at_s=at_s,
        engine="vllm",
        drafts=drafts,
        drafted_tokens=drafted,
        accepted_tokens=accepted,
        accepted_by_position=shares,
    )


def test_the_steady_window_counts_and_ramp_and_tail_do_not():
    """1 accepted token a step while the load ramps up, 2 in the window."""
    server = summed([reading(100, 0, 0), reading(110, 50, 50), reading(120, 150, 250), reading(130, 200, 250)])
    measured = speculation(server, (105, 125))
    assert measured == LevelSpeculation(
        acceptance_length=3.0,
        drafted_per_step=3.0,
        acceptance_by_position=(pytest.approx(1.0), pytest.approx(0.8)),
        drafts=100,
        drafted_tokens=300,
        accepted_tokens=200,
    )
    whole = speculation(server, (105, 106))  # no two readings in the window
    assert (whole.span, whole.acceptance_length) == ("level", 1 + 250 / 200)
    assert speculation(server, None) == whole


def test_a_restart_leaves_no_acceptance_even_where_the_counter_ends_higher():
    server = summed([reading(0, 100, 90), reading(1, 5, 4), reading(2, 200, 180)])
    assert speculation(server, None).problem == RESTARTED


def test_counters_that_stand_still_or_are_absent():
    still = summed([reading(0, 7, 9), reading(1, 7, 9)])
    assert speculation(still, None) == LevelSpeculation(
        drafts=0, drafted_tokens=0, accepted_tokens=0, span="level", problem=NO_DRAFTS
    )
    assert speculation(summed([MetricsReading(engine="vllm", running=1)] * 2), None) is None
    assert speculation(None, None) is None
    silent = summed([MetricsReading(engine="vllm", accepted_tokens=n, drafted_tokens=2 * n) for n in (1.0, 5.0)])
    assert speculation(silent, None).problem == "the server does not count its verification steps"


@pytest.mark.parametrize(
    ("tokens", "per_draft", "length", "problem"),
    [
        (None, 60, 61.0, ""),
        (None, 1_000_000, None, "the server reports 1,000,001 tokens a step, above 65, the highest plausible value"),
        (3, 1_000_000, None, "the server reports 1,000,001 tokens a step, above K + 1 = 4"),
        (3, 3, 4.0, ""),
        (3, 3.02, 4.0, ""),
        (3, 3.3, None, "the server reports 4.3 tokens a step, above K + 1 = 4"),
    ],
)
def test_no_step_accepts_more_than_it_drafts(tokens, per_draft, length, problem):
    first = reading(0, 0, 0, per=10**6)
    last = replace(reading(1, 100, 100 * per_draft, per=10**6), accepted_by_position=(50.0,) * 70)
    measured = speculation(summed([replace(first, accepted_by_position=(0.0,) * 70), last]), None, tokens)
    assert (measured.acceptance_length, measured.problem) == (length, problem)
    assert len(measured.acceptance_by_position) == (0 if length is None else tokens or MOST_TOKENS)


def test_a_gauge_above_the_limit_is_no_acceptance():
    server = summed([MetricsReading(at_s=t, engine="sglang", acceptance_length=900.0) for t in (0, 1)])
    assert speculation(server, None, 3).acceptance_length is None


def test_a_gauge_stands_in_for_counters():
    server = summed([MetricsReading(at_s=t, engine="sglang", acceptance_length=a) for t, a in enumerate((2.0, 2.6))])
    measured = speculation(server, None)
    assert (measured.acceptance_length, measured.basis, measured.drafts) == (pytest.approx(2.3), "gauge", None)


def test_a_counter_that_a_server_shows_late_is_read_from_there():
    server = summed([reading(0, None), reading(1, 10, 10), reading(2, 30, 50)])
    assert speculation(server, None).acceptance_length == 3.0


@pytest.mark.parametrize(
    ("measured", "columns", "code", "text"),
    [
        (LevelSpeculation(acceptance_length=2.0), {"speculative": "none"}, "drafts", "though speculative is none"),
        (LevelSpeculation(problem=RESTARTED), {"speculative": "mtp"}, "no_acceptance", "fell while the level ran"),
        (LevelSpeculation(drafts=9, problem="above K + 1 = 4"), {"speculative_tokens": 3}, "no_acceptance", "above K"),
        (LevelSpeculation(drafts=9), {"speculative": "none"}, "drafts", "though speculative is none"),
        (LevelSpeculation(drafted_per_step=2.4), {}, "draft_length", "2.40 tokens drafted a step on average"),
        (LevelSpeculation(drafted_per_step=3.0), {"speculative_tokens": 1}, "draft_length", "speculative_tokens is 1"),
    ],
)
def test_what_disagrees_is_a_warning(measured, columns, code, text):
    (warning,) = speculation_warnings(measured, columns)
    assert warning.code == code and text in warning.text


@pytest.mark.parametrize(
    ("measured", "columns"),
    [
        (None, {"speculative": "mtp"}),
        (LevelSpeculation(problem=NO_DRAFTS), {"speculative": "none"}),
        (LevelSpeculation(problem=NO_DRAFTS), {}),
        (LevelSpeculation(drafted_per_step=2.97), {"speculative": "mtp", "speculative_tokens": 3}),
    ],
)
def test_what_agrees_is_none(measured, columns):
    assert not list(speculation_warnings(measured, columns))


LINE = "bench {} --prompt-unit words --isl 8 --osl 40 --concurrency 2 --until 3s --out run"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("drafting", "options", "expected"),
    [
        (Drafting(), "", ("on", 3, 2.5)),
        (Drafting(), "--speculative none", ("on", 3, 2.5)),
        (Drafting(), "--speculative mtp --speculative-tokens 1", ("mtp", 1, None)),
        (Drafting(counts=False), "--speculative mtp", ("mtp", None, None)),
        (Drafting(drafts=False), "--speculative mtp", ("mtp", None, None)),
        (Drafting(falls=True), "--speculative mtp", ("mtp", None, None)),
    ],
    ids=["counts", "contradicts", "above K + 1", "absent", "still", "falls"],
)
def test_a_live_server_is_measured(call, tmp_path, drafting, options, expected):
    with drafting_server(drafting) as url:
        code, out, err = call(f"{LINE.format(url)} {options}")
    assert code == 0, err
    assert "does not say whether it drafts" not in out + err
    (level,) = RunFolder(tmp_path / "run").levels()
    point, measured = level.summary.point, level.summary.speculation
    method, tokens, length = expected
    assert (point["speculative"], point["speculative_tokens"]) == (method, tokens)
    assert point["acceptance_length"] == (None if length is None else pytest.approx(length, rel=0.03))
    assert (", acceptance length 2." in out) == bool(length)
    if length:
        assert f"speculative {method}, K 3, " in out
        shares = [float(share) for share in point["acceptance_by_position"].split()]
        assert shares == pytest.approx([0.75, 0.5, 0.25], rel=0.03) and measured.basis == "counters"
    if drafting.falls or not drafting.drafts or tokens == 1:
        assert "acceptance length not measured" in point["notes"]
