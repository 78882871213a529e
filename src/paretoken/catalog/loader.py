"""Read the catalog: one TOML file per kind, the shipped ones first, the user's folder over them."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Generic, TypeVar

from pydantic import ValidationError

from paretoken.catalog.entries import KINDS, Accelerator, Engine, Entry, Model, TcoSet, Workload
from paretoken.errors import BadConfig, BadFile, UnknownName, nearest

SHIPPED = Path(__file__).parent / "data"
E = TypeVar("E", bound=Entry)
_LENGTHS = re.compile(r"[1-9]\d*/[1-9]\d*")


@dataclass(frozen=True, slots=True)
class Registry(Generic[E]):
    """The entries of one kind by id, found by id, name or alias whatever the case."""

    kind: str
    entries: dict[str, E]
    index: dict[str, str]

    def id_of(self, name: str) -> str:
        """The id that `name` stands for; UnknownName with the nearest ones if there is none."""
        found = self.index.get(_fold(name))
        if found is None:
            raise UnknownName(self.kind.removesuffix("s"), name, sorted(self.entries))
        return found

    def id_or_own(self, name: str, own: Iterable[str]) -> str:
        """The id that `name` stands for, or `name` itself if it is one of the user's own names."""
        return name if name in own and name not in self else self.id_of(name)

    def title(self, key: str) -> str:
        """The name to show for an id; the id itself where the catalog lacks it."""
        return self.entries[key].name if key in self.entries else key

    def place(self, key: str) -> tuple[int, str]:
        """Where an id stands in the catalog's order; names of the user's own come last, by name."""
        return (list(self.entries).index(key) if key in self.entries else len(self.entries), key)

    def __getitem__(self, name: str) -> E:
        return self.entries[self.id_of(name)]

    def __contains__(self, name: str) -> bool:
        return _fold(name) in self.index

    def __iter__(self):
        return iter(self.entries)

    def items(self):
        return self.entries.items()


@dataclass(frozen=True, slots=True)
class Catalog:
    """Everything known by name."""

    accelerators: Registry[Accelerator]
    models: Registry[Model]
    engines: Registry[Engine]
    workloads: Registry[Workload]
    tco: Registry[TcoSet]

    def newest_tco(self) -> str:
        """The id of the TCO set with the latest date."""
        return max(self.tco, key=lambda k: (self.tco[k].date, k))

    def workload_id(self, name: str) -> str:
        """The id of a workload by any of its names, or `ISL/OSL` in tokens as it is."""
        return name if _LENGTHS.fullmatch(name) and name not in self.workloads else self.workloads.id_of(name)

    def workload(self, name: str) -> Workload:
        """The workload of a name, or one of the lengths that `ISL/OSL` says."""
        key = self.workload_id(name)
        if key in self.workloads.entries:
            return self.workloads.entries[key]
        isl, osl = map(int, key.split("/"))
        return Workload(name=key, isl=isl, osl=osl, task="", source="the question itself", date="")

    def workload_at(self, isl: int, osl: int) -> str:
        """The id of the workload with these nominal lengths, else `ISL/OSL`."""
        return next((k for k, w in self.workloads.items() if (w.isl, w.osl) == (isl, osl)), f"{isl}/{osl}")


def load_catalog(*folders: Path | str) -> Catalog:
    """The shipped catalog, with the files of each given folder laid over it.

    A folder holds any of accelerators.toml, models.toml, engines.toml, workloads.toml and tco.toml.
    An entry with a known id replaces only the keys it gives; a new id must be complete.
    """
    if not folders:
        return _shipped()
    tables = {kind: dict(read_toml(SHIPPED / f"{kind}.toml")) for kind in KINDS}
    for folder in map(Path, folders):
        _lay_over(tables, folder)
    return _build(tables)


@cache
def _shipped() -> Catalog:
    return _build({kind: read_toml(SHIPPED / f"{kind}.toml") for kind in KINDS})


def _lay_over(tables: dict[str, dict[str, Any]], folder: Path) -> None:
    if not folder.is_dir():
        raise BadFile(f"catalog folder {folder} is not a folder; give one that holds {', '.join(KINDS)} as TOML")
    files = sorted(folder.glob("*.toml"))
    if not files:
        raise BadFile(f"catalog folder {folder} holds no TOML file; expected any of {', '.join(KINDS)}.toml")
    for file in files:
        if file.stem not in KINDS:
            near = nearest(file.stem, list(KINDS)) or list(KINDS)
            raise BadFile(f"{file}: no kind of catalog entry is called {file.stem!r}; did you mean {near[0]}.toml?")
        for key, entry in read_toml(file).items():
            if not isinstance(entry, dict):
                raise BadFile(f"{file}: {key!r} stands outside a table; an entry is written [id] and its keys")
            tables[file.stem][key] = {**tables[file.stem].get(key, {}), **entry}


def read_toml(file: Path, what: str = "") -> dict[str, Any]:
    """A TOML file; BadFile, which begins with `what` the file is, if it is none."""
    name = f"{what} {file}".strip()
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError as e:
        raise BadFile(f"{name} does not exist; check the path") from e
    except OSError as e:
        raise BadFile(f"{name} cannot be read: {e.strerror}") from e
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as e:
        raise BadFile(f"{name} is not valid TOML: {e}") from e


def _build(tables: dict[str, dict[str, Any]]) -> Catalog:
    return Catalog(**{kind: _shelf(kind, tables[kind]) for kind in KINDS})


def _shelf(kind: str, table: dict[str, Any]) -> Registry[Any]:
    entries = {key: _entry(kind, key, value) for key, value in table.items()}
    index = {_fold(key): key for key in entries}
    for key, entry in entries.items():
        for alias in (entry.name, *entry.aliases):
            owner = index.setdefault(_fold(alias), key)
            if owner != key:
                raise BadConfig(f"catalog {kind}: the name {alias!r} of {key} already belongs to {owner}")
    return Registry(kind, entries, index)


def _entry(kind: str, key: str, value: dict[str, Any]) -> Entry:
    try:
        return KINDS[kind].model_validate(value)
    except ValidationError as e:
        raise BadConfig(f"catalog {kind}, entry {key}: {explain(e, list(KINDS[kind].model_fields))}") from e


def explain(error: ValidationError, known: list[str]) -> str:
    """The first finding of a pydantic error as one sentence, with the nearest key for a stray one."""
    first = error.errors()[0]
    where = ".".join(str(p) for p in first["loc"])
    if first["type"] == "extra_forbidden":
        near = nearest(str(first["loc"][-1]), known)
        return f"unknown key {where!r}" + (f"; did you mean {near[0]!r}?" if near else "")
    if first["type"] == "missing":
        return f"the key {where!r} is missing"
    return f"{where} = {first['input']!r}: {first['msg'].lower()}"


def _fold(name: str) -> str:
    return name.casefold().replace("_", "-").strip()
