"""Parameter sets in layers: defaults ← operator ← accelerator ← the user's own, each figure with its layer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

from paretoken.catalog.loader import Catalog, read_toml
from paretoken.errors import BadConfig, NoData, UnknownName
from paretoken.prices.owner.figures import Figure, Stated, stated
from paretoken.prices.owner.levelised import total
from paretoken.prices.owner.parameters import CAPITAL, PARAMETERS, PARTS
from paretoken.prices.tariff import tariff

DATA = Path(__file__).parent.parent / "data" / "tco"
SETS = DATA / "sets"
TRIAL_USD = 1e5
_NOT_FIGURES = ("name", "text")


@dataclass(frozen=True, slots=True)
class Inputs:
    """All inputs of one accelerator at one operator."""

    accelerator: str
    operator: str
    figures: Mapping[str, Figure]
    kw_holds_pue: bool
    colo_holds_power: bool

    @property
    def values(self) -> dict[str, float]:
        """What `stack` calculates with."""
        flags = {"kw_holds_pue": float(self.kw_holds_pue), "colo_holds_power": float(self.colo_holds_power)}
        return {name: f.value for name, f in self.figures.items()} | flags

    @property
    def capital_implied(self) -> bool:
        return self.figures["all_in_usd"].implied

    def with_values(self, **values: float) -> Inputs:
        """The same with some figures set to known values."""
        known = {n: replace(self.figures[n], value=v, low=None, high=None) for n, v in values.items()}
        return replace(self, figures={**self.figures, **known})


def operators() -> dict[str, str]:
    """The shipped operators and their names."""
    return {key: table["name"] for key, table in _shipped("operators").items()}


def shipped_accelerators() -> list[str]:
    """The accelerators with a shipped set."""
    return list(_shipped("accelerators"))


def shipped_sets() -> dict[str, str]:
    """The shipped override files: name and what each is."""
    return {p.stem: read_toml(p).get("text", "") for p in sorted(SETS.glob("*.toml"))}


def read_set(name_or_path: str | Path) -> tuple[str, dict[str, Any]]:
    """(where it is from, its content) of a shipped set by name, or of the user's TOML file."""
    path = Path(name_or_path)
    if path.suffix != ".toml":
        if not (SETS / f"{name_or_path}.toml").is_file():
            raise UnknownName("TCO set (or give a file that ends in .toml)", str(name_or_path), list(shipped_sets()))
        return f"set {name_or_path}", read_toml(SETS / f"{name_or_path}.toml")
    return str(path), read_toml(path, "TCO set")


def inputs(
    catalog: Catalog,
    accelerator: str,
    operator: str = "neocloud",
    own: Sequence[tuple[str, Mapping[str, Any]]] = (),
) -> Inputs:
    """The inputs of an accelerator at an operator, with the user's sets (`read_set`) laid over the shipped ones."""
    if operator not in operators():
        raise UnknownName("operator", operator, list(operators()))
    layers = [*_shipped_layers(accelerator, operator), *_own_layers(catalog, accelerator, operator, own)]
    merged: dict[str, tuple[str, Stated]] = {}
    for where, table in layers:
        _lay(merged, where, table)
    return _resolved(catalog, accelerator, operator, merged)


def _shipped_layers(accelerator: str, operator: str) -> list[tuple[str, Mapping[str, Any]]]:
    of_accelerator = _shipped("accelerators").get(accelerator, {})
    return [
        ("default", _shipped("default")),
        (operator, _shipped("operators")[operator]),
        (accelerator, {k: v for k, v in of_accelerator.items() if k not in operators()}),
        (f"{accelerator} at {operator}", of_accelerator.get(operator, {})),
    ]


def _own_layers(
    catalog: Catalog, accelerator: str, operator: str, own: Sequence[tuple[str, Mapping[str, Any]]]
) -> list[tuple[str, Mapping[str, Any]]]:
    """A user's figures for all, then those of the operator, then of the accelerator."""
    found = []
    for where, content in own:
        figures = {k: v for k, v in content.items() if not _is_section(k, v)}
        sections = {k: v for k, v in content.items() if _is_section(k, v)}
        by_name = {_section(catalog, where, k, v): v for k, v in sections.items()}
        found.append((where, figures))
        found += [(f"{where}, [{k}]", by_name[k]) for k in (operator, accelerator) if k in by_name]
    return found


def _is_section(key: str, value: Any) -> bool:
    """A table that is not the figure of a known input."""
    return isinstance(value, dict) and key not in PARAMETERS and not set(value) & {"value", "implied_from"}


def own_accelerators(catalog: Catalog, own: Sequence[tuple[str, Mapping[str, Any]]]) -> list[str]:
    """The accelerators that the user's sets add: sections with a power under a name that the catalog lacks."""
    return [k for _, content in own for k, v in content.items() if _is_section(k, v) and _is_own(catalog, k, v)]


def _is_own(catalog: Catalog, name: str, table: Mapping[str, Any]) -> bool:
    return "kw" in table and name not in catalog.accelerators and name not in operators()


def _section(catalog: Catalog, where: str, name: str, table: Mapping[str, Any]) -> str:
    if name in operators() or _is_own(catalog, name, table):
        return name
    if name in catalog.accelerators:
        return catalog.accelerators.id_of(name)
    raise UnknownName(f"accelerator or operator in {where}", name, [*operators(), *catalog.accelerators])


def _lay(merged: dict[str, tuple[str, Stated]], where: str, table: Mapping[str, Any]) -> None:
    """Lay a layer over those before; capital stated in whole replaces capital in parts, and the reverse."""
    found = {name: stated(name, raw, where) for name, raw in table.items() if name not in _NOT_FIGURES}
    if "all_in_usd" in found and set(found) & set(PARTS):
        raise BadConfig(f"{where}: all_in_usd holds server, network, storage and installation; give one or the other")
    for gone in PARTS if "all_in_usd" in found else CAPITAL[:1] if set(found) & set(PARTS) else ():
        merged.pop(gone, None)
    merged.update({name: (where, figure) for name, figure in found.items()})


def _resolved(catalog: Catalog, accelerator: str, operator: str, merged: dict[str, tuple[str, Stated]]) -> Inputs:
    if not set(merged) & set(CAPITAL):
        raise NoData(
            f"no capital is known for {accelerator}; give all_in_usd or server_usd under [{accelerator}] in --set"
        )
    if "kw" not in merged:
        raise NoData(f"no power is known for {accelerator}; give kw under [{accelerator}] in --set")
    figures = {name: _figure(catalog, accelerator, name, merged) for name in PARAMETERS if name in merged}
    none = Figure(0.0, None, None, "triangular", "", "", "not used")
    filled = {name: figures.get(name, none) for name in PARAMETERS}
    return Inputs(
        accelerator, operator, filled, bool(merged["kw"][1].holds_pue), merged["colo_usd_per_kw_month"][1].holds_power
    )


def _figure(catalog: Catalog, accelerator: str, name: str, merged: dict[str, tuple[str, Stated]]) -> Figure:
    where, found = merged[name]
    scale = _scale(accelerator, name, found, merged, where)
    if found.implied_from:
        value = implied_capital(catalog, accelerator, found.implied_from, found.tier) * found.times
        source = found.source or f"implied from {found.tier} of TCO set {found.implied_from}"
        return Figure(value, None, None, found.spread, source, found.implied_from, where, "", True)
    low, high = (None if x is None else x * scale for x in (found.low, found.high))
    source, date = found.source or where, found.date
    return Figure(found.value * scale, low, high, found.spread, source, date, where, found.range_source)


def _scale(accelerator: str, name: str, found: Stated, merged: dict[str, tuple[str, Stated]], where: str) -> float:
    """What turns the figure into one per GPU."""
    if found.per == "gpu":
        return 1.0
    if found.per == "server-price":
        if name not in PARTS[1:] or "server_usd" not in merged:
            raise BadConfig(f"{where}: {name} is a share of the server's price, but no server_usd is given")
        server = merged["server_usd"]
        return server[1].value * _scale(accelerator, "server_usd", server[1], merged, server[0])
    count = f"gpus_per_{found.per}"
    if count not in merged:
        raise BadConfig(f"{where}: {name} is stated per {found.per} of {accelerator}; give {count} too")
    return 1 / merged[count][1].value


def implied_capital(catalog: Catalog, accelerator: str, tco: str, tier: str) -> float:
    """The capital of a GPU, USD, that gives the published USD per GPU-hour with the shipped inputs of that operator.

    The cost is linear in capital, so two evaluations give it.
    """
    published = tariff(catalog, tco, tier).usd_per_gpu_h.get(accelerator)
    if published is None:
        raise NoData(f"TCO set {tco} has no price of {accelerator} under {tier}; give all_in_usd for it in --set")
    merged: dict[str, tuple[str, Stated]] = {}
    for where, table in _shipped_layers(accelerator, tier):
        _lay(merged, where, {k: v for k, v in table.items() if k not in CAPITAL})
    merged["all_in_usd"] = ("trial", Stated(value=0.0))
    v = _resolved(catalog, accelerator, tier, merged).values
    none, per_usd = total(v), (total({**v, "all_in_usd": TRIAL_USD}) - total(v)) / TRIAL_USD
    if published <= none:
        raise NoData(f"running {accelerator} costs {none:.2f} USD per hour, more than the published {published:g}")
    return float((published - none) / per_usd)


@cache
def _shipped(stem: str) -> dict[str, Any]:
    return read_toml(DATA / f"{stem}.toml")
