"""The bounded readers: whatever a file holds, they give its values or one short sentence."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from paretoken.errors import BadFile
from paretoken.plain_files import load_yaml, read_json, read_parquet, read_parquet_bytes, read_toml

LONG = "9" * 5_000


def _parquet(frame: pl.DataFrame) -> bytes:
    file = io.BytesIO()
    frame.write_parquet(file, metadata={"kind": "test"})
    return file.getvalue()


@pytest.mark.parametrize(
    "content", [b"\xff\xfe=1", b"a=\x00", b"a = " + b"[" * 600, f"a = {LONG}".encode(), b"a =", b"]"]
)
def test_toml_that_cannot_be_read(tmp_path: Path, content: bytes) -> None:
    (file := tmp_path / "f.toml").write_bytes(content)
    with pytest.raises(BadFile, match=r"^study .*f\.toml is not valid TOML: ") as e:
        read_toml(file, "study")
    assert len(str(e.value)) < 300 + len(str(file))


@pytest.mark.parametrize("content", [b"\xff", b"", b"{" * 100_000, b"[" * 5_000, b"nan", b"{}{}"])
def test_json_that_cannot_be_read(tmp_path: Path, content: bytes) -> None:
    (file := tmp_path / "f.json").write_bytes(content)
    with pytest.raises(BadFile, match="is not valid JSON: "):
        read_json(file)


@pytest.mark.parametrize("reader", [read_toml, read_json, read_parquet])
def test_no_file(tmp_path: Path, reader: Callable[[Path], object]) -> None:
    with pytest.raises(BadFile, match="none does not exist"):
        reader(tmp_path / "none")
    with pytest.raises(BadFile, match="cannot be read"):
        reader(tmp_path)


@pytest.mark.parametrize("text", ["a: &a [1]\nb: *c", "[" * 40 + "]" * 40, "- : :\n -", f"a: 0x{'f' * 10}\nb: ]"])
def test_yaml_that_cannot_be_read(text: str) -> None:
    with pytest.raises(BadFile, match=r"^f\.yaml is "):
        load_yaml(text, "f.yaml")


def test_parquet_in_a_folder_named_like_a_pattern(tmp_path: Path) -> None:
    (place := tmp_path / "r[8*").mkdir()
    (place / "f.parquet").write_bytes(_parquet(pl.DataFrame({"a": [1], "b": ["x"]})))
    frame, metadata = read_parquet(place / "f.parquet", columns=["b"])
    assert frame.to_dicts() == [{"b": "x"}]
    assert metadata["kind"] == "test"


def test_every_cut_and_flipped_byte_of_parquet(capfd: pytest.CaptureFixture[str]) -> None:
    """A flipped byte may leave the file readable; where it does not, nothing but the one sentence is printed."""
    whole = _parquet(pl.DataFrame({"a": [1, 2, 3], "b": ["x", "y", None], "c": [[1], [], [2, 3]]}))
    refused = 0
    for n in range(0, len(whole), 7):
        for data in (whole[:n], whole[:n] + bytes([whole[n] ^ 0xFF]) + whole[n + 1 :]):
            try:
                read_parquet_bytes(data, "f.parquet")
            except BadFile as e:
                refused += 1
                assert str(e) == "f.parquet is a truncated or damaged Parquet file; write or copy it again"
    assert refused > len(whole) / 7
    assert capfd.readouterr().err == ""


def test_parquet_of_many_equal_rows_is_refused_before_it_is_unpacked() -> None:
    data = _parquet(pl.DataFrame({"a": pl.repeat(1, 40_000_000, dtype=pl.Int8, eager=True)}))
    with pytest.raises(BadFile, match="more than 30 million cells"):
        read_parquet_bytes(data, "f.parquet")
