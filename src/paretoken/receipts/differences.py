"""Two JSON documents of figures compared: every value that differs by more than the rounding of floats."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import orjson

from paretoken.bench.documents import json_bytes

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
    """How many figures were compared, and those that differ."""

    figures: int
    differences: tuple[FigureDifference, ...]

    def __add__(self, other: Comparison) -> Comparison:
        return Comparison(self.figures + other.figures, self.differences + other.differences)


NOTHING = Comparison(0, ())


def compared(where: str, recorded: object, recomputed: object, name: str = "") -> Comparison:
    """Every value of two documents of one form, by its path; `name` is the path of the documents themselves."""
    before, after = dict(_leaves(plain(recorded), name)), dict(_leaves(plain(recomputed), name))
    paths = list(dict.fromkeys([*before, *after]))
    pairs = [(path, before.get(path, MISSING), after.get(path, MISSING)) for path in paths]
    different = (FigureDifference(where, path, a, b) for path, a, b in pairs if not same(a, b))
    return Comparison(len(paths), tuple(different))


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
