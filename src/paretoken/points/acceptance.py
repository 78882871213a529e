"""Acceptance of drafted tokens: what a point states about it, and whether two points accept alike.

    acceptance length    tokens that a verification step emits: 1 + accepted tokens / steps, from 1 to K + 1
    by position          share of the steps that accept the token at each place of the draft, first to last; the sum
                         of the shares is the acceptance length less 1

Sources: vLLM `v1/spec_decode/metrics.py`; InferenceX `golden_al_distribution/README.md`, which compares runs of a
model at one acceptance length for each K, whatever K a run chooses.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import isfinite

from paretoken.plural import quantity
from paretoken.points.unstated import NONE, UNKNOWN
from paretoken.points.values import number

ALIKE = 0.05
"""Relative difference in tokens a step up to which two points accept alike: between a tie and a likely verdict."""
WHOLE = 0.02
"""Relative difference up to which mean drafted tokens are a whole number: the last step of a request drafts less."""
MOST_TOKENS = 64
"""Highest plausible K: above it a counter or a column is wrong."""
DRAFTING_COLUMNS = ("speculation", "speculative_tokens", "acceptance_length", "acceptance_by_position")
"""The columns of a point that `acceptance_of` reads."""
_HALVINGS = 50


@dataclass(frozen=True, slots=True)
class DraftAcceptance:
    """What a point that drafts states: its method, K, acceptance length and shares by position."""

    method: str
    tokens: int | None = None
    length: float | None = None
    by_position: tuple[float, ...] = ()

    @property
    def text(self) -> str:
        """`MTP3, 2.9 tokens a step`; what is not stated is left out."""
        name = self.method.upper() + ("" if self.tokens is None else f" K={self.tokens}")
        return name if self.length is None else f"{name}, {quantity(self.length, 'token')} a step"

    def up_to(self, tokens: int) -> float | None:
        """The acceptance length with only the first `tokens` of each draft; None if it cannot be worked out.

        By position if those are stated, else as if each token were accepted with one probability p, given that those
        before it are: 1 + p + … + p^K is the acceptance length.
        """
        if self.length is None or self.tokens is None or tokens > self.tokens:
            return None
        if tokens == self.tokens:
            return self.length
        if len(self.by_position) == self.tokens:
            return 1 + sum(self.by_position[:tokens])
        return _length(_probability(self.length, self.tokens), tokens)


def acceptance_of(point: Mapping[str, object]) -> DraftAcceptance | None:
    """The acceptance of a point; None if it drafts no tokens, or does not state whether it does."""
    method = point.get("speculation")
    if method in (None, NONE, UNKNOWN):
        return None
    tokens, length = number(point.get("speculative_tokens")), number(point.get("acceptance_length"))
    shares = shares_of(point.get("acceptance_by_position")) or ()
    return DraftAcceptance(str(method), None if tokens is None else int(tokens), length, shares)


def difference(one: DraftAcceptance, other: DraftAcceptance) -> float | None:
    """By how much the longer acceptance length exceeds the shorter, as a fraction; None if either is not stated.

    Both are taken at the smaller K, since K is a setting and does not depend on the text. If a K is not stated, the
    lengths are compared unchanged.
    """
    tokens = min(one.tokens or 0, other.tokens or 0)
    lengths = [side.up_to(tokens) if tokens else side.length for side in (one, other)]
    stated = [length for length in lengths if length is not None and length > 0]
    return max(stated) / min(stated) - 1 if len(stated) == 2 else None


def whole_tokens(mean: object) -> int | None:
    """K from the mean tokens drafted a step; None if it is no whole number."""
    value = number(mean)
    if value is None or not 0.5 < value <= MOST_TOKENS:
        return None
    return round(value) if abs(value - round(value)) <= WHOLE * value else None


def tokens_of_rate(length: object, rate: object) -> int | None:
    """K = (acceptance length - 1) / share of drafted tokens accepted; None if it is no whole number."""
    mean, share = number(length), number(rate)
    return whole_tokens((mean - 1) / share) if mean is not None and share is not None and share > 0 else None


def shares_text(shares: Sequence[float]) -> str | None:
    """The shares as a point keeps them: `0.82 0.61 0.44`; None if there are none."""
    return " ".join(f"{share:.4g}" for share in shares) or None


def shares_of(text: object) -> tuple[float, ...] | None:
    """The shares of a point; None unless the text is a list of shares from 0 to 1, none above the one before it."""
    values = [number(word) for word in str(text or "").split()]
    shares = [v for v in values if v is not None and isfinite(v) and 0 <= v <= 1]
    falling = all(a >= b for a, b in pairwise(shares))
    return tuple(shares) if len(shares) == len(values) <= MOST_TOKENS and falling else None


def _length(probability: float, tokens: int) -> float:
    """1 + p + … + p^K."""
    return sum(probability**place for place in range(tokens + 1))


def _probability(length: float, tokens: int) -> float:
    """The p with 1 + p + … + p^K equal to the length, by bisection."""
    low, high = 0.0, 1.0
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if _length(middle, tokens) < length else (low, middle)
    return (low + high) / 2
