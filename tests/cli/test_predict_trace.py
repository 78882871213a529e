"""`predict --trace` through the command line."""

from __future__ import annotations

import csv
import json
import re
import sys

import pytest

from paretoken.cli.main import main
from tests.support.recorded_sessions import chain, growing, write_trace

H200 = ("--accelerator", "H200", "--model", "llama-3-70b", "--precision", "fp8", "--engine", "vllm", "--tp", "4")


@pytest.fixture
def trace(tmp_path):
    sessions = [chain(growing(4, start=4000), name=f"task {i}", begin_s=2.0 * i) for i in range(12)]
    return str(write_trace(tmp_path, sessions))


@pytest.fixture
def run(monkeypatch, capsys):
    def ran(*args: str, code: int = 0):
        monkeypatch.setattr(sys, "argv", ["paretoken", "predict", *args])
        try:
            main()
            ended = 0
        except SystemExit as e:
            ended = e.code or 0
        printed = capsys.readouterr()
        assert ended == code, printed.err
        return printed

    return ran


def test_tables_of_a_replay(run, trace):
    printed = run(*H200, "--trace", trace, "--concurrency", "2,4")
    for words in (
        "12 sessions of sessions.jsonl",
        "TTFT by turn",
        "cache gpu",
        "possible hits",
        "Predicted, not measured",
    ):
        assert words in printed.out
    assert "note: sessions.jsonl: 12 sessions of 48 model calls, 36 tool calls" in printed.err


def test_json_of_a_replay_at_its_recorded_times(run, trace):
    answer = json.loads(run(*H200, "--trace", trace, "--json").out)
    (row,) = answer["rows"]
    assert row["concurrency"] is None and row["sessions"] == 12 and row["calls"] == 48
    assert row["session_s"]["p50"] <= row["session_s"]["p90"] <= row["session_s"]["p99"]
    assert row["ttft_ms"]["cached"]["p50"] < row["ttft_ms"]["first"]["p50"]


def test_a_replay_with_an_idle_cap_and_no_cache(run, trace):
    capped, longer = (
        json.loads(run(*H200, "--trace", trace, "--concurrency", "1", "--json", *more).out)["rows"][0]
        for more in (("--idle-cap", "0", "--no-prefix-cache"), ("--no-prefix-cache",))
    )
    assert capped["model_share"] == pytest.approx(1) and sum(capped["hit_tokens"].values()) == 0
    assert longer["session_s"]["mean"] - capped["session_s"]["mean"] == pytest.approx(3 * 2.0)


def test_the_worth_of_a_cache(run, trace):
    printed = run(*H200, "--trace", trace, "--concurrency", "4", "--cache-worth", "--price", "H200=2.5")
    for words in ("What the cache is worth", "$/M hit", "USD at 2.5 USD per GPU-hour (stated)"):
        assert words in printed.out


def test_the_points_of_a_replay(run, trace, tmp_path):
    out = tmp_path / "points.csv"
    row = json.loads(run(*H200, "--trace", trace, "--concurrency", "2", "--json", "--out", str(out)).out)["rows"][0]
    (point,) = csv.DictReader(out.read_text(encoding="utf-8").splitlines())
    assert (point["origin"], float(point["sessions"])) == ("predicted", 2)
    assert re.fullmatch(r"sessions#[0-9a-f]{8}", point["workload"])
    assert float(point["sessions_per_gpu_hour"]) == pytest.approx(row["sessions_per_gpu_h"])
    assert float(point["median_session_s"]) == pytest.approx(row["session_s"]["p50"])
    printed = run(*H200, "--trace", trace, "--out", str(out), code=2)
    assert "state the concurrent sessions" in printed.err


def test_an_slo_that_one_session_misses(run, trace):
    assert "One session alone misses tpot=1us at TP 4." in run(*H200, "--trace", trace, "--slo", "tpot=1us").out


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (("--isl", "1024"), "--trace states the lengths and what prompts share; leave out --isl"),
        (("--rate", "2"), "--trace cannot be combined with --rate"),
        (("--prefix-hits", "0.5"), "leave out --prefix-hits"),
        (("--concurrency", "4", "--slo", "ttft=1s"), "exclude each other"),
        (("--concurrency", "0"), "concurrency"),
        (("--host-cache", "-1"), "--host-cache"),
        (("--replicas", "0"), "--replicas"),
        (("--cache-worth",), "state one number of concurrent sessions, or an SLO"),
        (("--no-prefix-cache", "--ssd-cache", "100"), "tiers of the prefix cache"),
        (("--kv-tokens", "5000", "--concurrency", "1"), "12 of 12 sessions"),
    ],
)
def test_what_is_refused(run, trace, args, says):
    assert says in run(*H200, "--trace", trace, *args, code=2).err


def test_a_workload_of_sessions_is_replayed(run):
    printed = run(*H200, "--workload", "rag", "--concurrency", "8", "--sessions", "64", "--seed", "3")
    assert "40 sessions of rag" in printed.out and "drawn with seed 3" in printed.err


def test_a_workload_of_fixed_lengths_is_its_lengths(run):
    (row,) = json.loads(run(*H200, "--workload", "chat", "--concurrency", "8", "--json").out)
    (same,) = json.loads(run(*H200, "--isl", "1024", "--osl", "1024", "--concurrency", "8", "--json").out)
    assert row == same


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (("--workload", "rag", "--isl", "1024"), "--workload rag states the lengths and what prompts share"),
        (("--workload", "rag", "--rate", "2"), "--workload rag cannot be combined with --rate"),
        (("--workload", "rag", "--keep-going"), "--keep-going leaves out sessions of a trace"),
        (("--workload", "chat", "--sessions", "3"), "--sessions needs a --workload of sessions, such as agent-code"),
        (("--workload", "chat", "--host-cache", "3"), "--host-cache needs --trace, or a --workload of sessions"),
        (("--workload", "agent-cod"), "did you mean agent-code"),
    ],
)
def test_what_a_workload_refuses(run, args, says):
    assert says in run(*H200, *args, code=2).err


def test_options_of_a_trace_refuse_a_workload(run, trace):
    assert "leave out --workload" in run(*H200, "--trace", trace, "--workload", "rag", code=2).err
    assert "--trace cannot be combined with --seed" in run(*H200, "--trace", trace, "--seed", "1", code=2).err


def test_options_of_a_replay_need_a_trace(run):
    assert "--host-cache needs --trace" in run(*H200, "--isl", "1k", "--osl", "1k", "--host-cache", "10", code=2).err


def test_a_file_that_is_no_trace(run, tmp_path):
    path = tmp_path / "a.json"
    path.write_text('{"a": 1}')
    assert str(path) in run(*H200, "--trace", str(path), code=2).err
