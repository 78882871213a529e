"""The page of measured runs: its answer, its warnings, its words, and what it keeps to itself."""

from __future__ import annotations

import json
import re
import time
from dataclasses import replace
from html import unescape

import pytest
from click.testing import CliRunner

from paretoken.answers.study.config import Study
from paretoken.answers.study.run import run_study
from paretoken.bench.documents import write_json
from paretoken.bench.plan import Closed
from paretoken.bench.run_folder import RunFolder
from paretoken.bench.stats.warnings import LevelWarning
from paretoken.cli.measure.report import command
from paretoken.errors import BadFile, CannotWrite, NoData
from paretoken.report.html import render
from paretoken.report.page import write_page
from paretoken.report.run.answer import headline
from paretoken.report.run.payload import payload
from paretoken.report.run.published import PublishedBeside
from paretoken.report.run.reading import read_run, read_runs
from paretoken.report.run.warnings import warnings_of
from paretoken.secret_names import without_secrets
from tests.support.html_pages import data_of, page_of, without_library
from tests.support.levels import closed
from tests.support.runs import COLUMNS, METADATA, keep, ladder, loaded, proof, scraped

NASTY = "<img src=x onerror=alert(1)></script>|`*"


def words(page: str) -> str:
    """What a reader without JavaScript sees."""
    body = without_library(page)[without_library(page).index("<body>") :]
    bare = re.sub(r"<(script|style)\b.*?</\1>", " ", body, flags=re.S)
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", bare)).split())


def test_the_answer_comes_first(run_folders):
    text = words(page_of(run_folders / "before"))
    levels = RunFolder(run_folders / "before").levels()
    best = levels[-1].summary.throughput.window.output_tok_s_per_gpu
    assert text.index(f"Best throughput: {best:.2f} output tok/s per GPU") < text.index("Throughput against latency")
    assert "at 16 users" in text
    assert re.search(r"One user alone sees [\d.]+ tok/s, first token after \d+ ms", text)
    assert "Highest load measured within TTFT p90 ≤ 250 ms: 8 users" in text
    assert "meta/Llama-3.3-70B on vllm 0.11.0, 8 × H200, ISL 1024, OSL 1024, 2026-11-20" in text
    assert "No warning" in text


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        (
            {"kind": "slo", "users": 96, "steps": 9, "slo": "ttft_p99=2s", "fails_at": 104},
            "Highest load within TTFT p99 ≤ 2 s: 96 users (9 steps; 104 is too many).",
        ),
        (
            {"kind": "slo", "users": None, "steps": 1, "slo": "ttft_p99=2s", "fails_at": 1},
            "No measured load stays within TTFT p99 ≤ 2 s.",
        ),
        ({"kind": "knee", "users": 48, "steps": 7}, "Beyond 48 users latency grows faster"),
    ],
)
def test_what_a_search_found_is_said(tmp_path, answer, sentence):
    ladder(tmp_path / "run", (1, 2))
    RunFolder(tmp_path / "run").refresh(answer)
    assert sentence in " ".join(headline(read_run(tmp_path / "run")).sentences)


def test_unsound_levels_do_not_win(run_folders):
    run = read_run(run_folders / "trouble")
    assert "at 2 users" in headline(run).best
    limited, failed = (replace(run, levels=run.levels[part]) for part in (slice(2, 4), slice(3, 4)))
    assert "at 8 users (client-limited)" in headline(limited).best
    assert headline(failed).sentences[0].startswith("No level has figures")


def test_warnings_are_sorted_by_grade_and_the_worst_come_before_the_charts(run_folders):
    run = read_run(run_folders / "trouble")
    warned = warnings_of([run])
    assert [(w.grade, w.code) for w in warned] == [
        ("wrong", "failed"),
        ("wrong", "client_limited"),
        ("wrong", "no_steady_state"),
        ("wrong", "errors"),
        ("careful", "unfinished"),
        ("careful", "too_short"),
        ("footnote", "quantile_unsupported"),
        ("footnote", "quantile_thin"),
    ]
    assert dict(warned[2].texts)["4 users"].startswith("TPOT still rising")
    text = words(page_of(run_folders / "trouble"))
    places = [text.index(heading) for heading in ("Do not use these figures", "Read with care", "Throughput against")]
    assert places == sorted(places)
    assert text.index("Levels Figures of") < text.index("Footnotes how things were counted")
    assert "http_5xx 50 <b>out of | memory</b>" in text


def test_equal_words_are_said_once(tmp_path):
    run = ladder(tmp_path / "run", (1, 2))
    for level in RunFolder(run).levels():
        write_json(
            level.folder / "summary.json", replace(level.summary, warnings=(LevelWarning("new_code", "the same"),))
        )
    (warned,) = warnings_of([read_run(run)])
    assert (warned.grade, warned.title) == ("careful", "New code")
    assert warned.texts == (("1 user, 2 users", "the same"),)


def test_the_page_loads_nothing_and_tells_no_secret(run_folders):
    page = page_of(run_folders / "before")
    assert "default-src 'none'" in page
    assert not re.findall(r"<(?:script|img|iframe|link)\b[^>]*\b(?:src|href)\s*=\s*\"(?!data:)", without_library(page))
    assert "hunter2" not in page and "verysecret" not in page
    assert "http://…@10.0.0.7:8000 --concurrency 1:16:x2 --api-key …" in words(page)


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        (
            "paretoken bench --tokenizer a/b --until '1e6 tokens'",
            "paretoken bench --tokenizer a/b --until '1e6 tokens'",
        ),
        ("paretoken 0.1.0", "paretoken 0.1.0"),
        ("https://u:p@host/v1?key=abc&x=1", "https://…@host/v1?key=…&x=1"),
        ("HF_TOKEN=abc run", "HF_TOKEN=… run"),
        ('{"api_key": "abc", "n": 1}', '{"api_key": "…", "n": 1}'),
        ("Authorization: Bearer abcdefgh12", "Authorization: Bearer …"),
        ("Incorrect API key provided: sk-abcdefgh1234", "Incorrect API key provided: sk-…"),
        ("--max-tokens 8 --min-tokens", "--max-tokens 8 --min-tokens"),
    ],
)
def test_secrets_are_left_out(text, kept):
    assert without_secrets(text) == kept


def test_names_from_outside_are_escaped(tmp_path):
    metadata = replace(METADATA, run=replace(METADATA.run, command=NASTY, servers=()), notes=(NASTY,))
    folder = RunFolder(tmp_path / "run")
    folder.create(metadata)
    columns = COLUMNS | {"model_variant": NASTY, "engine": NASTY, "accelerator": NASTY}
    keep(folder, loaded(2), Closed(2), columns=columns, fidelity=proof(2))
    page = page_of(tmp_path / "run")
    assert "<img" not in without_library(page)
    assert page.count("</script>") == page_of(ladder(tmp_path / "plain", (1,))).count("</script>")
    assert NASTY in words(page)


def test_several_runs_are_named_and_coloured_apart(run_folders, tmp_path):
    runs = read_runs([run_folders / "before", run_folders / "after"])
    assert [r.name for r in runs] == ["before", "after"]
    made = payload(runs, [PublishedBeside()] * 2)
    assert len({r["light"] for r in made["runs"]}) == 2
    ladder(tmp_path / "before", (1,))
    twins = [r.name for r in read_runs([run_folders / "before", tmp_path / "before"])]
    assert twins == [str(run_folders / "before"), str(tmp_path / "before")]


def test_a_repeated_level_has_its_number(tmp_path):
    run = ladder(tmp_path / "run", (2, 2, 4))
    assert read_run(run).names == ["2 users", "2 users (2)", "4 users"]


def test_no_run_and_no_level_are_told(tmp_path):
    with pytest.raises(BadFile, match="holds no run"):
        read_run(tmp_path)
    RunFolder(tmp_path / "run").create(METADATA)
    with pytest.raises(NoData, match="--resume"):
        read_run(tmp_path / "run")
    with pytest.raises(CannotWrite, match="choose another place"):
        write_page("x", tmp_path / "absent" / "x.html")


def test_the_command_writes_beside_the_run(run_folders, tmp_path):
    done = CliRunner().invoke(command, [str(run_folders / "after")], catch_exceptions=False)
    assert done.output == f"Report: {run_folders / 'after' / 'report.html'}\n"
    assert (run_folders / "after" / "report.html").read_text(encoding="utf-8").startswith("<!doctype html>")
    both = [str(run_folders / "after"), str(run_folders / "before"), "--out", str(tmp_path / "two.html")]
    done = CliRunner().invoke(command, [*both, "--json"], catch_exceptions=False)
    assert json.loads(done.output) == {"report": str(tmp_path / "two.html"), "levels": {"after": 3, "before": 5}}
    assert "on vllm 0.11.0: 2 runs" in (tmp_path / "two.html").read_text(encoding="utf-8")


def test_a_large_run_makes_a_small_page_fast(tmp_path):
    folder = RunFolder(tmp_path / "run")
    folder.create(METADATA)
    requests = closed(105, 130.0, tokens=lambda rng: 128)
    keep(folder, requests, Closed(105), fidelity=proof(100), server=scraped(100, 130))
    assert requests.height >= 5000
    started = time.process_time()
    page = page_of(tmp_path / "run")
    assert time.process_time() - started < 5
    assert len(json.dumps(data_of(page)["runs"])) < 60_000


def test_a_study_shows_measured_points(tmp_path):
    run = ladder(tmp_path / "run", (1, 4, 16))
    study = Study(
        name="own",
        models=["llama-3-70b"],
        precisions=["fp8"],
        workloads=["chat"],
        scenarios=["everything"],
        points=[run / "points.parquet"],
    )
    page = render(run_study(study))
    data = data_of(page)
    panel = next(p for p in data["panels"] if p["workload"] == "Chat 1k/1k")
    origins = [data["text"][r] for r in panel["points"]["r"]]
    assert origins.count("measured") == 3
    columns = zip(panel["points"]["a"], panel["points"]["r"], strict=True)
    of_h200 = {data["text"][r] for a, r in columns if data["text"][a] == "H200"}
    assert of_h200 == {"measured", "published"}
