"""Sessions as plain rows to compare, and random ones."""

from __future__ import annotations

from pathlib import Path

from hypothesis import strategies as st

from paretoken.sessions.graph import NO_STEP, Call, Session, Step

DATA = Path(__file__).parent / "data"
Row = tuple[str, str, tuple[int, ...], float, float | None, tuple[int | None, int | None] | None]


def rows(session: Session) -> list[Row]:
    """Of each step: its name, agent, parents, wait, duration, and the lengths of a call."""
    return [
        (
            step.name,
            step.agent,
            step.after,
            round(step.wait_s, 6),
            None if step.seconds is None else round(step.seconds, 6),
            None if step.call is None else (step.call.input_tokens, step.call.output_tokens),
        )
        for step in session.steps
    ]


def unordered(session: Session) -> dict[object, object]:
    """The graph by what names its steps, whatever their order; needs steps that differ in name or lengths."""
    names = [
        (step.name, step.agent, step.call and (step.call.input_tokens, step.call.messages)) for step in session.steps
    ]
    keys = [repr(name) for name in names]
    assert len(set(keys)) == len(keys)
    return {
        key: (
            frozenset(keys[i] for i in step.after),
            round(step.wait_s, 6),
            step.seconds,
            step.call and (step.call.continues == NO_STEP or keys[step.call.continues]),
        )
        for key, step in zip(keys, session.steps, strict=True)
    }


SECONDS = st.integers(0, 10_000).map(lambda ms: ms / 1000)
MESSAGES = st.lists(
    st.fixed_dictionaries(
        {"role": st.sampled_from(["system", "user", "assistant", "tool"]), "content": st.text(max_size=5)}
    ),
    max_size=2,
).map(tuple)


@st.composite
def calls(draw: st.DrawFn, before: int) -> Call:
    return Call(
        input_tokens=draw(st.none() | st.integers(0, 10**6)),
        output_tokens=draw(st.none() | st.integers(0, 10**4)),
        continues=draw(st.integers(NO_STEP, before - 1)),
        kept_tokens=draw(st.none() | st.integers(0, 100)),
        opening=draw(st.sampled_from(["", "a", "ü"])),
        opening_tokens=draw(st.integers(0, 100)),
        blocks=draw(st.lists(st.integers(-(2**62), 2**62), max_size=3).map(tuple)),
        messages=draw(MESSAGES),
        answer=draw(st.none() | st.just({"role": "assistant", "content": "x"})),
        tools=draw(st.sampled_from([(), ({"type": "function", "function": {"name": "f"}},)])),
        model=draw(st.sampled_from(["", "m"])),
    )


@st.composite
def sessions(draw: st.DrawFn, name: str = "s") -> Session:
    """A random graph of steps, the first of them a call."""
    steps: list[Step] = []
    for number in range(draw(st.integers(1, 8))):
        call = draw(calls(number)) if not number or draw(st.booleans()) else None
        after = set(draw(st.lists(st.integers(0, number - 1), max_size=3))) if number else set()
        if call is not None and call.continues != NO_STEP:
            after.add(call.continues)
        steps.append(
            Step(
                name=draw(st.text(max_size=3)),
                after=tuple(sorted(after)),
                wait_s=draw(SECONDS),
                seconds=draw(st.none() | SECONDS),
                agent=draw(st.sampled_from(["", "scout"])),
                call=call,
            )
        )
    return Session(name=name, steps=tuple(steps), block_tokens=draw(st.sampled_from([16, 64])))
