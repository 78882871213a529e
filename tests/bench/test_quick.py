"""The quick answer: the climb and the diagnosis, on summaries whose cause is known, and once against a server."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import dataclass
from types import SimpleNamespace

import pytest

from paretoken.bench.plan import Closed
from paretoken.bench.quick import DoublingSchedule, diagnose, find_servers
from paretoken.bench.schedule import SearchSchedule
from paretoken.bench.stats.search import Search
from paretoken.bench.truth.server import Pace, truth_server
from paretoken.cli.main import main
from paretoken.cli.measure.quick import show_answer
from paretoken.engines.embedded.engine import EmbeddedEngine
from tests.support.summaries import counters, limited, not_steady, summary


@pytest.mark.parametrize(
    ("top", "limit"),
    [
        (limited("a worker used 99 % of its core"), "client"),
        ({"failed": "20 % of requests failed"}, "errors"),
        (counters(preemptions=3.0), "kv"),
        (counters(waiting=5.0, kv=0.97), "kv"),
        (counters(waiting=5.0, kv=0.3), "queue"),
        (counters(), "compute"),
        ({}, "compute"),
        ({"ttft_s": 0.9}, "queue"),
        ({"tok_s": 780.0}, "none"),
    ],
)
def test_the_limit_is_named(top, limit):
    fields = {"tok_s": 405.0, "met": False} | top
    found = diagnose([summary(1, 50), summary(8, 400), summary(16, **fields)])
    assert found.limit == limit
    assert found.single_user_tok_s == pytest.approx(50)
    assert found.users == 8
    assert found.best_at_users == 16
    assert found.change


LIMITED = limited("a worker used 99 % of its core")
DRIFTING = not_steady("no steady state: TPOT still rises", enough=True)
SHORT = not_steady("no steady state: 6 requests", enough=False)


@pytest.mark.parametrize(("top", "users"), [(LIMITED, 8), (DRIFTING, 8), (SHORT, 16), ({}, 16)])
def test_a_level_that_says_nothing_of_the_server_does_not_count(top, users):
    found = diagnose([summary(1, 50), summary(8, 400), summary(16, 800, **top)])
    assert found.users == users
    assert found.doubts == (("no steady state: 6 requests",) if top is SHORT else ())


@pytest.mark.parametrize(
    ("from_users", "words"),
    [
        (16, "At least 8 concurrent users"),
        (1, "Unknown whether a single user"),
        (99, "Up to 16 concurrent users"),
    ],
)
def test_what_the_client_hid_is_said(capsys, from_users, words):
    levels = [summary(users, 50 * users, **(LIMITED if users >= from_users else {})) for users in (1, 8, 16)]
    show_answer(diagnose(levels), None)
    assert words in capsys.readouterr().out


def searched(**steps: dict) -> dict:
    """What a search up to 4 users answers where every level meets its goals."""
    search = SearchSchedule(FakeSetup(), Search(1, 4))
    while (load := search.next_load()) is not None:
        search.observe(load, SimpleNamespace(summary=summary(load.users, 1.0, **steps.get(f"at_{load.users}", {}))))
    return search.answer()


def test_a_search_does_not_stand_on_a_level_where_the_client_was_the_limit():
    assert searched()["users"] == 4 and not searched()["at_least"]
    found = searched(at_3=LIMITED, at_4=LIMITED)
    assert (found["users"], found["at_least"], found["fails_at"]) == (2, True, None)
    assert "client" in found["doubts"][-1]
    found = searched(at_3=DRIFTING, at_4=DRIFTING)
    assert (found["users"], found["at_least"], found["fails_at"]) == (2, False, 3)
    found = searched(at_4=SHORT)
    assert found["users"] == 4 and found["doubts"] == ["no steady state: 6 requests"]


def test_quick_takes_more_client_processes(call):
    code, _, err = call("quick http://127.0.0.1:9 --yes --workers 2")
    assert code == 2 and "nothing answers" in err


def test_not_even_one_user():
    assert diagnose([summary(1, 5, met=False)]).users is None


@dataclass
class FakeSetup:
    config = SimpleNamespace(slo="tpot_p50=50ms")

    def closed_load(self, users: int) -> Closed:
        return Closed(users)


def climb(most: int, seconds_a_level: float = 1.0) -> list[int]:
    now = [0.0]
    steps = DoublingSchedule(FakeSetup(), 60.0, clock=lambda: now[0])
    tried = []
    while (load := steps.next_load()) is not None:
        tried.append(load.users)
        now[0] += seconds_a_level
        steps.observe(load, SimpleNamespace(summary=summary(load.users, 1.0, met=load.users <= most)))
    return tried


def test_the_climb_doubles_and_then_halves_the_gap():
    assert climb(10) == [1, 2, 4, 8, 16, 12, 10]
    assert climb(0) == [1]


def test_the_climb_keeps_to_its_time():
    assert climb(10_000, seconds_a_level=12.0) == [1, 2, 4, 8, 16]


def test_against_a_server(capsys, monkeypatch, tmp_path):
    with truth_server(Pace(ttft_ms=20.0, itl_ms=4.0), log=tmp_path / "log") as server:
        port = int(server.base_url.split(":")[2].split("/")[0])
        assert [s.base_url for s in find_servers([9, port])] == [server.base_url]
        monkeypatch.setattr("paretoken.bench.quick.BUDGET_S", 4.0)
        monkeypatch.setattr("paretoken.bench.quick.LEVEL", "1s")
        line = f"quick {server.base_url} --yes --isl 16 --osl 16 --json"
        monkeypatch.setattr(sys, "argv", ["paretoken", *line.split()])
        main()
    printed = capsys.readouterr()
    assert "--tokenizer" in printed.err  # it has none, and says so
    answer = json.loads(printed.out)
    assert 0 < answer["single_user_tok_s"] <= 260  # 250 where the machine is free
    assert answer["limit"] and answer["change"]


def test_it_finds_a_real_engine_and_answers_in_words(call, monkeypatch):
    pytest.importorskip("xllamacpp") if not os.environ.get("CI") else None
    with EmbeddedEngine(slots=4, context=256) as engine:
        port = int(engine.base_url.split(":")[2].split("/")[0])
        monkeypatch.setattr("paretoken.bench.quick.PORTS", {9: "nobody", port: "llama.cpp"})
        monkeypatch.setattr("paretoken.bench.quick.BUDGET_S", 5.0)
        monkeypatch.setattr("paretoken.bench.quick.LEVEL", "1s")
        code, out, err = call("quick --yes --isl 32 --osl 16 --out run")
        assert code == 0, err
        assert f"found llamacpp at {engine.base_url}: {engine.model}" in err
        for words in ("A single user gets", "with a TTFT of", "Highest throughput: ", "imit", "To do: "):
            assert words in out
        code, out, _ = call("share run")
        assert code == 0 and "1 user" in out and "llamacpp" in out


def test_it_asks_first(capsys, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["paretoken", "quick", "http://127.0.0.1:9"])
    monkeypatch.setattr("rich_click.confirm", lambda *_, **__: False)
    with pytest.raises(SystemExit) as left:
        main()
    assert left.value.code == 130


def test_time_left_is_that_of_the_first_bound():
    from paretoken.bench.plan import Stop
    from paretoken.cli.measure.live import seconds_left

    def now(**more):
        return SimpleNamespace(**({"elapsed_s": 10.0, "finished": 0, "tokens": 0} | more))

    assert seconds_left(Stop(seconds=60), now()) == 50
    assert seconds_left(Stop(requests=100, warmup_requests=20), now()) is None
    assert seconds_left(Stop(requests=100, warmup_requests=20), now(finished=40)) == pytest.approx(20)
    assert seconds_left(Stop(seconds=15, tokens=1000), now(tokens=100)) == 5
    assert seconds_left(Stop(seconds=5), now()) == 0
