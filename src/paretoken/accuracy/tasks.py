"""Tasks that need no download: arithmetic, copying and a needle in a long text. Graded by exact match."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from paretoken.accuracy.prompts import sentences
from paretoken.errors import UnknownName

LETTERS = "abcdefghijkmnpqrstuvwxyz"
NEEDLE_SENTENCES = 60


@dataclass(frozen=True, slots=True)
class Item:
    """One question: a prompt to be continued up to the end of the line, and the one right answer."""

    task: str
    prompt: str
    answer: str

    def right(self, text: str) -> bool:
        return text.strip().split("\n")[0].strip().rstrip(".") == self.answer


def arithmetic(rng: np.random.Generator) -> Item:
    a, b, c, d, e, f = (int(x) for x in rng.integers(11, 999, 6))
    return Item("arithmetic", f"Sums.\n{a} + {b} = {a + b}\n{c} + {d} = {c + d}\n{e} + {f} =", str(e + f))


def copy(rng: np.random.Generator) -> Item:
    words = ["".join(rng.choice(list(LETTERS), 6)) for _ in range(3)]
    examples = "".join(f"Word: {w}\nCopy: {w}\n" for w in words[:2])
    return Item("copy", f"Copy each word letter by letter.\n{examples}Word: {words[2]}\nCopy:", words[2])


def needle(rng: np.random.Generator) -> Item:
    code = str(rng.integers(10_000, 99_999))
    lines = list(rng.choice(sentences(), NEEDLE_SENTENCES))
    lines.insert(int(rng.integers(0, NEEDLE_SENTENCES // 2)), f"The code of the depot is {code}.")
    return Item("needle", f"{' '.join(lines)}\nQuestion: what is the code of the depot?\nAnswer:", code)


TASKS: Mapping[str, Callable[[np.random.Generator], Item]] = {"arithmetic": arithmetic, "copy": copy, "needle": needle}


def items(task: str, n: int, seed: int) -> list[Item]:
    """The first n items of a task; equal seeds give equal items."""
    if task not in TASKS:
        raise UnknownName("task", task, list(TASKS))
    rng = np.random.default_rng([seed, list(TASKS).index(task)])
    return [TASKS[task](rng) for _ in range(n)]
