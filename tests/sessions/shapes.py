"""Sessions as plain rows to compare, and random ones."""

from __future__ import annotations

import random
from pathlib import Path

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


def random_session(seed: int, name: str = "s") -> Session:
    """A graph of up to nine steps with every field of the plain form, the first of them a call."""
    rng = random.Random(seed)
    steps: list[Step] = []
    for number in range(rng.randint(1, 9)):
        earlier = [i for i, step in enumerate(steps) if step.call is not None]
        call = _random_call(rng, earlier) if not number or rng.random() < 0.6 else None
        after = {rng.randrange(number) for _ in range(rng.randint(0, 3))} if number else set()
        if call is not None and call.continues != NO_STEP:
            after.add(call.continues)
        steps.append(
            Step(
                name=rng.choice(["", "grep", "\u2028 ü"]),
                after=tuple(sorted(after)),
                wait_s=rng.choice([0.0, 0.5, rng.uniform(0, 1e5)]),
                seconds=rng.choice([None, 0.0, rng.uniform(0, 1e5)]),
                agent=rng.choice(["", "scout"]),
                call=call,
            )
        )
    return Session(name=name, steps=tuple(steps), block_tokens=rng.choice([16, 64]))


def _random_call(rng: random.Random, earlier: list[int]) -> Call:
    messages = [{"role": rng.choice(["system", "user", "tool"]), "content": rng.choice(["", "a"])} for _ in range(2)]
    return Call(
        input_tokens=rng.choice([None, 0, rng.randrange(10**6)]),
        output_tokens=rng.choice([None, rng.randrange(10**4)]),
        continues=rng.choice([NO_STEP, *earlier]),
        kept_tokens=rng.choice([None, 0, 100]),
        opening=rng.choice(["", "a", "ü"]),
        opening_tokens=rng.randrange(100),
        blocks=tuple(rng.randrange(-(2**62), 2**62) for _ in range(rng.randrange(3))),
        messages=tuple(messages[: rng.randrange(3)]),
        answer=rng.choice([None, {"role": "assistant", "content": None}]),
        tools=rng.choice([(), ({"type": "function", "function": {"name": "f"}},)]),
        model=rng.choice(["", "m"]),
    )
