"""From what a user asks to cases that can be predicted, or the one sentence why not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from paretoken.catalog import Catalog, load_catalog
from paretoken.errors import BadConfig, ParetokenError
from paretoken.predict.deployment import Case, Deployment, Lengths, check, check_lengths, resolve
from paretoken.predict.serving import require_fit

SIZES = (1, 2, 4, 8)


def case(
    deployment: Deployment,
    lengths: Lengths,
    concurrency: float,
    *,
    period: bool = False,
    catalog: Catalog | None = None,
) -> Case:
    """A checked case. UnknownName or BadConfig says what cannot be: names, parallelism, memory, context, users.

    Requests of equal length move in step.
    """
    catalog = catalog or load_catalog()
    if not concurrency >= 1:
        raise BadConfig(f"concurrency is {concurrency:g}; it must be at least 1 user")
    d = resolve(deployment, catalog)
    check(d, catalog)
    check_lengths(d, lengths, catalog)
    require_fit(d, catalog)
    return Case(d, lengths, float(concurrency), period=period)


def sizes_that_fit(deployment: Deployment, catalog: Catalog | None = None) -> list[Deployment]:
    """The deployment at every practical TP size that its model divides by and fits; BadConfig if none does.

    Its stages stay as many as they are.
    """
    catalog = catalog or load_catalog()
    d = resolve(deployment, catalog)
    fitting: list[Deployment] = []
    problem: ParetokenError | None = None
    for n in SIZES:
        sized = replace(d, gpus=n * d.pp, tp=n, ep=n if d.ep > 1 else 1)
        try:
            check(sized, catalog)
            require_fit(sized, catalog)
            fitting.append(sized)
        except BadConfig as e:
            problem = e
    if not fitting and problem:
        raise problem
    return fitting


def ladder(deployments: Sequence[Deployment], lengths: Lengths, users: Sequence[float]) -> list[Case]:
    """Every deployment at every number of users."""
    return [case(d, lengths, n) for d in deployments for n in users]
