"""Prometheus' text format: histograms, and labels with any value."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

TEXT_FORMAT = "text/plain; version=0.0.4; charset=utf-8"


class Histogram:
    """Cumulative buckets in Prometheus' sense."""

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self.bounds, self.buckets = bounds, [0] * (len(bounds) + 1)
        self.sum, self.count = 0.0, 0

    def observe(self, value: float, times: int = 1) -> None:
        self.buckets[bisect_left(self.bounds, value)] += times
        self.sum += value * times
        self.count += times

    def observe_all(self, values: np.ndarray[Any, Any]) -> None:
        """Take an array of values; NaN is no value."""
        import numpy as np

        numbers = values[~np.isnan(values)]
        places = np.searchsorted(self.bounds, numbers, side="left")
        self.add(np.bincount(places, minlength=len(self.buckets)).tolist(), float(numbers.sum()))

    def add(self, buckets: Sequence[int], total: float) -> None:
        """Take values that are counted in buckets of the same bounds; `total` is their sum."""
        self.buckets = [mine + theirs for mine, theirs in zip(self.buckets, buckets, strict=True)]
        self.sum += total
        self.count += sum(buckets)

    def lines(self, name: str, labels: str = "") -> list[str]:
        """The samples; `labels` as `labels_of` writes them."""
        total, out = 0, []
        before, beside = (f"{labels},", f"{{{labels}}}") if labels else ("", "")
        for bound, n in zip((*self.bounds, float("inf")), self.buckets, strict=True):
            total += n
            le = "+Inf" if bound == float("inf") else f"{float(bound)}"
            out.append(f'{name}_bucket{{{before}le="{le}"}} {float(total)}')
        return [*out, f"{name}_count{beside} {float(self.count)}", f"{name}_sum{beside} {self.sum}"]


def labels_of(**labels: object) -> str:
    """`engine="0",model_name="m"`; backslashes, quotes and line ends in values are escaped."""
    return ",".join(f'{name}="{_escaped(str(value))}"' for name, value in labels.items())


def _escaped(value: str) -> str:
    return value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
