"""The calibration file: what it holds, its bytes, and that the shipped one belongs to the shipped points."""

from __future__ import annotations

from dataclasses import replace

import pytest

from paretoken.catalog.loader import load_catalog
from paretoken.errors import BadFile
from paretoken.points.published import published_points
from paretoken.predict.calibration import file
from paretoken.predict.calibration.effects import EffectKey
from paretoken.predict.calibration.file import SHIPPED, read_calibration, shipped_calibration, write_calibration
from paretoken.predict.calibration.make import points_digest
from paretoken.predict.calibration.sample import sample


def test_the_shipped_calibration_belongs_to_the_shipped_points():
    learned = sample(published_points(), load_catalog())
    made_from = shipped_calibration().made_from
    assert made_from["points_sha256"] == points_digest(learned)
    assert (made_from["points"], made_from["points_given"]) == (len(learned), len(published_points()))


def test_the_shipped_calibration_has_learned_from_every_source():
    sources = shipped_calibration().made_from["sources"]
    assert {source.split(" ")[0] for source in sources} == set(
        sample(published_points(), load_catalog()).table["source"]
    )


def test_writing_what_was_read_gives_the_same_bytes(tmp_path):
    write_calibration(shipped_calibration(), tmp_path / "again.parquet")
    assert (tmp_path / "again.parquet").read_bytes() == SHIPPED.read_bytes()


def test_effects_are_rounded_and_the_smallest_left_out(tmp_path):
    kept, dropped = EffectKey("kv", "one", "1"), EffectKey("step", "one", "1")
    write_calibration(replace(shipped_calibration(), effects={kept: 0.123456, dropped: 4e-4}), tmp_path / "c.parquet")
    assert read_calibration(tmp_path / "c.parquet").effects == {kept: 0.1235}


def test_a_calibration_without_effects_reads_back(tmp_path):
    write_calibration(replace(shipped_calibration(), effects={}), tmp_path / "c.parquet")
    assert read_calibration(tmp_path / "c.parquet").effects == {}


def test_another_version_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(file, "CALIBRATION_VERSION", 9)
    write_calibration(shipped_calibration(), tmp_path / "c.parquet")
    monkeypatch.undo()
    with pytest.raises(BadFile, match=f"version 9, this program reads {file.CALIBRATION_VERSION}; recreate it"):
        read_calibration(tmp_path / "c.parquet")


def test_an_unknown_effect_is_refused(tmp_path):
    write_calibration(
        replace(shipped_calibration(), effects={EffectKey("kv", "moon", "1"): 1.0}), tmp_path / "c.parquet"
    )
    with pytest.raises(BadFile, match="unknown effect 'moon' on 'kv'"):
        read_calibration(tmp_path / "c.parquet")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"calibration_version = 4\nseen = []\n", "is TOML, the format of paretoken 0.1; recreate it"),
        (b"", "not a calibration file"),
        (b"PAR1 and nothing more", "not a calibration file"),
    ],
)
def test_what_is_no_calibration_is_refused(tmp_path, content, words):
    (tmp_path / "c").write_bytes(content)
    with pytest.raises(BadFile, match=words):
        read_calibration(tmp_path / "c")


def test_points_are_not_a_calibration_and_a_missing_file_is_named(tmp_path):
    published_points().select("model").write_parquet(tmp_path / "points.parquet")
    with pytest.raises(BadFile, match="not a calibration file"):
        read_calibration(tmp_path / "points.parquet")
    with pytest.raises(BadFile, match="does not exist"):
        read_calibration(tmp_path / "absent.parquet")
