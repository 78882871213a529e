"""How long prompts and answers are: laws of token counts, each with its mean in closed form."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np
import numpy.typing as npt

from paretoken.errors import BadConfig

if TYPE_CHECKING:
    from paretoken.catalog.entries import Workload

Tokens = npt.NDArray[np.int64]

MOST_TOKENS = 10_000_000


class Length(Protocol):
    """A law of token counts."""

    @property
    def mean(self) -> float:
        """Expected tokens; rounding to whole tokens moves it by less than 0.1 where the spread is 1 or more."""
        ...

    @property
    def longest(self) -> int:
        """No draw is above it."""
        ...

    def draw(self, rng: np.random.Generator, n: int) -> Tokens:
        """n token counts, each at least 1, int64, shape (n,)."""
        ...


@dataclass(frozen=True, slots=True)
class Fixed:
    """Always the same length."""

    tokens: int

    def __post_init__(self) -> None:
        _check_tokens(self.tokens, "length")

    @property
    def mean(self) -> float:
        return float(self.tokens)

    @property
    def longest(self) -> int:
        return self.tokens

    def draw(self, rng: np.random.Generator, n: int) -> Tokens:
        return np.full(n, self.tokens, dtype=np.int64)


@dataclass(frozen=True, slots=True)
class Uniform:
    """Whole numbers from ⌊ratio·nominal⌋ to nominal, both included: InferenceX with ratio 0.8."""

    nominal: int
    ratio: float

    def __post_init__(self) -> None:
        _check_tokens(self.nominal, "nominal length")
        if not 0 <= self.ratio <= 1:
            raise BadConfig(f"uniform ratio {self.ratio:g} must be within 0 to 1; 0.8 draws 80 to 100 %")

    @property
    def shortest(self) -> int:
        # Guards 0.29 * 100 = 28.999…, which would lose a token.
        return max(1, math.floor(self.ratio * self.nominal + 1e-9))

    @property
    def mean(self) -> float:
        return (self.shortest + self.nominal) / 2

    @property
    def longest(self) -> int:
        return self.nominal

    def draw(self, rng: np.random.Generator, n: int) -> Tokens:
        return rng.integers(self.shortest, self.nominal, size=n, endpoint=True)


@dataclass(frozen=True, slots=True)
class Normal:
    """Normal, cut to [low, high] and rounded; `mu` and `sigma` are those before the cut.

    mean = μ + σ·(φ(a) − φ(b)) / (Φ(b) − Φ(a)), with a and b the bounds ± ½ in standard units.
    """

    mu: float
    sigma: float
    low: int = 1
    high: int = MOST_TOKENS

    def __post_init__(self) -> None:
        _check_cut(self.mu, self.sigma, self.low, self.high, "normal")
        if self._kept() < 0.01:
            raise BadConfig(f"normal:{self.mu:g}:{self.sigma:g} rarely falls within {self.low} to {self.high} tokens")

    def _bounds(self) -> tuple[float, float]:
        return (self.low - 0.5 - self.mu) / self.sigma, (self.high + 0.5 - self.mu) / self.sigma

    def _kept(self) -> float:
        a, b = self._bounds()
        return _cdf(b) - _cdf(a)

    @property
    def mean(self) -> float:
        a, b = self._bounds()
        return self.mu + self.sigma * (_pdf(a) - _pdf(b)) / self._kept()

    @property
    def longest(self) -> int:
        return self.high

    def draw(self, rng: np.random.Generator, n: int) -> Tokens:
        return _draw_within(lambda k: rng.normal(self.mu, self.sigma, k), n, self.low, self.high)


@dataclass(frozen=True, slots=True)
class Lognormal:
    """Lognormal of mean `average` tokens and standard deviation `sigma` of the logarithm, cut and rounded.

    Uncut mean = exp(m + σ²/2) = average; cut: average·(Φ(σ − a) − Φ(σ − b)) / (Φ(b) − Φ(a)).
    """

    average: float
    sigma: float
    low: int = 1
    high: int = MOST_TOKENS

    def __post_init__(self) -> None:
        _check_cut(self.average, self.sigma, self.low, self.high, "lognormal")
        if self._kept() < 0.01:
            raise BadConfig(
                f"lognormal:{self.average:g}:{self.sigma:g} rarely falls within {self.low} to {self.high} tokens"
            )

    @property
    def _m(self) -> float:
        return math.log(self.average) - self.sigma**2 / 2

    def _bounds(self) -> tuple[float, float]:
        low, high = math.log(self.low - 0.5), math.log(self.high + 0.5)
        return (low - self._m) / self.sigma, (high - self._m) / self.sigma

    def _kept(self) -> float:
        a, b = self._bounds()
        return _cdf(b) - _cdf(a)

    @property
    def mean(self) -> float:
        a, b = self._bounds()
        return self.average * (_cdf(self.sigma - a) - _cdf(self.sigma - b)) / self._kept()

    @property
    def longest(self) -> int:
        return self.high

    def draw(self, rng: np.random.Generator, n: int) -> Tokens:
        return _draw_within(lambda k: rng.lognormal(self._m, self.sigma, k), n, self.low, self.high)


@dataclass(frozen=True, slots=True)
class Empirical:
    """Lengths seen elsewhere, drawn with replacement."""

    values: tuple[int, ...]

    def __post_init__(self) -> None:
        if not self.values:
            raise BadConfig("an empirical distribution needs at least one length")
        for value in (min(self.values), max(self.values)):
            _check_tokens(value, "empirical length")

    @property
    def mean(self) -> float:
        return sum(self.values) / len(self.values)

    @property
    def longest(self) -> int:
        return max(self.values)

    def draw(self, rng: np.random.Generator, n: int) -> Tokens:
        return np.asarray(self.values, dtype=np.int64)[rng.integers(len(self.values), size=n)]


@dataclass(frozen=True, slots=True)
class RequestLengths:
    """Input and output length of a request, drawn independently of each other."""

    isl: Length
    osl: Length

    def draw(self, rng: np.random.Generator) -> tuple[int, int]:
        """Input and output tokens of one request."""
        return int(self.isl.draw(rng, 1)[0]), int(self.osl.draw(rng, 1)[0])


def of_workload(workload: Workload, ratio: float = 1.0) -> RequestLengths:
    """The lengths of a workload of the catalog; below ratio 1 uniform in ratio to 1 times nominal."""
    if ratio == 1:
        return RequestLengths(Fixed(workload.isl), Fixed(workload.osl))
    return RequestLengths(Uniform(workload.isl, ratio), Uniform(workload.osl, ratio))


def _check_tokens(tokens: int, what: str) -> None:
    if not 1 <= tokens <= MOST_TOKENS:
        raise BadConfig(f"{what} {tokens} must be 1 to {MOST_TOKENS:,} tokens")


def _check_cut(mean: float, sigma: float, low: int, high: int, name: str) -> None:
    if not 0 < mean < MOST_TOKENS or not 0 < sigma < MOST_TOKENS:
        raise BadConfig(f"{name}:{mean:g}:{sigma:g}: mean and spread must be above 0 and below {MOST_TOKENS:,}")
    if not 1 <= low <= high <= MOST_TOKENS:
        raise BadConfig(f"{name} cut to {low} to {high} tokens: bounds must rise and be 1 or more")


def _draw_within(draw: Callable[[int], npt.NDArray[np.float64]], n: int, low: int, high: int) -> Tokens:
    """n rounded draws within the bounds, by drawing again those outside."""
    kept: Tokens = np.empty(0, dtype=np.int64)
    while len(kept) < n:
        drawn = np.rint(draw(n - len(kept)))
        kept = np.concatenate([kept, drawn[(drawn >= low) & (drawn <= high)].astype(np.int64)])
    return kept


def _pdf(x: float) -> float:
    return math.exp(-x * x / 2) / math.sqrt(2 * math.pi)


def _cdf(x: float) -> float:
    return math.erfc(-x / math.sqrt(2)) / 2
