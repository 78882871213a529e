"""Where a server's weights come from: a folder or file, or a repository of the Hugging Face hub."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

from paretoken.catalog.entries import HubRepository
from paretoken.catalog.loader import FOLDER_PREFIXES, Catalog
from paretoken.catalog.names import agreed_precision, release
from paretoken.errors import BadConfig

_SIZE = re.compile(r"a?\d+b|\d+e")
_LEFT_OUT = re.compile(r"v\d+(\.\d+)*|\d{4}|instruct|it|chat|hf|pt")
"""Words that people leave out at the end of a release's name: its training for chats, its version, its date. In the
middle they tell it from its base: Mixtral-8x7B-v0.1 is not Mixtral-8x7B-Instruct-v0.1."""
REPOSITORY = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")


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

    BadConfig where no repository is known, or where the precision is not that of the model's name.
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
        return Weights(path=name, hub=True, entry=listed_repository(catalog, model, name))
    raise BadConfig(
        f"the weights {name!r} are no file or folder on this machine and no hub name (org/name); "
        f"for a path of another machine, write it in full, as in /models/{name.rsplit('/', 1)[-1]}"
    )


def is_hub_name(path: str) -> bool:
    """Whether a path is a name on the hub, and not of something on this machine."""
    return bool(REPOSITORY.fullmatch(path)) and not Path(path).exists()


def is_id(catalog: Catalog, model: str) -> bool:
    """Whether a name of a catalog model is its id or its title, maybe with a precision; an alias may be of another
    release."""
    key = catalog.models.id_of(model)
    return release(model) in (release(key), release(catalog.models.title(key)))


def _is_path(name: str) -> bool:
    return name.startswith(FOLDER_PREFIXES)


def listed_repository(catalog: Catalog, model: str, name: str) -> HubRepository | None:
    """What the catalog knows of the repository `name` of a model; None if it does not list it."""
    for key in (model, name):
        if key in catalog.models:
            return next((r for r in catalog.models[key].repositories if r.name.lower() == name.lower()), None)
    return None


def _repository(catalog: Catalog, model: str, precision: str, vendor: str) -> HubRepository:
    if model not in catalog.models:
        raise BadConfig(
            f"no weights are known for the model {model!r}; add --path with a folder, a file or a hub name (org/name)"
        )
    entry = catalog.models[model]
    stated = agreed_precision(model, precision) or (entry.native_precision if is_id(catalog, model) else None)
    wanted = stated or entry.native_precision
    choices = [r for r in _of_name(catalog, model) if r.precision == wanted and r.vendor in ("", vendor)]
    if choices:
        return next((r for r in choices if r.vendor), choices[0])
    others = [r.name for r in entry.repositories if r.vendor in ("", vendor)]
    listed = f"; known for {entry.name}: {', '.join(others)}" if others else ""
    raise BadConfig(
        f"no hub repository of {model}{f' in {stated}' if stated else ''} is known"
        + (f" for {vendor} accelerators" if vendor else "")
        + f"; add --path with a folder, a file or a hub name{listed}"
    )


def _of_name(catalog: Catalog, model: str) -> list[HubRepository]:
    """The repositories of a model by one of its names: all for the id; for another name, those of that release.

    Names of one entry have the same shapes, but not the same weights.
    """
    own, words = is_id(catalog, model), re.split(r"[-\s]", release(model))

    def of_release(name: str) -> bool:
        its = [word for word in release(name).split("-") if word in words or not _SIZE.fullmatch(word)]
        return its[: len(words)] == words and all(map(_LEFT_OUT.fullmatch, its[len(words) :]))

    return [r for r in catalog.models[model].repositories if own or of_release(r.name)]
