"""Prompts of a run, unlike each other unless they are to share a prefix, of a length that the server counts."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from paretoken.bench.workload.makers import Ints, Maker, Prompt
from paretoken.errors import BadConfig

# What each stream of randomness is for: the second word of its key, so that none repeats another.
REQUEST, LENGTHS, PREFIX, BLOCK, SESSION = range(5)


@dataclass(frozen=True, slots=True)
class Correction:
    """Tokens that the server counts beyond ours: `offset`, and `per_turn` for each turn of a chat after the first.

    A turn is an answer and the message after it. `spread` is the largest deviation of an answer; 0 when the
    template adds a constant.
    """

    offset: int = 0
    per_turn: int = 0
    spread: int = 0

    @classmethod
    def learn(cls, counts: Sequence[tuple[int, int, int]]) -> Correction:
        """From (turns, our count, the server's `usage.prompt_tokens`) of some answers, by medians.

        Our count is what was built: `Prepared.input_tokens` of requests made without a correction.
        """
        if not counts:
            return cls()
        extra = [(turns, served - ours) for turns, ours, served in counts]
        fewest = min(t for t, _ in extra)
        base = _median([e for t, e in extra if t == fewest])
        slopes = [(e - base) / (t - fewest) for t, e in extra if t > fewest]
        per_turn = _median(slopes) if slopes else 0
        offset = base - per_turn * (fewest - 1)
        spread = max(abs(e - offset - per_turn * (t - 1)) for t, e in extra)
        return cls(offset, per_turn, spread)

    def of(self, turns: int = 1) -> int:
        """Tokens that the server will add to a prompt of that number of turns."""
        return self.offset + self.per_turn * (turns - 1)

    def ours(self, wanted: int, turns: int = 1) -> int:
        """How many tokens to build so that the server counts `wanted`; at least 1."""
        return max(1, wanted - self.of(turns))


@dataclass(frozen=True, slots=True)
class Prefixes:
    """Every prompt begins with `share` of its tokens taken from one of `distinct` prefixes, drawn evenly."""

    share: float
    distinct: int = 1

    def __post_init__(self) -> None:
        if not 0 <= self.share < 1 or self.distinct < 1:
            raise BadConfig(
                f"prefix share {self.share:g} of {self.distinct} prefixes: the share must be 0 or more and below 1, "
                "with at least 1 prefix"
            )

    def tokens(self, prompt_tokens: int) -> int:
        """Shared tokens of a prompt of that length; at least one token stays its own."""
        return min(prompt_tokens - 1, round(self.share * prompt_tokens))

    def hit_rate(self, requests: int) -> float:
        """Share of prompt tokens that a large enough prefix cache finds: share·(1 − E[prefixes used]/requests).

        E[prefixes used] = D·(1 − (1 − 1/D)^N). An upper bound: a cache of whole blocks finds a little less.
        """
        if requests < 1:
            return 0.0
        used = self.distinct * (1 - (1 - 1 / self.distinct) ** requests)
        return self.share * (1 - used / requests)


@dataclass(frozen=True, eq=False)
class PromptPlan:
    """Request k's prompt as a pure function of (seed, point, k): the same whatever the number of workers.

    `point` is the load level, so that no level repeats the prompts of another and finds them cached.
    """

    maker: Maker
    seed: int
    point: int = 0
    prefixes: Prefixes | None = None
    correction: Correction = Correction()

    def rng(self, purpose: int, k: int) -> np.random.Generator:
        """The generator of one purpose (REQUEST, LENGTHS, …) and its k-th use."""
        return np.random.default_rng((self.seed, purpose, self.point, k))

    def atoms(self, k: int, n: int) -> Ints:
        """n atoms of request k, its shared prefix included."""
        rng = self.rng(REQUEST, k)
        if self.prefixes is None or self.prefixes.share == 0:
            return self.maker.atoms(rng, n)
        shared = self.prefixes.tokens(n)
        which = int(rng.integers(self.prefixes.distinct))
        # Drawn one purpose and one number apart, so a longer prefix begins with the shorter one.
        head = self.maker.atoms(self.rng(PREFIX, which), shared)
        return np.concatenate([head, self.maker.atoms(rng, n - shared)])

    def prompt(self, k: int, tokens: int) -> Prompt:
        """A prompt that the server counts as `tokens`, by what is known of its template."""
        made = self.maker.prompt(self.atoms(k, self.correction.ours(tokens)))
        return Prompt(made.content, tokens if made.tokens >= 0 else -1)


def fresh_seed() -> int:
    """A seed for a run that was given none: 32 bits, to be recorded with the result."""
    return secrets.randbits(32)


def _median(values: Sequence[float]) -> int:
    return round(float(np.median(np.asarray(values, dtype=float))))
