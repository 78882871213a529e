"""A trace in numbers, worked out by hand."""

from __future__ import annotations

import json

import pytest

from paretoken.sessions.read import read_sessions
from paretoken.sessions.summary import summary_of
from tests.sessions.shapes import DATA


def test_the_numbers_of_a_session_with_sub_agents():
    summary = summary_of(read_sessions(DATA / "otel.jsonl"))
    assert (summary.sessions, summary.calls, summary.tools, summary.agents, summary.widest) == (1, 7, 3, 2, 2)
    assert summary.input_tokens is not None and summary.output_tokens is not None
    assert summary.input_tokens.mean == pytest.approx(8100 / 7) and summary.input_tokens.median == 1000
    assert summary.output_tokens.largest == 200 and summary.longest_tokens == 2190
    assert summary.tool_s.mean == 1 + 3 + 0.5
    assert summary.idle_s.mean == pytest.approx(0.5 + 0.5 + 0.25 + 0.75 + 0.25 + 30)
    # the longest tool, then the slower sub-agent: its tool and its waits
    assert summary.critical_path_s.mean == pytest.approx(3 + 0.5 + (0.5 + 0.5 + 0.25) + 0.25 + 30)
    # each call keeps the whole context of the one before it, the last token of an answer is not cached
    assert summary.possible_share == pytest.approx((1099 + 1549 + 1999 + 500) / 8100)


def test_hits_by_block_ids():
    summary = summary_of(read_sessions(DATA / "weka.json"))
    assert summary.possible_share == pytest.approx(64 * (15 + 7 + 4 + 21 + 28) / 8100)


def test_lengths_that_are_not_in_the_trace_are_missing(tmp_path):
    summary = summary_of(read_sessions(DATA / "dag.jsonl"))
    assert summary.input_tokens is None and summary.possible_share is None
    path = tmp_path / "t.jsonl"
    path.write_text(
        "".join(
            json.dumps({"session": "a", "id": n, "call": c}) + "\n" for n, c in enumerate(({}, {"output_tokens": 3}))
        ),
        encoding="utf-8",
    )
    spread = summary_of(read_sessions(path)).output_tokens
    assert spread is not None and (spread.missing, spread.mean) == (1, 3)
