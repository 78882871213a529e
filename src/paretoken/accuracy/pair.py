"""T3: the reference's tokens given to the candidate. Text need not be equal; distributions must be close."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from paretoken.accuracy.asking import OnProgress, ask_all
from paretoken.accuracy.limits import DriftLimits
from paretoken.accuracy.reference import Reference, ScoredSample, cut
from paretoken.accuracy.servers import ScoringServer
from paretoken.accuracy.single import above, figure
from paretoken.accuracy.statistics import MeanInterval, k3, kl_of_tops, mean_over_prompts, visible_mean
from paretoken.accuracy.tokens import NoAbility, likeliest, margin
from paretoken.accuracy.verdicts import NA, TierVerdict, judged
from paretoken.errors import EndpointFailed

# Three figures are judged at once: each interval is wider, so that one correct server in twenty fails, not three.
LEVEL = 1 - 0.05 / 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Distance:
    """One prompt: sums over its tokens. Flips count where the reference's token leads by more than twice the noise."""

    tokens: int
    k3_sum: float
    kl_sum: float
    agreed: int
    flips: int
    worst_nats: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Means:
    """Means per token, with intervals over prompts."""

    k3: MeanInterval
    kl: MeanInterval
    flips: MeanInterval
    top1: MeanInterval
    worst_nats: float
    tokens: int


def distance(reference: ScoredSample, candidate: ScoredSample, noise_nats: float) -> Distance:
    """How far the candidate is from the reference on the reference's tokens."""
    pairs = list(zip(reference.tops, candidate.tops, strict=True))
    differ = [(a, b) for a, b in pairs if a and b and likeliest(a) != likeliest(b)]
    off = np.abs(np.subtract(reference.logprobs, candidate.logprobs))
    return Distance(
        tokens=len(reference.logprobs),
        k3_sum=float(k3(reference.logprobs, candidate.logprobs).sum()),
        kl_sum=sum(kl_of_tops(a, b) for a, b in pairs),
        agreed=len(pairs) - len(differ),
        flips=sum(margin(a) > 2 * noise_nats for a, _ in differ),
        worst_nats=float(off.max(initial=0.0)),
    )


def means(distances: Sequence[Distance]) -> Means:
    """The distances of several prompts together."""
    n = [d.tokens for d in distances]

    def mean(sums: Sequence[float]) -> MeanInterval:
        return mean_over_prompts(sums, n, np.random.default_rng(0), LEVEL)

    return Means(
        k3=mean([d.k3_sum for d in distances]),
        kl=mean([d.kl_sum for d in distances]),
        flips=mean([d.flips for d in distances]),
        top1=mean([d.agreed for d in distances]),
        worst_nats=max(d.worst_nats for d in distances),
        tokens=sum(n),
    )


def faults(apart: Means, limits: DriftLimits) -> list[str]:
    """What keeps two servers from being the same model, a sentence each."""
    sentences = (
        above("k3", apart.k3, limits.k3),
        above("KL", apart.kl, limits.kl),
        above("the share of flips with a clear margin", apart.flips, limits.flips),
    )
    return [s for s in sentences if s]


def compare(
    server: ScoringServer, reference: Reference, *, at_once: int = 1, on_progress: OnProgress | None = None
) -> TierVerdict:
    """T3 against a reference. Answers to other tokens than were sent fail at once."""
    answers = ask_all(lambda s: score_sample(server, s), reference.samples, at_once=at_once, on_progress=on_progress)
    lacking = next((a for a in answers.done if isinstance(a, NoAbility)), None)
    if lacking:
        return TierVerdict("T3", NA, lacking.why, {}, answers.stopped)
    got = [(s, a) for s, a in zip(reference.samples, answers.values, strict=True) if isinstance(a, ScoredSample)]
    straight = [(s, a) for s, a in got if s.ids == a.ids]
    crossed = len(got) - len(straight)
    mixed_up = [f"{crossed} of {len(got)} answers score other tokens than those sent"] if crossed else []
    if not straight:
        return judged("T3", mixed_up, "", {"crossed": crossed}, answers.stopped or "no prompt was scored")
    limits = reference.limits
    apart = means([distance(s, a, limits.noise_nats) for s, a in straight])
    visible_kl = visible_mean(apart.kl, limits.kl)
    figures: dict[str, object] = {
        "k3": figure(apart.k3),
        "kl": figure(apart.kl),
        "flips": figure(apart.flips),
        "top1": figure(apart.top1),
        "worst_nats": apart.worst_nats,
        "tokens": apart.tokens,
        "crossed": crossed,
        "limits": {"k3": limits.k3, "kl": limits.kl, "flips": limits.flips},
        "basis": limits.basis,
        "visible_kl": visible_kl,
        "reference": str(reference.key),
    }
    good = (
        f"KL {apart.kl.value:.2g} (limit {limits.kl:.2g}; {visible_kl:.2g} would have been seen), "
        f"top-1 agreement {apart.top1.value:.4f} over {apart.tokens} tokens"
    )
    return judged("T3", [*mixed_up, *faults(apart, limits)], good, figures, answers.stopped)


def score_sample(server: ScoringServer, sample: ScoredSample) -> ScoredSample | NoAbility:
    """The reference's tokens as the candidate scores them."""
    scored = server.score(sample.ids)
    if isinstance(scored, NoAbility):
        return scored
    own = cut(scored, len(sample.prompt))
    if own.ids == sample.ids and len(own.tops) != len(sample.tops):
        raise EndpointFailed(
            f"{server.model}: the most likely tokens of {len(own.tops)} positions for {len(sample.tops)} tokens"
        )
    return own
