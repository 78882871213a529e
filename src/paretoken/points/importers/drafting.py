"""Speculative decoding as clients report it, as columns."""

from __future__ import annotations

from collections.abc import Mapping

from paretoken.points.acceptance import shares_of, shares_text, tokens_of_rate, whole_tokens
from paretoken.points.importers.reading import ratio
from paretoken.points.values import number

PERCENT = 0.01


def accepted(length: object, by_position: object = None) -> dict[str, object]:
    """The acceptance length, and the shares by position, which are fractions or percent; a length of 0 is left out.

    Servers write 0 if they drafted nothing. Impossible shares are left out; an impossible length stays, so that the
    check reports it.
    """
    columns: dict[str, object] = {}
    if length is not None and number(length) != 0:
        columns["acceptance_length"] = length
    values = [number(share) for share in by_position] if isinstance(by_position, list) else []
    shares = [share for share in values if share is not None]
    factor = PERCENT if max(shares, default=0.0) > 1 else 1.0
    text = shares_text([share * factor for share in shares]) if len(shares) == len(values) else None
    if text and shares_of(text):
        columns["acceptance_by_position"] = text
    return columns


def drafted(drafted_tokens: object, drafts: object) -> dict[str, object]:
    """K as drafted tokens / verification steps; no column if that is no whole number."""
    tokens = whole_tokens(ratio(drafted_tokens, drafts))
    return {} if tokens is None else {"speculative_tokens": tokens}


def drafted_at(length: object, rate: object) -> dict[str, object]:
    """K from the acceptance length and the share of drafted tokens accepted; no column if that is no whole number."""
    tokens = tokens_of_rate(length, rate)
    return {} if tokens is None else {"speculative_tokens": tokens}


def shares_of_steps(steps: object) -> list[float] | None:
    """Shares by position from the number of steps by accepted tokens, such as `{"0": 2, "1": 3}`."""
    if not isinstance(steps, Mapping):
        return None
    counts = {int(key): number(n) or 0.0 for key, n in steps.items() if str(key).isdecimal() and len(str(key)) < 4}
    total = sum(counts.values())
    if total <= 0:
        return None
    return [sum(n for j, n in counts.items() if j > place) / total for place in range(max(counts))]
