"""Numbers of tokens as people write them: `1024`, `1k`, `1.5k`, and pairs of input and output, `8k1k`, `3k/700`."""

from __future__ import annotations

import re

PER_K = 1024
"""Tokens of 1k: model cards, engines and published benchmarks mean 1,024."""
MOST = 99_999_999
"""Tokens of the longest length that is read."""
FORMS = "write ISL/OSL in tokens, as in 3k/700 or 1024/1024, or give --isl and --osl"
_PLAIN = r"[1-9]\d{0,2}(?:[,_]\d{3})+|[1-9]\d{0,7}|0"
_WITH_K = r"\d{1,5}(?:\.\d{1,3})?\s?k"
_TOKENS = re.compile(rf"\+?({_WITH_K}|{_PLAIN})(?:\s?tok(?:ens?)?)?", re.IGNORECASE)
_PAIR = re.compile(
    rf"(?:isl|in|i)?\s?({_WITH_K}|{_PLAIN})\s?(?:in|tok)?"
    rf"(?:\s?[/x\u00d7*:;|+-]\s?|\s+|_|(?<=k)(?=o|\d{{3}}|[\d.]+\s?k)|(?<=[0-9])(?=o))"
    rf"(?:osl|out|o)?\s?({_WITH_K}|{_PLAIN})\s?(?:out|tok)?",
    re.IGNORECASE,
)


def tokens(text: str) -> int | None:
    """The number that a text such as `1024`, `1,024`, `1_024`, `1k` or `1.5K` states; None if it states none.

    >>> tokens("1k"), tokens("1.5k"), tokens("1,024"), tokens("k")
    (1024, 1536, 1024, None)
    """
    match = _TOKENS.fullmatch(text.strip())
    return _number(match[1]) if match else None


def lengths(text: str) -> tuple[int, int] | None:
    """(ISL, OSL) of a text such as `8k1k`, `1k/1k`, `3k/700`, `1024x1024`; None if it is no pair.

    Without a separator the first length ends in k, and the second does or has three digits: `1024128` could be split
    anywhere, and `2k5` may be 2,500. A text that states one number is no pair, as `1_024`.

    >>> lengths("8k1k"), lengths("3k/700"), lengths("1024x1024"), lengths("1024128"), lengths("1_024")
    ((8192, 1024), (3072, 700), (1024, 1024), None, None)
    """
    if tokens(text) is not None:
        return None
    match = _PAIR.fullmatch(text.strip())
    isl, osl = (_number(match[1]), _number(match[2])) if match else (None, None)
    return (isl, osl) if isl and osl else None


def _number(text: str) -> int | None:
    plain = re.sub(r"[,_\s]", "", text.lower())
    number = float(plain[:-1]) * PER_K if plain.endswith("k") else float(plain)
    return int(number) if number.is_integer() and 0 <= number <= MOST else None
