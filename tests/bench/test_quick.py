"""The quick answer: the climb and the diagnosis, on summaries whose cause is known, and once against a server."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import dataclass, replace
from io import StringIO
from types import SimpleNamespace

import pytest

from paretoken.bench.plan import Closed
from paretoken.bench.quick import ClimbEnd, diagnose, find_servers
from paretoken.bench.schedule import SearchSchedule
from paretoken.bench.stats.search import Search
from paretoken.bench.stats.warnings import LevelWarning
from paretoken.bench.truth.server import Pace, truth_server
from paretoken.cli.main import main
from paretoken.cli.measure.quick import show_answer
from paretoken.engines.embedded.engine import EmbeddedEngine
from tests.support.summaries import counters, judged, limited, not_steady, summary


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
        ({"tok_s": 780.0}, "slo"),
        ({"tok_s": 780.0, "met": True}, "none"),
    ],
)
def test_the_limit_is_named(top, limit):
    fields = {"tok_s": 405.0, "met": False} | top
    answer = diagnose([summary(1, 50), summary(8, 400), summary(16, **fields)])
    assert answer.limit == limit
    assert answer.single_user_tok_s == pytest.approx(50)
    assert answer.users == (16 if fields["met"] else 8)
    assert answer.best_at_users == 16
    assert answer.change


def test_a_server_that_gives_no_more_before_the_client_is_busy_is_the_limit():
    levels = [summary(1, 50), summary(4, 200), summary(8, 201), summary(16, 202, **LIMITED)]
    assert diagnose(levels).limit == "compute"


def test_a_queue_shows_against_the_load_from_which_throughput_is_flat():
    levels = [summary(u, 50.0 * min(u, 4), ttft_s=max(0.02, 0.17 * (u - 4))) for u in (1, 4, 8, 14, 16)]
    answer = diagnose(levels)
    assert answer.limit == "queue" and "from 4 to 16 users only TTFT grew" in answer.why


LIMITED = limited("a worker used 99 % of its core")
DRIFTING = not_steady("no steady state: TPOT still rises", enough=True)
SHORT = not_steady("no steady state: 6 requests", enough=False)
LATE = {"fidelity": replace(LIMITED["fidelity"], loop_lag_p99_s=0.2)}
IDLE = {"fidelity": replace(LIMITED["fidelity"], achieved=0.8)}


@pytest.mark.parametrize(
    ("top", "users", "at_least"),
    [(LIMITED, 16, True), (LATE, 8, True), (IDLE, 8, True), (DRIFTING, 8, True), (SHORT, 16, True), ({}, 16, True)],
)
def test_a_level_that_says_nothing_of_the_server_does_not_count(top, users, at_least):
    answer = diagnose([summary(1, 50), summary(8, 400), summary(16, 800, **top)])
    assert (answer.users, answer.at_least) == (users, at_least)
    assert any("6 requests" in d for d in answer.doubts) == (top is SHORT)
    assert ("client-limited" in answer.doubts) == (top is LIMITED)


def test_a_load_that_missed_is_named_with_its_figures():
    answer = diagnose([summary(1, 50), summary(8, 400), summary(16, 500, met=False)])
    assert (answer.users, answer.at_least, answer.missed_at) == (8, False, 16)


def test_a_load_that_missed_has_its_doubts_where_no_load_met():
    answer = diagnose([summary(1, 50, met=False, **SHORT)])
    assert answer.missed_at == 1 and answer.doubts == ("no steady state: 6 requests",)
    assert diagnose([summary(1, 50, failed="all failed", **SHORT)]).doubts == ()


def test_too_few_requests_are_why_nobody_knows():
    answer = diagnose([judged(1, ("ttft_p95=2s", False, 1), tried=8)], "ttft_p95=2s")
    assert (answer.users, answer.missed_at, answer.missed) == (None, None, "")
    assert answer.unknown == "ttft_p95=2s can't be judged: p95 needs 59 requests in the window, has 8"


def test_only_what_was_missed_for_certain_is_named():
    one = judged(1, ("ttft_p99=2s", False, 1), ("tpot_p50=50ms", False, 40), tried=50)
    assert diagnose([one]).missed == "TPOT p50 100 ms"


def test_the_last_try_of_a_load_counts():
    answer = diagnose([summary(1, 50), summary(8, 400, met=False), summary(8, 400), summary(16, 800, met=False)])
    assert (answer.users, answer.missed_at) == (8, 16)


@pytest.mark.parametrize(
    ("levels", "words"),
    [
        ([(1, {}), (8, {}), (16, LATE)], "At least 8 concurrent users"),
        ([(1, LATE), (8, LATE)], "Unknown how many users stay within"),
        ([(1, LATE), (8, {"met": False})], "At most 7 concurrent users"),
        ([(1, {}), (8, {}), (16, {"met": False})], "Up to 8 concurrent users"),
        ([(1, {"met": False})], "Not even a single user"),
    ],
)
def test_what_is_known_of_the_users_is_said_and_no_more(capsys, levels, words):
    show_answer(diagnose([summary(users, 50 * users, **more) for users, more in levels]), None)
    assert words in capsys.readouterr().out


@pytest.mark.parametrize(
    ("top", "end", "need"),
    [
        ({}, ClimbEnd(minutes=3.4), "more time: --minutes 7"),
        ({"met": False}, ClimbEnd(minutes=3.4), "more time: --minutes 5"),
        (LATE, ClimbEnd(workers=2), "more clients: --workers 4"),
        (LIMITED, ClimbEnd(minutes=3.4), "more clients: --workers 2"),
        ({}, ClimbEnd(most_users=16), "more load: paretoken bench --search slo --concurrency 16:"),
        ({"met": False}, ClimbEnd(), ""),
    ],
)
def test_what_would_settle_the_answer_is_said(top, end, need):
    needs = diagnose([summary(8, 400), summary(16, 800, **top)], "ttft_p50=1s", end).needs
    assert [n for n in needs if need and n.startswith(need)] or (not need and not needs)


def test_short_answers_are_said(capsys):
    short = LevelWarning("short_output", "outputs are 70.0% shorter than planned")
    show_answer(diagnose([summary(1, 50, warnings=(short,)), summary(2, 90, warnings=(short,))]), None)
    assert "2 users: outputs are 70.0% shorter than planned (also 1 user)" in capsys.readouterr().out


def test_streams_in_one_piece_leave_the_question_open():
    held_back = {"warnings": (LevelWarning("buffered", "the stream arrives in one piece"),), "met": False}
    answer = diagnose([summary(1, 50, **held_back), summary(2, 90, **held_back)])
    assert answer.unknown == "answers arrive in one piece" and answer.users is None and answer.missed_at is None
    assert any("measure the server directly" in need for need in answer.needs)


def searched(**steps: dict) -> dict:
    """What a search up to 4 users answers where every level meets its goals."""
    search = SearchSchedule(FakeSetup(), Search(1, 4))
    while (load := search.next_load()) is not None:
        search.observe(load, SimpleNamespace(summary=summary(load.users, 1.0, **steps.get(f"at_{load.users}", {}))))
    return search.answer()


def test_a_search_does_not_stand_on_a_level_where_the_client_was_the_limit():
    assert searched()["users"] == 4 and not searched()["at_least"]
    answer = searched(at_3=LIMITED, at_4=LIMITED)
    assert (answer["users"], answer["at_least"], answer["fails_at"]) == (2, True, None)
    assert "client" in answer["doubts"][-1]
    answer = searched(at_3=DRIFTING, at_4=DRIFTING)
    assert (answer["users"], answer["at_least"], answer["fails_at"]) == (2, False, 3)
    answer = searched(at_4=SHORT)
    assert answer["users"] == 4 and answer["doubts"] == ["no steady state: 6 requests"]


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


def test_against_a_server(capsys, monkeypatch, tmp_path):
    with truth_server(Pace(ttft_ms=20.0, itl_ms=4.0), log=tmp_path / "log") as server:
        port = int(server.base_url.split(":")[2].split("/")[0])
        assert [s.base_url for s in find_servers([9, port]).servers] == [server.base_url]
        monkeypatch.setattr("paretoken.bench.quick_climb.LEVEL_S", 1.0)
        line = f"quick {server.base_url} --yes --isl 16 --osl 16 --minutes 0.1 --json"
        monkeypatch.setattr(sys, "argv", ["paretoken", *line.split()])
        main()
    printed = capsys.readouterr()
    assert "--tokenizer" in printed.err  # it has none, and says so
    answer = json.loads(printed.out)
    assert 0 < answer["single_user_tok_s"] <= 300  # 250 where the machine is free
    assert answer["limit"] and answer["change"]


def test_it_finds_a_real_engine_and_answers_in_words(call, monkeypatch):
    pytest.importorskip("xllamacpp") if not os.environ.get("CI") else None
    with EmbeddedEngine(slots=4, context=256) as engine:
        port = int(engine.base_url.split(":")[2].split("/")[0])
        monkeypatch.setattr("paretoken.bench.quick.PORTS", {9: "nobody", port: "llama.cpp"})
        monkeypatch.setattr("paretoken.bench.quick_climb.LEVEL_S", 1.0)
        code, out, err = call("quick --yes --isl 32 --osl 16 --minutes 0.1 --out run")
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


def test_without_a_terminal_it_asks_for_yes(call, monkeypatch):
    monkeypatch.setattr("sys.stdin", StringIO(""))
    code, _, err = call("quick http://127.0.0.1:9")
    assert code == 2 and "add --yes" in err


def test_time_left_is_that_of_the_first_bound():
    from paretoken.bench.plan import Stop
    from paretoken.cli.measure.live import seconds_left

    def now(**more):
        return SimpleNamespace(**({"elapsed_s": 10.0, "finished": 0, "tokens": 0, "sessions_ended": 0} | more))

    assert seconds_left(Stop(seconds=60), now()) == 50
    assert seconds_left(Stop(requests=100, warmup_requests=20), now()) is None
    assert seconds_left(Stop(requests=100, warmup_requests=20), now(finished=40)) == pytest.approx(20)
    assert seconds_left(Stop(seconds=15, tokens=1000), now(tokens=100)) == 5
    assert seconds_left(Stop(sessions=10), now(sessions_ended=5)) == 10
    assert seconds_left(Stop(seconds=5), now()) == 0
