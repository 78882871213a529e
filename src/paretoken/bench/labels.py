"""The labels of a run, checked before it: a name that nearly is one of the catalog is a slip, another is a new name."""

from __future__ import annotations

import re
from collections.abc import Sequence
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
_FORMAT = re.compile(r"(fp|int|nf|bf|mx)\d+")
"""A format of numbers that the catalog may not hold yet, such as int8."""
UNSTATED = ("", "unknown")
"""Labels that state nothing."""


def check_labels(config: BenchConfig, force: bool = False) -> tuple[str, ...]:
    """Notes on labels that the catalog does not hold. BadConfig for one that nearly is a name of it, unless `force`."""
    from paretoken.catalog.loader import load_catalog

    catalog = load_catalog()
    near = 1.1 if force else NEAR
    notes = [
        _label(
            "--accelerator", config.accelerator, catalog.accelerators, near, "prices and comparisons leave them out"
        ),
        _label("--engine", config.engine, catalog.engines, near, "no other engine is compared with it"),
        _label("--catalog-model", config.catalog_model, catalog.models, near, "no published point is of that model"),
        _precision(config.precision, near),
    ]
    return tuple(note for note in notes if note)


def _label(option: str, name: str | None, registry: Registry[E], cutoff: float, lost: str) -> str:
    if name is None or name in UNSTATED or name in registry:
        return ""
    by_form = {compact(known) or known: registry.index[known] for known in reversed(registry.index)}
    _refuse_slip(option, name, [by_form[form] for form in _close(compact(name), list(by_form), cutoff)])
    return f"{option} {visible(name)!r} is not in the catalog: the points keep that name, but {lost}"


def _precision(name: str | None, cutoff: float) -> str:
    if name is None or (word := precision_id(name)) in PRECISIONS:
        return ""
    if not _FORMAT.fullmatch(word):
        _refuse_slip("--precision", name, _close(word, PRECISIONS, cutoff))
    return f"--precision {visible(name)!r} is none of {', '.join(PRECISIONS)}: comparisons leave the points out"


def _close(name: str, names: Sequence[str], cutoff: float) -> list[str]:
    return get_close_matches(name, names, n=3, cutoff=cutoff) if cutoff <= 1 else []


def _refuse_slip(option: str, name: str, near: Sequence[str]) -> None:
    if near:
        words = " or ".join(dict.fromkeys(near))
        raise BadConfig(
            f"{option} {visible(name)!r} is not in the catalog; did you mean {words}? To keep the name, add --force"
        )
