"""Bundles of operating points: the shipped one, and those that the user has installed. None is ever edited.

An installed bundle is a folder of the user's data folder with two files: `points.parquet`, and `manifest.toml`,
which says where the points come from and pins both hashes. Every read of it checks the hash first.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from functools import lru_cache
from pathlib import Path
from typing import Annotated

import polars as pl
import tomli_w
from pydantic import ConfigDict, Field, TypeAdapter, ValidationError

from paretoken.catalog.loader import explain
from paretoken.errors import BadConfig, BadFile, CannotWrite, UnknownName
from paretoken.plain_files import read_toml
from paretoken.points.files import read_bytes, read_parquet
from paretoken.points.schema import CONFIGURATION_AT_LENGTHS
from paretoken.user_folders import data_home

SHIPPED = "shipped"
MANIFEST, POINTS = "manifest.toml", "points.parquet"
MANIFEST_VERSION = 1
ROW = ("origin", "source", "source_ref", "date", *CONFIGURATION_AT_LENGTHS, "load_kind", "concurrency", "request_rate")
"""What makes rows of two bundles one row: the same run at the same load, by one source."""
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9._-]{0,63}")
_SHIPPED_FILES = Path(__file__).parent / "data"
_READ_AGAIN = "remove it with 'paretoken data remove' and install it again"


@dataclass(frozen=True, slots=True, kw_only=True)
class SkippedRows:
    """Rows of the input that are not in the bundle: why, how many, and the first of them."""

    reason: str
    rows: int
    first: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """What a bundle holds and where it is from. Hashes are SHA-256; `location` is an address or a file name."""

    __pydantic_config__ = ConfigDict(extra="forbid")

    manifest_version: int = MANIFEST_VERSION
    name: str
    location: str
    retrieved: Annotated[str, Field(description="Time of the installation, UTC")]
    importer: str
    sources: tuple[str, ...]
    licences: tuple[str, ...]
    first_day: str | None = None
    last_day: str | None = None
    rows: int
    input_sha256: str
    input_bytes: int
    points_sha256: str
    skipped: tuple[SkippedRows, ...] = ()


@dataclass(frozen=True, slots=True)
class Bundle:
    """A bundle on disk."""

    manifest: Manifest
    points: Path

    @property
    def name(self) -> str:
        return self.manifest.name

    def read(self) -> pl.DataFrame:
        """The stored rows; BadFile if they are not those that the manifest names."""
        return _stored(self.points, self.manifest)


def data_folder() -> Path:
    """The folder of the user's data: $PARETOKEN_DATA, else where this system keeps data of programs."""
    if own := os.environ.get("PARETOKEN_DATA"):
        return Path(own)
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Application Support" / "paretoken"
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local") / "paretoken"
    return data_home() / "paretoken"


def bundles_folder() -> Path:
    """The folder that holds one folder for each installed bundle; it need not exist."""
    return data_folder() / "bundles"


def shipped() -> Bundle:
    """The bundle that comes with the package."""
    return Bundle(read_manifest(_SHIPPED_FILES / "published.toml"), _SHIPPED_FILES / "published.parquet")


def installed() -> list[Bundle]:
    """The installed bundles, the newest first."""
    return sorted(map(_bundle, _places()), key=lambda b: (b.manifest.retrieved, b.name), reverse=True)


def names() -> list[str]:
    """The names of all bundles, without reading them."""
    return [SHIPPED, *sorted(p.name for p in _places())]


def _places() -> list[Path]:
    """The folders of the installed bundles; other files beside them are none."""
    folder = bundles_folder()
    try:
        return [p for p in folder.iterdir() if p.is_dir() and _NAME.fullmatch(p.name)] if folder.is_dir() else []
    except OSError as e:
        raise BadFile(f"{folder} cannot be read: {e.strerror}; set PARETOKEN_DATA to another folder") from e


def bundle(name: str) -> Bundle:
    """The bundle of that name; UnknownName if there is none."""
    if name == SHIPPED:
        return shipped()
    if name not in names():
        raise UnknownName("bundle", name, names())
    return _bundle(bundles_folder() / name)


def chosen(named: Iterable[str] = ()) -> list[Bundle]:
    """The bundles of those names, or all of them; the newest first, the shipped one last."""
    wanted = list(dict.fromkeys(named))
    if not wanted:
        return [*installed(), shipped()]
    bundles = [bundle(name) for name in wanted]
    return sorted(bundles, key=lambda b: (b.name != SHIPPED, b.manifest.retrieved, b.name), reverse=True)


def rows_of(bundles: Sequence[Bundle]) -> pl.DataFrame:
    """The rows of bundles in one table; of a row that several hold, the one of the first bundle."""
    tables = rows_by_bundle(bundles)
    return tables[0] if len(tables) == 1 else pl.concat(tables)


def rows_by_bundle(bundles: Sequence[Bundle]) -> list[pl.DataFrame]:
    """For each bundle the rows that no bundle before it holds."""
    if len(bundles) == 1:
        return [bundles[0].read()]
    ranked = pl.concat(b.read().with_columns(_rank=pl.lit(rank, pl.Int32)) for rank, b in enumerate(bundles))
    kept = ranked.filter(pl.col("_rank") == pl.col("_rank").min().over(ROW))
    return [kept.filter(pl.col("_rank") == rank).drop("_rank") for rank in range(len(bundles))]


def remove(name: str) -> None:
    """Delete an installed bundle."""
    if name == SHIPPED:
        raise BadConfig("the shipped bundle is part of the package and cannot be removed; leave it out with --bundle")
    if name not in names():
        raise UnknownName("bundle", name, names())
    folder = bundles_folder() / name
    aside = folder.with_name(f".removed-{name}-{os.getpid()}")
    try:
        folder.rename(aside)
        shutil.rmtree(aside)
    except OSError as e:
        raise CannotWrite(f"{folder} cannot be removed: {e.strerror}") from e


def check_name(name: str) -> str:
    """The name, if a new bundle may have it; BadConfig if not."""
    if name == SHIPPED or not _NAME.fullmatch(name):
        raise BadConfig(
            f"a bundle cannot be named {name!r}; begin with a letter, use up to 64 letters, digits, '.', '_' and '-'"
        )
    return name


def read_manifest(path: Path) -> Manifest:
    """The manifest in a file; BadFile for one that is of another form."""
    table = read_toml(path, "manifest")
    version = table.get("manifest_version")
    if isinstance(version, int) and version > MANIFEST_VERSION:
        raise BadFile(f"{path} has manifest version {version}, newer than {MANIFEST_VERSION}; update paretoken")
    try:
        return TypeAdapter(Manifest).validate_python(table)
    except ValidationError as e:
        raise BadFile(f"manifest {path}: {explain(e, [f.name for f in fields(Manifest)])}; {_READ_AGAIN}") from e


def manifest_toml(manifest: Manifest) -> str:
    """The manifest as TOML that `read_manifest` reads back."""
    return tomli_w.dumps(TypeAdapter(Manifest).dump_python(manifest, mode="json", exclude_none=True))


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _bundle(folder: Path) -> Bundle:
    manifest = read_manifest(folder / MANIFEST)
    if manifest.name != folder.name:
        raise BadFile(f"bundle {folder.name}: its manifest names it {manifest.name!r}; {_READ_AGAIN}")
    return Bundle(manifest, folder / POINTS)


@lru_cache(maxsize=16)
def _stored(path: Path, manifest: Manifest) -> pl.DataFrame:
    """The rows of a file whose hash is pinned. Kept: a bundle never changes."""
    data = read_bytes(path)
    remedy = "install paretoken again" if manifest.name == SHIPPED else _READ_AGAIN
    if sha256(data) != manifest.points_sha256:
        raise BadFile(f"bundle {manifest.name}: the hash of its points is not the one in its manifest; {remedy}")
    points, _ = read_parquet(data, str(path), False)
    if points.height != manifest.rows:
        raise BadFile(f"bundle {manifest.name}: {points.height} rows, its manifest says {manifest.rows}; {remedy}")
    return points
