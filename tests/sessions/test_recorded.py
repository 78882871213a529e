"""Recorded times as a graph, against the definition: before a step is what had ended when it began, no more."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paretoken.sessions.arrange import BadSession, NamedStep, arranged
from paretoken.sessions.graph import Call, Session, Step
from paretoken.sessions.recorded import Recorded, begin_of, steps_in_time, tools_for_waits

TIMES = st.lists(st.tuples(st.integers(0, 12), st.integers(0, 6)), min_size=1, max_size=9)


def call(id_: str, begin: float, end: float) -> Recorded:
    return Recorded(id=id_, begin_s=begin, end_s=end, step=Step(seconds=end - begin, call=Call()))


def ancestors(steps: list[NamedStep]) -> dict[str, set[str]]:
    """All that a step waits for, directly or not."""
    above: dict[str, set[str]] = {}
    for step in steps:
        above[step.id] = {*step.after, *(a for parent in step.after for a in above[parent])}
    return above


@given(TIMES)
def test_a_step_waits_for_all_that_had_ended_and_for_nothing_else(times):
    items = [call(str(i), begin, begin + length) for i, (begin, length) in enumerate(times)]
    steps = steps_in_time(items)
    expected = {x.id: {y.id for y in items if y.end_s <= x.begin_s and y.begin_s < x.begin_s} for x in items}
    assert ancestors(steps) == expected
    for step in steps:  # and none of them is named that another one waited for
        assert not set(step.after) & {a for parent in step.after for a in expected[parent]}


@st.composite
def agents(draw: st.DrawFn, depth: int = 0, name: str = "") -> tuple[Recorded, ...]:
    items = []
    for number in range(draw(st.integers(1, 4))):
        id_, begin, length = f"{name}.{number}", draw(st.integers(0, 20)), draw(st.integers(0, 6))
        if depth < 2 and draw(st.integers(0, 2)) == 0:
            inner = draw(agents(depth + 1, id_))
            items.append(Recorded(id=id_, begin_s=begin_of(inner), end_s=begin + length, inner=inner))
        else:
            items.append(call(id_, begin, begin + length))
    return tuple(items)


def leaves(items: tuple[Recorded, ...]) -> list[Recorded]:
    return [leaf for item in items for leaf in (leaves(item.inner) if item.inner else [item])]


@given(agents())
def test_at_recorded_durations_every_step_begins_when_it_did(items):
    steps = steps_in_time(items)
    session = Session(name="s", steps=arranged(steps))
    times = session.times()
    begins = sorted(round(begin, 6) for begin, _ in times)
    assert begins == sorted(round(leaf.begin_s - begin_of(items), 6) for leaf in leaves(items))


@given(agents(), st.randoms(use_true_random=False))
def test_the_order_of_items_means_nothing(items, random):
    shuffled = list(items)
    random.shuffle(shuffled)
    assert steps_in_time(shuffled) == steps_in_time(items)


def test_a_parallel_step_does_not_wait():
    steps = steps_in_time([call("a", 0, 2), call("b", 1, 5), call("c", 3, 4), call("d", 6, 7)])
    assert {s.id: (tuple(sorted(s.after)), s.step.wait_s) for s in steps} == {
        "a": ((), 0.0),
        "b": ((), 1.0),
        "c": (("a",), 1.0),
        "d": (("b", "c"), 1.0),
    }


def test_what_follows_a_step_waits_for_it_though_it_began_earlier():
    tool = Recorded(id="t", begin_s=1.5, end_s=4.0, step=Step(seconds=2.5), follows=("a",))
    steps = {s.id: s for s in steps_in_time([call("a", 0, 2), tool, call("b", 4, 5)])}
    assert steps["t"].after == ("a",) and steps["t"].step.wait_s == 0
    assert steps["b"].after == ("t",)


def test_an_agent_without_steps_is_a_tool():
    steps = steps_in_time([call("a", 0, 1), Recorded(id="agent", begin_s=2, end_s=5), call("b", 5, 6)])
    assert [(s.id, s.after, s.step.wait_s, s.step.seconds) for s in steps][1] == ("agent", ("a",), 1.0, 3)
    assert steps[1].step.call is None and steps[2].after == ("agent",)


def test_times_cut_to_seconds_may_overlap_a_little():
    items = [call("a", 0, 2.7), call("b", 2, 3.0)]
    assert steps_in_time(items)[1].after == ()
    assert steps_in_time(items, slack_s=1.0)[1].after == ("a",)


def test_pauses_before_results_become_tools():
    steps = tools_for_waits(steps_in_time([call("a", 0, 1), call("b", 3, 4), call("c", 6, 7)]), {"b"})
    assert [(s.id, s.after, s.step.wait_s, s.step.seconds) for s in steps] == [
        ("a", (), 0.0, 1),
        ("b tool", ("a",), 0.0, 2.0),
        ("b", ("b tool",), 0.0, 1),
        ("c", ("b",), 2.0, 1),
    ]


def test_agents_nested_too_deep_are_refused():
    item = call("x", 0, 1)
    for number in range(60):
        item = Recorded(id=f"agent {number}", begin_s=0, end_s=1, inner=(item,))
    with pytest.raises(BadSession, match="nested more than 50 levels deep"):
        steps_in_time([item])


def test_nothing_recorded_is_nothing():
    assert steps_in_time([]) == []
