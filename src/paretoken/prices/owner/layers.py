"""Parameter sets in layers: defaults ← operator ← accelerator ← the user's own, each figure with its layer."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import TypeAlias

from paretoken.catalog.loader import Catalog
from paretoken.errors import BadConfig, NoData, UnknownName
from paretoken.plain_files import read_toml
from paretoken.prices.owner.depreciation import DEPRECIATIONS, Depreciation
from paretoken.prices.owner.figures import NOT_USED, InputFigure, StatedFigure, stated
from paretoken.prices.owner.levelised import total
from paretoken.prices.owner.parameters import CAPITAL, PARAMETERS, PARTS
from paretoken.prices.tariff import tariff

DATA = Path(__file__).parent.parent / "data" / "owner"
SETS = DATA / "sets"
TRIAL_USD = 1e5
DEPRECIATION = "depreciation"
_NOT_FIGURES = ("name", "text", DEPRECIATION)
Table: TypeAlias = Mapping[str, object]
Merged: TypeAlias = dict[str, tuple[str, StatedFigure]]
"""By input: the layer that states it, and the figure."""


@dataclass(frozen=True, slots=True)
class FigureSet:
    """A user's figures: where they are from, and the content of the file."""

    where: str
    content: Table


@dataclass(frozen=True, slots=True)
class Inputs:
    """All inputs of one accelerator at one operator."""

    accelerator: str
    operator: str
    figures: Mapping[str, InputFigure]
    kw_holds_pue: bool
    colo_holds_power: bool
    depreciation: Depreciation = "straight-line"

    @property
    def values(self) -> dict[str, float]:
        """The numbers that `stack` takes."""
        flags = {"kw_holds_pue": float(self.kw_holds_pue), "colo_holds_power": float(self.colo_holds_power)}
        method = {DEPRECIATION: float(DEPRECIATIONS.index(self.depreciation))}
        return {name: f.value for name, f in self.figures.items()} | flags | method

    @property
    def capital_implied(self) -> bool:
        return self.figures["all_in_usd"].implied


def operators() -> dict[str, str]:
    """The shipped operators and their names."""
    return {key: str(table["name"]) for key, table in _tables("operators").items()}


def operator_pue(operator: str) -> tuple[float, str]:
    """The power usage effectiveness of an operator's sites, and its source."""
    merged: Merged = {}
    for name, content in (("default", _shipped("default")), (operator, _tables("operators")[operator])):
        _lay(merged, FigureSet(name, {"pue": content["pue"]} if "pue" in content else {}))
    figure = merged["pue"][1]
    return figure.value or 1.0, figure.source


def shipped_accelerators() -> list[str]:
    """The accelerators with a shipped set."""
    return list(_shipped("accelerators"))


def shipped_sets() -> dict[str, str]:
    """The shipped override files: name and what each is."""
    return {p.stem: str(read_toml(p).get("text", "")) for p in sorted(SETS.glob("*.toml"))}


def read_set(name_or_path: str | Path) -> FigureSet:
    """A shipped set by name, or the user's TOML file."""
    path = Path(name_or_path)
    if path.suffix != ".toml":
        if not (SETS / f"{name_or_path}.toml").is_file():
            raise UnknownName("TCO set (or give a file that ends in .toml)", str(name_or_path), list(shipped_sets()))
        return FigureSet(f"set {name_or_path}", read_toml(SETS / f"{name_or_path}.toml"))
    return FigureSet(str(path), read_toml(path, "TCO set"))


def read_sets(sets: Iterable[str | Path | Table]) -> list[FigureSet]:
    """Sets given as shipped names, TOML files or tables of figures."""
    return [FigureSet("the question", s) if isinstance(s, Mapping) else read_set(s) for s in sets]


def inputs(
    catalog: Catalog, accelerator: str, operator: str = "neocloud", own_sets: Sequence[FigureSet] = ()
) -> Inputs:
    """The inputs of an accelerator at an operator, with the user's sets overlaid on the shipped ones."""
    if operator not in operators():
        raise UnknownName("operator", operator, list(operators()))
    merged: Merged = {}
    layers = [*_shipped_layers(accelerator, operator), *_own_layers(catalog, accelerator, operator, own_sets)]
    for layer in layers:
        _lay(merged, layer)
    return replace(_resolved(catalog, accelerator, operator, merged), depreciation=_depreciation(layers))


def own_accelerators(catalog: Catalog, own_sets: Sequence[FigureSet]) -> list[str]:
    """The accelerators that the user's sets add: sections with a power under a name that the catalog lacks."""
    return [name for s in own_sets for name, table in _sections(s.content).items() if _is_own(catalog, name, table)]


def implied_capital(catalog: Catalog, accelerator: str, price_set: str, tier: str) -> float:
    """The capital of a GPU, USD, that gives the published USD per GPU-hour with the shipped inputs of that operator.

    The cost is linear in capital, so two evaluations give it.
    """
    published = tariff(catalog, price_set, tier).usd_per_gpu_h.get(accelerator)
    if published is None:
        raise NoData(f"TCO set {price_set} has no price of {accelerator} under {tier}; give all_in_usd for it in --set")
    merged: Merged = {}
    for layer in _shipped_layers(accelerator, tier):
        _lay(merged, FigureSet(layer.where, {k: v for k, v in layer.content.items() if k not in CAPITAL}))
    merged["all_in_usd"] = ("trial", StatedFigure(value=0.0))
    values = _resolved(catalog, accelerator, tier, merged).values
    without = float(total(values))
    per_usd = (float(total({**values, "all_in_usd": TRIAL_USD})) - without) / TRIAL_USD
    if published <= without:
        raise NoData(f"running {accelerator} costs {without:.2f} USD per hour, more than the published {published:g}")
    return (published - without) / per_usd


def _shipped_layers(accelerator: str, operator: str) -> list[FigureSet]:
    of_accelerator = _tables("accelerators").get(accelerator, {})
    at_operator = of_accelerator.get(operator)
    return [
        FigureSet("default", _shipped("default")),
        FigureSet(operator, _tables("operators")[operator]),
        FigureSet(accelerator, {k: v for k, v in of_accelerator.items() if k not in operators()}),
        FigureSet(f"{accelerator} at {operator}", at_operator if isinstance(at_operator, Mapping) else {}),
    ]


def _own_layers(catalog: Catalog, accelerator: str, operator: str, own_sets: Sequence[FigureSet]) -> list[FigureSet]:
    """A user's figures for all, then those of the operator, then of the accelerator."""
    layers: list[FigureSet] = []
    for own in own_sets:
        sections = _sections(own.content)
        by_id = {_section_id(catalog, own.where, name, table): table for name, table in sections.items()}
        layers.append(FigureSet(own.where, {k: v for k, v in own.content.items() if k not in sections}))
        layers += [FigureSet(f"{own.where}, [{k}]", by_id[k]) for k in (operator, accelerator) if k in by_id]
    return layers


def _sections(content: Table) -> dict[str, Table]:
    """The tables that are not the figure of an input: figures of one operator or accelerator."""
    return {
        key: value
        for key, value in content.items()
        if isinstance(value, Mapping) and key not in PARAMETERS and not set(value) & {"value", "implied_from"}
    }


def _is_own(catalog: Catalog, name: str, table: Table) -> bool:
    return "kw" in table and name not in catalog.accelerators and name not in operators()


def _section_id(catalog: Catalog, where: str, name: str, table: Table) -> str:
    if name in operators() or _is_own(catalog, name, table):
        return name
    if name in catalog.accelerators:
        return catalog.accelerators.id_of(name)
    raise UnknownName(f"accelerator or operator in {where}", name, [*operators(), *catalog.accelerators.entries])


def _lay(merged: Merged, layer: FigureSet) -> None:
    """Lay a layer over those before; capital stated in total replaces capital in parts, and the reverse."""
    figures = {n: stated(n, raw, layer.where) for n, raw in layer.content.items() if n not in _NOT_FIGURES}
    if "all_in_usd" in figures and set(figures) & set(PARTS):
        raise BadConfig(
            f"{layer.where}: all_in_usd includes server, network, storage and installation; give one or the other"
        )
    for replaced in PARTS if "all_in_usd" in figures else CAPITAL[:1] if set(figures) & set(PARTS) else ():
        merged.pop(replaced, None)
    merged.update({name: (layer.where, figure) for name, figure in figures.items()})


def _depreciation(layers: Iterable[FigureSet]) -> Depreciation:
    """The schedule that the last layer states; straight-line if none does."""
    method: Depreciation = "straight-line"
    for layer in layers:
        stated_method = layer.content.get(DEPRECIATION, method)
        chosen = next((d for d in DEPRECIATIONS if d == stated_method), None)
        if chosen is None:
            raise UnknownName(f"depreciation in {layer.where}", str(stated_method), list(DEPRECIATIONS))
        method = chosen
    return method


def _resolved(catalog: Catalog, accelerator: str, operator: str, merged: Merged) -> Inputs:
    if not set(merged) & set(CAPITAL):
        raise NoData(f"no capital cost for {accelerator}; give all_in_usd or server_usd under [{accelerator}] in --set")
    if "kw" not in merged:
        raise NoData(f"no power for {accelerator}; give kw under [{accelerator}] in --set")
    not_used = InputFigure(value=0.0, layer=NOT_USED)
    return Inputs(
        accelerator,
        operator,
        {n: _figure(catalog, accelerator, n, merged) if n in merged else not_used for n in PARAMETERS},
        bool(merged["kw"][1].holds_pue),
        merged["colo_usd_per_kw_month"][1].holds_power,
    )


def _figure(catalog: Catalog, accelerator: str, name: str, merged: Merged) -> InputFigure:
    layer, figure = merged[name]
    scale = _scale(accelerator, name, merged)
    if figure.implied_from:
        return InputFigure(
            value=implied_capital(catalog, accelerator, figure.implied_from, figure.tier) * figure.times,
            spread=figure.spread,
            source=figure.source or f"implied from {figure.tier} of TCO set {figure.implied_from}",
            date=figure.implied_from,
            layer=layer,
            implied=True,
        )
    return InputFigure(
        value=figure.number * scale,
        low=None if figure.low is None else figure.low * scale,
        high=None if figure.high is None else figure.high * scale,
        spread=figure.spread,
        source=figure.source or layer,
        date=figure.date,
        layer=layer,
        range_source=figure.range_source,
    )


def _scale(accelerator: str, name: str, merged: Merged) -> float:
    """The factor that turns the figure into one per GPU."""
    layer, figure = merged[name]
    if figure.per == "gpu":
        return 1.0
    if figure.per == "server-price":
        if name not in PARTS[1:] or "server_usd" not in merged:
            raise BadConfig(f"{layer}: {name} is a share of the server's price, but no server_usd is given")
        return merged["server_usd"][1].number * _scale(accelerator, "server_usd", merged)
    count = f"gpus_per_{figure.per}"
    if count not in merged:
        raise BadConfig(f"{layer}: {name} is stated per {figure.per} of {accelerator}; give {count} too")
    return 1 / merged[count][1].number


def _tables(stem: str) -> dict[str, Table]:
    return {key: table for key, table in _shipped(stem).items() if isinstance(table, Mapping)}


@cache
def _shipped(stem: str) -> dict[str, object]:
    return read_toml(DATA / f"{stem}.toml")
