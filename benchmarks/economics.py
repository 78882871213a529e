"""Time the Monte Carlo, the quality flags, the trends and the economy of a study on this machine.

    python benchmarks/economics.py

Prints one line a case: median of five runs, s.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from datetime import date

RUNS = 5
DRAWS = 100_000
DAY = date(2026, 11, 24)


def timed(run: Callable[[], object]) -> float:
    def once() -> float:
        start = time.perf_counter()
        run()
        return time.perf_counter() - start

    once()
    return statistics.median(once() for _ in range(RUNS))


def monte_carlo() -> None:
    """100,000 draws over 8 accelerators with throughput: quantiles, chances, rank correlations, break-even rents."""
    from paretoken.catalog.loader import load_catalog
    from paretoken.prices.owner.montecarlo import UncertainThroughput, simulate
    from paretoken.prices.owner.price import owner_inputs
    from paretoken.prices.owner.rows import uncertainty

    names = ("H100", "H200", "B200", "B300", "GB200", "MI300X", "MI325X", "MI355X")
    inputs = owner_inputs(load_catalog(), accelerators=names)
    uncertainty(inputs, simulate(inputs, DRAWS, 1, {a: UncertainThroughput(1000.0, 0.09) for a in names}), "H200")


def cases() -> dict[str, Callable[[], object]]:
    from paretoken.answers.market import rental_prices
    from paretoken.answers.points import Data
    from paretoken.answers.study.config import load_study, with_ids
    from paretoken.answers.study.economy import economy
    from paretoken.catalog.loader import load_catalog
    from paretoken.frontier.trend import trends
    from paretoken.points.published import published_points

    catalog, points = load_catalog(), published_points()
    study = with_ids(load_study(), catalog, points)
    study = study.model_copy(update={"accelerators": sorted(points["accelerator"].unique())})
    return {
        f"Monte Carlo, {DRAWS:,} draws, 8 accelerators": monte_carlo,
        "price book with every quality flag": rental_prices,
        "trends of all dated runs": lambda: trends(points),
        "economy of the default study": lambda: economy(study, Data(catalog, points), DAY),
    }


def main() -> None:
    for name, run in cases().items():
        print(f"{name:48} {timed(run):7.3f} s")


if __name__ == "__main__":
    main()
