"""Predicted points that earlier questions left in the user's cache: a file for each question, with its checksum."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from pathlib import Path
from tempfile import NamedTemporaryFile

import orjson
import polars as pl

from paretoken.catalog.loader import Catalog
from paretoken.errors import BadFile
from paretoken.plain_files import read_parquet
from paretoken.points.schema import STORED
from paretoken.user_folders import is_private_file, private_folder, user_cache
from paretoken.version import __version__

FORMAT = 1
MOST_FILES = 1000
"""Files that stay; the oldest go first."""
SUFFIX = ".points"
_DIGEST_BYTES = sha256().digest_size
_CODE = ("predict", "sessions", "catalog", "answers/session_points.py", "points/schema.py")
"""Files of the package on which predictions of sessions depend, data included."""


@dataclass(frozen=True, slots=True)
class KeptPoints:
    """A folder of points by key. What is missing, damaged or from someone else is None, and can be made again."""

    folder: Path

    @classmethod
    def of_user(cls) -> KeptPoints:
        """The folder in the user's cache."""
        return cls(user_cache() / "session-points")

    def read(self, key: str) -> pl.DataFrame | None:
        """The points of a key."""
        file = self._file(key)
        if not is_private_file(file):
            return None
        try:
            data = file.read_bytes()
            digest, body = data[:_DIGEST_BYTES], data[_DIGEST_BYTES:]
            if sha256(body).digest() != digest:
                return None
            points, _ = read_parquet(body, str(file))
        except (OSError, BadFile):
            return None
        return points if points.columns == [c.name for c in STORED] else None

    def write(self, key: str, points: pl.DataFrame) -> None:
        """Keep points; a folder that cannot be written keeps none."""
        body = io.BytesIO()
        points.write_parquet(body)
        with suppress(OSError):
            private_folder(self.folder.parent)
            private_folder(self.folder)
            self._replace(self._file(key), sha256(body.getvalue()).digest() + body.getvalue())
            self._forget()

    def _file(self, key: str) -> Path:
        return self.folder / f"{key}{SUFFIX}"

    def _replace(self, file: Path, data: bytes) -> None:
        """Write the whole file or nothing, whoever writes the same one."""
        with NamedTemporaryFile(dir=self.folder, suffix=".part", delete=False) as part:
            try:
                part.write(data)
                part.flush()
                Path(part.name).replace(file)
            except BaseException:
                Path(part.name).unlink(missing_ok=True)
                raise

    def _forget(self) -> None:
        files = sorted(self.folder.glob(f"*{SUFFIX}"), key=lambda file: file.stat().st_mtime_ns)
        for file in files[:-MOST_FILES]:
            file.unlink(missing_ok=True)


def key_of(question: tuple[object, ...], own_catalog: Catalog | None = None) -> str:
    """The key of the points of a question, for this code, its calibration and a catalog; None is the shipped one."""
    parts = [FORMAT, __version__, _code(), _entries(own_catalog), *question]
    return sha256(orjson.dumps(parts)).hexdigest()


@cache
def _code() -> str:
    """The checksum of what predictions depend on: code, calibration, the shipped catalog."""
    digest = sha256()
    for file in _files():
        data = file.read_bytes()
        digest.update(f"{file.name} {len(data)}\n".encode())
        digest.update(data)
    return digest.hexdigest()


def _files() -> Iterator[Path]:
    base = Path(__file__).parents[1]
    for name in _CODE:
        path = base / name
        files = sorted(path.rglob("*")) if path.is_dir() else [path]
        yield from (file for file in files if file.is_file() and "__pycache__" not in file.parts)


def _entries(catalog: Catalog | None) -> str:
    """The checksum of the entries of a catalog of the user's own."""
    if catalog is None:
        return ""
    digest = sha256()
    for registry in (catalog.accelerators, catalog.models, catalog.engines, catalog.session_workloads):
        for key, entry in sorted(registry.entries.items()):
            digest.update(f"{registry.kind} {key} {entry.model_dump_json()}\n".encode())
    return digest.hexdigest()
