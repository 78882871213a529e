"""What is new about a case to a calibration: names, sizes and lengths it has not learned from, sites and dates.

Each way has a weight: 1, or for dates the months between the case and the nearest learned from. What was learned of a
cell (accelerator, engine, model and precision) counts where it is known, else what was learned of all of them.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import NamedTuple

import polars as pl

from paretoken.predict.calibration.levels import PERIOD
from paretoken.predict.deployment import Case, Deployment

PUBLIC, LAB, MEASURED = "public", "lab", "measured"
"""Sites: the published harness, laboratories that keep all lengths equal, the user's own. Others go by their source."""
MONTH_DAYS = 30.4
SPELL = {
    "accelerator": "accelerator",
    "engine": "engine",
    "model": "model",
    "precision": "precision",
    "cell": "cell",
    "tp": "tp",
    "workload": "workload",
    "speculation": "speculation",
    "pipeline": "pipeline",
    "nodes": "several nodes",
    "site": "other site",
    "undated": "",
    "earlier": "earlier date",
    "later": "later date",
}
"""The ways by their key, as they are printed. That only days were learned of a cell, where a median over the period is
predicted, is not worth a word."""
DATED = ("earlier", "later")
MENTIONED = 1.0
"""Months outside the dates learned from that are worth a word; fewer only widen."""
Cell = tuple[str, str, str, str]


class SeenCase(NamedTuple):
    """Points that a calibration learned from; `size` and `lengths` as text: 8 or 4x2, 1024/1024.

    `first` and `last` are ISO days, "" where none is stated; `drafting` says whether tokens were drafted ahead.
    """

    accelerator: str
    engine: str
    model: str
    precision: str
    size: str
    lengths: str
    drafting: bool
    site: str
    first: str
    last: str
    points: int

    @property
    def cell(self) -> Cell:
        return self[:4]


def sites(table: pl.DataFrame) -> list[str]:
    """Where the rows of a sample ran. aiconfigurator-core lists runs of InferenceX beside its laboratory's."""
    public = pl.col("source").str.contains("^(inferencex|aiconfigurator)")
    site = (
        pl.when(pl.col("harness") == LAB)
        .then(pl.lit(LAB))
        .when(pl.col("origin") == MEASURED)
        .then(pl.lit(MEASURED))
        .when(public)
        .then(pl.lit(PUBLIC))
        .otherwise("source")
    )
    return table.select(site.alias("site"))["site"].to_list()


def seen_cases(cases: Iterable[Case], sites: Iterable[str]) -> frozenset[SeenCase]:
    """What a calibration remembers of cases and the sites where they ran."""
    groups: dict[tuple[Cell, str, str, bool, str], list[tuple[str, str]]] = {}
    for case, site in zip(cases, sites, strict=True):
        d = case.deployment
        groups.setdefault((cell_of(d), d.size, case.lengths_text, d.drafting, site), []).append(_days(case))
    return frozenset(
        SeenCase(
            *cell,
            size=size,
            lengths=lengths,
            drafting=drafting,
            site=site,
            first=min((first for first, _ in days if first), default=""),
            last=max(last for _, last in days),
            points=len(days),
        )
        for (cell, size, lengths, drafting, site), days in groups.items()
    )


def cell_of(d: Deployment) -> Cell:
    """What effects and spreads are kept by."""
    return d.accelerator, d.engine, d.model, d.precision


def _days(case: Case) -> tuple[str, str]:
    """The first and the last day of a case; a published median covers the period."""
    if case.period:
        return PERIOD[0].isoformat(), PERIOD[1].isoformat()
    return case.deployment.date or "", case.deployment.date or ""


@dataclass(frozen=True, slots=True)
class _SeenCell:
    sizes: frozenset[str]
    lengths: frozenset[str]
    sites: frozenset[str]
    drafting: bool
    first: str
    last: str
    period: bool
    points: Mapping[tuple[str, str], int]

    @classmethod
    def of(cls, cases: Iterable[SeenCase]) -> _SeenCell:
        cases, points = tuple(cases), Counter[tuple[str, str]]()
        for c in cases:
            points[c.size, c.lengths] += c.points
        return cls(
            frozenset(c.size for c in cases),
            frozenset(c.lengths for c in cases),
            frozenset(c.site for c in cases),
            any(c.drafting for c in cases),
            min((c.first for c in cases if c.first), default=""),
            max((c.last for c in cases), default=""),
            any(c.first < c.last for c in cases),
            points,
        )


@dataclass(frozen=True, slots=True)
class Seen:
    """What a calibration has learned from: names of each kind, cells but for their precision, each cell, and all."""

    names: Mapping[str, frozenset[str]]
    precisions: frozenset[tuple[str, str, str]]
    cells: Mapping[Cell, _SeenCell]
    all: _SeenCell

    @classmethod
    @cache
    def of(cls, cases: frozenset[SeenCase]) -> Seen:
        """The index of what was learned from."""
        cells: dict[Cell, list[SeenCase]] = {}
        for c in cases:
            cells.setdefault(c.cell, []).append(c)
        return cls(
            {kind: frozenset(getattr(c, kind) for c in cases) for kind in ("accelerator", "engine", "model")},
            frozenset(c.cell[:3] for c in cases),
            {cell: _SeenCell.of(members) for cell, members in cells.items()},
            _SeenCell.of(cases),
        )


def novelty_weights(
    case: Case, seen: Seen, *, site: str | None = None, several_nodes: bool = False
) -> dict[str, float]:
    """In which ways a case is new, by the keys of SPELL, each with its weight.

    `site` is where the case ran, if it did; that of a prediction follows from its lengths.
    """
    d = case.deployment
    cell = seen.cells.get(cell_of(d))
    out = dict.fromkeys(_new_names(d, seen), 1.0)
    if cell is None and not out:
        out["precision" if cell_of(d)[:3] in seen.precisions else "cell"] = 1.0
    known = cell or seen.all
    flags = {
        "tp": d.stage.size not in known.sizes,
        "workload": case.lengths_text not in known.lengths,
        "speculation": d.drafting and not known.drafting,
        "pipeline": d.pp > 1 and d.size not in known.sizes,
        "nodes": several_nodes,
        "site": _elsewhere(case, known.sites, site),
        "undated": not (d.date or case.harness == LAB or known.period or MEASURED in known.sites),
    }
    return out | {way: 1.0 for way, new in flags.items() if new} | _outside(case, known)


def novelty_words(new: Mapping[str, float]) -> tuple[str, ...]:
    """The ways as they are printed."""
    return tuple(SPELL[way] for way, weight in new.items() if SPELL[way] and (way not in DATED or weight >= MENTIONED))


def _new_names(d: Deployment, seen: Seen) -> Iterable[str]:
    return (kind for kind, names in seen.names.items() if getattr(d, kind) not in names)


def _elsewhere(case: Case, sites: frozenset[str], site: str | None) -> bool:
    """Whether a case runs elsewhere than what was learned from.

    The user's machine is known once it was measured. Equal lengths are not those of the published harness.
    """
    if site is not None:
        return site not in sites
    if MEASURED in sites:
        return False
    if case.harness == LAB:
        return LAB not in sites
    return case.lengths.ratio == 1 or sites <= {LAB}


def _outside(case: Case, seen: _SeenCell) -> dict[str, float]:
    first, last = _days(case)
    if not (first and seen.first) or case.period:
        return {}
    months = {"earlier": months_between(last, seen.first), "later": months_between(seen.last, first)}
    return {way: n for way, n in months.items() if n > 0}


@cache
def months_between(earlier: str, later: str) -> float:
    """Months from one ISO day to another; negative if the second comes first."""
    return (dt.date.fromisoformat(later) - dt.date.fromisoformat(earlier)).days / MONTH_DAYS
