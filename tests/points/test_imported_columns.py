"""Every column that a foreign file fills has its exact value; an extra or a missing column fails."""

from __future__ import annotations

import json

import pytest

from paretoken.points.load import import_file
from tests.support.foreign import DATA, GIVEN

POINTS = json.loads((DATA.parent / "imported_points.json").read_text(encoding="utf-8"))
"""By the stem of a file its points: every stored column that is not null."""
FILES = sorted((*DATA.glob("*.json*"), *DATA.glob("*.js")))


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.stem)
def test_every_column(path, catalog):
    points, _ = import_file(path, catalog=catalog, values=GIVEN.get(path.stem, {}), keep_going=path.suffix == ".js")
    expected = POINTS[path.stem]
    for row, point in enumerate(expected):
        filled = {column: value for column, value in points.row(row, named=True).items() if value is not None}
        assert filled.keys() == point.keys()
        for column, value in point.items():
            close = pytest.approx(value, rel=1e-9) if isinstance(value, float) else value
            assert filled[column] == close, column
    assert points.height == len(expected) or path.suffix == ".js"
