"""T3: the reference's tokens given to the candidate. Text need not be equal; distributions must be close."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from paretoken.accuracy.asking import Told, ask_all
from paretoken.accuracy.limits import Limits
from paretoken.accuracy.reference import Reference, Sample, cut
from paretoken.accuracy.servers import Server
from paretoken.accuracy.single import above, figure
from paretoken.accuracy.statistics import Interval, k3, kl_of_tops, mean_over_prompts, visible_mean
from paretoken.accuracy.tokens import NoAbility, likeliest, margin
from paretoken.accuracy.verdicts import NA, Verdict, judged
from paretoken.errors import EndpointFailed

# Three figures are judged at once: each interval is wider, so that one correct server in twenty fails, not three.
LEVEL = 1 - 0.05 / 3


@dataclass(frozen=True, slots=True)
class Distance:
    """One prompt: sums over its tokens. Flips count where the reference's token leads by more than twice the noise."""

    tokens: int
    k3_sum: float
    kl_sum: float
    agreed: int
    flips: int
    worst_nats: float


@dataclass(frozen=True, slots=True)
class Means:
    """Means per token, with intervals over prompts."""

    k3: Interval
    kl: Interval
    flips: Interval
    top1: Interval
    worst_nats: float
    tokens: int


def distance(reference: Sample, candidate: Sample, noise_nats: float) -> Distance:
    """How far the candidate is from the reference on the reference's tokens."""
    pairs = list(zip(reference.tops, candidate.tops, strict=True))
    differ = [(a, b) for a, b in pairs if a and b and likeliest(a) != likeliest(b)]
    off = np.abs(np.subtract(reference.logprobs, candidate.logprobs))
    return Distance(
        len(reference.logprobs),
        float(k3(reference.logprobs, candidate.logprobs).sum()),
        sum(kl_of_tops(a, b) for a, b in pairs),
        len(pairs) - len(differ),
        sum(margin(a) > 2 * noise_nats for a, _ in differ),
        float(off.max(initial=0.0)),
    )


def means(found: Sequence[Distance], seed: int = 0, level: float = LEVEL) -> Means:
    """The distances of several prompts together."""
    n = [d.tokens for d in found]

    def mean(sums: list[float]) -> Interval:
        return mean_over_prompts(sums, n, np.random.default_rng(seed), level)

    return Means(
        mean([d.k3_sum for d in found]),
        mean([d.kl_sum for d in found]),
        mean([d.flips for d in found]),
        mean([d.agreed for d in found]),
        max(d.worst_nats for d in found),
        sum(n),
    )


def faults(found: Means, limits: Limits) -> list[str]:
    """What keeps two servers from being the same model."""
    said = (
        above("k3", found.k3, limits.k3),
        above("KL", found.kl, limits.kl),
        above("the share of flips with a clear margin", found.flips, limits.flips),
    )
    return [s for s in said if s]


def compare(server: Server, reference: Reference, *, at_once: int = 1, told: Told | None = None) -> Verdict:
    """T3 against a reference. Crossed answers fail at once: they are to other tokens than were sent."""
    answers = ask_all(lambda s: score_sample(server, s), reference.samples, at_once=at_once, told=told)
    lacking = next((a for a in answers.done if isinstance(a, NoAbility)), None)
    if lacking:
        return Verdict("T3", NA, lacking.why, {}, answers.stopped)
    got = [(s, a) for s, a in zip(reference.samples, answers.values, strict=True) if isinstance(a, Sample)]
    straight = [(s, a) for s, a in got if s.ids == a.ids]
    crossed = len(got) - len(straight)
    said = [f"{crossed} of {len(got)} answers are to other tokens than were sent"] if crossed else []
    if not straight:
        return judged("T3", said, "", {"crossed": crossed}, answers.stopped or "no prompt was scored")
    limits = reference.limits
    found = means([distance(s, a, limits.noise_nats) for s, a in straight])
    figures = {
        "k3": figure(found.k3),
        "kl": figure(found.kl),
        "flips": figure(found.flips),
        "top1": figure(found.top1),
        "worst_nats": found.worst_nats,
        "tokens": found.tokens,
        "crossed": crossed,
        "limits": {"k3": limits.k3, "kl": limits.kl, "flips": limits.flips},
        "basis": limits.basis,
        "visible_kl": visible_mean(found.kl, limits.kl),
        "reference": str(reference.key),
    }
    good = (
        f"KL {found.kl.value:.2g} (limit {limits.kl:.2g}; {figures['visible_kl']:.2g} would have been seen), "
        f"top-1 agreement {found.top1.value:.4f} over {found.tokens} tokens"
    )
    return judged("T3", [*said, *faults(found, limits)], good, figures, answers.stopped)


def score_sample(server: Server, sample: Sample) -> Sample | NoAbility:
    """The reference's tokens as the candidate scores them."""
    scored = server.score(sample.ids)
    if isinstance(scored, NoAbility):
        return scored
    found = cut(scored, len(sample.prompt))
    if found.ids == sample.ids and len(found.tops) != len(sample.tops):
        raise EndpointFailed(
            f"{server.model}: the most likely tokens of {len(found.tops)} places for {len(sample.tops)} tokens"
        )
    return found
