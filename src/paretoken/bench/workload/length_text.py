"""Lengths as the user writes them, the first number being the mean or the nominal length.

`1024`, `1k`, `uniform:1024:0.8`, `normal:1024:128[:MIN:MAX]`, `lognormal:800:0.5[:MIN:MAX]`, `empirical:FILE`.
"""

from __future__ import annotations

import re
from pathlib import Path

from paretoken.bench.workload.lengths import MOST_TOKENS, Empirical, Fixed, Length, Lognormal, Normal, Uniform
from paretoken.catalog.lengths import tokens
from paretoken.errors import BadConfig, BadFile, UnknownName, quoted

MOST_DIGITS = 12
"""Of a number of tokens that is read: more are too many tokens in any case."""
_FORMS = {
    "uniform": "uniform:NOMINAL:RATIO, as in uniform:1024:0.8",
    "normal": "normal:MEAN:SD, as in normal:1024:128, then MIN:MAX if wanted",
    "lognormal": "lognormal:MEAN:SIGMA, as in lognormal:800:0.5, then MIN:MAX if wanted",
    "empirical": "empirical:FILE with one length on each line",
}


def parse_length(text: str, nominal: int | None = None) -> Length:
    """The law that a text names; `uniform:RATIO` takes the nominal length from outside, as a workload gives it."""
    name, _, rest = text.strip().partition(":")
    if not rest and (count := tokens(name)) is not None:
        return Fixed(count)
    if not rest and re.fullmatch(r"[+-]?[0-9][0-9_]*", name):
        return Fixed(int(name.replace("_", "")[:MOST_DIGITS]))
    if name not in _FORMS:
        if name and not name[0].isalpha():
            raise BadConfig(f"length {quoted(text)} is neither a whole number of tokens nor one of {', '.join(_FORMS)}")
        raise UnknownName("length distribution", name, list(_FORMS))
    if name == "empirical":
        return read_lengths(rest)
    try:
        return _of_numbers(name, [float(_in_tokens(part)) for part in rest.split(":")], nominal)
    except (ValueError, TypeError, OverflowError) as e:
        raise BadConfig(f"length {quoted(text)} must be written {_FORMS[name]}") from e


def _of_numbers(name: str, numbers: list[float], nominal: int | None) -> Length:
    if name == "uniform":
        if len(numbers) == 1 and nominal is not None:
            return Uniform(nominal, numbers[0])
        wanted, ratio = numbers
        return Uniform(_whole(wanted), ratio)
    if len(numbers) not in (2, 4):
        raise ValueError(numbers)
    law = Normal if name == "normal" else Lognormal
    return law(numbers[0], numbers[1], *map(_whole, numbers[2:]))


def _in_tokens(number: str) -> int | str:
    """The tokens of `1k`; any other number as it is written."""
    stated = tokens(number) if number.strip()[-1:] in ("k", "K") else None
    return number if stated is None else stated


def read_lengths(path: Path | str) -> Empirical:
    """Lengths of a text file, one whole number on each line; blank lines and those that begin with # are passed."""
    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as e:
        raise BadFile(f"{path or 'empirical: without a file name'} cannot be read as text: {e}") from e
    values: list[int] = []
    for number, line in enumerate(text.splitlines(), start=1):
        word = line.strip()
        if not word or word.startswith("#"):
            continue
        if not word.isdecimal() or not 1 <= int(word[:MOST_DIGITS]) <= MOST_TOKENS:
            raise BadFile(
                f"{path}: line {number}: {quoted(word[:40])} is not a length; write a whole number of tokens, 1 or more"
            )
        values.append(int(word))
    if not values:
        raise BadFile(f"{path} holds no lengths; write one whole number of tokens on each line")
    return Empirical(tuple(values))


def _whole(number: float) -> int:
    if number != int(number):
        raise ValueError(number)
    return int(number)
