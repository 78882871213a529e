"""Whether two curves drafted tokens at like acceptance, so that their throughputs can be compared.

Throughput with speculative decoding grows with the tokens that a step accepts. Acceptance depends on the text as much
as on the engine: random tokens and forced acceptance give other figures than prose or code. Two curves that both draft
are therefore ranked only if they accept alike (`points.acceptance.ALIKE`). If both acceptances are stated and differ,
there is no verdict; if one is not stated, the verdict says so. A curve that drafts no tokens is always ranked.
"""

from __future__ import annotations

from itertools import product

from paretoken.frontier.curve import Curve
from paretoken.points.acceptance import ALIKE, DraftAcceptance, acceptance_of, difference


def acceptances(curve: Curve, latency_s: float) -> list[DraftAcceptance]:
    """Acceptances of the one or two points that give the curve's value at a limit, without points that do not draft."""
    around = curve.rows[curve.around(min(latency_s, curve.range_s[1]))]
    return [stated for point in around if (stated := acceptance_of(point))]


def unlike(one: Curve, other: Curve, latency_s: float) -> str | None:
    """Why two curves that both draft tokens cannot be compared at a limit; None if they can, or if unknown."""
    pairs = product(acceptances(one, latency_s), acceptances(other, latency_s))
    apart = [(by, a, b) for a, b in pairs if (by := difference(a, b)) is not None]
    by, first, second = max(apart, key=lambda pair: pair[0], default=(0.0, None, None))
    if by <= ALIKE or first is None or second is None:
        return None
    return (
        f"unlike acceptance: {one.accelerator} drafts with {first.text} and {other.accelerator} with {second.text}, "
        f"more than {ALIKE * 100:g} % apart at the same K; measure both on the same text"
    )


def unstated(one: Curve, other: Curve, latency_s: float) -> str | None:
    """Which of the two curves draft tokens at a limit without a stated acceptance length; None if neither does."""
    silent = {
        f"{curve.accelerator} ({stated.method.upper()})": None
        for curve in (one, other)
        for stated in acceptances(curve, latency_s)
        if stated.length is None
    }
    if not silent:
        return None
    return f"acceptance length not stated for {' and '.join(silent)}; on another text the ranking may differ"
