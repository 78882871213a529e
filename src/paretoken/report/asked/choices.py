"""The names that a form offers: those of the catalog, models with published points first."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from paretoken.answers.bundles import StoredPointsQuestion
from paretoken.answers.points import Data
from paretoken.catalog.loader import Catalog
from paretoken.prices.market.terms import RENTED
from paretoken.prices.outlook.scenario import shipped_scenarios
from paretoken.prices.owner.layers import operators

PRECISIONS = ("fp4", "fp8", "bf16", "int4")
ORIGINS = ("measured", "published", "predicted", "emulated")
NamedChoices = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Choices:
    """Values with their texts, by what a field names."""

    catalog: Catalog
    with_points: frozenset[str]

    @staticmethod
    @cache
    def shipped() -> Choices:
        """Those of the shipped catalog and points."""
        data = Data.of(StoredPointsQuestion())
        return Choices(data.catalog, frozenset(data.models))

    def of(self, field: str, kind: str) -> NamedChoices:
        """The choices of a field; none for one without names."""
        if kind not in ("text", "list", "loose"):
            return ()
        name = field.removesuffix("s") if field not in ("sets", "slo") else field
        plain = {"precision": PRECISIONS, "origin": ORIGINS, "term": RENTED, "contract": (*RENTED, "own")}
        plain |= {"operator": tuple(operators()), "scenario": tuple(shipped_scenarios())}
        if name in plain:
            return tuple((value, value) for value in plain[name])
        return self._of_catalog(name)

    def _of_catalog(self, name: str) -> NamedChoices:
        if name == "model":
            return self._models()
        if name == "tco":
            return tuple((key, key) for key in self.catalog.tco.entries)
        if name in ("accelerator", "against"):
            return tuple((key, entry.name) for key, entry in self.catalog.accelerators.entries.items())
        if name == "engine":
            return tuple((key, entry.name) for key, entry in self.catalog.engines.entries.items())
        if name == "workload":
            return tuple((key, entry.name) for key, entry in self.catalog.workloads.entries.items())
        return ()

    def _models(self) -> NamedChoices:
        models = self.catalog.models.entries
        first = [key for key in models if key in self.with_points]
        rest = sorted((key for key in models if key not in self.with_points), key=lambda k: models[k].name.lower())
        return tuple((key, models[key].name) for key in (*first, *rest))
