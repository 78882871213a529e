"""The acceptance length that a prediction uses: as stated, or as calibrated, with its 90 % interval.

The deviation of an effect that the calibration has is half of its prior deviation: runs do not tell a low acceptance
from slow verification. That of any other effect is its prior deviation.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import exp, sqrt

import numpy as np

from paretoken.catalog.loader import Catalog
from paretoken.plural import counted
from paretoken.predict.calibration.bands import NORMAL_90
from paretoken.predict.calibration.effects import EffectKey, deviations
from paretoken.predict.calibration.file import Calibration
from paretoken.predict.calibration.levels import groups
from paretoken.predict.calibration.stand_ins import stand_ins
from paretoken.predict.columns import deployment_columns
from paretoken.predict.deployment import Case, Deployment, Lengths
from paretoken.predict.drafting import drafted_tokens, speculation_notes
from paretoken.predict.multipliers import log_multipliers
from paretoken.predict.speculation import expected_length
from paretoken.predict.terms import accepted_tokens, multiplier

LEARNED = 0.5
"""Deviation of a calibrated effect over its prior deviation."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeculationInForce:
    """Method, tokens drafted a step and tokens that a step yields, each with where it is from.

    `acceptance_length_lo` and `_hi` are the ends of the 90 % interval, the length itself where it is stated.
    """

    method: str
    speculative_tokens: int
    tokens_origin: str
    acceptance_length: float
    acceptance_length_lo: float
    acceptance_length_hi: float
    acceptance_origin: str
    notes: tuple[str, ...] = ()


def speculation_in_force(d: Deployment, calibration: Calibration, catalog: Catalog) -> SpeculationInForce | None:
    """How a deployment drafts; None where it does not."""
    if not d.drafting:
        return None
    case = Case(deployment=d, lengths=Lengths(1024, 1024), concurrency=1.0)  # the acceptance is that of any load
    columns = deployment_columns([d], catalog)
    log_terms, _ = log_multipliers([case], calibration, catalog)
    multipliers = np.exp(log_terms)
    length = float(accepted_tokens(columns, multipliers)[0])
    low = high = length
    if d.acceptance_length is None:
        odds = float((columns.engine.odds * multiplier(multipliers, "acceptance"))[0])
        reach = NORMAL_90 * _deviation(case, calibration, catalog)
        low, high = (expected_length(odds * exp(x), float(columns.engine.drafted[0]) - 1) for x in (-reach, reach))
    drafted = drafted_tokens(d, catalog)
    return SpeculationInForce(
        method=d.speculative,
        speculative_tokens=drafted.tokens,
        tokens_origin=drafted.origin,
        acceptance_length=length,
        acceptance_length_lo=low,
        acceptance_length_hi=high,
        acceptance_origin="calibrated" if d.acceptance_length is None else "stated",
        notes=tuple(speculation_notes(d, catalog)),
    )


def _deviation(case: Case, calibration: Calibration, catalog: Catalog) -> float:
    """Deviation of ln of the odds that a drafted token is accepted."""
    (stand_in,) = stand_ins([case], calibration.seen, catalog)
    group = groups(stand_in, catalog)
    total = 0.0
    for level, prior in deviations()["acceptance"].items():
        learned = EffectKey("acceptance", level, group[level]) in calibration.effects
        total += (prior * (LEARNED if learned else 1.0)) ** 2
    return sqrt(total)


def speculation_text(speculations: Sequence[SpeculationInForce]) -> str:
    """Each different speculation of some rows in words: "" without any."""
    lines = dict.fromkeys(map(_text, speculations))
    return "\n".join(lines)


def _text(s: SpeculationInForce) -> str:
    length = f"acceptance length {s.acceptance_length:.3g} ({s.acceptance_origin}"
    if s.acceptance_origin == "calibrated":
        length += f"; 90 % {s.acceptance_length_lo:.3g} to {s.acceptance_length_hi:.3g}"
    tokens = counted(s.speculative_tokens, "token")
    return f"Speculation: {s.method}, {tokens} drafted a step ({s.tokens_origin}), {length})."
