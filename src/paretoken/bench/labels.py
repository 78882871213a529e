"""The labels of a run, checked before it: a name that nearly is one of the catalog is a slip, another is a new name."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING, TypeVar

from paretoken.bench.config import BenchConfig
from paretoken.catalog.entries import Entry
from paretoken.catalog.names import PRECISIONS, compact, precision_id
from paretoken.errors import BadConfig
from paretoken.foreign_text import visible

if TYPE_CHECKING:
    from paretoken.catalog.loader import Registry

E = TypeVar("E", bound=Entry)
NEAR = 0.75
"""The likeness (of difflib) from which a name is taken for a slip of another."""
_UNSTATED = ("", "unknown")


def check_labels(config: BenchConfig) -> tuple[str, ...]:
    """Notes on labels that the catalog does not hold. BadConfig for one that nearly is a name of it."""
    from paretoken.catalog.loader import load_catalog

    catalog = load_catalog()
    notes = [
        _label("--accelerator", config.accelerator, catalog.accelerators, "prices and comparisons"),
        _label("--engine", config.engine, catalog.engines, "comparisons of engines"),
        _label("--catalog-model", config.catalog_model, catalog.models, "comparisons with published points"),
        _precision(config.precision),
    ]
    return tuple(note for note in notes if note)


def _label(option: str, name: str | None, registry: Registry[E], lost: str) -> str:
    if name is None or name in _UNSTATED or name in registry:
        return ""
    by_form = {compact(known) or known: registry.index[known] for known in reversed(registry.index)}
    near = [by_form[form] for form in get_close_matches(compact(name), list(by_form), n=3, cutoff=NEAR)]
    if near:
        nearest = " or ".join(dict.fromkeys(near))
        raise BadConfig(f"{option} {visible(name)!r} is not in the catalog; did you mean {nearest}?")
    return f"{option} {visible(name)!r} is not in the catalog: the points keep that name, but {lost} leave them out"


def _precision(name: str | None) -> str:
    if name is None or (word := precision_id(name)) in PRECISIONS:
        return ""
    near = get_close_matches(word, PRECISIONS, n=2, cutoff=NEAR)
    if near:
        raise BadConfig(f"--precision {visible(name)!r} is unknown; did you mean {' or '.join(near)}?")
    return f"--precision {visible(name)!r} is none of {', '.join(PRECISIONS)}: comparisons leave the points out"
