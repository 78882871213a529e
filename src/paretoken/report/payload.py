"""The result of a study as one compact dict of plain values, which the page's own code draws from.

Tables are columns, repeated text is stored once in `text` and referenced by its index, and figures carry 4
to 5 significant digits: what a plot can show.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

import polars as pl

from paretoken.answers.study.result import Panel, StudyResult
from paretoken.frontier.consistency import DRIFT_DAYS, LIKELY, LIKELY_PREDICTED, SAME_DATE_DAYS, TIE, TIE_PREDICTED
from paretoken.frontier.verdict import NEAR_CROSSOVER, THIN
from paretoken.plural import counted
from paretoken.points.acceptance import ALIKE
from paretoken.prices.fleet import utility_power
from paretoken.prices.tariff import Tariff
from paretoken.report.drafting_data import drafting_data
from paretoken.report.money_data import money_data
from paretoken.report.panel_data import panel_data
from paretoken.report.point_words import COLLECTIONS
from paretoken.report.style import Style, style_of
from paretoken.report.summary import engine_name, vendor_of


class Interned:
    """Each text once, in order of first use; `interned(text)` is its index, None for None."""

    def __init__(self) -> None:
        self.index: dict[str, int] = {}

    def __call__(self, text: str | None) -> int | None:
        return None if text is None else self.index.setdefault(text, len(self.index))

    def __iter__(self) -> Iterator[str]:
        return iter(self.index)


def payload(result: StudyResult) -> dict[str, object]:
    """Everything that the interactive part of the report shows."""
    text = Interned()
    accelerators = shown_accelerators(result)
    priced = set(priced_accelerators(result))
    panels = [panel_data(panel, text, [t.tier for t in result.tariffs]) for panel in result.panels]
    return {
        "study": _study(result),
        "accelerators": [_accelerator(result, name, name in priced) for name in accelerators],
        "engines": {k: engine_name(result, k) for k in sorted(_engines(result))},
        "tariffs": [_tariff(t, accelerators) for t in result.tariffs],
        "bounds": {
            "run": [TIE, LIKELY],
            "predicted": [TIE_PREDICTED, LIKELY_PREDICTED],
            "thin": THIN,
            "near": NEAR_CROSSOVER,
            "days": [DRIFT_DAYS, SAME_DATE_DAYS],
            "alike": ALIKE,
        },
        "panels": panels,
        "collections": list(COLLECTIONS.values()),
        "order": _hardware_order(result, accelerators),
        "drafting": drafting_data(result.panels, text),
        "power": _power(result),
        "sources": [_sources(panel) for panel in result.panels],
        "money": money_data(result, accelerators),
        "text": list(text),
    }


def shown_accelerators(result: StudyResult) -> list[str]:
    """The accelerators that have a point in any panel, in catalog order, then unknown ones by name."""
    drawn = {a for p in result.panels for a in p.points["accelerator"].unique()}
    drawn |= {c.accelerator for p in result.panels for of_axis in p.curves.values() for c in of_axis}
    in_catalog = [k for k in result.catalog.accelerators if k in drawn]
    return in_catalog + sorted(drawn - set(in_catalog))


def priced_accelerators(result: StudyResult) -> list[str]:
    """Those of `shown_accelerators` with a price: in a tariff, of an owner, or in the rental market."""
    e = result.economy
    priced = {a for t in result.tariffs for a in t.usd_per_gpu_h}
    priced |= {inputs.accelerator for of_owner in e.owners.values() for inputs in of_owner}
    priced |= {c.accelerator for c in e.cells if c.offers}
    return [a for a in shown_accelerators(result) if a in priced]


def styles(result: StudyResult) -> dict[str, Style]:
    """The style of every accelerator that the report can name."""
    names = [*result.catalog.accelerators, *shown_accelerators(result)]
    return {name: style_of(name, vendor_of(result.catalog, name), result.catalog) for name in names}


def _engines(result: StudyResult) -> Iterable[str]:
    return {e for p in result.panels for e in p.points["engine"].unique()}


def _study(result: StudyResult) -> dict[str, object]:
    study = result.study
    return {
        "load": study.serving_load,
        "made": result.made_on,
        "points": f"{counted(result.n_points - result.n_predicted, 'point')} published or measured, "
        f"{counted(result.n_predicted, 'point')} predicted.",
        "reference": study.reference,
        "panel": _opening_panel(result),
        "limits": {"interactivity": _middle(study.interactivity_tok_s), "e2e": _middle(study.e2e_s)},
    }


def _middle(marks: Sequence[float]) -> float:
    """The mark in the middle of the study's own."""
    return sorted(marks)[(len(marks) - 1) // 2]


def _sources(panel: Panel) -> str:
    """The sources of a panel with the period of their runs, most points first."""
    rows = panel.points.group_by("source").agg(n=pl.len(), first=pl.col("date").min(), last=pl.col("date").max())
    return "; ".join(
        source if first is None else f"{source}, {first[:7]} to {last[-10:][:7]}"
        for source, _, first, last in rows.sort("n", "source", descending=[True, False]).iter_rows()
    )


def _opening_panel(result: StudyResult) -> int:
    """The panel shown first: of the first scenario, one that the reference is in, with the most accelerators that
    somebody measured, then with the most."""

    def worth(i: int) -> tuple[bool, bool, int, bool, int, int]:
        panel = result.panels[i]
        names = panel.grids["e2e"].names
        real = {c.accelerator for c in panel.curves["e2e"] if c.origin not in ("predicted", "emulated")}
        first = panel.scenario.name == result.study.scenarios[0]
        return first, result.study.reference in real, len(real), result.study.reference in names, len(names), -i

    return max(range(len(result.panels)), key=worth)


def _accelerator(result: StudyResult, name: str, priced: bool) -> dict[str, object]:
    entry = result.catalog.accelerators.entries.get(name)
    vendor = entry.vendor if entry else ""
    style = style_of(name, vendor, result.catalog)
    return {
        "id": name,
        "name": entry.name if entry else name,
        "vendor": vendor,
        "priced": priced,
        "generation": entry.architecture if entry else "",
        "shape": style.shape,
        "glyph": style.glyph,
        "light": style.light,
        "label": style.label_light,
        "labelDark": style.label_dark,
        "dark": style.dark,
    }


def _tariff(tariff: Tariff, accelerators: list[str]) -> dict[str, object]:
    return {
        "id": tariff.tier,
        "name": tariff.name,
        "set": tariff.price_set,
        "usd": {a: tariff.usd_per_gpu_h[a] for a in accelerators if a in tariff.usd_per_gpu_h},
    }


def _hardware_order(result: StudyResult, accelerators: list[str]) -> list[tuple[str, str]]:
    """The pairs (better, worse) of hardware among the accelerators shown."""
    pairs = {pair for panel in result.panels for grid in panel.grids.values() for pair in grid.order}
    return sorted(pair for pair in pairs if set(pair) <= set(accelerators))


def _power(result: StudyResult) -> dict[str, object]:
    """Power at the utility's meter, kW per GPU, and what it is made of, by tier; `market` is that of rented GPUs."""
    tariffs = {t.tier: t for t in result.tariffs}
    by_basis = {**tariffs, "market": replace(result.tariffs[0], tier="market")}
    powers = {tier: utility_power(t) for tier, t in by_basis.items()}
    return {tier: {"kw": power.kw_per_gpu, "basis": power.basis} for tier, power in powers.items()}
