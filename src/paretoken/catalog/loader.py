"""Read the catalog: one TOML file for each kind, one for each engine, and the user's folders over them."""

from __future__ import annotations

import re
from collections.abc import ItemsView, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from itertools import takewhile
from pathlib import Path
from typing import Any, Generic, TypeVar

from pydantic import ValidationError

from paretoken.catalog.board_names import OTHER_PRODUCTS, compact, is_other_board, not_one_accelerator, product_words
from paretoken.catalog.entries import KINDS, Accelerator, Engine, Entry, Model, TcoSet, Workload
from paretoken.catalog.lengths import FORMS, lengths
from paretoken.catalog.names import (
    checkpoint_names,
    fold,
    is_slip,
    joined,
    resembles,
)
from paretoken.catalog.session_workload import SessionWorkload
from paretoken.errors import SHOWN, BadConfig, BadFile, UnknownName, nearest, quoted
from paretoken.foreign_text import visible
from paretoken.plain_files import read_toml

SHIPPED = Path(__file__).parent / "data"
ENGINES = Path(__file__).parent / "engines"
Table = dict[str, Any]
"""One TOML table."""
LAST = 50
"""Place in lists of an engine that gives no `order`."""
LONGEST_NAME = 200
"""Characters of a name that the catalog lacks."""
_OTHERS = {
    "models": "predictions also take org/name of the Hugging Face hub, a folder, or a config.json",
    "workloads": FORMS,
    "tco": "for prices of your own, write a tco.toml (docs/catalog.md) and add its folder with --catalog",
}
"""What may be given instead of a name of the catalog, by kind."""
FOLDER_PREFIXES = ("/", "./", "../", "~")
"""How a path on this machine begins, unlike a name on a hub."""
E = TypeVar("E", bound=Entry)
LONGEST_REASON = 300
SESSION_KEYS = SessionWorkload.model_fields.keys() - Workload.model_fields.keys()
"""Keys that only a workload of sessions has."""
_OF_A_UNION = re.compile(r"(?:list|tuple|dict|literal|constrained-|function-|nullable)[\[\w].*|int|str|bool|float")
"""Parts of pydantic's places that name no key, but the kind that was tried."""


@dataclass(frozen=True, slots=True)
class Registry(Generic[E]):
    """The entries of one kind by id, found by id, name or alias whatever the case.

    Accelerators and models are also found by what drivers and hubs write: `NVIDIA-H200`, `amd/…-FP8-KV`.
    """

    kind: str
    entries: dict[str, E]
    index: dict[str, str]

    def id_of(self, name: str) -> str:
        """The id of `name`; UnknownName with the nearest ids if there is none."""
        key = self.find(name)
        if key is None:
            why, like, names = self._why_no_accelerator(name) if self.kind == "accelerators" else ("", name, [])
            other = _OTHERS.get(self.kind, "")
            kind = "TCO set" if self.kind == "tco" else self.kind.removesuffix("s")
            raise UnknownName(kind, name, names or sorted(self.entries), why, other, like)
        return key

    def id_or_new(self, name: str) -> str:
        """The id of `name`, or `name` itself where it is of something that the catalog lacks.

        UnknownName where it looks like a slip of the pen in a name of the catalog, or names no single accelerator.
        """
        name = " ".join(name.split())[:LONGEST_NAME]
        if not name or self.find(name) is not None or self._looks_meant(name):
            return self.id_of(name)
        # The folder of a model is a matter of the machine; the owner of a model on a hub is part of its name.
        own = (
            name.rstrip("/").rsplit("/", 1)[-1] if self.kind == "models" and name.startswith(FOLDER_PREFIXES) else name
        )
        return visible(own)

    def id_or_own(self, name: str, own: Iterable[str]) -> str:
        """The id of `name`, or `name` itself if it is one of the user's own names."""
        return name if name in own and fold(name) not in self.index else self.id_of(name)

    def title(self, key: str) -> str:
        """The name to show for an id; the id itself where the catalog lacks it."""
        return self.entries[key].name if key in self.entries else key

    def place(self, key: str) -> tuple[int, str]:
        """The sort key of an id: the order of the catalog, then the user's own names by name."""
        return (list(self.entries).index(key) if key in self.entries else len(self.entries), key)

    def __getitem__(self, name: str) -> E:
        return self.entries[self.id_of(name)]

    def __contains__(self, name: str) -> bool:
        return self.find(name) is not None

    def __iter__(self) -> Iterator[str]:
        return iter(self.entries)

    def items(self) -> ItemsView[str, E]:
        return self.entries.items()

    def find(self, name: str) -> str | None:
        """The id of `name`, None if there is none."""
        if len(name) > LONGEST_NAME:
            return None
        key = self.index.get(fold(name))
        if key is None and self.kind == "accelerators":
            return self._accelerator(name)
        if key is None and self.kind == "models":
            names = [*checkpoint_names(name)]
            exact = next((self.index[n] for n in names if n in self.index), None)
            return exact or next((k for n in names if (k := self._joined_index().get(joined(n)))), None)
        return key

    def _accelerator(self, name: str) -> str | None:
        """The product of a name; `mi355` is the MI355X, unless it is the name of a series or of another product."""
        short, products = compact(name), self._compact_index()
        series = short in OTHER_PRODUCTS or not_one_accelerator(short)
        return products.get(short) or (None if series else products.get(f"{short}x"))

    def _why_no_accelerator(self, name: str) -> tuple[str, str, list[str]]:
        """Why a name is that of no accelerator here, the part of it that resembles one, and the ids that it holds."""
        if why := not_one_accelerator(name):
            return why, name, []
        words = {*re.split(r"[-.\s]", fold(name))}
        near = sorted({key for of, key in self.index.items() if words.issuperset(product_words(of))}, key=self.place)
        if not near:
            return "", compact(name) or name, []
        entry = self.entries[near[0]]
        sizes = (entry.hbm_gib, entry.hbm_physical_gib) if isinstance(entry, Accelerator) else ()
        if not is_other_board(name, entry.name, sizes):
            return "", near[0], near
        why = f"a board with other memory, speed or power than {entry.name}"
        return f"{why}; use {' or '.join(near)} if you mean it, or add yours with --catalog", name, near

    def _looks_meant(self, name: str) -> bool:
        """Whether a name that the catalog lacks should be asked about."""
        if self.kind == "accelerators":
            short, products = compact(name), self._compact_index()
            if short in OTHER_PRODUCTS:
                return False
            slip = short.replace("o", "0") in products or any(is_slip(short, p) for p in products)
            return slip or bool(not_one_accelerator(name))
        names = [*checkpoint_names(name)] if self.kind == "models" else [fold(name)]
        return any(resembles(n, indexed) for n in names for indexed in self.index)

    def _compact_index(self) -> dict[str, str]:
        """Ids by their names without makers, with and without the memory that they are sold with."""
        names = {compact(name): key for name, key in self.index.items()}
        gib = {k: f"{a.hbm_gib:g}g" for k, a in self.entries.items() if isinstance(a, Accelerator)}
        sizes = {(k, size + b) for k, size in gib.items() for b in ("", "b")}
        return {**{compact(k) + gb: k for k, gb in sizes}, **names}

    def _joined_index(self) -> dict[str, str]:
        """Ids by their names and aliases without the separators that people leave out."""
        return {joined(name.rsplit("/", 1)[-1]): key for name, key in reversed(self.index.items())}


@dataclass(frozen=True, slots=True)
class Catalog:
    """Everything known by name."""

    accelerators: Registry[Accelerator]
    models: Registry[Model]
    engines: Registry[Engine]
    workloads: Registry[Workload]
    session_workloads: Registry[SessionWorkload]
    tco: Registry[TcoSet]

    def newest_tco(self) -> str:
        """The id of the TCO set with the latest date."""
        return max(self.tco, key=lambda k: (self.tco[k].date, k))

    def workload_id(self, name: str) -> str:
        """The id of a workload by any of its names or by its lengths, such as 1k1k; else `ISL/OSL` in tokens.

        BadConfig for one of sessions, which has no lengths.
        """
        if key := self.session_workloads.find(name):
            lengths_too = f"give one of fixed lengths, such as {', '.join([*self.workloads][:2])} or 8k/1k"
            raise BadConfig(
                f"{key} is a workload of sessions, which is not possible here; compare, predict and bench take it; "
                f"or {lengths_too}"
            )
        stated = None if name in self.workloads else lengths(name)
        if not stated and name not in self.workloads:
            raise UnknownName("workload", name, [*self.workloads, *self.session_workloads], "", FORMS)
        return self.workload_at(*stated) if stated else self.workloads.id_of(name)

    def workload(self, name: str) -> Workload:
        """The workload of a name, or one with the lengths of `ISL/OSL`."""
        key = self.workload_id(name)
        if key in self.workloads.entries:
            return self.workloads.entries[key]
        isl, osl = map(int, key.split("/"))
        return Workload(name=key, isl=isl, osl=osl, task="", source="the question itself", date="")

    def any_workload_id(self, name: str) -> str:
        """The id of a workload of either kind, or `ISL/OSL` in tokens."""
        return self.session_workloads.find(name) or self.workload_id(name)

    def session_workload(self, name: str) -> SessionWorkload | None:
        """The workload of sessions of this name; None for a workload of fixed lengths, UnknownName otherwise."""
        key = self.session_workloads.find(name)
        if key is None:
            self.workload_id(name)
            return None
        return self.session_workloads.entries[key]

    def workload_at(self, isl: int, osl: int) -> str:
        """The id of the workload with these nominal lengths, else `ISL/OSL`."""
        return next((k for k, w in self.workloads.items() if (w.isl, w.osl) == (isl, osl)), f"{isl}/{osl}")


def load_catalog(*folders: Path | str) -> Catalog:
    """The shipped catalog, overridden by the files of each folder.

    A folder has any of accelerators.toml, models.toml, engines.toml, workloads.toml and tco.toml.
    An entry with an existing id replaces only the keys that it sets; a new id must be complete.
    """
    if not folders:
        return _shipped()
    tables = {kind: _shipped_table(kind) for kind in KINDS}
    for folder in map(Path, folders):
        _lay_over(tables, folder)
    return _build(tables)


@cache
def _shipped() -> Catalog:
    return _build({kind: _shipped_table(kind) for kind in KINDS})


def _shipped_table(kind: str) -> Table:
    """The entries of one kind; of an engine's file, the keys that make up its catalog entry."""
    if kind != "engines":
        return read_toml(SHIPPED / f"{kind}.toml")
    files = {path.stem: read_toml(path) for path in ENGINES.glob("*.toml")}
    in_order = sorted(files, key=lambda key: (files[key].get("order", LAST), key))
    listed = (key for key in in_order if files[key].get("listed", True))
    return {key: {k: v for k, v in files[key].items() if k in Engine.model_fields} for key in listed}


def _lay_over(tables: Mapping[str, Table], folder: Path) -> None:
    if not folder.is_dir():
        raise BadFile(f"catalog folder {folder} is not a folder; give one with any of {', '.join(KINDS)}.toml")
    files = sorted(folder.glob("*.toml"))
    if not files:
        raise BadFile(f"catalog folder {folder} has no TOML file; expected any of {', '.join(KINDS)}.toml")
    for file in files:
        if file.stem not in KINDS:
            near = nearest(file.stem, list(KINDS)) or list(KINDS)
            raise BadFile(f"{file}: {file.stem!r} is not a kind of catalog entry; did you mean {near[0]}.toml?")
        for key, entry in read_toml(file).items():
            if not isinstance(entry, dict):
                raise BadFile(f"{file}: {key!r} is outside a table; write an entry as [id], followed by its keys")
            tables[file.stem][key] = {**tables[file.stem].get(key, {}), **entry}


def _build(tables: Mapping[str, Table]) -> Catalog:
    of_sessions = {key: value for key, value in tables["workloads"].items() if SESSION_KEYS & value.keys()}
    fixed = {key: value for key, value in tables["workloads"].items() if key not in of_sessions}
    return Catalog(
        accelerators=_registry("accelerators", Accelerator, tables),
        models=_registry("models", Model, tables),
        engines=_registry("engines", Engine, tables),
        workloads=_registry("workloads", Workload, {"workloads": fixed}),
        session_workloads=_registry("workloads", SessionWorkload, {"workloads": of_sessions}),
        tco=_registry("tco", TcoSet, tables),
    )


def _registry(kind: str, of: type[E], tables: Mapping[str, Table]) -> Registry[E]:
    entries = {key: _entry(kind, of, key, value) for key, value in tables[kind].items()}
    index = {fold(key): key for key in entries}
    for key, entry in entries.items():
        for alias in (entry.name, *entry.aliases):
            owner = index.setdefault(fold(alias), key)
            if owner != key:
                raise BadConfig(f"catalog {kind}: the name {alias!r} of {key} already belongs to {owner}")
    return Registry(kind, entries, index)


def _entry(kind: str, of: type[E], key: str, value: Table) -> E:
    try:
        return of.model_validate(value)
    except ValidationError as e:
        raise BadConfig(f"catalog {kind}, entry {key}: {explain(e, list(of.model_fields))}") from e


def explain(error: ValidationError, keys: list[str]) -> str:
    """The first error of a pydantic validation as one sentence, with the nearest of `keys` for an unknown one."""
    first = error.errors()[0]
    keys_to = takewhile(lambda p: not _OF_A_UNION.fullmatch(str(p)), first["loc"])
    where = ".".join(str(p)[:SHOWN] for p in keys_to)
    if first["type"] == "extra_forbidden":
        near = nearest(str(first["loc"][-1]), keys)
        return f"unknown key {quoted(where)}" + (f"; did you mean {near[0]!r}?" if near else "")
    if first["type"] == "missing":
        return f"the key {quoted(where)} is missing"
    own = first.get("ctx", {}).get("error") if first["type"] == "value_error" else None
    reason = str(own)[:LONGEST_REASON] if own else first["msg"][:LONGEST_REASON].lower()
    return f"{where} = {quoted(first['input'])}: {reason}" if where else reason
