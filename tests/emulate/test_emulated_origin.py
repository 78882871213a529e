"""Nothing of an emulated server passes for measured: its marks, what reads them, and what leaves its points out."""

from __future__ import annotations

import json
from dataclasses import replace

import polars as pl
import pytest

from paretoken.answers.history import HistoryQuestion, history
from paretoken.answers.points import Data
from paretoken.answers.study.config import Study
from paretoken.answers.study.run import run_study
from paretoken.bench.probe import probe
from paretoken.bench.quick import diagnose
from paretoken.catalog.loader import load_catalog
from paretoken.emulated import HEADER, is_marked, marked, unmarked
from paretoken.errors import NoData, UnknownName
from paretoken.frontier.trend import repeat_spread, trends
from paretoken.points.files import read_points, write_points
from paretoken.points.importers import FORMATS
from paretoken.points.load import import_file
from paretoken.points.origins import DEFAULT_ORIGINS, of_origins
from paretoken.predict.calibration.sample import usable
from tests.support.emulators import ask, body, emulated
from tests.support.foreign import DATA, GIVEN, save
from tests.support.html_pages import data_of
from tests.support.page_server import page_server
from tests.support.points import prepared, row, table
from tests.support.summaries import summary

BENCH = "--isl 16 --osl 8 --concurrency 1,2 --until 1s --gpus 4 --accelerator MI355X --precision fp8"


@pytest.fixture(scope="module")
def server():
    with emulated(model="llama-3-70b") as running:
        yield running


@pytest.mark.parametrize(
    ("name", "mark"),
    [
        ("llama-3-70b", "emulated/llama-3-70b"),
        ("emulated", "emulated"),
        ("Emulated/m", "Emulated/m"),
        ("a/b", "emulated/a/b"),
    ],
)
def test_a_mark_is_put_once(name, mark):
    assert marked(name) == mark and is_marked(mark) and marked(mark) == mark
    assert unmarked(mark) == name.removeprefix("Emulated/")


@pytest.mark.parametrize("name", ["m", "emulated-llama", "org/emulated", None, ""])
def test_other_names_carry_no_mark(name):
    assert not is_marked(name)


@pytest.mark.parametrize(
    ("method", "path", "content", "status"),
    [
        ("GET", "/v1/models", None, 200),
        ("HEAD", "/version", None, 200),
        ("GET", "/health", None, 200),
        ("GET", "/metrics", None, 200),
        ("GET", "/nothing", None, 404),
        ("POST", "/v1/completions", b"{", 400),
        ("POST", "/v1/completions", body(model="llama-3-70b"), 200),
        ("POST", "/v1/completions", body(model="llama-3-70b", stream=False), 200),
        ("POST", "/v1/completions", body(model="emulated/llama-3-70b"), 200),
        ("POST", "/v1/completions", body(model="emulated/other"), 404),
    ],
)
def test_every_answer_carries_the_header(server, method, path, content, status):
    code, headers, text = ask(server, method, path, content)
    assert code == status and headers[HEADER]
    if path == "/v1/completions" and status == 200:
        assert b'"model": "emulated/llama-3-70b"' in text


def test_the_pages_say_so(server):
    assert json.loads(ask(server, "GET", "/version")[2])["emulated"] is True
    listed = json.loads(ask(server, "GET", "/v1/models")[2])["data"][0]
    assert (listed["id"], listed["root"]) == ("emulated/llama-3-70b", "llama-3-70b")
    assert json.loads(ask(server, "GET", "/get_server_info")[2])["model_path"] == "emulated/llama-3-70b"
    assert (
        b'paretoken:emulated_info{engine="0",model_name="emulated/llama-3-70b"} 1.0'
        in ask(server, "GET", "/metrics")[2]
    )


@pytest.mark.parametrize(
    ("model", "header", "version", "expected"),
    [
        ("m", False, {"version": "1"}, False),
        ("emulated/m", False, {}, True),
        ("m", True, {}, True),
        ("m", False, {"version": "1", "emulated": True}, True),
    ],
)
def test_each_mark_alone_is_enough(model, header, version, expected):
    pages = {"/v1/models": {"data": [{"id": model}]}, "/version": version}
    with page_server(pages, {HEADER: "1"} if header else None) as url:
        assert probe(url).emulated is expected


def test_a_run_says_so_from_the_terminal_to_the_points(call, server, tmp_path):
    code, out, err = call(f"bench {server.base_url} {BENCH} --model llama-3-70b --out run --export vllm")
    assert code == 0, err
    assert err.startswith("note: ") and "is emulated" in err.splitlines()[0]
    assert out.startswith("Emulated, ")
    metadata = json.loads((tmp_path / "run" / "run.json").read_bytes())
    assert metadata["origin"] == "emulated" and "is emulated" in metadata["notes"][0]
    points, _ = read_points(tmp_path / "run" / "points.parquet")
    assert set(points["origin"]) == {"emulated"} and set(points["model"]) == {"llama-3-70b"}
    assert set(points["model_variant"]) == {"emulated/llama-3-70b"}

    code, out, _ = call("bench --resume run --json")
    assert code == 0
    assert {level["point"]["origin"] for level in json.loads(out)["levels"]} == {"emulated"}

    assert call("report run --out run.html")[0] == 0
    page = (tmp_path / "run.html").read_text()
    assert "measured here" not in page and "origin: measured" not in page
    for text in ("<span>emulated, not measured</span>", "Emulated, not measured. Best"):
        assert text in page, text
    assert "origin: emulated" in json.dumps(data_of(page))
    assert "emulated, not measured" in call("share run")[1].splitlines()[0]

    export = next((tmp_path / "run").glob("levels/*/vllm.json"))
    code, out, err = call(f"import {export} --engine vllm --json")
    assert code == 0, err
    assert json.loads(out)["points"][0]["origin"] == "emulated"
    code, _, err = call(f"import {export} --engine vllm --origin measured")
    assert code == 2 and "says origin is emulated, but --origin measured was given; leave --origin out" in err

    code, _, err = call("calibrate run/points.parquet --out mine.json")
    assert code == 2 and "0 of 2 points are usable" in err

    # A run of a real server is not continued on an emulated one, and is not compared with it.
    (tmp_path / "run" / "run.json").write_text(json.dumps(metadata | {"origin": "measured"}))
    code, _, err = call("bench --resume run --force")
    assert code == 2 and "holds measured levels, but the server now is emulated" in err
    copy_as_measured(tmp_path / "run", tmp_path / "real")
    code, _, err = call("bench --compare real run")
    assert code == 2 and "origin: 'measured' in A, 'emulated' in B" in err
    code, _, err = call("check run --baseline real")
    assert code == 2 and "no configuration in common: MI355X" in err and " measured against " in err


def copy_as_measured(run, place):
    for path in run.glob("levels/*/*"):
        copy = place / path.relative_to(run)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(path.read_bytes())
        if path.name == "summary.json":
            level = json.loads(path.read_bytes())
            level["columns"] |= {"origin": "measured", "engine": level["point"]["engine"]}
            level["columns"]["engine"] = level["point"]["engine"] = "vllm"
            copy.write_text(json.dumps(level))
    (place / "run.json").write_bytes((run / "run.json").read_bytes())


def test_the_quick_answer_says_so():
    assert diagnose([summary(1, 50)]).origin == "measured"
    assert diagnose([summary(1, 50, columns={"model": "m", "origin": "emulated"})]).origin == "emulated"


@pytest.mark.parametrize("stem", sorted(p.name.split(".")[0] for p in DATA.glob("*.json*")))
def test_a_result_file_of_a_marked_model_is_emulated(stem, catalog, tmp_path):
    """The model's id alone decides, in every format that states one."""
    path = next(DATA.glob(f"{stem}.json*"))
    given = GIVEN.get(stem, {})
    plain, _ = import_file(path, catalog=catalog, values=given, keep_going=True)
    text = path.read_text()
    names = [n for n in plain["model_variant"].unique() if n and json.dumps(n) in text]
    if not names:
        assert stem.startswith("inferencex") or stem == "sglang_2024"  # short keys alone, or no model at all
        return
    for name in names:
        text = text.replace(json.dumps(name), json.dumps(f"emulated/{name}"))
    points, _ = import_file(save(tmp_path, text, path.name), catalog=catalog, values=given, keep_going=True)
    marks = points.filter(pl.col("model_variant").str.starts_with("emulated/"))
    assert marks.height and set(marks["origin"]) == {"emulated"}
    assert points["model"].to_list() == plain["model"].to_list()


def test_every_format_has_a_file_with_a_mark():
    assert {f.NAME for f in FORMATS} >= {"vLLM bench serve", "SGLang bench_serving", "AIPerf", "GuideLLM"}


@pytest.mark.parametrize("change", [{"model_variant": "emulated/m"}, {"engine": "emulated"}])
def test_own_points_of_an_earlier_version_are_emulated(change, catalog, tmp_path):
    write_points(table(row(origin="measured", **change)), tmp_path / "points.parquet")
    points, _ = import_file(tmp_path / "points.parquet", catalog=catalog, values={})
    assert points["origin"].to_list() == ["emulated"]


# ---- what leaves them out


def test_the_default_is_every_origin_but_emulated():
    assert DEFAULT_ORIGINS == ("measured", "published", "predicted")
    rows = pl.DataFrame({"origin": ["measured", "emulated"]})
    assert rows.filter(of_origins())["origin"].to_list() == ["measured"]
    assert rows.filter(of_origins(("emulated",)))["origin"].to_list() == ["emulated"]
    with pytest.raises(UnknownName, match="emulatd"):
        of_origins(("emulatd",))


def dated(origin: str) -> pl.DataFrame:
    """A configuration on six days in a row."""
    return prepared(
        *(
            row(
                origin=origin,
                date=f"2026-08-0{day}",
                concurrency=float(users),
                speculative="none",
                median_tpot_s=0.01 + users / 4000 + day / 1e6,
                median_ttft_s=0.2,
                total_tput_per_gpu_tok_s=users * 2048 / (0.2 + (0.01 + users / 4000) * 1023) / 8 * (1 + day / 1000),
            )
            for day in range(1, 7)
            for users in (8, 16, 32, 64)
        )
    )


@pytest.mark.parametrize(("origin", "counts"), [("measured", True), ("emulated", False)])
def test_calibration_trends_and_history_leave_them_out(origin, counts, catalog):
    points = dated(origin)
    assert bool(usable(points, catalog).height) == counts
    assert bool(trends(points)) == counts
    assert (repeat_spread(points) is not None) == counts
    data = Data(catalog, points)
    question = HistoryQuestion(model=points["model"][0])
    if counts:
        assert history(question, data).series
    else:
        with pytest.raises(NoData):
            history(question, data)
        assert history(replace(question, origins=("emulated",)), data).series


def test_a_study_takes_them_in_only_if_asked(tmp_path):
    file = tmp_path / "points.parquet"
    write_points(dated("emulated"), file)
    study = Study(points=[file], published=False, outlooks=[])
    with pytest.raises(NoData):
        run_study(study, load_catalog())
