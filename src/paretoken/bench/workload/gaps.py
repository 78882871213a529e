"""Arrival processes by name: the laws of the gaps between arrivals, mean 1.

To add one, write its class here and enter it in PROCESSES: the option, its help and the exports follow. This
module loads no numpy, for the command's help reads it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from paretoken.errors import BadConfig, UnknownName, quoted

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Floats = npt.NDArray[np.float64]


class Gaps(Protocol):
    """A law of gaps between events, mean 1. `first` is where the count begins, in mean gaps."""

    @property
    def first(self) -> float:
        """-1 if the first event is at 0, 0 if a whole gap precedes it."""
        ...

    @property
    def burstiness(self) -> float | None:
        """The shape of its gamma distribution, 1/CV², as vLLM exports it; None for other distributions."""
        ...

    def draw(self, rng: np.random.Generator, n: int) -> Floats:
        """The next n gaps, shape (n,)."""
        ...


@dataclass(frozen=True, slots=True)
class EvenGaps:
    """Equal gaps; the first event is at 0."""

    first: float = -1.0
    burstiness: float = float("inf")

    def draw(self, rng: np.random.Generator, n: int) -> Floats:
        import numpy as np

        return np.ones(n)


@dataclass(frozen=True, slots=True)
class ExponentialGaps:
    """Gaps of a Poisson process."""

    first: float = 0.0
    burstiness: float = 1.0

    def draw(self, rng: np.random.Generator, n: int) -> Floats:
        return rng.standard_exponential(n)


@dataclass(frozen=True, slots=True)
class GammaGaps:
    """Gamma gaps of shape `burstiness`, as vLLM names it: 1 is Poisson, below 1 burstier. CV = 1/√burstiness."""

    burstiness: float
    first: float = 0.0

    def __post_init__(self) -> None:
        if not 1e-3 <= self.burstiness <= 1e6:
            raise BadConfig(f"burstiness {self.burstiness:g} must be within 0.001 to 1e6; 1 is Poisson, 0.5 burstier")

    def draw(self, rng: np.random.Generator, n: int) -> Floats:
        return rng.gamma(self.burstiness, 1 / self.burstiness, n)


@dataclass(frozen=True, slots=True)
class ArrivalProcess:
    """An entry of the registry: `law(numbers)` makes the gaps; `parameters` name its numbers, `example` gives them."""

    law: Callable[..., Gaps]
    parameters: tuple[str, ...] = ()
    example: str = ""


PROCESSES: dict[str, ArrivalProcess] = {
    "constant": ArrivalProcess(EvenGaps),
    "poisson": ArrivalProcess(ExponentialGaps),
    "gamma": ArrivalProcess(GammaGaps, ("BURSTINESS",), "0.5"),
}


def forms() -> list[str]:
    """How each process is written: `constant`, `poisson`, `gamma:BURSTINESS`."""
    return [":".join((name, *process.parameters)) for name, process in PROCESSES.items()]


def parse_gaps(text: str) -> Gaps:
    """The law that a text such as `poisson` or `gamma:0.5` names."""
    name, *numbers = text.strip().split(":")
    process = PROCESSES.get(name.lower())
    if process is None:
        raise UnknownName("arrival process", name, list(PROCESSES))
    if not process.parameters and numbers:
        raise BadConfig(f"arrivals {quoted(text)}: {name} takes no value; write {name}")
    form = f"{':'.join((name, *process.parameters))}, as in {name}:{process.example}"
    if len(numbers) != len(process.parameters):
        raise BadConfig(f"arrivals {quoted(text)}: write {form}")
    try:
        values = [float(number) for number in numbers]
    except ValueError:
        raise BadConfig(f"arrivals {quoted(text)}: {quoted(numbers)} must be numbers; write {form}") from None
    return process.law(*values)


def burstiness(text: str) -> float | None:
    """The shape of the gamma law that a text names; None where it names none, as for the times of a trace."""
    name, _, _ = text.strip().partition(":")
    return parse_gaps(text).burstiness if name.lower() in PROCESSES else None
