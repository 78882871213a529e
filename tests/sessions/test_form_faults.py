"""Mistakes in each form: one sentence with the file and the place, or left out and counted."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from paretoken.errors import BadFile
from paretoken.sessions.read import read_sessions
from tests.sessions.shapes import DATA

Change = Callable[[list[dict[str, Any]]], object]


def loaded(file: str) -> list[dict[str, Any]]:
    text = (DATA / file).read_text(encoding="utf-8")
    return [json.loads(text)] if file.endswith(".json") else [json.loads(line) for line in text.splitlines()]


def spans(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [span for row in rows for span in row["resourceSpans"][0]["scopeSpans"][0]["spans"]]


def span(rows: list[dict[str, Any]], id_: str) -> dict[str, Any]:
    return next(span for span in spans(rows) if span["spanId"] == id_)


def attribute(rows: list[dict[str, Any]], id_: str, key: str) -> dict[str, Any]:
    value: dict[str, Any] = next(a["value"] for a in span(rows, id_)["attributes"] if a["key"] == key)
    return value


def no_agents(depth: int) -> Any:
    return {"arrayValue": {"values": [no_agents(depth - 1)]}} if depth else {"intValue": "1"}


AGENT = {"type": "subagent", "t": 8.0}
FAULTS: list[tuple[str, Change, str]] = [
    ("weka.json", lambda r: r[0].update(block_size=0), "line 1: block_size is 0"),
    (
        "weka.json",
        lambda r: r[0].update(hash_id_scope="world"),
        "hash_id_scope 'world' is unknown; it is local or",
    ),
    ("weka.json", lambda r: r[0].update(requests=[]), "requests holds no call"),
    ("weka.json", lambda r: r[0].update(requests=[3]), "line 1: request 1 is 3, not an object"),
    ("weka.json", lambda r: r[0]["requests"][1].update(type="x"), "line 1, request 2: type 'x' is unknown here"),
    ("weka.json", lambda r: r[0]["requests"][1].update(think_time=-2), "request 2: think_time '-2' is negative"),
    ("weka.json", lambda r: r[0]["requests"][1].update(t=None), "request 2: the field 't' is missing"),
    ("weka.json", lambda r: r[0]["requests"][1].update(hash_ids=["a"]), "hash_ids must be a list of whole numbers"),
    ("weka.json", lambda r: r[0]["requests"][5].update(t=9e6), "step '5' waits 8,999,978 s, over a month"),
    (
        "weka.json",
        lambda r: r[0]["requests"][2].update(requests=[AGENT]),
        "type 'subagent' is unknown here",
    ),
    ("tracelab.jsonl", lambda r: r[1].update(session_id=[1]), "line 2: session_id [1] is not an id"),
    ("tracelab.jsonl", lambda r: r[1].update(timing_events=[]), "line 2: timing_events must begin with a user_message"),
    ("tracelab.jsonl", lambda r: r[1]["timing_events"][1].update(timestamp="9"), "line 2: timestamp '9' is not a time"),
    ("tracelab.jsonl", lambda r: r[1]["tools"][0].update(emitted_at=7), "line 2, tool 1: emitted_at 7 is not a time"),
    ("tracelab.jsonl", lambda r: r[1].update(input_tokens_total=1e300), "is not a whole number of tokens"),
    ("otel.jsonl", lambda r: r[1].update(resourceSpans=3), "line 2: resourceSpans 3 is not a list"),
    ("otel.jsonl", lambda r: span(r, "e001").update(spanId=None), "the field 'spanId' is missing"),
    (
        "otel.jsonl",
        lambda r: span(r, "e001").update(endTimeUnixNano="1"),
        "endTimeUnixNano is before startTimeUnix",
    ),
    ("otel.jsonl", lambda r: span(r, "e001").update(startTimeUnixNano="-1"), "is not a whole number of ns since 1970"),
    ("otel.jsonl", lambda r: span(r, "e001").update(endTimeUnixNano="9" * 19), "is later than the year 2200"),
    (
        "otel.jsonl",
        lambda r: span(r, "e001").update(spanId="e004"),
        "'conv-1': has two spans with the id 'e004'",
    ),
    ("otel.jsonl", lambda r: span(r, "e000").update(parentSpanId="e001"), "span 'e000' is its own parent"),
    (
        "otel.jsonl",
        lambda r: span(r, "e001")["attributes"][0].update(value=no_agents(30)),
        "nested more than 20",
    ),
    (
        "otel.jsonl",
        lambda r: attribute(r, "e001", "gen_ai.input.messages").update(stringValue="[{"),
        "gen_ai.input.messages is not whole JSON",
    ),
    (
        "otel.jsonl",
        lambda r: attribute(r, "e001", "gen_ai.input.messages").update(stringValue='[{"role": "elf", "parts": []}]'),
        "the role 'elf' of a message is unknown",
    ),
    (
        "otel.jsonl",
        lambda r: attribute(r, "e001", "gen_ai.usage.input_tokens").update(intValue="many"),
        "intValue 'many' is not a whole number",
    ),
    ("mooncake.jsonl", lambda r: r[2].update(delay=-1), "line 3: delay '-1' is negative"),
    ("mooncake.jsonl", lambda r: r[2].update(session_id=1.5), "line 3: session_id 1.5 is not an id"),
    (
        "mooncake.jsonl",
        lambda r: r[2].update(message_mode="some"),
        "message_mode 'some' is unknown; it is history",
    ),
    ("mooncake.jsonl", lambda r: r[2].update(input_length="x"), "line 3: input_length 'x' is not a number"),
    ("mooncake.jsonl", lambda r: r[2].update(delay=1e12), "waits 1,000,000,000 s, over a month"),
    ("dag.jsonl", lambda r: r[1]["turns"][0].update(spawns=["coder"]), "conversation 'coder' begins itself"),
    ("dag.jsonl", lambda r: r[1]["turns"][0].update(forks=["scout"]), "conversation 'scout' begins itself"),
    ("dag.jsonl", lambda r: r[0]["turns"][1].update(spawns=["elf"]), "conversation 'elf' is begun and not in the file"),
    ("dag.jsonl", lambda r: r[1].update(session_id="coder"), "line 2: session 'coder': occurs twice"),
    ("dag.jsonl", lambda r: r[1].update(turns=[]), "line 2: turns must be a list of one turn or more"),
    ("dag.jsonl", lambda r: r[1]["turns"][0].update(messages=[]), "line 2, turn 1: messages must be a list of one"),
    (
        "dag.jsonl",
        lambda r: r[1]["turns"][0].update(max_token=3),
        "the field 'max_token' is unknown; did you",
    ),
    ("dag.jsonl", lambda r: r[1]["turns"][0].update(delay=-3), "line 2, turn 1: delay '-3' is negative"),
    (
        "dag.jsonl",
        lambda r: r[0]["turns"][1].update(spawns=[{"children": ["scout"], "join_at": 1}]),
        "line 1, turn 2, spawns: join_at is 1; it must be a turn behind the one that spawns, 1",
    ),
    (
        "dag.jsonl",
        lambda r: r.append({"session_id": "o", "orchestrator": True, "rounds": 2}),
        "line 5: an orchestrator needs spawns in each of its rounds",
    ),
]


@pytest.mark.parametrize(("file", "change", "says"), FAULTS, ids=[f"{file}-{says[:40]}" for file, _, says in FAULTS])
def test_a_mistake_is_one_sentence_with_file_and_place(tmp_path, file, change, says):
    rows = loaded(file)
    change(rows)
    path = tmp_path / "t"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    with pytest.raises(BadFile) as caught:
        read_sessions(path)
    assert str(caught.value).startswith(f"{path}: line ") and says in str(caught.value)
    assert "\n" not in str(caught.value)
    try:
        trace = read_sessions(path, keep_going=True)
    except BadFile as e:
        assert "holds no usable session; left out: " in str(e)
    else:
        assert sum(trace.left_out.values()) >= 1


@pytest.mark.parametrize("file", ["weka.json", "otel.json"])
def test_a_document_that_breaks_off_is_refused(tmp_path, file):
    path, text = tmp_path / "t", (DATA / file).read_text(encoding="utf-8")
    path.write_text(text[: len(text) // 2], encoding="utf-8")
    with pytest.raises(BadFile, match=r"line 1 is not whole JSON .* it may be truncated: copy it again"):
        read_sessions(path)


def test_a_span_that_was_exported_twice_counts_once(tmp_path):
    rows = loaded("otel.jsonl")
    path = tmp_path / "t"
    path.write_text("".join(json.dumps(row) + "\n" for row in [*rows, rows[0]]), encoding="utf-8")
    assert read_sessions(path).sessions == read_sessions(DATA / "otel.jsonl").sessions


def test_spans_of_no_operation_are_skipped_and_their_children_kept(tmp_path):
    """The span `delegate` is between the main agent and its sub-agents."""
    rows = loaded("otel.jsonl")
    middle = span(rows, "e005")
    middle.update(parentSpanId="absent")  # a part of a trace that was not exported
    path = tmp_path / "t"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    (session,) = read_sessions(path).sessions
    assert len(session.calls) == 7


def test_a_fan_out_without_end_is_refused(tmp_path, monkeypatch):
    """Thirty conversations that each begin the next one twice would be a billion steps."""
    monkeypatch.setattr("paretoken.sessions.arrange.MOST_STEPS", 2_000)
    turn = {"messages": [{"role": "user", "content": "x"}]}
    rows = [{"session_id": str(n), "turns": [{**turn, "spawns": [str(n + 1)] * 2}]} for n in range(30)]
    rows.append({"session_id": "30", "turns": [turn]})
    path = tmp_path / "t"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    with pytest.raises(BadFile, match="session '0': has more than 2,000 steps"):
        read_sessions(path)


def test_rounds_of_an_orchestrator_follow_each_other(tmp_path):
    turn = {"messages": [{"role": "user", "content": "x"}]}
    rows = [
        {"session_id": "o", "orchestrator": True, "rounds": 2, "think_time_ms": 100, "spawns": ["a", "b"]},
        {"session_id": "a", "turns": [turn, turn]},
        {"session_id": "b", "turns": [turn]},
    ]
    path = tmp_path / "t"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    (session,) = read_sessions(path).sessions
    assert [(s.agent, s.after, s.wait_s) for s in session.steps] == [
        ("a", (), 0.1),
        ("a", (0,), 0.0),
        ("b", (), 0.1),
        ("a", (1, 2), 0.1),
        ("a", (3,), 0.0),
        ("b", (1, 2), 0.1),
    ]


def test_turns_with_a_prompt_of_their_own_go_on_with_nothing(tmp_path):
    turn = {"messages": [{"role": "user", "content": "x"}]}
    row = {"session_id": "o", "context_mode": "message_array_with_responses", "turns": [turn, turn]}
    path = tmp_path / "t"
    path.write_text(json.dumps(row), encoding="utf-8")
    (session,) = read_sessions(path).sessions
    assert [call.continues for call in session.calls.values()] == [-1, -1] and session.steps[1].after == (0,)
