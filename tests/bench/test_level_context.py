"""Which settings must be equal for runs to be compared."""

from __future__ import annotations

import pytest

from paretoken.bench.config import BenchConfig
from paretoken.bench.level_context import compared_settings
from paretoken.sessions.label import SAMPLE_SESSIONS


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("answers", "server"),
        ("sessions", 9),
        ("session_seed", 1),
        ("trace_speed", 2.0),
        ("images", "1x64x64"),
        ("batch", 8),
        ("adapters", "a,b"),
    ],
)
def test_a_setting_that_earlier_levels_lack_is_stated_where_it_is_not_the_default(name, value):
    others = {"trace": "t.jsonl"} if name in ("answers", "trace_speed") else {}
    without = compared_settings(BenchConfig(urls=("http://h",), **others))
    stated = compared_settings(BenchConfig(urls=("http://h",), **others, **{name: value}))
    assert name not in without and stated == without | {name: value}


def test_the_number_of_sessions_that_is_played_by_default_is_no_other_setting():
    without = compared_settings(BenchConfig(urls=("http://h",), workload="rag"))
    assert compared_settings(BenchConfig(urls=("http://h",), workload="rag", sessions=SAMPLE_SESSIONS)) == without


def test_a_length_by_default_is_stated():
    assert compared_settings(BenchConfig(urls=("http://h",)))["osl"] == "1024"
