"""`paretoken bench --trace` with sessions, end to end: against a server that records bodies, and one of known pace."""

from __future__ import annotations

import json

import polars as pl
import pytest

from paretoken.bench.run_folder import RunFolder
from paretoken.bench.truth.server import Pace, truth_server
from paretoken.predict.simulation.cache.options import CacheOptions
from paretoken.predict.simulation.limits import SchedulerLimits
from paretoken.predict.steptime import AffineStepTime
from tests.support.emulators import emulated
from tests.support.odd_server import odd_server
from tests.support.sessions import write_sessions


def asked(n: int, **more: object) -> dict:
    """A call of the plain form with a message of its own."""
    return {"input_tokens": 10, "output_tokens": 3, "messages": [{"role": "user", "content": f"question {n}"}], **more}


AGENT = [
    {"id": "plan", "after": [], "call": asked(0, answer={"role": "assistant", "content": "recorded plan"})},
    {"id": "look", "after": ["plan"], "seconds": 0.05},
    {"id": "read", "after": ["plan"], "seconds": 0.02},
    {"id": "a", "agent": "a", "after": ["look"], "call": asked(1)},
    {"id": "b", "agent": "b", "after": ["read"], "call": asked(2)},
    {"id": "join", "after": ["a", "b"], "call": asked(3, continues="plan")},
]


def answers_by_prompt(ask):
    """Each chat is answered by its last message, in three words."""
    if ask.method != "POST" or "messages" not in ask.body:
        return None
    text = "answer to " + str(ask.body["messages"][-1]["content"]).replace(" ", "-")
    words = [{"choices": [{"index": 0, "delta": {"content": w + " "}, "finish_reason": None}]} for w in text.split()]
    words[-1]["choices"][0]["finish_reason"] = "stop"
    usage = {"prompt_tokens": 9, "completion_tokens": 3, "total_tokens": 12}
    events = [*words, {"choices": [], "usage": usage}]
    body = "".join(f"data: {json.dumps(e)}\n\n" for e in events) + "data: [DONE]\n\n"
    return 200, body.encode(), {"content-type": "text/event-stream"}


@pytest.mark.parametrize("answers", ["trace", "server"])
def test_later_prompts_hold_the_answers_asked_for(call, tmp_path, answers):
    write_sessions(tmp_path / "agents.jsonl", {"one": AGENT})
    with odd_server(answers_by_prompt) as server:
        line = (
            f"bench {server.url} --trace agents.jsonl --answers {answers} --concurrency 1 --until 2sessions --out run"
        )
        code, _, err = call(line)
        bodies = [post.body for post in server.posts if "messages" in post.body]
    assert code == 0, err
    joins = [b["messages"] for b in bodies if b["messages"][-1]["content"] == "question 3"]
    expected = {"trace": "recorded plan", "server": "answer to question-0 "}[answers]
    assert len(joins) == 2
    for messages in joins:
        assert [m["role"] for m in messages] == ["user", "assistant", "user"]
        # This server repeats the first prompt, which has a line in front when the trace is played again.
        assert messages[1]["content"].replace("[level-1,-pass-2] ", "") == expected
    metadata = RunFolder(tmp_path / "run").metadata()
    assert metadata.config["answers"] == answers
    (level,) = RunFolder(tmp_path / "run").levels()
    # What earlier runs do not state is what they had.
    assert level.summary.config.get("answers") == {"trace": None, "server": "server"}[answers]
    words = {"trace": "answers of the trace", "server": "server's own answers"}[answers]
    assert any(words in note for note in metadata.notes) and words in err


def test_answers_that_cannot_be_kept_are_counted_and_warned_of(call, tmp_path, monkeypatch):
    monkeypatch.setattr("paretoken.bench.client.kept_answer.MAX_BODY_BYTES", 50)
    write_sessions(tmp_path / "agents.jsonl", {"one": AGENT})
    with odd_server(answers_by_prompt) as server:
        line = f"bench {server.url} --trace agents.jsonl --answers server --concurrency 1 --until 2sessions --out run"
        code, out, err = call(line)
        bodies = [post.body for post in server.posts if "messages" in post.body]
    assert code == 0, err
    joins = [b["messages"] for b in bodies if b["messages"][-1]["content"] == "question 3"]
    assert [messages[1]["content"] for messages in joins] == ["recorded plan"] * 2
    (level,) = RunFolder(tmp_path / "run").levels()
    assert level.summary.fidelity.answers_lost == 2
    assert [w.text for w in level.summary.warnings if w.code == "answers_lost"] == [
        "2 answers of the server too long or unreadable to be kept; later prompts hold recorded or synthetic text "
        "instead, which its prefix cache does not"
    ]
    assert "2 answers of the server too long" in " ".join((out + err).split())


def test_a_tool_longer_than_the_timeout_cuts_no_session(call, tmp_path):
    """`--timeout` is for answers: the sessions of the other user are played to their end."""
    tool = {"id": "test", "after": ["plan"], "seconds": 1.5}
    long = [AGENT[0], tool, {"id": "end", "after": ["test"], "call": asked(1, continues="plan")}]
    write_sessions(tmp_path / "s.jsonl", {"long": long, "short": AGENT[:1]}, begin_s={"long": 0.0, "short": 0.0})
    with odd_server(answers_by_prompt) as server:
        for n, load in enumerate(["--concurrency 2 --until 2sessions", "--arrivals trace"]):
            code, out, err = call(f"bench {server.url} --trace s.jsonl --timeout 0.5 {load} --out run{n}")
            assert code == 0 and "cut by the end" not in out + err, err
            (level,) = RunFolder(tmp_path / f"run{n}").levels()
            rows = level.requests()
            assert sorted(rows.select("session", "turn").rows()) == [(0, 0), (0, 1), (1, 0)]
            assert set(rows["status"]) == {"ok"}


def test_the_run_holds_its_sessions_and_their_requests(call, tmp_path):
    write_sessions(tmp_path / "agents.jsonl", {"one": AGENT, "two": AGENT[:1]}, begin_s={"one": 0.0, "two": 0.1})
    with truth_server(Pace(ttft_ms=5, itl_ms=1), log=tmp_path / "log") as server:
        line = f"bench {server.base_url} --api chat --trace agents.jsonl --arrivals trace --out run"
        code, _, err = call(f"{line} --idle-cap 0.03 --workers 2")
    assert code == 0, err
    table = pl.read_parquet(tmp_path / "run" / "sessions.parquet")
    assert table["session"].to_list() == [0] * 6 + [1] and set(table["name"]) == {"one", "two"}
    assert table["call"].to_list() == [0, -1, -1, 1, 2, 3, 0]
    assert table["seconds"].to_list()[1:3] == [0.03, 0.02]
    assert table["begin_s"].to_list() == [0.0] * 6 + [0.1]
    (level,) = RunFolder(tmp_path / "run").levels()
    rows = level.requests()
    assert sorted(rows.select("session", "turn").rows()) == [(0, 0), (0, 1), (0, 2), (0, 3), (1, 0)]
    assert set(rows["status"]) == {"ok"}
    first = rows.filter(rows["turn"] == 0).sort("session")
    assert first["due_ns"].to_list() == [0, 100_000_000]


def test_sessions_are_played_again_after_a_resume(call, tmp_path):
    write_sessions(tmp_path / "agents.jsonl", {"one": AGENT})
    with truth_server(Pace(ttft_ms=5, itl_ms=1), log=tmp_path / "log") as server:
        line = f"bench {server.base_url} --api chat --trace agents.jsonl --concurrency 1,2 --until 4sessions --out run"
        assert call(line)[0] == 0
        table = (tmp_path / "run" / "sessions.parquet").read_bytes()
        level = RunFolder(tmp_path / "run").level_folder(2)
        (level / "summary.json").unlink()
        code, _, err = call("bench --resume run")
    assert code == 0, err
    assert (
        len(RunFolder(tmp_path / "run").levels()) == 2 and (tmp_path / "run" / "sessions.parquet").read_bytes() == table
    )


def test_a_trace_that_changed_is_not_continued(call, tmp_path):
    write_sessions(tmp_path / "agents.jsonl", {"one": AGENT})
    with truth_server(Pace(ttft_ms=5, itl_ms=1), log=tmp_path / "log") as server:
        line = f"bench {server.base_url} --api chat --trace agents.jsonl --concurrency 1,2 --until 2sessions --out run"
        assert call(line)[0] == 0
        (RunFolder(tmp_path / "run").level_folder(2) / "summary.json").unlink()
        write_sessions(tmp_path / "agents.jsonl", {"one": AGENT[:1]})
        code, _, err = call("bench --resume run --force")
    assert code == 2 and "run plays agents#" in err and "begin a new run with --out" in err


@pytest.mark.parametrize("adapters", ["", "lora-a,lora-b"])
def test_calls_go_to_the_models_that_they_name_if_the_server_lists_them(call, tmp_path, adapters):
    """Not if the endpoint of a request decides its model."""
    steps = [
        {"id": "a", "call": asked(0, model="lora-a")},
        {"id": "b", "after": ["a"], "call": asked(1, model="gpt-9", continues="a")},
        {"id": "c", "after": ["b"], "call": asked(2)},
        {"id": "d", "after": ["c"], "call": asked(3, model="lora-a")},
    ]
    write_sessions(tmp_path / "s.jsonl", {"one": steps})
    models = {"object": "list", "data": [{"id": name} for name in ("base", "lora-a", "lora-b")]}
    option = f"--adapters {adapters} " if adapters else ""
    with odd_server(answers_by_prompt, models=models) as server:
        line = f"bench {server.url} --trace s.jsonl --model base {option}--concurrency 1 --until 1sessions --out run"
        code, _, err = call(line)
    assert code == 0, err
    questions = [f"question {n}" for n in range(4)]
    bodies = [post.body for post in server.posts if "messages" in post.body]
    sent = [str(body["model"]) for body in bodies if body["messages"][-1]["content"] in questions]
    notes = json.loads((tmp_path / "run" / "run.json").read_bytes())["notes"]
    if adapters:
        assert set(sent) <= {"lora-a", "lora-b"}
        assert (
            "s.jsonl: the recorded models of 3 calls were replaced by those of the endpoints: lora-a (2), gpt-9 (1)"
            in notes
        )
        return
    assert sent == ["lora-a", "base", "base", "lora-a"]
    assert "s.jsonl: 2 calls go to the model that the trace names: lora-a (2)" in notes
    assert "s.jsonl: the recorded models of 1 call were replaced by base: gpt-9 (1)" in notes


class TestBadInput:
    """One sentence and exit code 2, or counted and left out."""

    def refused(self, call, line: str) -> str:
        with odd_server(answers_by_prompt) as server:
            load = "" if "--until" in line else "--concurrency 1 --until 2sessions"
            code, _, err = call(f"bench {server.url} {line} {load} --out run")
        assert code == 2, err
        return err

    def test_sessions_beyond_the_servers_context_are_refused_or_counted(self, call, tmp_path):
        long = [{"call": {"input_tokens": 5000, "output_tokens": 9, "messages": [{"role": "user", "content": "x"}]}}]
        write_sessions(tmp_path / "s.jsonl", {"long": long, "short": AGENT})
        models = {"object": "list", "data": [{"id": "m", "max_model_len": 4096}]}
        with odd_server(answers_by_prompt, models=models) as server:
            line = f"bench {server.url} --trace s.jsonl --concurrency 1 --until 1sessions --out run"
            code, _, err = call(line)
            assert code == 2 and "1 of 2 sessions exceeds" in err and "--keep-going" in err
            code, _, err = call(f"{line} --keep-going")
        assert code == 0 and "1 session left out: a call of more than 4,096 tokens" in err
        (level,) = RunFolder(tmp_path / "run").levels()
        (warning,) = (w for w in level.summary.warnings if w.code == "left_out")
        assert warning.text.startswith("1 of 2 sessions of the trace (50%) exceed the server's context of 4,096 tokens")

    def test_broken_sessions(self, call, tmp_path):
        circle = [{"id": "a", "after": ["b"], "call": {}}, {"id": "b", "after": ["a"], "call": {}}]
        write_sessions(tmp_path / "s.jsonl", {"bad": circle, "good": AGENT})
        assert "waits for itself" in self.refused(call, "--trace s.jsonl")
        with odd_server(answers_by_prompt) as server:
            code, _, err = call(
                f"bench {server.url} --trace s.jsonl --keep-going --concurrency 1 --until 1sessions --out run"
            )
        assert code == 0 and "left out" in err

    @pytest.mark.parametrize(
        ("options", "words"),
        [
            ("--answers server --isl 5", "needs prompts that hold earlier answers"),
            ("--idle-cap 5", "shortens the waits of sessions"),
            ("--trace alone.jsonl --answers server", "goes on with an earlier call"),
            ("--trace s.jsonl --turns 3", "use one of them"),
            ("--isl 5 --until 3sessions", "needs a load of sessions"),
            ("--trace s.jsonl --concurrency 1,4 --until 3sessions", "3 sessions for 4 users"),
            ("--trace silent.jsonl", "no output length"),
        ],
    )
    def test_options_that_do_not_fit(self, call, tmp_path, options, words):
        write_sessions(tmp_path / "s.jsonl", {"one": AGENT})
        write_sessions(tmp_path / "alone.jsonl", {"one": AGENT[:1]})
        write_sessions(tmp_path / "silent.jsonl", {"one": [{"call": {"input_tokens": 5}}]})
        assert words in self.refused(call, options)


def test_a_dead_server_fails_sessions_and_keeps_what_ended(call, tmp_path):
    write_sessions(tmp_path / "agents.jsonl", {"one": AGENT})
    count = iter(range(1000))

    def then_errors(ask):
        if ask.method != "POST" or "messages" not in ask.body:
            return None
        return answers_by_prompt(ask) if next(count) < 4 else (503, b"gone", {})

    with odd_server(then_errors) as server:
        code, _, err = call(f"bench {server.url} --trace agents.jsonl --concurrency 1 --until 3sessions --out run")
    assert code == 1, err
    (level,) = RunFolder(tmp_path / "run").levels()
    rows = level.requests().sort("session", "turn")
    by_session = {k: v["status"].to_list() for (k,), v in rows.group_by("session", maintain_order=True)}
    assert by_session[1] == ["http_5xx"] and by_session[2] == ["http_5xx"]  # what waits is not sent


def test_conversations_take_a_rate(call, tmp_path):
    with truth_server(Pace(ttft_ms=5, itl_ms=1), log=tmp_path / "log") as server:
        shape = "--turns 3 --isl 8 --osl 4 --prompt-unit words --api chat"
        code, out, err = call(
            f"bench {server.base_url} {shape} --rate 20 --arrivals constant --until 1s --out run --json"
        )
    assert code == 0, err
    (level,) = json.loads(out)["levels"]
    assert level["load"]["sessions"] is True and level["errors"]["requests"] == 60


@pytest.mark.slow
def test_no_prompt_finds_more_than_is_possible(call, tmp_path):
    """Recorded text beside synthetic words, whose tokens per word differ, at two loads of one trace."""
    steps: dict[str, list[dict]] = {"text": [], "words": []}
    for n in range(4):
        before = {"continues": str(n - 1)} if n else {}
        question = {"role": "user", "content": " ".join(f"remark {i} of part {n}" for i in range(60))}
        answer = {"role": "assistant", "content": f"noted {n} " * 15}
        texts = {"messages": [question], "answer": answer, "output_tokens": 30}
        steps["text"].append({"id": str(n), "call": texts | before})
        steps["words"].append({"id": str(n), "call": {"input_tokens": 1000 + 400 * n, "output_tokens": 20} | before})
    write_sessions(tmp_path / "mixed.jsonl", steps)
    quick = AffineStepTime(1e-4, per_prompt_token_s=1e-8)
    limits = SchedulerLimits(max_num_seqs=64, max_batched_tokens=131_072, kv_blocks=100_000)
    with emulated(step_time=quick, limits=limits, cache=CacheOptions()) as server:
        url = f"http://127.0.0.1:{server.port}"
        code, _, err = call(f"bench {url} --trace mixed.jsonl --concurrency 1,4 --until 8sessions --out run")
    assert code == 0, err
    for point in pl.read_parquet(tmp_path / "run" / "points.parquet").iter_rows(named=True):
        assert 0.4 < point["cached_share"] <= point["possible_share"]
    levels = [pl.read_parquet(f) for f in sorted((tmp_path / "run").rglob("requests.parquet"))]
    assert len(levels) == 2
    for requests in levels:
        assert (requests["cached_tokens"] > 0).any()
        assert (requests["cached_tokens"] <= requests["possible_tokens"]).all()
        of_words = requests.filter(pl.col("session") % 2 == 1)
        planned = pl.Series([1000, 1400, 1800, 2200])[of_words["turn"].to_list()]
        assert of_words.height and ((of_words["input_tokens"] / planned - 1).abs() < 0.05).all()


def test_a_limit_on_sessions_needs_sessions(call):
    with odd_server(answers_by_prompt) as server:
        code, _out, err = call(f"bench {server.url} --concurrency 1 --until 2requests --slo session_p90=3s")
    assert code == 2 and "session_p90=3s limits sessions, and this load has none" in err
