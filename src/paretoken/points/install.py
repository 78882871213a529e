"""A file, a folder or an address becomes an installed bundle: read whole, imported, then moved in as one folder."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

import polars as pl

from paretoken.catalog.loader import Catalog
from paretoken.errors import BadConfig, BadFile, CannotWrite, RowError
from paretoken.points.as_of import last_day
from paretoken.points.bundles import (
    MANIFEST,
    POINTS,
    Bundle,
    Manifest,
    SkippedRows,
    bundles_folder,
    check_name,
    installed,
    manifest_toml,
    names,
    sha256,
)
from paretoken.points.download import MAX_BYTES, Progress, download, is_url, too_large, without_secrets
from paretoken.points.files import own_reader, write_points
from paretoken.points.importers.inferencex_dump import table_paths
from paretoken.points.load import import_file
from paretoken.points.unpack import is_archive, unpack
from paretoken.version import __version__

REASONS = 40
"""The most reasons for skipped rows that a manifest lists."""
OWN = "points of paretoken"
_OF_ONE_ROW = re.compile(r" \([^()]*\)$")
"""What a reason says of one row, at its end; the manifest keeps that of the first."""


@dataclass(frozen=True, slots=True)
class Installation:
    """A bundle, and whether it is new; one that holds the same input already is not written again."""

    bundle: Bundle
    new: bool


def install(
    location: str,
    catalog: Catalog,
    *,
    name: str | None = None,
    expected_sha256: str | None = None,
    licence: str | None = None,
    on_progress: Progress = lambda done, total: None,
) -> Installation:
    """The bundle made from what is at a location. On any error nothing is installed and no bundle changes."""
    if name is not None and check_name(name) in names():
        raise BadConfig(f"the bundle {name} is installed already, and a bundle never changes; choose another name")
    with _staging() as staging:
        path, shown = _fetched(location, staging, on_progress)
        digest, size = _digest(path)
        if expected_sha256 is not None and expected_sha256.lower() != digest:
            raise BadFile(f"{shown} has the SHA-256 {digest}, not {expected_sha256}; nothing was installed")
        for old in installed():
            if name is None and old.manifest.input_sha256 == digest:
                return Installation(old, new=False)
        points, errors = _imported(path, staging, catalog, {"licence": licence})
        stem = _slug(points) if name is None else ""
        manifest = _manifest(points, errors, name or _free_name(stem), shown, digest, size, path)
        return Installation(_moved_in(points, manifest, staging), new=True)


@contextmanager
def _staging() -> Iterator[Path]:
    """A folder beside the bundles, hidden, that is gone afterwards."""
    folder = bundles_folder()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        staging = Path(tempfile.mkdtemp(prefix=".incoming-", dir=folder))
    except OSError as e:
        raise CannotWrite(f"{folder} cannot be written: {e.strerror}; set PARETOKEN_DATA to another folder") from e
    try:
        yield staging
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def _fetched(location: str, staging: Path, on_progress: Progress) -> tuple[Path, str]:
    """The file or folder of a location on this machine, and the location as the manifest names it, without secrets."""
    if not is_url(location):
        path = Path(location)
        if not path.exists():
            raise BadFile(f"{path} does not exist; check the path")
        return path, path.resolve().name
    parts = urlsplit(location)
    if parts.username or parts.password:
        raise BadConfig("the address holds a user name or a password; leave them out, and download the file yourself")
    (staging / "input").mkdir()
    path = staging / "input" / (re.sub(r"[^\w.-]", "_", parts.path.rsplit("/", 1)[-1]).lstrip(".") or "download")
    download(location, path, on_progress)
    return path, without_secrets(location)


def _digest(path: Path) -> tuple[str, int]:
    """The SHA-256 and the bytes of a file; of a folder, of the lines `hash  name` of its tables."""
    if not path.is_dir():
        size = path.stat().st_size
        if size > MAX_BYTES:
            raise too_large(str(path))
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest(), size
    tables = [(p.name, *_digest(p)) for p in sorted(table_paths(path).values())]
    listing = "".join(f"{digest}  {name}\n" for name, digest, _ in tables)
    return sha256(listing.encode()), sum(size for _, _, size in tables)


def _imported(
    path: Path, staging: Path, catalog: Catalog, values: Mapping[str, str | None]
) -> tuple[pl.DataFrame, list[RowError]]:
    """The points and what was skipped; BadFile for a file that is cut off, or of which no row could be read."""
    if is_archive(path):
        (staging / "unpacked").mkdir()
        path = unpack(path, staging / "unpacked")
    points, errors = import_file(path, catalog=catalog, values=values, keep_going=True)
    broken = next((e for e in errors if e.column == "line"), None)
    if broken:
        raise BadFile(f"{path.name}: line {broken.row} is not whole; the file may be truncated: download it again")
    if points.is_empty():
        raise BadFile(f"{path.name} holds no operating point" + (f"; the first row: {errors[0]}" if errors else ""))
    return points, errors


def _manifest(
    points: pl.DataFrame, errors: Sequence[RowError], name: str, shown: str, digest: str, size: int, path: Path
) -> Manifest:
    """The manifest, but for the hash of the points, which are not written yet."""
    days = points.select(first=last_day().min(), last=last_day().max()).row(0)
    own = not path.is_dir() and own_reader(_head(path)) is not None
    sources = tuple(points["source"].unique().sort())
    return Manifest(
        name=name,
        location=shown,
        retrieved=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        importer=f"{OWN if own else ', '.join(sources)}, paretoken {__version__}",
        sources=sources,
        licences=tuple(points["licence"].drop_nulls().unique().sort()),
        first_day=days[0] and days[0].isoformat(),
        last_day=days[1] and days[1].isoformat(),
        rows=points.height,
        input_sha256=digest,
        input_bytes=size,
        points_sha256="",
        skipped=_skipped(errors),
    )


def _head(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(1 << 16)


def _skipped(errors: Sequence[RowError]) -> tuple[SkippedRows, ...]:
    """The rows left out by reason, the most frequent first."""
    counts: dict[str, tuple[int, str]] = {}
    for error in errors:
        reason = error.why if error.column == "entry" else f"{error.column} {error.value!r} {error.why}"
        reason = _OF_ONE_ROW.sub("", reason)[:200]
        n, first = counts.get(reason, (0, f"row {error.row}, {error.value or error.why}"[:200]))
        counts[reason] = (n + 1, first)
    ranked = sorted(counts.items(), key=lambda item: -item[1][0])
    listed = tuple(SkippedRows(reason=reason, rows=n, first=first) for reason, (n, first) in ranked[:REASONS])
    rest = sum(n for _, (n, _) in ranked[REASONS:])
    return listed + ((SkippedRows(reason="other reasons", rows=rest, first=""),) if rest else ())


def _slug(points: pl.DataFrame) -> str:
    source = re.sub(r"[^a-z0-9]+", "-", str(points["source"].mode().sort()[0]).lower()).strip("-")
    return f"{source if source[:1].isalpha() else 'points'}"[:40] + f"-{datetime.now(UTC):%Y-%m-%d}"


def _free_name(stem: str) -> str:
    taken = set(names())
    return next(n for n in (stem, *(f"{stem}-{i}" for i in range(2, 10_000))) if n not in taken)


def _moved_in(points: pl.DataFrame, manifest: Manifest, staging: Path) -> Bundle:
    """Both files on disk, and the folder with them in its place at once."""
    place = bundles_folder() / manifest.name
    made = staging / "bundle"
    try:
        made.mkdir()
        write_points(points, made / POINTS)
        whole = replace(manifest, points_sha256=sha256((made / POINTS).read_bytes()))
        (made / MANIFEST).write_text(manifest_toml(whole), encoding="utf-8")
        for file in made.iterdir():
            with file.open("rb") as written:
                os.fsync(written.fileno())
        made.rename(place)
    except OSError as e:
        raise CannotWrite(f"{place} cannot be written: {e.strerror or e}; nothing was installed") from e
    return Bundle(whole, place / POINTS)
