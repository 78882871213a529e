"""The index of a folder of runs: what it lists, what it sees of changes, and what it leaves alone."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import duckdb
import pytest

from paretoken.errors import BadConfig, NoData
from paretoken.serve.runs import index as module
from paretoken.serve.runs import points as points_module
from paretoken.serve.runs.files import run_places
from paretoken.serve.runs.index import RunIndex
from paretoken.serve.runs.lists import PAGE, POINTS, RUNS, list_answer, list_question
from paretoken.serve.runs.pages import run_row
from tests.support.run_places import MARKUP, bare_campaign, bare_run, hostile, point_table, two_runs
from tests.support.runs import ladder, troubled


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    root = two_runs(tmp_path_factory.mktemp("runs"))
    troubled(root / "troubled")
    rates = [float(n) for n in range(1, 131)]
    models = ["a", "b"] * 65
    point_table(root / "kept" / "old.parquet", model=models, accelerator=["B200"] * 130, concurrency=rates)
    return root


@pytest.fixture(scope="module")
def index(folder):
    own = RunIndex(folder)
    own.refresh()
    yield own
    own.close()


def listed(index, table=RUNS, **params):
    return list_answer(index, table, list_question(table, params))


def paths(answer):
    return [row["path"] for row in answer.rows]


def test_a_run_is_listed_with_what_it_measured(index):
    (row,) = listed(index, words="before").rows
    assert (row["model"], row["accelerator"], row["engine"], row["precision"]) == ("llama-3-70b", "H200", "vllm", "fp8")
    assert (row["workload"], row["origin"], row["date"], row["levels"]) == ("1024/1024", "measured", "2026-11-20", 4)
    assert row["output_tok_s_per_gpu"] == pytest.approx(53.0, rel=0.05)
    assert 0 < row["ttft_p50_s"] < row["e2e_p50_s"]
    assert (row["wrong"], row["careful"], row["error"]) == (0, 0, "")


def test_the_best_level_and_the_warnings_are_those_of_the_report(index):
    (row,) = listed(index, words="troubled").rows
    assert (row["levels"], row["failed"]) == (6, 2)
    assert row["output_tok_s_per_gpu"] == pytest.approx(17.55, rel=0.01)  # not the higher one of a limited client
    assert row["wrong"] == 4
    assert row["careful"] == 1


def test_points_are_those_of_runs_and_of_tables(index):
    assert listed(index, POINTS).total == 130 + 4 + 4 + 4  # failed levels are no points
    of_runs = listed(index, POINTS, model="llama-3-70b", words="after")
    assert [row["concurrency"] for row in of_runs.rows] == [1.0, 2.0, 4.0, 8.0]
    assert {row["workload"] for row in of_runs.rows} == {"1024/1024"}


def test_filters_sorting_and_pages_are_the_servers(index):
    answer = listed(index, POINTS, model="a", sort="concurrency", order="up", page="2")
    assert (answer.total, answer.pages) == (65, 2)
    assert [row["concurrency"] for row in answer.rows] == [float(2 * n + 1) for n in range(PAGE, 65)]
    assert listed(index, POINTS, page="999").rows[-1]["path"]
    assert dict(answer.values["model"])["b"] == 65
    assert paths(listed(index, since="2026-11-21")) == []
    assert len(listed(index, since="2026-11-20", until="2026-11-20").rows) == 3
    assert listed(index, words="BEFORE 2026-11").total == 1


@pytest.mark.parametrize(
    ("params", "sentence"),
    [
        ({"sort": "model; DROP TABLE runs"}, "no column 'model; DROP TABLE runs' to sort by"),
        ({"page": "0"}, "page is '0'"),
        ({"page": "9" * 30}, "page is"),
        ({"words": "x" * 300}, "words has more than 200 characters"),
    ],
)
def test_a_wrong_parameter_is_one_sentence(params, sentence):
    with pytest.raises(BadConfig, match=sentence.replace("(", r"\(")):
        list_question(RUNS, params)


def test_values_are_values_and_never_sql(index):
    assert listed(index, model="' OR 1=1 --").total == 0
    assert listed(index, words="%' OR ''='").total == 0


def test_new_changed_and_removed_runs_are_seen(tmp_path):
    index = RunIndex(tmp_path)
    index.refresh()
    assert listed(index).total == 0
    bare_run(tmp_path / "one")
    ladder(tmp_path / "two", (1,))
    index.refresh()
    assert listed(index).total == 2
    assert listed(index, POINTS).total == 1
    read = index.walk
    index.refresh()
    assert (index.walk.places, index.walk.seconds) == (2, read.seconds)  # nothing was read again
    shutil.rmtree(tmp_path / "two")
    shutil.copytree(ladder(tmp_path / "more", (1, 2)), tmp_path / "one", dirs_exist_ok=True)
    index.refresh()
    assert {row["path"]: row["levels"] for row in listed(index).rows} == {"one": 2, "more": 2}
    assert listed(index, POINTS).total == 4
    index.close()


def test_a_folder_of_a_stranger_is_listed_and_bounded(tmp_path):
    outside = ladder(tmp_path / "outside" / "secret", (1,))
    root = hostile(tmp_path / "runs", outside)
    index = RunIndex(root)
    index.refresh()
    rows = {row["path"]: row for row in listed(index).rows}
    assert {path for path, row in rows.items() if row["error"]} == {
        *("huge", "deep", "cut", "other", "broken-points", "foreign.parquet"),
    }
    assert "larger than 4 MB" in rows["huge"]["error"]
    assert all(str(tmp_path) not in row["error"] for row in rows.values())
    assert rows[MARKUP.replace("/", "")]["model"] == MARKUP
    assert rows["many-levels"]["levels"] == rows["many-levels"]["failed"] == 5_000
    assert rows["sound"]["model"] == "m"
    # Links lead nowhere: neither a folder, nor a file, nor a loop.
    assert not {"link", "linked-file", "loop"} & set(rows)
    assert not [path for path in rows if "secret" in path]
    index.close()


def test_a_place_is_named_by_the_list_alone(index):
    for path in ("../outside", "/etc/passwd", "2026-11", "", "kept/old.parquet"):
        with pytest.raises(NoData, match="the folder holds no run"):
            index.place(path)


def test_the_database_opens_files_of_the_folder_alone(index, tmp_path):
    point_table(tmp_path / "elsewhere.parquet", model=["a"], accelerator=["B200"])
    for query in (
        f"SELECT * FROM read_parquet('{tmp_path}/elsewhere.parquet')",
        f"SELECT * FROM read_parquet('{index.root}/../elsewhere.parquet')",
        f"COPY (SELECT 1) TO '{tmp_path}/written.csv'",
        "INSTALL httpfs",
        "SET enable_external_access = true",
    ):
        with pytest.raises(duckdb.Error):
            index.rows(query)
    assert not (tmp_path / "written.csv").exists()


def test_a_walk_ends_in_a_folder_of_any_size(tmp_path, monkeypatch):
    for n in range(30):
        bare_run(tmp_path / f"run-{n}")
    monkeypatch.setattr("paretoken.serve.runs.files.MOST_PLACES", 10)
    assert len(list(run_places(tmp_path))) == 10
    monkeypatch.setattr("paretoken.serve.runs.files.MOST_PLACES", 1_000)
    monkeypatch.setattr("paretoken.serve.runs.files.MOST_ENTRIES", 5)
    assert not list(run_places(tmp_path))


def test_a_table_that_is_too_long_is_not_read(tmp_path, monkeypatch):
    monkeypatch.setattr(points_module, "MOST_POINTS", 2)
    point_table(tmp_path / "long.parquet", model=["a"] * 3, accelerator=["B200"] * 3)
    point_table(tmp_path / "short.parquet", model=["a"] * 2, accelerator=["B200"] * 2)
    index = RunIndex(tmp_path)
    index.refresh()
    errors = {row["path"]: row["error"] for row in listed(index).rows}
    assert "has 3 rows; the most are 2" in errors["long.parquet"]
    assert not errors["short.parquet"]
    assert listed(index, POINTS).total == 2
    index.close()


def test_a_run_that_is_read_again_is_listed_all_the_while(tmp_path, monkeypatch):
    index = RunIndex(tmp_path)
    run = ladder(tmp_path / "one", (1,))
    index.refresh()
    meanwhile = []

    def look(*args):
        yield from points_module.read_points(*args)
        meanwhile.append((run_row(index, "one")["levels"], listed(index, POINTS).total))

    monkeypatch.setattr(module, "read_points", look)
    shutil.copytree(ladder(tmp_path / "two", (1, 2)), run, dirs_exist_ok=True)
    index.refresh()
    assert meanwhile == [(1, 1)]
    assert (run_row(index, "one")["levels"], listed(index, POINTS).total) == (2, 4)
    index.close()


def test_a_run_without_a_row_is_one_sentence(tmp_path):
    index = RunIndex(tmp_path)
    bare_run(tmp_path / "one")
    index.refresh()
    index.rows("DELETE FROM runs")
    with pytest.raises(NoData, match="was removed in the meantime"):
        run_row(index, "one")
    index.close()


def test_a_campaign_has_the_states_of_its_runs(tmp_path):
    campaign = bare_campaign(tmp_path / "matrix")
    job = campaign.of(campaign.jobs()[0])
    bare_run(tmp_path / "matrix-other")
    index = RunIndex(tmp_path)
    index.refresh()
    before = index.states_of("matrix")
    assert [place.path for place in before] == ["matrix"]
    ladder(job.cell_folder(job.job.cells[0]), (1,))
    index.refresh()
    after = index.states_of("matrix")
    assert [place.kind for place in after] == ["campaign", "run"]
    os.utime(tmp_path / after[1].path / "summary.json", ns=(1, 1))
    index.refresh()
    assert index.states_of("matrix") not in (before, after)
    index.close()


def test_a_table_that_goes_while_it_is_read_has_its_reason(tmp_path, monkeypatch):
    point_table(tmp_path / "gone.parquet", model=["a"], accelerator=["B200"])
    point_table(tmp_path / "kept.parquet", model=["a"], accelerator=["B200"])
    index = RunIndex(tmp_path)
    stat = Path.stat

    def gone(path, **how):
        if path.name == "gone.parquet":
            raise FileNotFoundError(2, "No such file or directory")
        return stat(path, **how)

    monkeypatch.setattr(points_module.Path, "stat", gone)
    index.refresh()
    assert {row["path"]: row["error"] for row in listed(index).rows} == {
        "gone.parquet": "gone.parquet cannot be read: No such file or directory",
        "kept.parquet": "",
    }
    index.close()


def test_a_walk_that_a_defect_ends_is_over(tmp_path, monkeypatch):
    bare_run(tmp_path / "one")
    index = RunIndex(tmp_path)
    monkeypatch.setattr(module, "row_of", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        index.refresh()
    assert not index.walk.running
    monkeypatch.undo()
    index.refresh()
    assert listed(index).total == 1
    index.close()
