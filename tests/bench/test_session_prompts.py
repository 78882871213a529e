"""Prompts of sessions: what they share, in which roles, and with whose answers."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from paretoken.bench.workload.bodies import Bodies, dialect
from paretoken.bench.workload.makers import PlainWords, TokenIds, Words
from paretoken.bench.workload.prompts import Correction, PromptPlan
from paretoken.bench.workload.sessions.source import RecordedSessions, SessionSource
from paretoken.sessions.graph import NO_STEP, Call, Session, Step
from paretoken.sessions.possible import possible_tokens
from tests.support.sessions import call, session, tool

IDS = Bodies(model="m", dialect=dialect("vllm"))
CHAT = Bodies(model="m", api="chat")


def source(*sessions: Session, bodies: Bodies = IDS, maker=None, **options) -> SessionSource:
    maker = maker or (TokenIds.of_size(10**6) if bodies is IDS else PlainWords())
    correction = options.pop("correction", Correction())
    recorded = RecordedSessions(sessions, repeat=options.pop("repeat", False))
    plan = PromptPlan(maker, 1, options.pop("level", 0), correction=correction)
    return SessionSource(plan=plan, sessions=recorded, bodies=bodies, **options)


def bodies_of(played, answers=()) -> list[dict]:
    """The bodies of a session's calls in order, with these answers of the server."""
    made = []
    for number in range(len(played.flow.steps)):
        made.append(json.loads(played.request(number).body))
        played.answered(number, dict(answers).get(number))
    return made


def prompts(*sessions: Session, workers: int = 1, **options) -> list[list[int]]:
    made = source(*sessions, **options)
    played = sorted((p for w in range(workers) for p in made.requests(w, workers)), key=lambda p: p.number)
    return [body["prompt"] for one in played for body in bodies_of(one)]


def endless_cache(made: list[list[int]]) -> list[int]:
    """Tokens of each prompt that it has in common with an earlier one, but for its last: an oracle token by token."""
    hits = []
    for n, prompt in enumerate(made):
        common = 0
        for earlier in made[:n]:
            same = 0
            for a, b in zip(prompt, earlier, strict=False):
                if a != b:
                    break
                same += 1
            common = max(common, same)
        hits.append(min(common, len(prompt) - 1))
    return hits


@st.composite
def sessions(draw) -> tuple[Session, ...]:
    made = []
    for number in range(draw(st.integers(1, 3))):
        steps: list[Step] = []
        for index in range(draw(st.integers(1, 7))):
            after = tuple(sorted(draw(st.sets(st.integers(0, index - 1), max_size=2)))) if index else ()
            calls = [i for i in after if steps[i].call]
            continues = draw(st.sampled_from([NO_STEP, *calls]))
            details = {
                "input_tokens": draw(st.integers(1, 60)),
                "output_tokens": draw(st.integers(1, 9)),
                "continues": continues,
                "kept_tokens": draw(st.none() | st.integers(0, 50)) if continues != NO_STEP else None,
                "opening": draw(st.sampled_from(["", "a", "b"])),
                "opening_tokens": 12,
            }
            is_call = index == 0 or draw(st.booleans())
            steps.append(Step(after=after, seconds=0.1, call=Call(**details) if is_call else None))
        made.append(Session(name=str(number), steps=tuple(steps)))
    return tuple(made)


@given(sessions(), st.integers(1, 3))
@settings(deadline=None)
def test_prompts_share_exactly_the_tokens_that_the_tree_says(graphs, workers):
    made = prompts(*graphs, workers=workers)
    assert [len(p) for p in made] == [c.input_tokens for g in graphs for c in g.calls.values()]
    assert possible_tokens(graphs, own_answers=False, block_tokens=1).tolist() == endless_cache(made)


@given(
    st.lists(st.lists(st.integers(-(2**70), 2**70), min_size=1, max_size=5, unique=True), min_size=1, max_size=6),
    st.data(),
)
@settings(deadline=None)
def test_equal_blocks_are_equal_tokens(ids, data):
    steps = []
    for n, blocks in enumerate(ids):
        tokens = data.draw(st.integers(16 * (len(blocks) - 1) + 1, 16 * len(blocks)))
        steps.append(call(*((n - 1,) if n else ()), input_tokens=tokens, output_tokens=2, blocks=tuple(blocks)))
    graph = Session(name="b", steps=tuple(steps), block_tokens=16)
    made = prompts(graph)
    whole = possible_tokens([graph], own_answers=False, block_tokens=16)
    assert [hits // 16 * 16 for hits in endless_cache(made)] == whole.tolist()


def test_a_trace_that_begins_anew_shares_nothing_with_its_first_pass():
    graph = session(call(opening="system", opening_tokens=6, input_tokens=9), call(0, continues=0, input_tokens=20))
    played = source(graph, repeat=True).requests(0, 1)
    first, second = (bodies_of(next(played)) for _ in range(2))
    assert [len(b["prompt"]) for b in second] == [9, 20] and first[1]["prompt"][:9] == first[0]["prompt"]
    assert first[0]["prompt"][:2] != second[0]["prompt"][:2]


SYSTEM = {"role": "system", "content": "be brief"}
LOOK = {"role": "user", "content": [{"type": "text", "text": "look"}]}
TALK = session(
    call(messages=(SYSTEM, LOOK), answer={"content": "done"}),
    call(0, continues=0, messages=({"role": "user", "content": "more"},)),
    call(0, messages=(LOOK,)),
    call(0, continues=0, kept_tokens=0, messages=(SYSTEM,)),
)


class TestTextPlayedAgain:
    """A level or a pass after the first begins its recorded prompts with a line of its own."""

    def messages(self, level: int, number: int) -> list[list[dict]]:
        """The messages of each call of a session, in a trace of one session that is played over and over."""
        played = source(TALK, bodies=CHAT, repeat=True, level=level).played(number)
        return [body["messages"] for body in bodies_of(played)]

    def test_the_first_time_the_prompts_are_those_of_the_trace(self):
        first, second, third, fourth = self.messages(1, 0)
        assert first == [SYSTEM, LOOK] and third == [LOOK] and fourth == [SYSTEM]
        assert [m["content"] for m in second] == ["be brief", LOOK["content"], "done", "more"]

    @pytest.mark.parametrize(("level", "number"), [(1, 1), (1, 4), (2, 0), (3, 2)])
    def test_later_every_prompt_begins_with_its_line_once(self, level, number):
        line = f"[level {level}, pass {number + 1}]"
        first, second, third, fourth = self.messages(level, number)
        assert first == [{"role": "system", "content": f"{line}\nbe brief"}, LOOK] and second[:2] == first
        assert third == [{"role": "user", "content": [{"type": "text", "text": line}, *LOOK["content"]]}]
        assert fourth == first[:1]
        assert all(json.dumps(messages).count("[level") == 1 for messages in (first, second, third, fourth))

    def test_no_prompt_is_the_begin_of_one_in_another_level_or_pass(self):
        made = [self.messages(level, number) for level in range(1, 4) for number in range(3)]
        begins = {json.dumps(messages[0]) for prompts in made for messages in prompts}
        assert len(begins) == 9 * 2  # with a system message, and without one

    def test_sessions_of_one_level_still_share(self):
        two = source(TALK, TALK, bodies=CHAT, repeat=True, level=2)
        first, second = (bodies_of(two.played(n))[0]["messages"] for n in range(2))
        assert first == second


def test_words_in_roles_share_their_beginning_and_are_as_long_as_the_trace_says(tokenizer):
    graph = session(
        call(input_tokens=40, output_tokens=5),
        tool(0, seconds=1),
        call(1, 0, continues=0, input_tokens=60, output_tokens=5),
        call(2, continues=2, kept_tokens=30, input_tokens=50, output_tokens=5),
    )
    made = source(graph, bodies=CHAT, maker=Words.of_tokenizer(tokenizer), correction=Correction(8, 5))
    played = made.played(0)
    first, second, third = (b["messages"] for b in bodies_of(played))
    assert [m["role"] for m in second] == ["user", "assistant", "user"] and second[0] == first[0]
    assert [m["role"] for m in third] == ["user"] and third[0]["content"].startswith(first[0]["content"][:60])
    counts = [sum(tokenizer.count(m["content"]) for m in messages) for messages in (first, second, third)]
    assert counts == [40 - 8, 60 - 8 - 5, 50 - 8]
    assert tokenizer.count(second[1]["content"]) == 5


class TestAnswers:
    """Whose answers later prompts hold."""

    graph = session(
        call(input_tokens=10, messages=({"role": "user", "content": "find it"},), answer={"content": "recorded"}),
        call(0, continues=0, messages=({"role": "user", "content": "go on"},)),
        call(0, continues=0, messages=({"role": "user", "content": "or this"},)),
    )

    def test_of_the_trace(self):
        bodies = bodies_of(source(self.graph, bodies=CHAT).played(0), {0: {"content": "real"}}.items())
        assert [m["content"] for m in bodies[1]["messages"]] == ["find it", "recorded", "go on"]
        assert [m["content"] for m in bodies[2]["messages"]] == ["find it", "recorded", "or this"]

    def test_of_the_server(self):
        played = source(self.graph, bodies=CHAT, answers="server").played(0)
        answer = {"role": "assistant", "content": "real", "reasoning_content": "hm"}
        assert played.request(0).keep_answer
        played.answered(0, answer)
        assert json.loads(played.request(1).body)["messages"][1] == {"role": "assistant", "content": "real"}

    def test_lost_answers_are_stood_in_for(self):
        bodies = bodies_of(source(self.graph, bodies=CHAT, answers="server").played(0))
        assert bodies[1]["messages"][1]["content"] == "recorded"

    def test_lengths_alone_hold_the_servers_answers_too(self):
        graph = session(call(input_tokens=10, output_tokens=3), call(0, continues=0, input_tokens=20))
        bodies = bodies_of(source(graph, bodies=CHAT, answers="server").played(0), {0: {"content": "x y z"}}.items())
        user, answer, more = bodies[1]["messages"]
        assert answer == {"role": "assistant", "content": "x y z"} and user == bodies[0]["messages"][0]
        assert len(more["content"].split()) == 20 - 10 - 3


def tool_call(id_: str) -> dict:
    return {"id": id_, "type": "function", "function": {"name": "look", "arguments": "{}"}}


class TestToolResults:
    """Each call of a tool before its result, and none without it."""

    results = (
        {"role": "tool", "tool_call_id": "r1", "content": "one"},
        {"role": "tool", "tool_call_id": "r2", "content": "two"},
    )
    graph = session(
        call(messages=({"role": "user", "content": "q"},), tools=({"type": "function", "function": {"name": "look"}},)),
        call(0, continues=0, messages=results),
    )

    @pytest.mark.parametrize(
        ("calls", "roles", "ids"),
        [
            (["a", "b"], ["user", "assistant", "tool", "tool"], ["a", "b"]),
            (["a"], ["user", "assistant", "tool", "user"], ["a"]),
            (["a", "b", "c"], ["user", "assistant", "tool", "tool"], ["a", "b"]),
            ([], ["user", "assistant", "user", "user"], []),
        ],
    )
    def test_results_go_to_the_calls_that_the_server_made(self, calls, roles, ids):
        answer = {"content": None if calls else "no tool", "tool_calls": [tool_call(c) for c in calls]}
        played = source(self.graph, bodies=CHAT, answers="server").played(0)
        first, second = bodies_of(played, {0: answer}.items())
        assert first["tools"] and [m["role"] for m in second["messages"]] == roles
        assert [c["id"] for c in second["messages"][1].get("tool_calls", ())] == ids
        assert [m["tool_call_id"] for m in second["messages"] if m["role"] == "tool"] == ids
        assert [m["content"] for m in second["messages"][2:]] == ["one", "two"]

    def test_an_answer_that_is_not_recorded_gets_the_calls_of_its_results(self):
        _, second = bodies_of(source(self.graph, bodies=CHAT).played(0))
        assert [c["id"] for c in second["messages"][1]["tool_calls"]] == ["r1", "r2"]
        assert len(second["messages"][1]["content"].split()) == 4

    def test_recorded_calls_stay_as_they_are_in_any_order(self):
        answer = {"content": "", "tool_calls": [tool_call("r2"), tool_call("r1")]}
        graph = session(call(messages=({"role": "user", "content": "q"},), answer=answer), self.graph.steps[1])
        _, second = bodies_of(source(graph, bodies=CHAT).played(0))
        assert second["messages"][1]["tool_calls"] == answer["tool_calls"]
        assert [m["tool_call_id"] for m in second["messages"][2:]] == ["r2", "r1"]

    def test_a_call_without_recorded_result_gets_one_of_the_recorded_length(self):
        graph = session(self.graph.steps[0], call(0, continues=0, input_tokens=30, output_tokens=2))
        answer = {"content": None, "tool_calls": [tool_call("a"), tool_call("b")]}
        _, second = bodies_of(source(graph, bodies=CHAT, answers="server").played(0), {0: answer}.items())
        assert [m["role"] for m in second["messages"]] == ["user", "assistant", "tool"]
        assert second["messages"][2]["tool_call_id"] == "a" and len(second["messages"][1]["tool_calls"]) == 1


def test_contexts_are_forgotten_once_no_call_needs_them():
    graph = session(call(), call(0, continues=0, input_tokens=20), call(0, continues=0, input_tokens=30))
    played = source(graph).played(0)
    bodies_of(played)
    assert not played._prompts._contexts._kept and not played._ready


def test_a_long_context_grows_by_what_is_new_only():
    """The JSON of earlier tokens is made once: each piece is drawn and encoded a single time."""
    steps = [
        call(*((n - 1,) if n else ()), continues=n - 1, input_tokens=1000 * (n + 1), output_tokens=10) for n in range(8)
    ]
    made = source(Session(name="long", steps=tuple(steps)))
    drawn: list[int] = []
    atoms = made.plan.maker.atoms
    object.__setattr__(made.plan.maker, "atoms", lambda rng, n: (drawn.append(n), atoms(rng, n))[1])
    bodies = bodies_of(made.played(0))
    assert [len(b["prompt"]) for b in bodies] == [1000 * (n + 1) for n in range(8)]
    assert sum(drawn) == 8000 and np.max(drawn) <= 1000
