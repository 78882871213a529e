"""Keys in tables: no type of column and no metadata hides one."""

from __future__ import annotations

import base64

import polars as pl
import pytest

from paretoken.plain_files import read_parquet
from paretoken.receipts.keys import key_in_table

KEY = "sk-verysecretkey123"


HIDING_PLACES = {
    "texts": pl.Series("detail", [KEY]),
    "lists": pl.Series("x", [["a", KEY]]),
    "lists of lists": pl.Series("x", [[["a"], [KEY]]]),
    "arrays": pl.Series("x", [["a", KEY]], dtype=pl.Array(pl.String, 2)),
    "structs": pl.Series("x", [{"a": 1, "b": {"c": [KEY]}}]),
    "categories": pl.Series("x", [KEY], dtype=pl.Categorical),
    "enumerations": pl.Series("x", [KEY], dtype=pl.Enum([KEY])),
    "bytes": pl.Series("x", [KEY.encode()]),
    "lists of bytes": pl.Series("x", [[KEY.encode()]]),
    "the name of a column": pl.Series(KEY, [1]),
    "the name of a field": pl.Series("x", [{KEY: 1}]),
}


@pytest.mark.parametrize("place", HIDING_PLACES)
def test_a_key_is_found_wherever_a_table_holds_it(tmp_path, place):
    pl.DataFrame([HIDING_PLACES[place]]).write_parquet(tmp_path / "t.parquet")
    where = key_in_table(*read_parquet(tmp_path / "t.parquet", "t"))
    assert where and "verysecret" not in where


@pytest.mark.parametrize("metadata", [{"note": KEY}, {KEY: "x"}, {"api_key": "hunter2"}])
def test_a_key_is_found_in_the_metadata_of_a_table(tmp_path, metadata):
    pl.DataFrame({"x": [1]}).write_parquet(tmp_path / "t.parquet", metadata=metadata)
    where = key_in_table(*read_parquet(tmp_path / "t.parquet", "t"))
    assert where and "verysecret" not in where and "hunter2" not in where


def test_a_key_is_found_in_the_metadata_of_a_column():
    """It is in the Arrow schema, as Base64, after the four bytes of its length."""
    schema = base64.b64encode(b"\x04\0\0\0note\0\x13\0\0\0" + KEY.encode() + b"\0").decode()
    assert key_in_table(pl.DataFrame({"x": [1]}), {"ARROW:schema": schema})
    assert key_in_table(pl.DataFrame({"x": [1]}), {"ARROW:schema": "no Base64"}) is None


def test_the_tables_of_a_run_hold_no_key(sound):
    for file in sound.rglob("*.parquet"):
        assert key_in_table(*read_parquet(file, str(file))) is None
