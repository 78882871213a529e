"""Two JSON documents of figures compared: every value that differs by more than the rounding of floats."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import orjson

from paretoken.bench.documents import json_bytes
from paretoken.receipts.figures import is_figure

ROUNDING = 1e-9
"""The relative difference that other processors and versions of numpy may make in a sum of floats."""
TINY = 1e-12
MISSING = "(absent)"


@dataclass(frozen=True, slots=True)
class FigureDifference:
    """A figure that is not what the records give."""

    where: str
    figure: str
    recorded: object
    recomputed: object


@dataclass(frozen=True, slots=True)
class Comparison:
    """How many figures were recomputed, how many values are copies of recorded ones, and all that differ.

    Settings, labels and texts are compared, too, and not counted.
    """

    figures: int = 0
    copies: int = 0
    differences: tuple[FigureDifference, ...] = ()

    def __add__(self, other: Comparison) -> Comparison:
        return Comparison(
            self.figures + other.figures, self.copies + other.copies, self.differences + other.differences
        )


NOTHING = Comparison()


def recomputed_values(
    where: str, recorded: object, recomputed: object, counts: Callable[[str, object], bool] = is_figure
) -> Comparison:
    """Every value of two documents of one form; a figure is a value that `counts`, by its path and what it is."""
    pairs = _pairs(recorded, recomputed)
    figures = sum(counts(path, a) or counts(path, b) for path, a, b in pairs)
    return Comparison(figures=figures, differences=tuple(_differences(where, pairs)))


def copied_values(where: str, copy: object, original: object, name: str) -> Comparison:
    """Every value of a copy and of its original, which is the `name` of the file `where`."""
    pairs = _pairs(copy, original, name)
    return Comparison(copies=len(pairs), differences=tuple(_differences(where, pairs)))


def _pairs(recorded: object, recomputed: object, name: str = "") -> list[tuple[str, object, object]]:
    before, after = dict(_leaves(plain(recorded), name)), dict(_leaves(plain(recomputed), name))
    return [(path, before.get(path, MISSING), after.get(path, MISSING)) for path in dict.fromkeys([*before, *after])]


def _differences(where: str, pairs: list[tuple[str, object, object]]) -> Iterator[FigureDifference]:
    return (FigureDifference(where, path, a, b) for path, a, b in pairs if not same(a, b))


def plain(value: object) -> object:
    """A value as its JSON file holds it."""
    return orjson.loads(json_bytes(value))


def same(a: object, b: object) -> bool:
    """Whether two values are equal, floats to their rounding."""
    if isinstance(a, bool) or isinstance(b, bool) or not (_number(a) and _number(b)):
        return a == b and isinstance(a, bool) == isinstance(b, bool)
    return math.isclose(a, b, rel_tol=ROUNDING, abs_tol=TINY)  # type: ignore[arg-type]


def _number(value: object) -> bool:
    return isinstance(value, (int, float))


def _leaves(value: object, path: str) -> Iterator[tuple[str, object]]:
    """The values of a document by their paths, such as `latency.ttft_s.p50` and `warnings[0].text`."""
    if isinstance(value, Mapping) and value:
        for key, inner in value.items():
            yield from _leaves(inner, f"{path}.{key}" if path else str(key))
    elif isinstance(value, list) and value:
        for place, inner in enumerate(value):
            yield from _leaves(inner, f"{path}[{place}]")
    else:
        yield path, value
