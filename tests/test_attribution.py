"""ATTRIBUTION.md names every file of data that the package ships, and every source in its tables."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import polars as pl
import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "src" / "paretoken"
TEXT = (ROOT / "ATTRIBUTION.md").read_text(encoding="utf-8")
PATTERNS = [p for p in re.findall(r"`([^`\s]+)`", TEXT) if ("/" in p and p[-1] != "/") or p == "py.typed"]


def shipped() -> Iterator[PurePosixPath]:
    for path in PACKAGE.rglob("*"):
        if path.is_file() and path.suffix not in (".py", ".pyc"):
            yield PurePosixPath(path.relative_to(PACKAGE).as_posix())


def named(path: PurePosixPath) -> bool:
    """`folder/*` stands for the files of a folder alone, `folder/**` for those of the folders below it too."""
    for pattern in PATTERNS:
        folder, _, last = pattern.rpartition("/")
        if str(path) == pattern or (last == "*" and str(path.parent) == folder):
            return True
        if last == "**" and str(path).startswith(f"{folder}/"):
            return True
    return False


def test_every_file_that_is_shipped_is_named():
    assert not sorted(str(path) for path in shipped() if not named(path))


def test_a_new_file_is_not_named():
    assert not named(PurePosixPath("prices/data/other.parquet"))
    assert not named(PurePosixPath("prices/data/owner/sets/deep/other.toml"))


@pytest.mark.parametrize("pattern", PATTERNS)
def test_every_file_that_is_named_is_shipped(pattern):
    if pattern.startswith(("docs/", "tools/", "LICENSES/")):
        assert (ROOT / pattern).is_file()
    elif pattern != "points/data/published.toml":
        assert list(PACKAGE.glob(pattern))


def test_the_chart_library_is_named_with_its_parts_licences_and_texts():
    """The banner of the vendored file names its parts; each has a licence, and a text where the terms ask for one."""
    with (PACKAGE / "report/assets/vendor/echarts.js").open(encoding="utf-8") as library:
        banner = library.readline()
    parts = re.findall(r"([\w ]+?) ?([\d.]+)? \((\S+)\)", banner)
    assert [(name.split()[-1], licence) for name, _, licence in parts] == [
        ("ECharts", "Apache-2.0"),
        ("zrender", "BSD-3-Clause"),
        ("tslib", "0BSD"),
    ]
    section = TEXT[TEXT.index("## Chart library") : TEXT.index("## Our own")]
    for name, version, licence in parts:
        line = next(line for line in section.splitlines() if line.startswith("|") and name.split()[-1] in line)
        assert version in line and licence in line
    named_texts = set(re.findall(r"`LICENSES/([^`]+)`", section))
    assert named_texts == {p.name for p in (ROOT / "LICENSES").iterdir()}
    assert "Baidu" in (ROOT / "LICENSES/zrender-BSD-3-Clause.txt").read_text(encoding="utf-8")


def test_every_source_of_points_is_named():
    sources = pl.read_parquet(PACKAGE / "points/data/published.parquet", columns=["source", "licence"]).unique()
    for source, licence in sources.iter_rows():
        line = next((line for line in TEXT.splitlines() if line.startswith(f"| `{source}`")), "")
        assert line, f"{source} is not named"
        for spdx in re.findall(r"Apache-2\.0|GPL-3\.0|\bMIT\b|CC-BY[-\w.]*", licence):
            assert spdx in line, f"{source} does not name {spdx}"


def test_every_source_of_rents_is_named_with_its_licence():
    rents = pl.read_parquet(PACKAGE / "prices/data/rental.parquet", columns=["source", "licence"])
    line = next(line for line in TEXT.splitlines() if line.startswith("| `prices/data/rental.parquet`"))
    carriers = rents.with_columns(pl.col("source").str.extract(r"^(?:github:)?([^@(:]+?) ?(?:[@(:]|\.csv|$)"))
    for carrier, licence in carriers.unique().iter_rows():
        assert carrier in line
        assert re.search(r"MIT|Apache-2\.0|CC-BY(-4\.0)?", licence).group() in line
    for owed in ("gpurentalprices.com", "Epoch AI", "cri-h100", "GPU Markets"):
        assert owed in TEXT.split("## ")[0], f"{owed} asks for attribution"
