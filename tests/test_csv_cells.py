"""Cells that a spreadsheet would compute are quoted, and read back as they were."""

from __future__ import annotations

import io

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from paretoken.csv_cells import quoted, unquoted, with_quoted_cells, with_unquoted_cells
from paretoken.points.files import read_points
from paretoken.predict.csvfile import ANSWERS, REQUIRED, read_rows, write_rows
from tests.support.points import row
from tests.support.points import table as stored

CELLS = st.text(st.sampled_from("=+-@\t\r\n'\"＝ a1.,e\\") | st.characters(codec="utf-8"), max_size=8)


@pytest.mark.parametrize(
    ("cell", "written"),
    [
        ("=1+1", "'=1+1"),
        ("+cmd|' /C calc'!A0", "'+cmd|' /C calc'!A0"),
        ("-2+3", "'-2+3"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("\t=1", "'\t=1"),
        ("\r=1", "'\r=1"),
        ("＝1", "'＝1"),
        ("'=1", "''=1"),
        ("-", "'-"),
        ("-1.5e-3", "-1.5e-3"),
        ("+7", "+7"),
        ("-.5", "-.5"),
        ("a=1", "a=1"),
        ("'a'", "'a'"),
        ("", ""),
    ],
)
def test_what_is_quoted(cell, written):
    assert quoted(cell) == written
    assert unquoted(written) == cell


@given(CELLS)
def test_every_cell_comes_back(cell):
    assert unquoted(quoted(cell)) == cell
    assert not cell or quoted(cell)[0] not in "=@\t\r\n＝＋－＠"


@given(st.lists(CELLS, min_size=1, max_size=5), CELLS.filter(lambda c: c and '"' not in c))
def test_tables_are_quoted_as_cells_are(cells, name):
    frame = pl.DataFrame({f"={name}": cells, "n": [-1.0] * len(cells)})
    written = with_quoted_cells(frame)
    assert written.columns == [quoted(f"={name}"), "n"]
    assert written.to_series(0).to_list() == [quoted(cell) for cell in cells]
    assert with_unquoted_cells(written).equals(frame)


def test_points_as_csv_are_read_back_as_they_were(tmp_path):
    points = stored(row(source="=HYPERLINK(1)", model="@m", engine="-e", licence="'+x"))
    file = tmp_path / "points.csv"
    with_quoted_cells(points).write_csv(file)
    assert "'=HYPERLINK(1)" in file.read_text()
    again, errors = read_points(file)
    assert not errors
    for name in ("source", "model", "engine", "licence"):
        assert again[name].to_list() == points[name].to_list()


def test_rows_of_predictions_are_read_back_as_they_were(tmp_path):
    own = dict.fromkeys(REQUIRED, "1") | {"accelerator": "=1+1", "note": "@x", "change": "-0.5"}
    figures = dict.fromkeys(ANSWERS) | {ANSWERS[0]: -1.0} | {"status": "-x: unknown"}
    write_rows([own], [figures], tmp_path / "out.csv")
    text = (tmp_path / "out.csv").read_text()
    assert "'=1+1" in text and "'@x" in text and ",-0.5," in text and "'-x: unknown" in text
    assert read_rows(tmp_path / "out.csv") == [own]


def test_csv_of_others_keeps_its_apostrophes():
    frame = with_unquoted_cells(pl.read_csv(io.BytesIO(b"a,b\n'x',it's\n"), infer_schema=False))
    assert frame.rows() == [("'x'", "it's")]
