"""The first token of a request in a closed loop: its mean, and its quantiles.

A request is F seconds on its way to the scheduler (client, HTTP, tokenization), waits for the step that runs, and gets
its first token with the step that ends its prompt. With D the seconds of a decode step, k the prompts of others that
come in a step, P what a prompt takes, o of it once a step and p = P − o, and m the prompts that the token budget of a
step holds, the mean in service is

    TTFT = F + H + R + D·max(1, 1/m) + P + p·min(g·k, m − 1) + W     steps that mix prompts and decodes
    TTFT = F + H + R + P + p·min(g·k, m − 1) + W                     engines that give prompts steps of their own

    H = ((i − 1)/2 + b·(1 + b·k/2)/(1 + b·k))·D                      g = max(i, b, 1)

    R = max(D − F, D/2) + k·max(p − F, p/2) + k·max(w/D − 1/2, 0)·(p − w/2)       w = min(F, p)
    W = s·u^(√(2m + 2) − 1) / (2·(1 − 0.9·u))                                     u = k/m; s = (D + o)/m + p

R is what is left of the running step. Users end with a step, so it began when they ended: D − F is left of it if they
are back before its end, half of it if they come at any time. A step that holds prompts is met only if those came just
before, so a closed loop waits less for the prompts of others than arrivals at random would; where prompts have steps of
their own, a decode step is met only if none came. H is the wait of an engine that looks for new requests every i-th
decode step and after each prefill (SGLang's scheduler_recv_interval; i counts less by the share of time that prefills
take), or lets them wait b steps for others (TensorRT-LLM's batch_wait_timeout_iters):
the first of 1 + b·k waits for all of these, but no longer than until they fill a step, or each rank of attention DP
has one. The requests of g steps then start together. W is the queue for the budget:
M/D/m (Sakasegawa, 1977), held finite, as the users of a closed loop are.

The prompts of others are Poisson: quantiles of TTFT are those of their number (`poisson_quantile`). k is larger than on
average, as a run begins with all users at once, who part as their lengths differ (`bunch_decay`).
"""

from __future__ import annotations

from math import exp, factorial
from statistics import NormalDist
from typing import NamedTuple

import numpy as np

from paretoken.predict.arrays import Floats

LEAD_S, LEAD_SPREAD = 0.03, 0.5
"""Seconds from due to the scheduler before calibration, and the share of it by which they differ between requests."""
START, START_S = 0.1, 0.1
"""Share of a run's requests that come at once: public harnesses send ten for each user. Seconds that these wait for
what a server does once."""
EVEN = 0.1
"""Answers of equal length part as if they were drawn from within this share of it: small delays of clients and servers
do that, and without them all who began in one step would stay together for ever."""
ROUNDS_APART, FEWEST = 4.0, 500
"""Rounds of requests after which the middle of a run sees its users; requests that a run of few users has at least."""
EARLY = {"p50": 1.0, "p90": 0.6, "p99": 0.35}
"""How far users have parted where a quantile is made, of the middle of a run: the longest waits come early."""
QUANTILES = {"p50": 0.5, "p90": 0.9, "p99": 0.99}
_MOST, _EXACT = 512, 12


def length_spread(ratio: float) -> float:
    """Deviation of answers over their mean, uniform in [ratio, 1] of nominal; see `EVEN`."""
    return max((1 - ratio) / (1 + ratio), EVEN) / 3**0.5


def bunch_decay(first: Floats, spread: Floats, users: Floats) -> Floats:
    """How far users have parted in the middle of a run, as (2π)² times the variance of where they are in their lives.

    Users are normal about the middle of their bunch, on a circle that is one life long: `first`²/12 at the start, as
    their prompts take that share of a life, and `spread`² more with every round.
    """
    rounds = ROUNDS_APART * np.maximum(1.0, FEWEST / (10 * users))
    decay: Floats = 4 * np.pi**2 * (first**2 / 12 + rounds * spread**2)
    return decay


def density(decay: Floats) -> Floats:
    """How many times the mean rate one meets among users who have parted so far: ∫f² of a wrapped normal."""
    times: Floats = 1 + 2 * (np.exp(-decay) + np.exp(-4 * decay) + np.exp(-9 * decay))
    return times


def _mean_at(n: int, at: float) -> float:
    """The mean of a Poisson number that is below n with odds `at`.

    By bisection; beyond a few it is the cube of a normal number (Wilson and Hilferty, 1931), right to 0.3 %.
    """
    if n > _EXACT:
        return float(n * (1 - 1 / (9 * n) + NormalDist().inv_cdf(1 - at) / (3 * n**0.5)) ** 3)
    low, high = 0.0, n + 10.0 * n**0.5
    for _ in range(40):
        middle = (low + high) / 2
        below = exp(-middle) * sum(middle**k / factorial(k) for k in range(n))
        low, high = (middle, high) if below > at else (low, middle)
    return low


def _stairs(at: float) -> tuple[Floats, Floats]:
    """The quantile of a Poisson number over its mean, as a line through its steps, each a little sloped."""
    rises = np.array([_mean_at(n, at) for n in range(1, _MOST + 1)])
    half = 0.3 * np.diff(rises, prepend=0.0)
    means = np.stack([rises - half, rises + half], axis=1).ravel()
    numbers = np.stack([np.arange(_MOST), np.arange(1, _MOST + 1)], axis=1).ravel().astype(float)
    return np.concatenate([[0.0], means]), np.concatenate([[0.0], numbers])


_STAIRS = {name: _stairs(at) for name, at in QUANTILES.items()}


def poisson_quantile(mean: Floats, name: str) -> Floats:
    """A quantile of a Poisson number."""
    means, numbers = _STAIRS[name]
    number: Floats = np.interp(mean, means, numbers) + np.maximum(mean - means[-1], 0.0)
    return number


class StepLoad(NamedTuple):
    """What a step is made of, shape (n,): seconds, and numbers of prompts.

    `decode_s` is D, `prompt_s` P, `further_s` p; `lead_s` F; `prompts` k of others, `budget` m, `used` the share of it
    that prompts take on average. `mixed` is 1 or 0, `others` the odds that somebody else is served; `interval` i and
    `batch_wait` b are steps.
    """

    decode_s: Floats
    prompt_s: Floats
    further_s: Floats
    lead_s: Floats
    prompts: Floats
    budget: Floats
    used: Floats
    mixed: Floats
    others: Floats
    interval: Floats
    batch_wait: Floats


class FirstToken(NamedTuple):
    """Seconds of a first token in service: without prompts of others, what these add, and in the queue for the budget.

    `others` is the mean number of such prompts.
    """

    alone_s: Floats
    shared_s: Floats
    others: Floats
    queue_s: Floats

    @property
    def mean_s(self) -> Floats:
        return self.alone_s + self.shared_s + self.queue_s

    def quantile_s(self, name: str, used: Floats, jitter_s: Floats, decay: Floats) -> Floats:
        """A quantile; `jitter_s` is the deviation among requests with as many prompts of others."""
        at = QUANTILES[name]
        denser = density(EARLY[name] * decay) / density(decay) - 1
        mean = self.others * (1 + denser * self.others / (1 + self.others))
        prompt_s = self.shared_s / np.maximum(self.others, 1e-9)
        odds = np.maximum(used, 1e-9)
        queue = self.queue_s / odds * np.maximum(np.log(odds / (1 - at)), 0.0)
        return self.alone_s + prompt_s * poisson_quantile(mean, name) + queue + _UNIFORM[name] * jitter_s


_UNIFORM = {"p50": 0.0, "p90": 1.3, "p99": 1.8}
"""Deviations from the middle of what is about uniform."""


def first_token(x: StepLoad) -> FirstToken:
    """The first token of a request in service."""
    running = x.others * np.where(x.mixed > 0, 1.0, np.exp(-x.prompts))
    left = running * np.maximum(x.decode_s - x.lead_s, x.decode_s / 2)
    arrivals = x.batch_wait * x.prompts
    steps = (x.interval - 1) / 2 + x.batch_wait * (1 + arrivals / 2) / (1 + arrivals)
    alone = (
        x.lead_s
        + x.others * steps * x.decode_s
        + left
        + x.mixed * x.decode_s * np.maximum(1.0, 1 / x.budget)
        + x.prompt_s
    )
    in_running = _least(x.prompts, x.budget)
    chance = -np.expm1(-x.prompts) / np.maximum(x.prompts, 1e-9)
    mean_s = x.further_s + (x.prompt_s - x.further_s) * chance
    window = np.minimum(x.lead_s, mean_s)
    later = np.maximum(window / x.decode_s - 0.5, 0.0)
    before = in_running * (np.maximum(mean_s - x.lead_s, mean_s / 2) + later * (mean_s - window / 2))
    together = x.prompts * np.maximum(np.maximum(x.interval, x.batch_wait), 1.0)
    beside = _least(together, np.maximum(x.budget - 1, 0.0))
    others = in_running * (1 + later) + beside
    return FirstToken(alone, before + beside * x.further_s, others, _queue(x))


def _queue(x: StepLoad) -> Floats:
    """Seconds of waiting for prompts that a step's budget has no room for: an M/D/m queue (Sakasegawa, 1977)."""
    full = x.prompt_s - x.further_s + x.mixed * x.decode_s
    service = full / np.maximum(x.budget, 1.0) + x.further_s + x.mixed * x.decode_s * np.maximum(1 / x.budget - 1, 0.0)
    power = np.sqrt(2 * (np.maximum(x.budget, 1.0) + 1)) - 1
    waited: Floats = x.others * service * x.used**power / (2 * (1 - 0.9 * x.used))
    return waited


def _least(a: Floats, b: Floats) -> Floats:
    """The smaller of both, rounded off."""
    least: Floats = a * b / np.maximum((a**4 + b**4) ** 0.25, 1e-12)
    return least
