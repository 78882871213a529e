"""The strict reader, the schema and the shipped table."""

from __future__ import annotations

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from paretoken.errors import BadFile, BadRows, CannotWrite
from paretoken.points.files import VERSION_KEY, read_points, write_points
from paretoken.points.published import PUBLISHED, published_points
from paretoken.points.schema import SCHEMA_VERSION, STORED, conform
from tests.support.points import BASE, row, table

HEADER = ",".join(BASE)
GOOD = ",".join(str(v) for v in BASE.values())


def line(**changes) -> str:
    return ",".join(str(v) for v in row(**changes).values())


def write(path, *lines):
    path.write_text("\n".join([HEADER, *lines]) + "\n")
    return path


def test_shipped_points_are_whole_and_small():
    assert PUBLISHED.stat().st_size <= 700_000
    points = published_points()
    assert points.height == 21_519
    assert points.filter(pl.col("licence").is_null() | pl.col("source").is_null()).is_empty()
    assert set(points["origin"]) == {"published"}


def test_csv_round_trip(tmp_path):
    points, errors = read_points(write(tmp_path / "a.csv", GOOD, line(concurrency=16)))
    assert errors == []
    assert points.equals(table(row(), row(concurrency=16.0)))


def test_parquet_round_trip_keeps_every_stored_column(tmp_path):
    before = published_points().head(50)
    write_points(before, tmp_path / "a.parquet")
    after, _ = read_points(tmp_path / "a.parquet")
    assert after.columns == [c.name for c in STORED]
    assert after.equals(conform(before))


@pytest.mark.parametrize(
    ("changes", "column", "why"),
    [
        ({"concurrency": "many"}, "concurrency", "not a number"),
        ({"n_gpus": "8.5"}, "n_gpus", "not a whole number"),
        ({"n_gpus": "-8"}, "n_gpus", "above 0"),
        ({"isl": "0"}, "isl", "above 0"),
        ({"concurrency": "nan"}, "concurrency", "not a finite number"),
        ({"concurrency": "inf"}, "concurrency", "not a finite number"),
        ({"origin": "guessed"}, "origin", "measured, published, predicted"),
        ({"model": ""}, "model", "is empty"),
    ],
)
def test_bad_value_is_placed(tmp_path, changes, column, why):
    file = write(tmp_path / "a.csv", GOOD, line(**changes), GOOD)
    with pytest.raises(BadRows) as caught:
        read_points(file)
    (error,) = caught.value.errors
    assert (error.file, error.row, error.column) == (str(file), 2, column)
    assert error.value == next(iter(changes.values()))
    assert why in str(caught.value)


def test_keep_going_loses_only_the_bad_rows(tmp_path):
    file = write(tmp_path / "a.csv", GOOD, line(isl="x", osl="-1"), line(concurrency=3), line(tp="nan"))
    points, errors = read_points(file, keep_going=True)
    assert points["concurrency"].to_list() == [8.0, 3.0]
    assert [(e.row, e.column) for e in errors] == [(2, "isl"), (2, "osl"), (4, "tp")]


def test_negative_and_nan_throughput_are_refused(tmp_path):
    for value in ("-3", "NaN"):
        file = tmp_path / "a.csv"
        file.write_text(f"{HEADER},total_tput_per_gpu_tok_s\n{GOOD},{value}\n")
        with pytest.raises(BadRows, match="total_tput_per_gpu_tok_s"):
            read_points(file)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "is empty"),
        (b"acelerator,n_gpus\nH200,8\n", "accelerator"),
        (b"accelerator,n_gpus\nH200,8\n", "is missing"),
        (HEADER.encode() + b"\n", "no rows"),
        (b"PAR1 cut off", "truncated"),
        (b"\xff\xfe\x00\x01garbage", "a.csv"),
    ],
)
def test_bad_file_is_one_sentence(tmp_path, content, says):
    (tmp_path / "a.csv").write_bytes(content)
    with pytest.raises(BadFile, match=says) as caught:
        read_points(tmp_path / "a.csv")
    assert "\n" not in str(caught.value)


def test_missing_file_and_folder(tmp_path):
    with pytest.raises(BadFile, match="does not exist"):
        read_points(tmp_path / "none.parquet")
    with pytest.raises(BadFile, match="is a folder"):
        read_points(tmp_path)


def test_truncated_parquet(tmp_path):
    (tmp_path / "a.parquet").write_bytes(PUBLISHED.read_bytes()[:10_000])
    with pytest.raises(BadFile, match="truncated"):
        read_points(tmp_path / "a.parquet")


def test_versions(tmp_path):
    table(row()).write_parquet(tmp_path / "none.parquet")
    with pytest.raises(BadFile, match="holds no operating points"):
        read_points(tmp_path / "none.parquet")
    table(row()).write_parquet(tmp_path / "new.parquet", metadata={VERSION_KEY: str(SCHEMA_VERSION + 1)})
    with pytest.raises(BadFile, match="newer"):
        read_points(tmp_path / "new.parquet")


def test_a_file_of_version_1_is_read(tmp_path):
    """Version 1 had no columns of pools, nor of what changes speed."""
    added = {
        *("speculative_tokens", "draft_model", "kv_cache_dtype", "chunked_prefill", "acceptance_length", "error_rate"),
        *(f"{pool}_{what}" for pool in ("prefill", "decode") for what in ("workers", "gpus")),
        *("input_tput_per_prefill_gpu_tok_s", "output_tput_per_decode_gpu_tok_s"),
    }
    old = table(row(disaggregated=True, tp=8, prefill_tp=4, median_tpot_s=0.01)).drop(added)
    old.write_parquet(tmp_path / "old.parquet", metadata={VERSION_KEY: "1"})
    old.write_csv(tmp_path / "old.csv")
    for name in ("old.parquet", "old.csv"):
        points, errors = read_points(tmp_path / name)
        assert not errors
        assert points.columns == [c.name for c in STORED]
        assert points.select("tp", "prefill_tp", "median_tpot_s").rows() == [(8, 4, 0.01)]
        assert all(points[c].null_count() == 1 for c in added)
    write_points(points, tmp_path / "new.parquet")
    assert pl.read_parquet_metadata(tmp_path / "new.parquet")[VERSION_KEY] == str(SCHEMA_VERSION) == "2"


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), pl.exceptions.ComputeError("No space left")])
def test_a_full_disk_is_one_sentence(monkeypatch, error):
    def full(*_, **__):
        raise error

    monkeypatch.setattr(pl.DataFrame, "write_parquet", full)
    with pytest.raises(CannotWrite, match=r"p\.parquet cannot be written: No space left"):
        write_points(table(row()), "p.parquet")


def test_unwritable_place(tmp_path):
    with pytest.raises(CannotWrite):
        write_points(table(row()), tmp_path / "no" / "such" / "folder.parquet")


@given(st.lists(st.sampled_from(["8", "16", "x", "-1", "", "nan"]), min_size=1, max_size=12))
def test_keep_going_keeps_exactly_the_good_rows(tmp_path_factory, values):
    file = write(tmp_path_factory.mktemp("h") / "a.csv", *(line(concurrency=v) for v in values))
    points, errors = read_points(file, keep_going=True)
    good = [float(v) if v else None for v in values if v in ("8", "16", "")]
    assert points["concurrency"].to_list() == good
    assert points.height + len({e.row for e in errors}) == len(values)
