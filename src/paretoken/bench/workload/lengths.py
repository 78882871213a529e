"""How long prompts and answers are: laws of token counts, each with its mean in closed form.

Text form, the first number being the mean or the nominal length:
`1024`, `uniform:1024:0.8`, `normal:1024:128[:MIN:MAX]`, `lognormal:800:0.5[:MIN:MAX]`, `empirical:FILE`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np
import numpy.typing as npt

from paretoken.errors import BadConfig, BadFile, UnknownName

if TYPE_CHECKING:
    from paretoken.catalog.entries import Workload

Tokens = npt.NDArray[np.int64]

_LONGEST = 10_000_000


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
    high: int = _LONGEST

    def __post_init__(self) -> None:
        _check_cut(self.mu, self.sigma, self.low, self.high, "normal")
        if self._kept() < 0.01:
            raise BadConfig(
                f"normal:{self.mu:g}:{self.sigma:g} hardly ever falls within {self.low} to {self.high} tokens"
            )

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
    high: int = _LONGEST

    def __post_init__(self) -> None:
        _check_cut(self.average, self.sigma, self.low, self.high, "lognormal")
        if self._kept() < 0.01:
            raise BadConfig(
                f"lognormal:{self.average:g}:{self.sigma:g} hardly ever falls within {self.low} to {self.high} tokens"
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


_FORMS = {
    "uniform": "uniform:NOMINAL:RATIO, as in uniform:1024:0.8",
    "normal": "normal:MEAN:SD, as in normal:1024:128, then MIN:MAX if wanted",
    "lognormal": "lognormal:MEAN:SIGMA, as in lognormal:800:0.5, then MIN:MAX if wanted",
    "empirical": "empirical:FILE with one length on each line",
}


def parse_length(text: str, nominal: int | None = None) -> Length:
    """The law that a text names; `uniform:RATIO` takes the nominal length from outside, as a workload gives it."""
    name, _, rest = text.strip().partition(":")
    if not rest and name.replace("_", "").lstrip("+-").isdigit():
        return Fixed(int(name))
    if name not in _FORMS:
        if name and not name[0].isalpha():
            raise BadConfig(f"length {text!r} is neither a whole number of tokens nor one of {', '.join(_FORMS)}")
        raise UnknownName("length distribution", name, list(_FORMS))
    if name == "empirical":
        return read_lengths(rest)
    try:
        return _of_numbers(name, [float(part) for part in rest.split(":")], nominal)
    except (ValueError, TypeError, OverflowError) as e:
        raise BadConfig(f"length {text!r} must be written {_FORMS[name]}") from e


def _of_numbers(name: str, numbers: list[float], nominal: int | None) -> Length:
    if name == "uniform":
        if len(numbers) == 1 and nominal is not None:
            return Uniform(nominal, numbers[0])
        wanted, ratio = numbers
        return Uniform(_whole(wanted), ratio)
    if len(numbers) not in (2, 4):
        raise ValueError(numbers)
    law = Normal if name == "normal" else Lognormal
    return law(numbers[0], numbers[1], *map(_whole, numbers[2:]))


def read_lengths(path: Path | str) -> Empirical:
    """Lengths of a text file, one whole number on each line; blank lines and those that begin with # are passed."""
    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as e:
        raise BadFile(f"{path or 'empirical: without a file name'} cannot be read as text: {e}") from e
    values: list[int] = []
    for number, line in enumerate(text.splitlines(), start=1):
        word = line.strip()
        if not word or word.startswith("#"):
            continue
        if not word.isdecimal() or not 1 <= int(word) <= _LONGEST:
            raise BadFile(
                f"{path}: line {number}: {word[:40]!r} is not a length; write a whole number of tokens, 1 or more"
            )
        values.append(int(word))
    if not values:
        raise BadFile(f"{path} holds no lengths; write one whole number of tokens on each line")
    return Empirical(tuple(values))


def _whole(number: float) -> int:
    if number != int(number):
        raise ValueError(number)
    return int(number)


def _check_tokens(tokens: int, what: str) -> None:
    if not 1 <= tokens <= _LONGEST:
        raise BadConfig(f"{what} {tokens} must be 1 to {_LONGEST:,} tokens")


def _check_cut(mean: float, sigma: float, low: int, high: int, name: str) -> None:
    if not 0 < mean < _LONGEST or not 0 < sigma < _LONGEST:
        raise BadConfig(f"{name}:{mean:g}:{sigma:g}: mean and spread must be above 0 and below {_LONGEST:,}")
    if not 1 <= low <= high <= _LONGEST:
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
