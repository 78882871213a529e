"""Where a server's weights come from: a folder or file, or a repository of the Hugging Face hub."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

from paretoken.catalog.entries import HubRepository, Model
from paretoken.catalog.loader import FOLDER_PREFIXES, Catalog
from paretoken.catalog.names import fold, precision_id
from paretoken.errors import BadConfig

REPOSITORY = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")
_SUFFIXES = re.compile(r"[-_.]?(?:fp8|fp4|nvfp4|mxfp4|bf16|fp16|int4|int8|instruct|kv|dynamic)$", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Weights:
    """Weights of a model. `path` is a name on the hub if `hub`, else a path; `entry` is what the catalog knows of it.

    `checked` is whether a path exists on this machine.
    """

    path: str
    hub: bool
    checked: bool = True
    entry: HubRepository | None = None


def weights_of(catalog: Catalog, model: str, path: str, precision: str, vendor: str) -> Weights:
    """The weights at `path`, or without one those of `model` on the hub, in a precision ("" for the model's own).

    BadConfig where no repository is known.
    """
    name = path or (model if REPOSITORY.fullmatch(model) or Path(model).exists() or _is_path(model) else "")
    if not name:
        entry = _repository(catalog, model, precision, vendor)
        return Weights(path=entry.name, hub=True, entry=entry)
    place = Path(name).expanduser()
    if place.exists() or _is_path(name):
        # Not resolved: in the hub's cache, files are links, and engines go by their names.
        return Weights(path=os.path.abspath(place), hub=False, checked=place.exists())  # noqa: PTH100, resolves no links
    if is_hub_name(name):
        return Weights(path=name, hub=True, entry=_listed(catalog, model, name))
    raise BadConfig(
        f"the weights {name!r} are no file or folder on this machine and no hub name (org/name); "
        f"for a path of another machine, write it in full, as in /models/{name.rsplit('/', 1)[-1]}"
    )


def is_hub_name(path: str) -> bool:
    """Whether a path is a name on the hub, and not of something on this machine."""
    return bool(REPOSITORY.fullmatch(path)) and not Path(path).exists()


def _is_path(name: str) -> bool:
    return name.startswith(FOLDER_PREFIXES)


def _listed(catalog: Catalog, model: str, name: str) -> HubRepository | None:
    for key in (model, name):
        if key in catalog.models:
            return next((r for r in catalog.models[key].repositories if r.name.lower() == name.lower()), None)
    return None


def _repository(catalog: Catalog, model: str, precision: str, vendor: str) -> HubRepository:
    if model not in catalog.models:
        raise BadConfig(
            f"no weights are known for the model {model!r}; add --path with a folder, a file or a hub name (org/name)"
        )
    key = catalog.models.id_of(model)
    entry = catalog.models[key]
    wanted = precision or _precision_in(model) or entry.native_precision
    choices = [r for r in _of_name(entry, key, model) if r.precision == wanted and r.vendor in ("", vendor)]
    if choices:
        return next((r for r in choices if r.vendor), choices[0])
    others = [r.name for r in entry.repositories if r.vendor in ("", vendor)]
    known = f"; known for {entry.name}: {', '.join(others)}" if others else ""
    raise BadConfig(
        f"no hub repository of {model} in {wanted} is known"
        + (f" for {vendor} accelerators" if vendor else "")
        + f"; add --path with a folder, a file or a hub name{known}"
    )


def _of_name(entry: Model, key: str, model: str) -> list[HubRepository]:
    """The repositories of a model by one of its names: all for the id; for another name, those that begin with it.

    Names of one entry have the same shapes, but not the same weights.
    """
    if fold(model) in (fold(key), fold(entry.name)):
        return list(entry.repositories)
    stem = model
    while (shorter := _SUFFIXES.sub("", stem)) != stem:
        stem = shorter
    return [r for r in entry.repositories if fold(r.name.rsplit("/", 1)[-1]).startswith(fold(stem))]


def _precision_in(model: str) -> str:
    """The precision that a name ends with; empty if there is none."""
    last = re.split(r"[-_]", model)[-1]
    if not _SUFFIXES.fullmatch(last) or last.lower() in ("instruct", "kv", "dynamic"):
        return ""
    return precision_id(last)
