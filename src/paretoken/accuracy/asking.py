"""Many questions to one server, some at the same time; answers before a failure are kept."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Generic, TypeVar

from paretoken.errors import EndpointFailed

A = TypeVar("A")
Q = TypeVar("Q")
OnProgress = Callable[[int, int], None]
"""Called with the number of questions answered and the number of all."""


@dataclass(frozen=True, slots=True)
class Answers(Generic[A]):
    """In the order of the questions; None where the server failed. `stopped` says how, in a sentence."""

    values: tuple[A | None, ...]
    stopped: str | None = None

    @property
    def done(self) -> list[A]:
        return [v for v in self.values if v is not None]


def ask_all(
    ask: Callable[[Q], A], questions: Sequence[Q], *, at_once: int = 1, on_progress: OnProgress | None = None
) -> Answers[A]:
    """Ask every question, `at_once` at a time, until one fails; `on_progress` is called after each answer."""
    values: list[A | None] = [None] * len(questions)
    stopped: str | None = None
    with ThreadPoolExecutor(max_workers=at_once) as pool:
        running = [pool.submit(ask, q) for q in questions]
        for i, future in enumerate(running):
            try:
                values[i] = future.result()
            except EndpointFailed as e:
                stopped = f"{e} (after {sum(v is not None for v in values)} of {len(questions)})"
                for later in running[i + 1 :]:
                    later.cancel()
                break
            if on_progress:
                on_progress(i + 1, len(questions))
    return Answers(tuple(values), stopped)
