"""Every form: files of the same work in each of them, read as the graph that it is."""

from __future__ import annotations

import gzip
import json
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from paretoken.errors import BadFile
from paretoken.sessions.read import FORMS, form_of, is_session_file, read_sessions
from paretoken.trace_rows import TraceRow, objects
from tests.sessions.shapes import DATA, Row, rows, unordered

FILES = {
    "weka.json": "Weka (AgentX)",
    "tracelab.jsonl": "TraceLab",
    "otel.jsonl": "OpenTelemetry GenAI",
    "otel.json": "OpenTelemetry GenAI",
    "mooncake.jsonl": "Mooncake sessions",
    "dag.jsonl": "AIPerf DAG",
    "plain.jsonl": "plain sessions",
    "plain-steps.jsonl": "plain sessions",
}
REQUESTS = (
    {"timestamp": 1, "input_length": 5, "output_length": 6, "hash_ids": [1]},
    {"chat_id": 1, "session_id": "a", "timestamp": 1, "input_length": 5, "output_length": 6},
    {"session": "a", "prompt": "b", "output_tokens": 3},
    {"session": "a", "messages": [{"role": "user", "content": "b"}]},
    {"session_id": "a", "turns": [{"text": "b"}]},
    {"conversations": [{"from": "human", "value": "b"}]},
    {"custom_id": "a", "body": {"prompt": "a", "max_tokens": 6}},
)


def the_work(names: dict[str, str]) -> list[Row]:
    """What the files with times hold, by the names that the form has for tools and agents."""
    n = {name: names.get(name, name) for name in ("grep", "build", "read", "scout", "critic")}
    return [
        ("", "", (), 0.0, 2.0, (1000, 100)),
        (n["grep"], "", (0,), 0.0, 1.0, None),
        (n["build"], "", (0,), 0.0, 3.0, None),
        ("", "", (0, 1, 2), 0.5, 2.0, (1400, 150)),
        ("", n["scout"], (3,), 0.5, 1.0, (500, 50)),
        (n["read"], n["scout"], (4,), 0.0, 0.5, None),
        ("", n["scout"], (4, 5), 0.25, 1.25, (700, 60)),
        ("", n["critic"], (3,), 0.75, 12.0, (600, 80)),
        ("", "", (3, 6, 7), 0.25, 1.5, (1800, 200)),
        ("", "", (8,), 30.0, 1.0, (2100, 90)),
    ]


class TestEveryForm:
    """What holds for a file of any form, whatever its name."""

    @pytest.mark.parametrize(("file", "name"), FILES.items())
    def test_the_form_shows_in_the_content(self, tmp_path, file, name):
        path = tmp_path / "nameless"
        path.write_bytes((DATA / file).read_bytes())
        first = next(objects(path))
        assert [form.NAME for form in FORMS if form.detects(first)] == [name]
        assert is_session_file(path) and form_of(path).NAME == read_sessions(path).form == name

    @pytest.mark.parametrize("file", FILES)
    def test_packed_with_a_mark_or_windows_lines_it_is_the_same(self, tmp_path, file):
        path, data = tmp_path / "t", (DATA / file).read_bytes()
        path.write_bytes(gzip.compress(b"\xef\xbb\xbf" + data.replace(b"\n", b"\r\n")))
        assert read_sessions(path).sessions == read_sessions(DATA / file).sessions

    @pytest.mark.parametrize("file", FILES)
    def test_every_step_comes_behind_those_it_waits_for(self, file):
        for session in read_sessions(DATA / file).sessions:
            for number, step in enumerate(session.steps):
                assert all(parent < number for parent in step.after)
                if step.call is not None and step.call.continues >= 0:
                    assert step.call.continues in step.after
                    assert session.steps[step.call.continues].call is not None

    @pytest.mark.parametrize("file", FILES)
    def test_a_limit_keeps_the_first_sessions(self, file):
        whole = read_sessions(DATA / file)
        first = read_sessions(DATA / file, most_sessions=1)
        assert first.sessions[0] in whole.sessions and first.rule.endswith("only the first 1 session")

    @settings(max_examples=60, deadline=None)
    @given(data=st.data())
    def test_a_damaged_file_is_read_or_refused_with_one_sentence(self, tmp_path_factory, data):
        file = data.draw(st.sampled_from(sorted(FILES)))
        raw = bytearray((DATA / file).read_bytes())
        for _ in range(data.draw(st.integers(1, 4))):
            raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
        path = tmp_path_factory.getbasetemp() / "damaged"
        path.write_bytes(bytes(raw[: data.draw(st.integers(0, len(raw)))]))
        for keep_going in (False, True):
            try:
                read_sessions(path, keep_going=keep_going).notes()
            except BadFile as e:
                assert "\n" not in str(e) and str(path) in str(e)

    @pytest.mark.parametrize("row", REQUESTS)
    def test_requests_are_no_sessions(self, tmp_path, row):
        path = tmp_path / "t"
        path.write_text(json.dumps(row) + "\n", encoding="utf-8")
        assert not is_session_file(path)
        assert not any(form.detects(TraceRow(row, "f", "line 1")) for form in FORMS)
        with pytest.raises(BadFile, match="holds no sessions in a known form; known forms: Weka"):
            read_sessions(path)

    def test_neither_is_a_table_nor_a_missing_file(self, tmp_path):
        (tmp_path / "t.csv").write_text("a,b\n1,2\n", encoding="utf-8")
        assert not is_session_file(tmp_path / "t.csv") and not is_session_file(tmp_path / "absent")


class TestTimes:
    """Recorded times become the graph of the work."""

    @pytest.mark.parametrize("file", ["otel.jsonl", "otel.json"])
    def test_spans(self, file):
        (session,) = read_sessions(DATA / file).sessions
        assert session.name == "conv-1" and session.begin_s == 0.0
        assert rows(session) == the_work({})

    def test_rounds(self):
        (session,) = read_sessions(DATA / "tracelab.jsonl").sessions
        names = {"grep": "Grep", "build": "Bash", "read": "Read", "scout": "claude:scout", "critic": "claude:critic"}
        assert rows(session) == the_work(names)

    def test_weka(self):
        """No tools are recorded there, so pauses before their results stand in for them."""
        (session,) = read_sessions(DATA / "weka.json").sessions
        assert rows(session) == [
            ("", "", (), 0.0, 2.0, (1000, 100)),
            ("tool", "", (0,), 0.0, 3.5, None),
            ("", "", (1,), 0.0, 2.0, (1400, 150)),
            ("", "agent_001", (2,), 0.5, 1.0, (500, 50)),
            ("tool", "agent_001", (3,), 0.0, 0.75, None),
            ("", "agent_001", (4,), 0.0, 1.25, (700, 60)),
            ("", "agent_002", (2,), 0.75, 12.0, (600, 80)),
            ("tool", "", (5, 6), 0.0, 0.25, None),
            ("", "", (7,), 0.0, 1.5, (1800, 200)),
            ("", "", (8,), 30.0, 1.0, (2100, 90)),
        ]

    @pytest.mark.parametrize("file", ["otel.jsonl", "tracelab.jsonl", "weka.json"])
    def test_at_recorded_durations_every_step_begins_when_it_did(self, file):
        (session,) = read_sessions(DATA / file).sessions
        begins = sorted(begin for i, (begin, _) in enumerate(session.times()) if session.steps[i].call)
        assert begins == pytest.approx([0, 5.5, 8, 8.25, 9.75, 20.5, 52])

    def test_plain(self):
        fix, question = read_sessions(DATA / "plain.jsonl").sessions
        expected = the_work({})
        expected[6], expected[7] = expected[7], expected[6]  # in the order of the file
        expected[8] = (*expected[8][:2], (3, 6, 7), *expected[8][3:])
        assert rows(fix) == expected
        assert rows(question) == [("", "", (), 0.0, None, (None, 40)), ("", "", (0,), 12.0, None, (None, 50))]
        assert question.begin_s == 7200.0 and question.calls[1].continues == 0
        assert read_sessions(DATA / "plain-steps.jsonl").sessions == (fix,)

    def test_branches(self):
        (session,) = read_sessions(DATA / "dag.jsonl").sessions
        assert [(step.agent, step.after, step.wait_s) for step in session.steps] == [
            ("", (), 0.0),
            ("", (0,), 3.5),
            ("scout", (1,), 0.0),
            ("scout", (2,), 0.75),
            ("critic", (1,), 0.0),
            ("", (1, 3, 4), 0.25),
            ("audit", (5,), 0.0),
            ("", (5,), 30.0),
        ]
        assert [call.output_tokens for call in session.calls.values()] == [100, 150, 50, 60, 80, 200, 70, 90]


class TestContexts:
    """What a call adds, and what it keeps."""

    def test_block_ids_of_weka_are_of_one_session(self, tmp_path):
        path = tmp_path / "two.jsonl"
        row = json.loads((DATA / "weka.json").read_text(encoding="utf-8"))
        path.write_text("".join(json.dumps({**row, "id": id_}) + "\n" for id_ in ("a", "b")), encoding="utf-8")
        first, second = read_sessions(path).sessions
        a, b = (list(session.calls.values()) for session in (first, second))
        assert a[1].blocks[:15] == a[0].blocks and len(a[1].blocks) == 21
        assert not set(a[0].blocks) & set(b[0].blocks)
        row["hash_id_scope"] = "global"
        path.write_text(json.dumps(row), encoding="utf-8")
        assert read_sessions(path).sessions[0].calls[0].blocks == tuple(range(1, 16))

    def test_counts_of_cached_tokens(self):
        calls = list(read_sessions(DATA / "tracelab.jsonl").sessions[0].calls.values())
        assert [call.kept_tokens for call in calls] == [None, 1000, None, 500, None, 1400, 1800]
        assert [(call.opening, call.opening_tokens) for call in calls if call.continues < 0] == [
            ("claude p1", 800),
            ("claude p1 sub-agent", 300),
            ("claude p1 sub-agent", 300),
        ]

    def test_messages_of_spans_are_the_new_ones_in_the_chat_form(self):
        calls = list(read_sessions(DATA / "otel.jsonl").sessions[0].calls.values())
        first, second = calls[0], calls[1]
        assert first.messages == ({"role": "system", "content": "be brief"}, {"role": "user", "content": "fix the bug"})
        assert first.answer == {
            "role": "assistant",
            "content": "",
            "tool_calls": [
                {"id": "c1", "type": "function", "function": {"name": "grep", "arguments": '{"q":"x"}'}},
                {"id": "c2", "type": "function", "function": {"name": "build", "arguments": "{}"}},
            ],
        }
        assert second.messages == (
            {"role": "tool", "tool_call_id": "c1", "content": "a.py"},
            {"role": "tool", "tool_call_id": "c2", "content": "ok"},
        )
        assert first.tools[0]["function"] == {
            "name": "grep",
            "description": "search",
            "parameters": {"type": "object"},
        }
        assert calls[3].kept_tokens == 500 and not calls[3].messages

    def test_turns_of_mooncake_add_to_the_prompt_or_hold_it(self):
        grown, whole = read_sessions(DATA / "mooncake.jsonl").sessions
        assert [call.input_tokens for call in grown.calls.values()] == [1000, 1000 + 100 + 300, 1400 + 150 + 250]
        assert [call.blocks for call in grown.calls.values()] == [(0, 1), (), ()]
        assert [call.input_tokens for call in whole.calls.values()] == [1300, 1900]
        assert whole.calls[1].blocks == (0, 5, 7, 8) and whole.calls[1].continues < 0
        assert [(step.wait_s, step.began_s) for step in whole.steps] == [(0.0, 0.0), (5.0, 6.0)]

    @pytest.mark.parametrize("delta", [False, True])
    def test_messages_of_mooncake(self, tmp_path, delta):
        hello, hi, how = (
            {"role": r, "content": c} for r, c in (("user", "hello"), ("assistant", "hi"), ("user", "how?"))
        )
        later = [how] if delta else [hello, hi, how]
        mode = {"message_mode": "delta"} if delta else {}
        path = tmp_path / "t"
        lines = [{"messages": [hello], "timestamp": 0}, {"messages": later, "delay": 2000}]
        path.write_text(
            "".join(json.dumps({"session_id": "a", "output_length": 5, **mode, **line}) + "\n" for line in lines),
            encoding="utf-8",
        )
        first, second = read_sessions(path).sessions[0].calls.values()
        assert (first.messages, second.messages, second.continues) == ((hello,), (how,), 0)
        assert first.answer == (None if delta else hi)


class TestOrder:
    """The order of rows means nothing where rows say when they were or what they wait for."""

    @pytest.mark.parametrize("file", ["tracelab.jsonl", "otel.jsonl", "plain-steps.jsonl", "dag.jsonl"])
    @pytest.mark.parametrize("seed", range(5))
    def test_shuffled_rows_give_the_same_graph(self, tmp_path, file, seed):
        lines = (DATA / file).read_text(encoding="utf-8").splitlines(keepends=True)
        random.Random(seed).shuffle(lines)
        if file == "plain-steps.jsonl":  # without `after` a step waits for the one above it
            lines = ["{" + line[1:] if '"after"' in line else line.replace("{", '{"after": [], ', 1) for line in lines]
        path = tmp_path / "t"
        path.write_text("".join(lines), encoding="utf-8")
        shuffled, straight = (read_sessions(p).sessions[0] for p in (path, DATA / file))
        assert unordered(shuffled) == unordered(straight)
