"""Installed bundles: used beside the shipped one, never edited, removed by name."""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path

import pytest

from paretoken.errors import BadConfig, BadFile, NoData, UnknownName
from paretoken.points import bundles, contents
from paretoken.points.files import write_points
from paretoken.points.load import load_points
from paretoken.points.published import PUBLISHED, published_points
from tests.support.bundles import DASHBOARD, files_below, own_points, some_points


def test_installed_rows_stand_beside_the_shipped_ones(add):
    shipped = load_points()
    add(DASHBOARD, name="may")
    assert load_points().height == shipped.height + 3
    assert load_points(bundles=["may"]).height == 3
    assert load_points(bundles=["shipped"]).equals(shipped)
    assert load_points(bundles=["may", "shipped"]).height == shipped.height + 3


def test_no_published_leaves_every_bundle_out(add, tmp_path):
    add(DASHBOARD, name="may")
    assert load_points([own_points(tmp_path)], published=False).height == 3
    with pytest.raises(NoData):
        load_points(published=False)
    with pytest.raises(BadConfig, match="--bundle names bundles and --no-published"):
        load_points(published=False, bundles=["may"])


def test_a_newer_row_of_the_same_run_takes_the_place_of_the_older(add, tmp_path):
    add(own_points(tmp_path, "old.parquet", source="mine", notes="old"), name="old")
    add(own_points(tmp_path, "new.parquet", source="mine", notes="new"), name="new")
    mine = load_points().filter(source="mine")
    assert set(mine["notes"]) == {"new"} and mine.height == 3
    assert set(load_points(bundles=["old"])["notes"]) == {"old"}
    assert {b.manifest.name: b.rows_used for b in contents.listed()}["old"] == 0


def test_rows_of_another_source_do_not_replace_each_other(add, tmp_path):
    add(own_points(tmp_path, "a.parquet", source="a"), name="a")
    add(own_points(tmp_path, "b.parquet", source="b"), name="b")
    assert load_points(bundles=["a", "b"]).height == 6


def test_an_unknown_bundle_is_named_with_the_nearest(add):
    add(DASHBOARD, name="atom-may")
    with pytest.raises(UnknownName, match="did you mean atom-may"):
        load_points(bundles=["atom-mai"])


def test_a_changed_file_is_refused_everywhere_and_left_as_it_is(add, data_folder):
    add(DASHBOARD, name="may")
    path = data_folder / "may" / "points.parquet"
    write_points(some_points(), path)
    bundles._stored.cache_clear()
    before = files_below(data_folder)
    for read in (load_points, contents.verified, lambda: contents.verified(["may"])):
        with pytest.raises(BadFile, match="bundle may: the hash of its points is not the one in its manifest"):
            read()
    assert files_below(data_folder) == before
    assert contents.verified(["shipped"])


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (("manifest_version = 1", "manifest_version = 9"), "manifest version 9, newer than 1; update paretoken"),
        (("rows = 3", "rows = 4"), "3 rows, its manifest says 4"),
        (("rows = 3", "rowz = 3"), "rowz|rows"),
        (('name = "may"', 'name = "june"'), "its manifest names it 'june'"),
        (('name = "may"', 'name = "may'), "not valid TOML"),
    ],
)
def test_a_changed_manifest_is_refused(add, data_folder, change, says):
    add(DASHBOARD, name="may")
    path = data_folder / "may" / "manifest.toml"
    path.write_text(path.read_text().replace(*change))
    with pytest.raises(BadFile, match=says):
        contents.verified()


def test_remove(add, data_folder):
    add(DASHBOARD, name="may")
    bundles.remove("may")
    assert not list(data_folder.iterdir())
    with pytest.raises(UnknownName):
        bundles.remove("may")
    with pytest.raises(BadConfig, match="cannot be removed"):
        bundles.remove("shipped")


def test_the_manifest_of_the_shipped_points_is_current():
    m = bundles.shipped().manifest
    data = PUBLISHED.read_bytes()
    assert m.points_sha256 == hashlib.sha256(data).hexdigest(), "run tools/shipped_bundle.py"
    assert m.rows == published_points().height and set(m.sources) == set(published_points()["source"])


@pytest.mark.parametrize(
    ("platform", "variables", "place"),
    [
        ("linux", {"PARETOKEN_DATA": "/p", "XDG_DATA_HOME": "/x"}, "/p"),
        ("linux", {"XDG_DATA_HOME": "/x"}, "/x/paretoken"),
        ("linux", {"HOME": "/home/me"}, "/home/me/.local/share/paretoken"),
        ("darwin", {"HOME": "/home/me"}, "/home/me/Library/Application Support/paretoken"),
        ("win32", {"LOCALAPPDATA": "/l"}, "/l/paretoken"),
    ],
)
def test_the_folder_of_the_users_data(monkeypatch, platform, variables, place):
    for name in ("PARETOKEN_DATA", "XDG_DATA_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys, "platform", platform)
    assert bundles.data_folder() == Path(place)
