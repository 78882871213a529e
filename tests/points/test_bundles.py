"""Installed bundles: written whole or not at all, pinned, never edited, used beside the shipped one."""

from __future__ import annotations

import hashlib
import io
import json
import shutil
import sys
import tarfile
import zipfile
from pathlib import Path

import polars as pl
import pytest

from paretoken.errors import BadConfig, BadFile, CannotWrite, NoData, ParetokenError, UnknownName
from paretoken.points import bundles, contents, download, install
from paretoken.points.files import write_points
from paretoken.points.load import load_points
from paretoken.points.published import PUBLISHED, published_points
from paretoken.points.schema import conform
from tests.support.foreign import DATA
from tests.support.web import served

DUMP = DATA / "inferencex_dump"
DASHBOARD = DATA / "atom_dashboard.js"
API_ROW = {
    "hardware": "mi355x",
    "framework": "sglang",
    "model": "dsr1",
    "precision": "fp4",
    "spec_method": "none",
    "disagg": False,
    "is_multinode": False,
    "prefill_tp": 4,
    "decode_tp": 4,
    "num_prefill_gpu": 4,
    "num_decode_gpu": 4,
    "isl": 1024,
    "osl": 1024,
    "conc": 4,
    "image": "lmsysorg/sglang:v0.5.9-rocm700-mi35x",
    "metrics": {"tput_per_gpu": 180.0, "median_tpot": 0.01, "median_intvty": 100.0, "median_ttft": 0.1},
    "date": "2026-02-27",
    "run_url": "https://github.com/SemiAnalysisAI/InferenceX/actions/runs/1/attempts/1",
}
"""A row in the form of /api/v1/benchmarks, with figures of our own."""


@pytest.fixture(autouse=True)
def data_folder(monkeypatch, tmp_path) -> Path:
    monkeypatch.setenv("PARETOKEN_DATA", str(tmp_path / "user"))
    return tmp_path / "user" / "bundles"


@pytest.fixture
def add(catalog):
    def added(location, **options):
        return install.install(str(location), catalog, **options).bundle

    return added


def state(folder: Path) -> dict[str, bytes]:
    """Every file below a folder."""
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def some_points(rows: int = 3, **columns: object) -> pl.DataFrame:
    return conform(published_points().head(rows)).with_columns(**{k: pl.lit(v) for k, v in columns.items()})


def own(folder: Path, name: str = "own.parquet", **columns: object) -> Path:
    write_points(some_points(**columns), folder / name)
    return folder / name


# --- what is written -----------------------------------------------------------------------------


def test_a_bundle_states_where_it_is_from(add, data_folder):
    m = add(DUMP, name="week-12").manifest
    assert m.name == "week-12" and m.location == "inferencex_dump" and m.importer.startswith("InferenceX database,")
    assert m.sources == ("InferenceX database",) and "Apache-2.0" in m.licences[0]
    assert (m.first_day, m.last_day) == ("2026-03-01", "2026-03-01")
    data = (data_folder / "week-12" / "points.parquet").read_bytes()
    assert m.points_sha256 == hashlib.sha256(data).hexdigest()
    assert m.rows == pl.read_parquet(io.BytesIO(data)).height
    assert bundles.read_manifest(data_folder / "week-12" / "manifest.toml") == m
    assert [p.name for p in data_folder.iterdir()] == ["week-12"]


def test_skipped_rows_are_counted_by_reason(add):
    reasons = {s.reason: s.rows for s in add(DASHBOARD).manifest.skipped}
    assert reasons["is a failed run: its throughput is 0"] == 1 and sum(reasons.values()) == 2


def test_a_bundle_is_named_for_its_source_and_the_day(add):
    first, second = add(DASHBOARD), add(DUMP)
    assert first.name.startswith("rocm-atom-dashboard-20") and second.name.startswith("inferencex-database-20")


def test_the_same_input_is_not_installed_twice(add, catalog):
    name = add(DASHBOARD).name
    again = install.install(str(DASHBOARD), catalog)
    assert not again.new and again.bundle.name == name and len(bundles.installed()) == 1


def test_a_bundle_is_never_written_over(add, data_folder):
    add(DASHBOARD, name="may")
    before = state(data_folder)
    with pytest.raises(BadConfig, match="never changes; choose another name"):
        add(DUMP, name="may")
    assert state(data_folder) == before


@pytest.mark.parametrize("name", ["shipped", "../x", "2026-05-01", "", ".hidden", "a/b", "x" * 65])
def test_bad_names_are_refused(add, name):
    with pytest.raises(BadConfig, match="cannot be named"):
        add(DASHBOARD, name=name)


def test_the_hash_of_the_input_is_checked(add, data_folder):
    digest = hashlib.sha256(DASHBOARD.read_bytes()).hexdigest()
    with pytest.raises(BadFile, match=f"has the SHA-256 {digest}, not 00"):
        add(DASHBOARD, expected_sha256="00")
    assert not bundles.installed()
    assert add(DASHBOARD, expected_sha256=digest.upper()).manifest.input_sha256 == digest


def test_rows_of_a_dump_are_named_for_their_run(add, tmp_path):
    dump = tmp_path / "dump"
    shutil.copytree(DUMP, dump)
    results = json.loads((dump / "benchmark_results.json").read_text())
    (dump / "benchmark_results.json").write_text(json.dumps([{**r, "workflow_run_id": "9"} for r in results]))
    assert set(add(dump, name="a").read()["source_ref"]) == {"workflow run 9"}
    run = {"id": 9, "html_url": "https://github.com/x/y/actions/runs/1", "run_attempt": 2}
    (dump / "workflow_runs.json").write_text(json.dumps([run]))
    assert set(add(dump, name="b").read()["source_ref"]) == {f"{run['html_url']}/attempts/2"}


# --- archives ------------------------------------------------------------------------------------


def zipped(folder: Path, files: dict[str, bytes], name: str = "dump.zip") -> Path:
    with zipfile.ZipFile(folder / name, "w", zipfile.ZIP_DEFLATED) as archive:
        for member, data in files.items():
            archive.writestr(member, data)
    return folder / name


def tarred(folder: Path, files: dict[str, bytes]) -> Path:
    with tarfile.open(folder / "dump.tar.gz", "w:gz") as archive:
        for member, data in files.items():
            info = tarfile.TarInfo(member)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
        link = tarfile.TarInfo("configs.json")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
    return folder / "dump.tar.gz"


def tables() -> dict[str, bytes]:
    return {p.name: p.read_bytes() for p in DUMP.iterdir()}


@pytest.mark.parametrize("pack", [zipped, tarred])
def test_a_packed_dump_holds_the_rows_of_its_folder(add, pack, tmp_path):
    packed = {f"inferencex-dump/{name}": data for name, data in tables().items()} | {"README": b"a dump"}
    assert add(pack(tmp_path, packed), name="packed").read().equals(add(DUMP, name="folder").read())


def test_members_cannot_leave_their_folder(add, tmp_path, data_folder):
    files = {"../../../configs.json": tables()["configs.json"], "/abs/benchmark_results.json": b"[]"}
    files["/abs/benchmark_results.json"] = tables()["benchmark_results.json"]
    add(zipped(tmp_path, files), name="slip")
    assert {p.name for p in tmp_path.rglob("*.json")} == set()
    assert [p.name for p in data_folder.iterdir()] == ["slip"]


def test_an_archive_of_one_file_is_that_file(add, tmp_path):
    assert add(zipped(tmp_path, {"..\\data.js": DASHBOARD.read_bytes()})).manifest.rows == 3


@pytest.mark.parametrize(
    ("files", "says"),
    [
        ({"a.txt": b"x", "b.txt": b"y"}, "holds 2 files, none of them"),
        ({"a/configs.json": b"[]", "b/configs.json": b"[]", "benchmark_results.json": b"[]"}, "more than once"),
        ({"configs.json": b"[]", "x": b""}, "benchmark_results.json"),
    ],
)
def test_archives_of_something_else_are_refused(add, tmp_path, files, says):
    with pytest.raises(BadFile, match=says):
        add(zipped(tmp_path, files))


def test_an_archive_that_unpacks_to_too_much_is_refused(add, tmp_path, monkeypatch, data_folder):
    bomb = zipped(tmp_path, {"configs.json": b"0" * 3_000_000, "benchmark_results.json": b"[]"})
    monkeypatch.setattr(download, "MAX_BYTES", 1_000_000)
    with pytest.raises(BadFile, match=r"unpacked, is larger than 0.001 GB"):
        add(bomb)
    assert not list(data_folder.iterdir())


def test_a_tar_is_not_read_beyond_the_limit(add, tmp_path, monkeypatch):
    bomb = tarred(tmp_path, {"other": b"0" * 3_000_000, **tables()})
    monkeypatch.setattr(download, "MAX_BYTES", 1_000_000)
    with pytest.raises(BadFile, match="unpacked, is larger than"):
        add(bomb)


def test_a_truncated_archive_is_refused(add, tmp_path):
    whole = tarred(tmp_path, tables()).read_bytes()
    cut = tmp_path / "cut.tar.gz"
    cut.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(BadFile):
        add(cut)
    assert not bundles.installed()


# --- what is refused -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("cut.json", '[\n{"hardware": "b200", "framework": "vllm"},\n{"hardware": "b2', "may be truncated"),
        ("cut.json", '[\n{"hardware": "b200"}\n', "may be truncated"),
        ("configs.json", '{"configs": [{"id": 1}], "benchmark_results": []}', "no column 'hardware'"),
        ("page.html", "<html></html>", "looks like a page of HTML"),
        ("empty", "", "is empty"),
    ],
)
def test_a_file_that_is_not_whole_or_of_another_form_is_one_sentence(add, tmp_path, data_folder, name, content, says):
    add(DASHBOARD, name="old")
    before = state(data_folder)
    (tmp_path / name).write_text(content)
    with pytest.raises(ParetokenError, match=says) as e:
        add(tmp_path / name)
    assert "\n" not in str(e.value) and state(data_folder) == before


def test_json_lines_cut_off_in_the_middle_are_refused(add, tmp_path):
    lines = "\n".join(json.dumps(API_ROW) for _ in range(3))
    (tmp_path / "cut.jsonl").write_text(lines[:-20])
    with pytest.raises(BadFile, match="line 3 is not whole; the file may be truncated"):
        add(tmp_path / "cut.jsonl")


def test_the_answer_of_the_public_api_is_read(add, tmp_path):
    rows = [API_ROW, {**API_ROW, "conc": 8, "hardware": "x9"}, {**API_ROW, "conc": 16, "hardware": "m355x"}]
    (tmp_path / "benchmarks.json").write_text(json.dumps(rows))
    made = add(tmp_path / "benchmarks.json")
    assert made.read().row(0, named=True) | {
        "source": "InferenceX database",
        "source_ref": API_ROW["run_url"],
        "accelerator": "MI355X",
        "n_gpus": 4,
        "total_tput_per_gpu_tok_s": 180.0,
    } == made.read().row(0, named=True)
    assert made.read()["accelerator"].to_list() == ["MI355X", "x9"]
    assert [s.rows for s in made.manifest.skipped] == [1] and "m355x" in made.manifest.skipped[0].reason


def test_a_dump_of_a_later_schema_says_which_column_is_missing(add, tmp_path):
    later = tmp_path / "later"
    shutil.copytree(DUMP, later)
    results = json.loads((later / "benchmark_results.json").read_text())
    (later / "benchmark_results.json").write_text(json.dumps([{"config": r["config_id"], "m": 1} for r in results]))
    with pytest.raises(BadFile, match=r"benchmark_results has no column 'config_id'.*update paretoken"):
        add(later)


def test_points_of_a_later_schema_are_refused(add, tmp_path):
    path = tmp_path / "later.parquet"
    some_points().write_parquet(path, metadata={"paretoken.operating_points.version": "99"})
    with pytest.raises(BadFile, match="schema version 99, newer than"):
        add(path)


def test_a_full_disk_leaves_the_old_bundles(add, monkeypatch, data_folder):
    add(DASHBOARD, name="old")
    before = state(data_folder)

    def full(*args: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(CannotWrite, match="No space left on device; nothing was installed"):
        add(DUMP)
    assert state(data_folder) == before and [p.name for p in data_folder.iterdir()] == ["old"]


# --- addresses -----------------------------------------------------------------------------------


def test_an_address_is_downloaded_whole(add):
    seen: list[tuple[int, int | None]] = []
    body = DASHBOARD.read_bytes()
    with served({"/data.js": {"body": body}}) as web:
        m = add(f"{web}/data.js?token=abc&model=x#top", on_progress=lambda *at: seen.append(at)).manifest
    assert m.input_sha256 == hashlib.sha256(body).hexdigest() and m.rows == 3
    assert m.location == f"{web}/data.js?token=…&model=x"
    assert seen[-1] == (len(body), len(body))


def test_a_redirect_within_http_is_followed(add):
    moved = {"status": 302, "headers": {"Location": "/b"}, "body": b""}
    with served({"/a": moved, "/b": {"body": DASHBOARD.read_bytes()}}) as web:
        assert add(f"{web}/a").manifest.rows == 3


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        ({"body": b"x" * 100, "length": 200}, "stopped after 100 of 200 bytes"),
        ({"body": b"gone", "status": 410}, "answers 410"),
        ({"body": b"", "status": 302, "headers": {"Location": "file:///etc/passwd"}}, "redirect|answers 302"),
        ({"body": b"x" * 10, "length": 3_000_000_000}, "larger than 2 GB"),
    ],
)
def test_half_a_file_or_none_is_one_sentence(add, data_folder, answer, says):
    with served({"/f": answer}) as web, pytest.raises(BadFile, match=says):
        add(f"{web}/f")
    assert not list(data_folder.iterdir())


def test_an_error_does_not_show_the_key_of_an_address(add):
    with served({}) as web, pytest.raises(BadFile) as e:
        add(f"{web}/f?model=x&api_key=hunter2")
    assert "hunter2" not in str(e.value) and "model=x&api_key=…" in str(e.value)


def test_a_body_without_end_stops_at_the_limit(add, monkeypatch):
    monkeypatch.setattr(download, "MAX_BYTES", 1000)
    with served({"/f": {"body": b"x" * 5000, "length": None}}) as web, pytest.raises(BadFile, match="larger than"):
        add(f"{web}/f")


def test_a_download_that_does_not_end_is_given_up(add, monkeypatch):
    monkeypatch.setattr(download, "LONGEST_S", -1.0)
    with served({"/f": {"body": b"x" * 10}}) as web, pytest.raises(BadFile, match="takes longer than"):
        add(f"{web}/f")


def test_a_server_that_is_not_there(add):
    with served({}) as web:
        pass
    with pytest.raises(BadFile, match="cannot be reached"):
        add(f"{web}/f")


@pytest.mark.parametrize("url", ["ftp://example.com/x", "file:///etc/passwd", "data://x"])
def test_other_schemes_are_refused(add, url):
    with pytest.raises(BadConfig, match="not an address of http or https"):
        add(url)


def test_credentials_in_an_address_are_refused_and_not_shown(add):
    with pytest.raises(BadConfig) as e:
        add("https://me:hunter2@example.com/x")
    assert "hunter2" not in str(e.value)


# --- use -----------------------------------------------------------------------------------------


def test_installed_rows_stand_beside_the_shipped_ones(add):
    shipped = load_points()
    add(DASHBOARD, name="may")
    assert load_points().height == shipped.height + 3
    assert load_points(bundles=["may"]).height == 3
    assert load_points(bundles=["shipped"]).equals(shipped)
    assert load_points(bundles=["may", "shipped"]).height == shipped.height + 3


def test_no_published_leaves_every_bundle_out(add, tmp_path):
    add(DASHBOARD, name="may")
    assert load_points([own(tmp_path)], published=False).height == 3
    with pytest.raises(NoData):
        load_points(published=False)
    with pytest.raises(BadConfig, match="--bundle names bundles and --no-published"):
        load_points(published=False, bundles=["may"])


def test_a_newer_row_of_the_same_run_takes_the_place_of_the_older(add, tmp_path):
    add(own(tmp_path, "old.parquet", source="mine", notes="old"), name="old")
    add(own(tmp_path, "new.parquet", source="mine", notes="new"), name="new")
    mine = load_points().filter(source="mine")
    assert set(mine["notes"]) == {"new"} and mine.height == 3
    assert set(load_points(bundles=["old"])["notes"]) == {"old"}
    assert {b.manifest.name: b.rows_used for b in contents.listed()}["old"] == 0


def test_rows_of_another_source_do_not_replace_each_other(add, tmp_path):
    add(own(tmp_path, "a.parquet", source="a"), name="a")
    add(own(tmp_path, "b.parquet", source="b"), name="b")
    assert load_points(bundles=["a", "b"]).height == 6


def test_an_unknown_bundle_is_named_with_the_nearest(add):
    add(DASHBOARD, name="atom-may")
    with pytest.raises(UnknownName, match="did you mean atom-may"):
        load_points(bundles=["atom-mai"])


# --- whole or not --------------------------------------------------------------------------------


def test_a_changed_file_is_refused_everywhere_and_left_as_it_is(add, data_folder):
    add(DASHBOARD, name="may")
    path = data_folder / "may" / "points.parquet"
    write_points(some_points(), path)
    bundles._stored.cache_clear()
    before = state(data_folder)
    for read in (load_points, contents.verified, lambda: contents.verified(["may"])):
        with pytest.raises(BadFile, match="bundle may: the hash of its points is not the one in its manifest"):
            read()
    assert state(data_folder) == before
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
