"""The highest load that meets SLOs, as predicted: from the closed loop what it states, other quantiles simulated."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import ceil

from paretoken.catalog.loader import Catalog
from paretoken.errors import BadConfig
from paretoken.predict.arrays import Floats
from paretoken.predict.calibration.file import Calibration
from paretoken.predict.configure import case
from paretoken.predict.deployment import Deployment, Lengths
from paretoken.predict.predictor import Predictions, predict_cases
from paretoken.predict.simulated import QUANTILES, simulate_users
from paretoken.slo import MEDIAN, Slo
from paretoken.slo import parse_slos as parse

METRICS = ("ttft", "tpot", "e2e", "interactivity")
MOST_USERS = 4096
STATED: Mapping[tuple[str, str], Callable[[Predictions], Floats]] = {
    ("ttft", MEDIAN): lambda p: p.ttft_s,
    ("ttft", "p90"): lambda p: p.p90_ttft_s,
    ("ttft", "p99"): lambda p: p.p99_ttft_s,
    ("tpot", MEDIAN): lambda p: p.tpot_s,
    ("e2e", MEDIAN): lambda p: p.e2e_s,
}
"""What the closed loop states of a metric's quantiles."""


def parse_slos(text: str) -> tuple[Slo, ...]:
    """The SLOs of a text, of metrics and quantiles that can be predicted; BadConfig if there is none."""
    slos = parse(text, METRICS, tuple(QUANTILES))
    if not slos:
        raise BadConfig(f"SLO {text!r} is empty; write for example ttft=1s,tpot_p99=50ms")
    return slos


def highest_users(
    deployment: Deployment,
    lengths: Lengths,
    objectives: Sequence[Slo],
    *,
    calibration: Calibration | None = None,
    catalog: Catalog | None = None,
    replicas: int = 1,
    most: int = MOST_USERS,
) -> int:
    """The most users of a closed loop that meet every objective; 0 if one user does not, `most` if that many do."""
    if lengths.osl == 1 and any(o.metric == "tpot" for o in objectives):
        raise BadConfig("TPOT is not defined for osl 1; leave out its limit")
    stated = [o for o in objectives if (o.metric, o.statistic) in STATED]
    tails = [o for o in objectives if (o.metric, o.statistic) not in STATED]

    def meets(users: int) -> bool:
        loaded = case(deployment, lengths, users, replicas=replicas, catalog=catalog)
        p = predict_cases([loaded], calibration=calibration, catalog=catalog)
        if not all(STATED[o.metric, o.statistic](p)[0] <= o.bound_s for o in stated):
            return False
        if not tails:
            return True
        fullest = ceil(users / replicas)
        load = simulate_users(loaded.deployment, lengths, fullest, calibration=calibration, catalog=catalog)
        return all(load.quantiles[o.metric][o.statistic] <= o.bound_s for o in tails)

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
