"""The highest load that meets objectives, as predicted: medians from the closed loop, other quantiles simulated."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from math import ceil

from paretoken.catalog.loader import Catalog
from paretoken.errors import BadConfig, nearest
from paretoken.predict.configure import case
from paretoken.predict.calibration.file import Calibration
from paretoken.predict.deployment import Deployment, Lengths
from paretoken.predict.predictor import predict_cases
from paretoken.predict.simulated import QUANTILES, simulate_load

METRICS = ("ttft", "tpot", "e2e")
MOST_USERS = 4096
_UNITS_S = {"ms": 1e-3, "s": 1.0}
_FORM = re.compile(r"([a-z0-9]+?)(?:_(p\d+))?\s*(?:<=|=)\s*([0-9]+(?:\.[0-9]*)?|\.[0-9]+)\s*(ms|s)")


@dataclass(frozen=True, slots=True)
class Objective:
    """A quantile of a metric and its bound in seconds."""

    metric: str
    quantile: str
    bound_s: float


def parse_objectives(text: str) -> tuple[Objective, ...]:
    """`ttft=1s,tpot=50ms,e2e_p99=30s`; a metric without a quantile means its median. BadConfig otherwise."""
    found = []
    for part in text.split(","):
        match = _FORM.fullmatch(part.strip().lower())
        if not match:
            raise BadConfig(f"objective {part.strip()!r} is not understood; write for example ttft=1s,tpot_p99=50ms")
        metric, quantile, bound, unit = match[1], match[2] or "p50", float(match[3]), match[4]
        if metric not in METRICS:
            near = nearest(metric, list(METRICS))
            raise BadConfig(f"no metric {metric!r}; " + (f"did you mean {near[0]}?" if near else "use ttft, tpot, e2e"))
        if quantile not in QUANTILES:
            raise BadConfig(f"no quantile {quantile!r}; use {', '.join(QUANTILES)}")
        found.append(Objective(metric, quantile, bound * _UNITS_S[unit]))
    return tuple(found)


def highest_users(
    deployment: Deployment,
    lengths: Lengths,
    objectives: tuple[Objective, ...],
    *,
    calibration: Calibration | None = None,
    catalog: Catalog | None = None,
    replicas: int = 1,
    most: int = MOST_USERS,
) -> int:
    """The most users of a closed loop that meet every objective; 0 where one user does not, `most` if that many do."""
    medians, tails = ([o for o in objectives if (o.quantile == "p50") == median] for median in (True, False))
    if lengths.osl == 1 and any(o.metric == "tpot" for o in objectives):
        raise BadConfig("TPOT is not defined for osl 1; leave its bound out")

    def meets(users: int) -> bool:
        asked = case(deployment, lengths, users, replicas=replicas, catalog=catalog)
        p = predict_cases([asked], calibration=calibration, catalog=catalog)
        seen = {"ttft": p.ttft_s[0], "tpot": p.tpot_s[0], "e2e": p.e2e_s[0]}
        if not all(seen[o.metric] <= o.bound_s for o in medians):
            return False
        if not tails:
            return True
        fullest = ceil(users / replicas)
        found = simulate_load(asked.deployment, lengths, users=fullest, calibration=calibration, catalog=catalog)
        return all(found.quantiles[o.metric][o.quantile] <= o.bound_s for o in tails)

    return last_that(meets, most)


def last_that(meets: Callable[[int], bool], most: int) -> int:
    """The greatest of 1 … most that meets a bound which loads meet up to a point; 0 if 1 does not. By bisection."""
    low, high = 0, 1
    while high <= most and meets(high):
        low, high = high, high * 2
    high = min(high, most + 1)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if meets(middle) else (low, middle)
    return low
