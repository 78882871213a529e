"""Numbers and names of many rows of a log at once: token counts, sessions, models, prefix ids."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import orjson

from paretoken.errors import quoted
from paretoken.trace_rows import MOST_TOKENS
from paretoken.traffic.traffic import NO_SESSION, Floats, Ints

_BLOCKS = (16, 32, 64, 128, 256, 512, 1024, 2048)
_AGREE = 0.95
_TEXT_MARKS = str.maketrans(",;|[]", "     ")


def token_counts(values: Sequence[object], name: str) -> tuple[Floats, tuple[int, str] | None]:
    """Counts (n,), NaN where there is none, and the first bad one: its row and what is wrong."""
    if {type(v) for v in values} <= {int, float}:
        counts = np.array(values, np.float64)
        empty = np.zeros(len(values), np.bool_)
    else:
        empty = np.array([v is None or v == "" for v in values], np.bool_)
        numbers = (0.0 if e else number(v) for v, e in zip(values, empty, strict=True))
        counts = np.array([np.nan if n is None else n for n in numbers], np.float64)
    with np.errstate(invalid="ignore"):
        bad = np.flatnonzero(~(counts >= 0) | (counts > MOST_TOKENS) | (counts != np.floor(counts)))
    if len(bad):
        row = int(bad[0])
        return counts, (row, f"{name} {quoted(values[row])} is not a whole number of tokens, 0 to {MOST_TOKENS:,}")
    counts[empty] = np.nan
    return counts, None


def number(value: object) -> float | None:
    """A number, also one written as text; None for any other value."""
    try:
        if isinstance(value, (int, float, str)) and not isinstance(value, bool):
            return float(value)
    except (ValueError, OverflowError):
        pass
    return None


@dataclass(slots=True)
class Names:
    """Numbers for names, in the order of their first row."""

    numbers: dict[str, int] = field(default_factory=dict)

    def of(self, values: Sequence[object]) -> Ints:
        """The number (n,) of each name, -1 for an empty one."""
        numbers = self.numbers
        out = [
            NO_SESSION if v is None or v == "" else numbers.setdefault(v if type(v) is str else str(v), len(numbers))
            for v in values
        ]
        return np.array(out, np.int64)


@dataclass(slots=True)
class BlockIds:
    """Prefix ids of all rows as whole numbers: their own, or numbers for hashes that are text."""

    rows: list[tuple[int, ...]] = field(default_factory=list)
    _texts: dict[str, int] = field(default_factory=dict)

    def read(self, values: Sequence[object]) -> tuple[int, str] | None:
        """The ids of the next rows; the first bad row and what is wrong."""
        for i, value in enumerate(values):
            ids = self._ids(value)
            if ids is None:
                return i, f"prefix ids {quoted(value)} are not a list of whole numbers or hashes"
            self.rows.append(ids)
        return None

    def _ids(self, value: object) -> tuple[int, ...] | None:
        if value is None or value == "":
            return ()
        if isinstance(value, str):
            value = _listed(value)
        if not isinstance(value, list):
            return None
        kinds = {type(v) for v in value}
        if kinds <= {int} and all(-(2**63) <= v < 2**63 for v in value):
            return tuple(value)
        if kinds <= {int, str}:
            return tuple(self._texts.setdefault(str(v), len(self._texts)) for v in value)
        return None


def _listed(text: str) -> object:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return list(text.translate(_TEXT_MARKS).split())


def block_tokens(ids: Sequence[tuple[int, ...]], input_tokens: Ints) -> int | None:
    """The tokens of a block, from the number of blocks in each prompt; None if no usual size fits them.

    Engines name only whole blocks, traces also the rest of a prompt.
    """
    counts = np.array([len(i) for i in ids], np.int64)
    some = counts > 0
    for tokens in _BLOCKS:
        for blocks in (-(-input_tokens // tokens), input_tokens // tokens):
            if some.any() and (blocks == counts)[some].mean() >= _AGREE:
                return tokens
    return None
