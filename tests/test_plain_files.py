"""The bounded readers: whatever a file holds, they give its values or one short sentence."""

from __future__ import annotations

import io
import os
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from paretoken.errors import BadFile, quoted
from paretoken.plain_files import (
    as_type,
    load_yaml,
    read_bytes,
    read_json,
    read_parquet,
    read_toml,
    read_versioned,
)

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


@pytest.mark.parametrize("value", ["inf", "-inf", str(2**63), "1e300", "[{ a = 9223372036854775808 }]"])
def test_toml_numbers_out_of_range_are_named_by_their_key(tmp_path: Path, value: str) -> None:
    (file := tmp_path / "f.toml").write_text(f"[t]\nkey = {value}\n")
    with pytest.raises(BadFile, match=r"f\.toml: t\.key.* is out of range; correct it"):
        read_toml(file)


@pytest.mark.parametrize("content", [b"\xff", b"", b"{" * 100_000, b"[" * 5_000, b"nan", b"{}{}"])
def test_json_that_cannot_be_read(tmp_path: Path, content: bytes) -> None:
    (file := tmp_path / "f.json").write_bytes(content)
    with pytest.raises(BadFile, match="is not valid JSON: "):
        read_json(file)


@pytest.mark.parametrize("reader", [read_toml, read_json, lambda file: read_parquet(file, str(file))])
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
    frame, metadata = read_parquet(place / "f.parquet", "f.parquet", ["b"])
    assert frame.to_dicts() == [{"b": "x"}]
    assert metadata["kind"] == "test"


def test_every_cut_and_flipped_byte_of_parquet(capfd: pytest.CaptureFixture[str]) -> None:
    """A flipped byte may leave the file readable; where it does not, nothing but the one sentence is printed."""
    whole = _parquet(pl.DataFrame({"a": [1, 2, 3], "b": ["x", "y", None], "c": [[1], [], [2, 3]]}))
    refused = 0
    for n in range(0, len(whole), 7):
        for data in (whole[:n], whole[:n] + bytes([whole[n] ^ 0xFF]) + whole[n + 1 :]):
            try:
                read_parquet(data, "f.parquet")
            except BadFile as e:
                refused += 1
                assert str(e) == "f.parquet is a truncated or damaged Parquet file; write or copy it again"
    assert refused > len(whole) / 7
    assert capfd.readouterr().err == ""


def test_parquet_of_many_equal_rows_is_refused_before_it_is_unpacked() -> None:
    data = _parquet(pl.DataFrame({"a": pl.repeat(1, 40_000_000, dtype=pl.Int8, eager=True)}))
    with pytest.raises(BadFile, match="40,000,000 rows, more than its"):
        read_parquet(data, "f.parquet")


def test_an_alias_inside_its_own_anchor_is_refused() -> None:
    with pytest.raises(BadFile, match="inside its own anchor"):
        load_yaml("a: &a [1, *a]", "f.yaml")


class TestTypes:
    def test_the_first_key_that_does_not_fit_is_named(self) -> None:
        with pytest.raises(
            BadFile, match=r"^f\.json: b\.1: input should be a valid integer.*; was it edited by hand\?$"
        ):
            as_type(dict[str, list[int]], {"a": [1], "b": [1, "x"]}, "f.json")

    @pytest.mark.parametrize("number", [2**63, -(2**64), 1e308, 1e40])
    def test_a_number_that_none_of_our_files_holds(self, number: float) -> None:
        with pytest.raises(BadFile, match=r"f\.json: a\.0: .* is out of range"):
            as_type(dict[str, list[float]], {"a": [number]}, "f.json")

    def test_a_version_that_is_not_ours(self, tmp_path: Path) -> None:
        for content, says in (
            ("[]", "is no gate"),
            ("{}", "is no gate"),
            ('{"schema_version": [2]}', r"version \[2\]"),
        ):
            (tmp_path / "f.json").write_text(content)
            with pytest.raises(BadFile, match=says):
                read_versioned(tmp_path / "f.json", (1,), "is no gate")


class TestQuoted:
    @pytest.mark.parametrize(
        "value",
        ["x" * 70_000, 10**5_000, [1] * 10**6, {"a": "b" * 10_000}, b"y" * 10_000, "\u202e\x1b[2J"],
        ids=["text", "digits", "list", "table", "bytes", "escapes"],
    )
    def test_a_value_is_quoted_on_one_short_visible_line(self, value: object) -> None:
        words = quoted(value)
        assert len(words) <= 85
        assert words.isprintable()

    def test_short_values_are_quoted_whole(self) -> None:
        assert [quoted(v) for v in ("it's", 5, None, 1.5, ["a"])] == ['"it\'s"', "5", "None", "1.5", "['a']"]

    def test_an_error_shows_no_escape_and_is_cut_in_the_middle(self) -> None:
        text = str(BadFile("start \x1b[2J\u202e " + "x" * 100_000 + " end"))
        assert text.startswith("start \\x1b[2J\\u202e ")
        assert text.endswith("x end")
        assert len(text) < 1_600


@pytest.mark.parametrize("reader", [read_toml, read_json, lambda file: read_parquet(file, str(file))])
def test_a_pipe_and_a_device_are_refused_without_reading(tmp_path: Path, reader: Callable[[Path], object]) -> None:
    os.mkfifo(tmp_path / "pipe")
    for file in (tmp_path / "pipe", Path("/dev/zero")):
        with pytest.raises(BadFile, match="is not a regular file"):
            reader(file)


def test_a_file_that_is_longer_than_its_size_says_is_cut_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("paretoken.plain_files._bytes_of", lambda file, name: 0)
    monkeypatch.setattr("paretoken.plain_files.MOST_BYTES", 8)
    (tmp_path / "f").write_bytes(b"123456789")
    with pytest.raises(BadFile, match="is larger than"):
        read_bytes(tmp_path / "f")
