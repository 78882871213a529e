"""Limits of a read, what is left out of it, and what a trace says of itself."""

from __future__ import annotations

import json

import pytest

from paretoken.errors import BadConfig, BadFile
from paretoken.sessions.read import is_session_file, read_sessions
from tests.sessions.shapes import DATA


def plain(name: str, tokens: int = 10, **more: object) -> str:
    steps = [{"id": "x", "call": {"input_tokens": tokens, "output_tokens": 2}, **more}]
    return json.dumps({"session": name, "steps": steps}) + "\n"


BAD = plain("cycle", after=["x"]) + plain("missing", after=["y"]) + plain("negative", wait_s=-1) + '{"session": "cut'


class TestKeepGoing:
    def test_bad_sessions_are_left_out_and_counted_by_reason(self, tmp_path):
        path = tmp_path / "t.jsonl"
        path.write_text(plain("a") + BAD + "\n" + plain("b") + plain("b"), encoding="utf-8")
        trace = read_sessions(path, keep_going=True)
        assert [session.name for session in trace.sessions] == ["a", "b"]
        assert trace.left_out == {
            "a cycle of steps": 1,
            "a step that waits for a missing one": 1,
            "a negative time": 1,
            "a line that is not whole JSON": 1,
            "two sessions with one name": 1,
        }
        assert f"{path.name}: 1 session left out: a cycle of steps" in trace.notes()

    def test_broken_first_lines_are_left_out_too(self, tmp_path):
        path = tmp_path / "t.jsonl"
        path.write_text('{"session": "cut\n{"session"\n' + plain("a"), encoding="utf-8")
        assert is_session_file(path)
        trace = read_sessions(path, keep_going=True)
        assert [s.name for s in trace.sessions] == ["a"] and trace.left_out == {"a line that is not whole JSON": 2}
        with pytest.raises(BadFile, match="line 1 is not whole JSON"):
            read_sessions(path)

    def test_a_hundred_broken_lines_are_no_trace(self, tmp_path):
        path = tmp_path / "t.jsonl"
        path.write_text('{"session": "cut\n' * 101 + plain("a"), encoding="utf-8")
        assert not is_session_file(path)
        with pytest.raises(BadFile, match="is not whole JSON"):
            read_sessions(path, keep_going=True)

    def test_nothing_left_is_refused_with_the_reasons(self, tmp_path):
        path = tmp_path / "t.jsonl"
        path.write_text(plain("cycle", after=["x"]), encoding="utf-8")
        with pytest.raises(BadFile, match="holds no usable session; left out: a cycle of steps: 1"):
            read_sessions(path, keep_going=True)

    def test_a_session_of_many_rows_is_left_out_whole(self, tmp_path):
        path = tmp_path / "t.jsonl"
        lines = (DATA / "tracelab.jsonl").read_text(encoding="utf-8").splitlines()
        broken = [line.replace('"output_tokens": 150', '"output_tokens": -1') for line in lines]
        path.write_text("\n".join(broken), encoding="utf-8")
        trace = read_sessions(path, keep_going=True)
        assert [s.name for s in trace.sessions] == ["claude:scout", "claude:critic"]
        assert trace.left_out == {"a negative number of tokens": 1}

    def test_each_fault_of_a_row_has_a_reason_of_its_own(self, tmp_path):
        path = tmp_path / "t.jsonl"
        message = {"messages": [{"role": "oracle", "content": "x"}]}
        bad = [
            plain("negative", wait_s=-1),
            plain("late", wait_s=1e300),
            plain("huge", tokens=1e300),
            plain("huge too", tokens=2**40),
            plain("minus", tokens=-3),
            plain("part", tokens=2.5),
            plain("words", tokens="many"),
            plain("role", call=message),
            plain("typo", wait=1),
            plain("list", after=3),
        ]
        path.write_text(plain("a") + "".join(bad), encoding="utf-8")
        trace = read_sessions(path, keep_going=True)
        assert [session.name for session in trace.sessions] == ["a"]
        assert trace.left_out == {
            "a negative time": 1,
            "a time later than the year 2200": 1,
            "a number of tokens that is too large": 2,
            "a negative number of tokens": 1,
            "a part of a token": 1,
            "a value that is not a number": 1,
            "an unknown role": 1,
            "an unknown field": 1,
            "a row that cannot be read": 1,
        }


class TestLimits:
    @pytest.mark.parametrize("most", [0, -1])
    def test_must_be_positive(self, most):
        with pytest.raises(BadConfig, match=f"most_sessions is {most}; it must be 1 or more"):
            read_sessions(DATA / "plain.jsonl", most_sessions=most)

    def test_rows_of_later_sessions_are_not_kept_and_the_sessions_are_counted(self, tmp_path):
        path = tmp_path / "t.jsonl"
        lines = [{"session": f"s{n % 5}", "id": n, "after": [], "call": {}} for n in range(20)]
        path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
        trace = read_sessions(path, most_sessions=2)
        assert [len(session.steps) for session in trace.sessions] == [4, 4]
        assert trace.left_out == {"beyond the first 2 sessions": 3}

    def test_sessions_with_a_call_that_is_too_long_are_counted(self, tmp_path):
        path = tmp_path / "t.jsonl"
        path.write_text(plain("a", 98) + plain("b", 99) + plain("c", 1000), encoding="utf-8")
        whole = read_sessions(path)
        served, all_of_it = whole.within(100), whole.within(10_000)
        assert [session.name for session in served.sessions] == ["a"]
        assert (served.left_out, served.beyond_context) == ({"a call of more than 100 tokens": 2}, 2)
        assert (all_of_it.sessions, all_of_it.left_out, all_of_it.beyond_context) == (whole.sessions, whole.left_out, 0)
        assert not whole.within(50).sessions
        assert "2 sessions left out: a call of more than 100 tokens" in " ".join(whole.within(100).notes())


class TestBegins:
    def rows(self, *begins: float | None) -> str:
        step = [{"call": {}}]
        return "".join(
            json.dumps({"session": f"s{n}", "steps": step, **({} if b is None else {"begin_s": b})}) + "\n"
            for n, b in enumerate(begins)
        )

    def test_count_from_the_first_and_are_in_order(self, tmp_path):
        path = tmp_path / "t.jsonl"
        path.write_text(self.rows(1_000_007, 1_000_000, 1_010_007), encoding="utf-8")
        trace = read_sessions(path)
        assert [(s.name, s.begin_s) for s in trace.sessions] == [("s1", 0), ("s0", 7), ("s2", 10_007)]
        assert trace.timed
        assert trace.notes()[-1].endswith(
            "1 pause of more than an hour between the starts of two sessions, the longest 2.8 hours"
        )

    def test_are_given_by_all_or_by_none(self, tmp_path):
        path = tmp_path / "t.jsonl"
        path.write_text(self.rows(1, None), encoding="utf-8")
        with pytest.raises(
            BadFile, match="some sessions have a start time and some have none; give one to all of them, or to none"
        ):
            read_sessions(path)
        path.write_text(self.rows(None, None), encoding="utf-8")
        assert not read_sessions(path).timed

    @pytest.mark.parametrize("begin", [-1, 1e12, "now"])
    def test_are_times(self, tmp_path, begin):
        path = tmp_path / "t.jsonl"
        path.write_text(self.rows(begin), encoding="utf-8")
        with pytest.raises(BadFile, match="line 1: begin_s"):
            read_sessions(path)


def test_the_notes_say_what_a_trace_holds():
    rule, counts = read_sessions(DATA / "otel.jsonl").notes()
    assert rule.startswith("otel.jsonl: OpenTelemetry GenAI, times as recorded")
    assert counts == (
        "otel.jsonl: 1 session of 7 model calls, 3 tool calls and 2 sub-agents; "
        "at most 2 model calls of a session at once"
    )


@pytest.mark.parametrize("text", ["", "[]", "{}", "[[]]", "[1]", "{", "\x00", "a,b\n"])
def test_what_is_no_trace_is_refused(tmp_path, text):
    path = tmp_path / "t"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(BadFile):
        read_sessions(path)


class TestFolders:
    def test_a_folder_of_files_is_one_trace(self, tmp_path):
        row = json.loads((DATA / "weka.json").read_text(encoding="utf-8"))
        for name in ("b", "a"):
            (tmp_path / f"{name}.json").write_text(json.dumps({**row, "id": name}, indent=1), encoding="utf-8")
        (tmp_path / "notes.txt").write_text("x", encoding="utf-8")
        trace = read_sessions(tmp_path)
        assert [session.name for session in trace.sessions] == ["a", "b"]
        ids = [{block for call in s.calls.values() for block in call.blocks} for s in trace.sessions]
        assert not ids[0] & ids[1]

    def test_a_fault_names_its_file(self, tmp_path):
        (tmp_path / "a.jsonl").write_text(plain("a"), encoding="utf-8")
        (tmp_path / "b.jsonl").write_text(plain("b", after=["y"]), encoding="utf-8")
        with pytest.raises(BadFile, match=r"b\.jsonl: line 1: session 'b': step 'x' waits for 'y'"):
            read_sessions(tmp_path)
        (tmp_path / "b.jsonl").write_bytes((DATA / "dag.jsonl").read_bytes())
        with pytest.raises(BadFile, match=r"b\.jsonl is no trace in the form of the first file"):
            read_sessions(tmp_path)

    def test_an_empty_folder_is_refused(self, tmp_path):
        with pytest.raises(BadFile, match=r"holds no file that ends in \.json"):
            read_sessions(tmp_path)


class TestMemory:
    @pytest.mark.parametrize("file", ["weka.json", "tracelab.jsonl", "otel.jsonl", "plain.jsonl", "plain-steps.jsonl"])
    def test_more_than_fits_is_refused(self, monkeypatch, file):
        monkeypatch.setattr("paretoken.sessions.drafts.MOST_KEPT", 1_000)
        for keep_going in (False, True):
            with pytest.raises(BadFile, match="GB of memory, too many to keep; split the file, or read fewer sessions"):
                read_sessions(DATA / file, keep_going=keep_going)

    def test_what_is_left_out_takes_its_name_alone(self, monkeypatch, tmp_path):
        monkeypatch.setattr("paretoken.sessions.drafts.MOST_KEPT", 25_000)
        path = tmp_path / "t.jsonl"
        broken = "".join(plain(f"s{n}", wait_s=-1) for n in range(50))
        path.write_text(broken + plain("sound"), encoding="utf-8")
        assert [s.name for s in read_sessions(path, keep_going=True).sessions] == ["sound"]
        path.write_text("".join(plain(f"s{n}") for n in range(50)), encoding="utf-8")
        with pytest.raises(BadFile, match="too many to keep"):
            read_sessions(path)
        assert len(read_sessions(path, most_sessions=5).sessions) == 5
