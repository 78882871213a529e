"""Whether two curves drafted tokens at like acceptance, so that their throughputs can be set against each other.

Throughput with speculative decoding grows with the tokens that a step accepts, and how many it accepts belongs to the
text as much as to the engine: random tokens and forced acceptance give other figures than prose or code. Two curves
that both draft are therefore ranked where they accept alike (`points.acceptance.ALIKE`). Where both are stated and
differ there is no verdict; where one is not stated the verdict says so. A curve that drafts nothing is what it is.
"""

from __future__ import annotations

from itertools import product

from paretoken.frontier.curve import Curve
from paretoken.points.acceptance import ALIKE, DraftAcceptance, acceptance_of, difference


def acceptances(curve: Curve, latency_s: float) -> list[DraftAcceptance]:
    """What the one or two points state that the curve's value at a limit rests on; those that draft nothing aside."""
    around = curve.rows[curve.around(min(latency_s, curve.range_s[1]))]
    return [stated for point in around if (stated := acceptance_of(point))]


def unlike(one: Curve, other: Curve, latency_s: float) -> str | None:
    """Why two curves that both draft tokens cannot be compared at a limit; None if they can, or do not say."""
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
    """Whose acceptance length is not stated where the verdict between the two rests on drafted tokens."""
    silent = {
        f"{curve.accelerator} ({stated.method.upper()})": None
        for curve in (one, other)
        for stated in acceptances(curve, latency_s)
        if stated.length is None
    }
    if not silent:
        return None
    return f"acceptance length not stated for {' and '.join(silent)}; on another text the order may be another"
