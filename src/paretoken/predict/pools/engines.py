"""Which engine serves disaggregated, and which engine each of its workers runs."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from paretoken.catalog.loader import Catalog
from paretoken.errors import BadConfig


@dataclass(frozen=True, slots=True)
class PoolEngine:
    """A disaggregated engine and its core; `note` says why this engine, if another name was given."""

    engine: str
    core: str
    note: str = ""


def pool_engine(name: str, accelerators: Iterable[str], catalog: Catalog) -> PoolEngine:
    """The disaggregated engine of a name for the vendors of all accelerators; BadConfig if there is none.

    The name of a core stands for the first engine of the catalog's order that disaggregates it for these vendors.
    """
    key = catalog.engines.id_of(name)
    vendors = {catalog.accelerators[a].vendor: a for a in accelerators}
    if len(vendors) > 1:
        raise BadConfig(
            f"the pools run on {' and '.join(f'{a} ({v})' for v, a in vendors.items())}; use accelerators of one vendor"
        )
    serving = {k: e for k, e in catalog.engines.items() if e.disaggregated and set(vendors) <= set(e.vendors)}
    entry = catalog.engines[key]
    if key in serving:
        return PoolEngine(key, catalog.engines.id_of(entry.core))
    of_core = [k for k, e in serving.items() if catalog.engines.find(e.core) == catalog.engines.find(entry.core)]
    if not of_core or entry.disaggregated:
        raise BadConfig(_no_engine(entry.name, next(iter(vendors), ""), list(serving)))
    others = f"; {', '.join(of_core[1:])} would too" if of_core[1:] else ""
    served = catalog.engines[of_core[0]]
    note = f"{entry.name} is served disaggregated by {served.name} ({of_core[0]}){others}"
    return PoolEngine(of_core[0], catalog.engines.id_of(served.core), note)


def _no_engine(name: str, on: str, serving: list[str]) -> str:
    if serving:
        return f"{name} does not serve disaggregated on {on}; use {', '.join(serving)}"
    return f"no engine of the catalog serves disaggregated on {on}; leave --disaggregated out"
