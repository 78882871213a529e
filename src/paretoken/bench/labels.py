"""The labels of a run, checked before it: a name outside the catalog is refused, unless the user insists on it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from paretoken.bench.config import BenchConfig
from paretoken.catalog.entries import Entry
from paretoken.catalog.names import PRECISIONS, precision_id
from paretoken.errors import BadConfig, UnknownName, nearest
from paretoken.foreign_text import visible

if TYPE_CHECKING:
    from paretoken.catalog.loader import Registry

E = TypeVar("E", bound=Entry)
UNSTATED = ("", "unknown")
"""Labels that state nothing."""


def check_labels(config: BenchConfig, force: bool = False) -> tuple[str, ...]:
    """BadConfig for a label that the catalog does not hold, and for --tp above --gpus; notes instead with `force`."""
    from paretoken.catalog.loader import load_catalog

    catalog = load_catalog()
    strange = [
        _label("--accelerator", config.accelerator, catalog.accelerators, "prices and comparisons leave them out"),
        _label("--engine", config.engine, catalog.engines, "no other engine is compared with it"),
        _label("--catalog-model", config.catalog_model, catalog.models, "no published point is of that model"),
        _precision(config.precision),
        _tensor_parallel(config),
    ]
    labels = [label for label in strange if label]
    if labels and not force:
        add = " Add" if labels[0].error.endswith("?") else "; or add"
        raise BadConfig(f"{labels[0].error}{add} --force to keep it")
    return tuple(label.note for label in labels)


@dataclass(frozen=True, slots=True)
class StrangeLabel:
    """A label that is refused: the sentence of the error, and that of the note where it is kept."""

    error: str
    note: str


def _label(option: str, name: str | None, registry: Registry[E], lost: str) -> StrangeLabel | None:
    if name is None or name in UNSTATED or name in registry:
        return None
    try:
        registry.id_of(name)
    except UnknownName as unknown:
        what = f"{option} {visible(name)!r} {unknown.reason}"
    listed = "" if what.endswith("?") else f"; see paretoken catalog {registry.kind}"
    return StrangeLabel(
        f"{what}{listed}",
        f"{option} {visible(name)!r} is not in the catalog: the points keep that name, but {lost}",
    )


def _precision(name: str | None) -> StrangeLabel | None:
    if name is None or (word := precision_id(name)) in PRECISIONS:
        return None
    names = ", ".join(PRECISIONS)
    near = nearest(word, list(PRECISIONS))
    what = f"--precision {visible(name)!r}"
    return StrangeLabel(
        f"{what} is unknown; " + (f"did you mean {' or '.join(near)}?" if near else f"use one of {names}"),
        f"{what} is none of {names}: comparisons leave the points out",
    )


def _tensor_parallel(config: BenchConfig) -> StrangeLabel | None:
    if not config.tp or not config.gpus or config.tp <= config.gpus:
        return None
    what = f"--tp {config.tp} needs {config.tp} GPUs, but --gpus is {config.gpus}"
    return StrangeLabel(f"{what}; add --gpus {config.tp}", f"{what}: figures per GPU are too high")
