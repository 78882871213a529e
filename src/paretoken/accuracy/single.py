"""Tiers of one server alone: what it can do (T0), whether it repeats (T1), whether it agrees with itself (T2)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from paretoken.accuracy.asking import Told, ask_all
from paretoken.accuracy.limits import DEFAULT, Limits
from paretoken.accuracy.servers import Server
from paretoken.accuracy.statistics import Interval, k3, mean_over_prompts, visible_mean
from paretoken.accuracy.tokens import Generated, NoAbility, margin
from paretoken.accuracy.verdicts import NA, PASS, Verdict, judged
from paretoken.errors import EndpointFailed

CONCURRENT = 8


def capability(server: Server, prompt: str) -> Verdict:
    """T0: does the server tell token ids, and a finite log-probability for every token that it is given?"""
    made = server.generate(prompt, 8)
    if isinstance(made, NoAbility):
        return Verdict("T0", NA, f"{made.why}; T1 to T3 do not apply", {"logprobs_generated": False})
    can = {
        "logprobs_generated": bool(made.logprobs),
        "ids_generated": bool(made.ids),
        "ids_prompt": bool(made.prompt),
        "top_k": max(map(len, made.tops), default=0),
        "logprobs_given": False,
    }
    if not made.ids or not made.prompt:
        return Verdict("T0", NA, "the server does not tell token ids, which T2 and T3 need", can)
    scored = server.score((*made.prompt, *made.ids))
    if isinstance(scored, NoAbility):
        return Verdict("T0", NA, f"{scored.why}; T2 and T3 do not apply", can)
    can |= {"logprobs_given": True, "top_k": max(map(len, scored.tops), default=0)}
    return Verdict("T0", PASS, f"log-probabilities of every token given, top {can['top_k']}", can)


@dataclass(frozen=True, slots=True)
class Repeat:
    """Two runs of one prompt: how many tokens agree from the first on, and where they part, why."""

    equal: bool
    agreed: int
    noise_nats: float
    margin_nats: float | None
    not_likeliest: bool


def repeat(a: Generated, b: Generated) -> Repeat:
    """Compare two greedy continuations. `margin_nats` is the lead of a's token where b took another."""
    n = min(len(a.logprobs), len(b.logprobs))
    agreed = next((i for i in range(n) if a.ids[i : i + 1] != b.ids[i : i + 1]), n)
    noise = max((abs(x - y) for x, y in zip(a.logprobs[:agreed], b.logprobs[:agreed], strict=True)), default=0.0)
    if a.tops and b.tops:  # where they part, the same tokens are still compared
        for i in range(min(agreed + 1, n)):
            shared = a.tops[i].keys() & b.tops[i].keys()
            noise = max([noise, *(abs(a.tops[i][t] - b.tops[i][t]) for t in shared)])
    parted = agreed < n
    lead = margin(a.tops[agreed]) if parted and len(a.tops) > agreed else None
    return Repeat(not parted and a.text == b.text, agreed, noise, lead, _not_likeliest(a) or _not_likeliest(b))


def _not_likeliest(made: Generated) -> bool:
    """Whether a token was taken that another one led by more than rounding."""
    return any(
        tops and i in tops and max(tops.values()) - tops[i] > 0.01 for i, tops in zip(made.ids, made.tops, strict=False)
    )


def repeatability(
    server: Server, prompts: Sequence[str], *, tokens: int = 32, limits: Limits = DEFAULT, told: Told | None = None
) -> Verdict:
    """T1: the same prompts once cold, once warm, once all together. Its noise is the floor of the other tiers."""
    runs, stopped = [], None
    for at_once in (1, 1, CONCURRENT):
        answers = ask_all(lambda p: server.generate(p, tokens), prompts, at_once=at_once, told=told)
        runs.append(answers.values)
        stopped = answers.stopped
        if stopped:
            break
    lacking = next((a for run in runs for a in run if isinstance(a, NoAbility)), None)
    if lacking:
        return Verdict("T1", NA, lacking.why, {}, stopped)
    cold = runs[0]
    names = ("cold against warm", "alone against together")
    pairs = {
        name: [repeat(a, b) for a, b in zip(cold, other, strict=True) if a and b]
        for name, other in zip(names, runs[1:], strict=False)
    }
    figures = {name: _repeat_figures(found) for name, found in pairs.items() if found}
    everything = [r for found in pairs.values() for r in found]
    noise = max((r.noise_nats for r in everything), default=0.0)
    figures["noise_nats"] = noise
    faults = [f for name, found in pairs.items() for f in _repeat_faults(name, found, limits)]
    good = f"largest difference of a log-probability {noise:.3g} nats (limit {limits.noise_nats:.3g})"
    return judged("T1", faults, good, figures, stopped)


def _repeat_figures(found: list[Repeat]) -> dict:
    return {
        "prompts": len(found),
        "equal": sum(r.equal for r in found) / len(found),
        "first_divergence": min((r.agreed for r in found if not r.equal), default=None),
        "noise_nats": max(r.noise_nats for r in found),
    }


def _repeat_faults(name: str, found: list[Repeat], limits: Limits) -> list[str]:
    faults = []
    noise = max((r.noise_nats for r in found), default=0.0)
    if noise > limits.noise_nats:
        faults.append(f"{name}: log-probabilities differ by up to {noise:.3g} nats (limit {limits.noise_nats:.3g})")
    if wrong := sum(r.not_likeliest for r in found):
        faults.append(f"{name}: in {wrong} of {len(found)} prompts a token less likely than another was taken")
    # Two runs may part where two tokens are as good as equal, and nowhere else.
    if wild := sum(r.margin_nats is not None and r.margin_nats > 2 * limits.noise_nats for r in found):
        faults.append(f"{name}: {wild} of {len(found)} prompts part where one token clearly leads")
    return faults


@dataclass(frozen=True, slots=True)
class Own:
    """One prompt decoded, and the same tokens given to the same server again."""

    k3_sum: float
    tokens: int
    worst_nats: float


def consistency(
    server: Server,
    prompts: Sequence[str],
    *,
    tokens: int = 32,
    limits: Limits = DEFAULT,
    seed: int = 0,
    told: Told | None = None,
) -> Verdict:
    """T2: log-probabilities while decoding against those of the same tokens prefilled; finds faults of the cache."""
    answers = ask_all(lambda p: _own(server, p, tokens), prompts, told=told)
    lacking = next((a for a in answers.done if isinstance(a, NoAbility)), None)
    if lacking:
        return Verdict("T2", NA, lacking.why, {}, answers.stopped)
    found = [a for a in answers.done if isinstance(a, Own) and a.tokens]
    if not found:
        return Verdict("T2", NA, "no prompt was answered with log-probabilities", {}, answers.stopped)
    mean = mean_over_prompts([o.k3_sum for o in found], [o.tokens for o in found], np.random.default_rng(seed), 0.98)
    figures = {
        "k3": figure(mean),
        "worst_nats": max(o.worst_nats for o in found),
        "limit": limits.k3_decode,
        "visible_k3": visible_mean(mean, limits.k3_decode),
        "basis": limits.basis,
    }
    fault = above("k3 of decoding against re-prefill", mean, limits.k3_decode)
    good = f"k3 {mean.value:.2g} (limit {limits.k3_decode:.2g}; {figures['visible_k3']:.2g} would have been seen)"
    return judged("T2", [fault], good, figures, answers.stopped)


def _own(server: Server, prompt: str, tokens: int) -> Own | NoAbility:
    made = server.generate(prompt, tokens)
    if isinstance(made, NoAbility):
        return made
    if not made.prompt or not made.ids:
        return NoAbility("the server does not tell token ids")
    scored = server.score((*made.prompt, *made.ids))
    if isinstance(scored, NoAbility):
        return scored
    if scored.ids != (*made.prompt, *made.ids):
        return NoAbility("the answer is to other tokens than were sent (see T3)")
    again = [x for x in scored.logprobs[len(made.prompt) :] if x is not None]
    if len(again) != len(made.logprobs):
        raise EndpointFailed(f"{server.model}: {len(again)} log-probabilities for {len(made.logprobs)} tokens")
    off = [abs(x - y) for x, y in zip(made.logprobs, again, strict=True)]
    return Own(float(k3(made.logprobs, again).sum()), len(off), max(off))


def above(what: str, found: Interval, limit: float) -> str:
    """A fault where the whole interval lies above the limit, else nothing."""
    if found.low <= limit:
        return ""
    return f"{what} is {found.value:.3g} ({found.low:.3g} to {found.high:.3g}), above the limit of {limit:.3g}"


def figure(found: Interval) -> dict:
    """An interval as plain values; open ends are None."""
    ends = {k: v if np.isfinite(v) else None for k, v in (("low", found.low), ("high", found.high))}
    return {"value": found.value, **ends, "level": found.level, "prompts": found.n}
