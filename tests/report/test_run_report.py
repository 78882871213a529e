"""The page of measured runs: its figures, its words, what it keeps to itself, and how it behaves in a browser."""

from __future__ import annotations

import json
import math
import re
import time
from collections.abc import Iterator
from dataclasses import replace
from html import unescape
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from playwright.sync_api import Browser, Page

from paretoken.answers.study.config import Study
from paretoken.answers.study.run import run_study
from paretoken.bench.documents import write_json
from paretoken.bench.plan import Closed
from paretoken.bench.run_folder import RunFolder
from paretoken.bench.stats.level_summary import LevelTimes, WindowSummary
from paretoken.bench.stats.metrics import sample
from paretoken.bench.stats.scrape import ServerMetrics
from paretoken.bench.stats.summary import LevelContext, summarise
from paretoken.bench.stats.warnings import LevelWarning
from paretoken.cli.measure.report import command
from paretoken.errors import BadFile, CannotWrite, NoData
from paretoken.report import render
from paretoken.report.numbers import shown
from paretoken.report.run import tables
from paretoken.report.run.answer import headline
from paretoken.report.run.distributions import GRID, distributions
from paretoken.report.run.page import render_runs, write_page
from paretoken.report.run.payload import payload
from paretoken.report.run.proof import FIGURES, proof_row
from paretoken.report.run.reading import read_run, read_runs
from paretoken.report.run.timeline import BARS, server_series, timeline
from paretoken.report.run.warnings import warnings_of
from paretoken.secret_names import without_secrets
from tests.support.levels import closed, request, table
from tests.support.pages import Open, watched
from tests.support.runs import COLUMNS, METADATA, keep, ladder, loaded, proof, rates, scraped, troubled

NASTY = "<img src=x onerror=alert(1)></script>|`*"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    base = tmp_path_factory.mktemp("runs")
    ladder(base / "before")
    ladder(base / "after", (1, 4, 16), seed=3)
    troubled(base / "trouble")
    rates(base / "rates")
    return base


def page_of(*paths: Path) -> str:
    return render_runs(read_runs(paths))


def own(page: str) -> str:
    return page[: page.rindex("<script>//# allFunctionsCalledOnLoad")]


def data_of(page: str) -> dict:
    return json.loads(re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.S).group(1))


def window(start_s: float, end_s: float, *, enough: bool = False) -> WindowSummary:
    return WindowSummary(
        start_s=start_s,
        end_s=end_s,
        seconds=end_s - start_s,
        steady=enough,
        reason="",
        enough=enough,
        needs_s=None,
        requests=10,
        mean_in_flight=1.0,
        mean_active_users=1.0,
        trends=(),
    )


def words(page: str) -> str:
    """What a reader without JavaScript sees."""
    body = own(page)[own(page).index("<body>") :]
    bare = re.sub(r"<(script|style)\b.*?</\1>", " ", body, flags=re.S)
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", bare)).split())


def test_the_answer_comes_first(folder):
    text = words(page_of(folder / "before"))
    levels = RunFolder(folder / "before").levels()
    best = levels[-1].summary.throughput.window.output_tok_s_per_gpu
    assert text.index(f"Best throughput: {best:.2f} output tok/s per GPU") < text.index("Throughput against latency")
    assert "at 16 users" in text
    assert re.search(r"One user alone sees [\d.]+ tok/s, first token after \d+ ms", text)
    assert "Highest load measured within ttft_p90=250ms: 8 users" in text
    assert "meta/Llama-3.3-70B on vllm 0.11.0, 8 × H200, ISL 1024, OSL 1024, 2026-11-20" in text
    assert "No warning" in text


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (
            {"kind": "slo", "users": 96, "steps": 9, "slo": "ttft_p99=2s", "fails_at": 104},
            "Highest load within ttft_p99=2s: 96 users (9 steps; 104 is too many).",
        ),
        (
            {"kind": "slo", "users": None, "steps": 1, "slo": "ttft_p99=2s", "fails_at": 1},
            "No measured load stays within ttft_p99=2s.",
        ),
        ({"kind": "knee", "users": 48, "steps": 7}, "Beyond 48 users latency grows faster"),
    ],
)
def test_what_a_search_found_is_said(tmp_path, answer, said):
    ladder(tmp_path / "run", (1, 2))
    RunFolder(tmp_path / "run").refresh(answer)
    assert said in " ".join(headline(read_run(tmp_path / "run")).sentences)


def test_unsound_levels_do_not_win(folder):
    run = read_run(folder / "trouble")
    assert "at 2 users" in headline(run).best
    limited, failed = (replace(run, levels=run.levels[part]) for part in (slice(2, 4), slice(3, 4)))
    assert "at 8 users (client-limited)" in headline(limited).best
    assert headline(failed).sentences[0].startswith("No level has figures")


def test_every_warning_is_prominent(folder):
    run = read_run(folder / "trouble")
    warned = warnings_of([run])
    assert [w.code for w in warned][:5] == ["unfinished", "failed", "client_limited", "no_steady_state", "errors"]
    assert dict(warned[3].texts)["4 users"].startswith("TPOT still rising")
    text = words(page_of(folder / "trouble"))
    assert text.index("Before you trust these figures") < text.index("Throughput against latency")
    assert "http_5xx 50 <b>out of | memory</b>" in text
    assert all(w.code.startswith("quantile") for w in warnings_of([run], minor=True))


def test_equal_words_are_said_once(tmp_path):
    run = ladder(tmp_path / "run", (1, 2))
    for level in RunFolder(run).levels():
        write_json(
            level.folder / "summary.json", replace(level.summary, warnings=(LevelWarning("new_code", "the same"),))
        )
    (warned,) = warnings_of([read_run(run)])
    assert (warned.title, warned.texts) == ("New code", (("1 user, 2 users", "the same"),))


def test_the_page_loads_nothing_and_tells_no_secret(folder):
    page = page_of(folder / "before")
    assert "default-src 'none'" in page
    assert not re.findall(r"<(?:script|img|iframe|link)\b[^>]*\b(?:src|href)\s*=\s*\"(?!data:)", own(page))
    assert "hunter2" not in page and "verysecret" not in page
    assert "http://…@10.0.0.7:8000 --concurrency 1:16:x2 --api-key …" in words(page)


@pytest.mark.parametrize(
    ("told", "kept"),
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
def test_secrets_are_left_out(told, kept):
    assert without_secrets(told) == kept


def test_names_from_outside_are_escaped(tmp_path):
    metadata = replace(METADATA, run=replace(METADATA.run, command=NASTY, servers=()), notes=(NASTY,))
    folder = RunFolder(tmp_path / "run")
    folder.create(metadata)
    columns = COLUMNS | {"model_variant": NASTY, "engine": NASTY, "accelerator": NASTY}
    keep(folder, loaded(2), Closed(2), columns=columns, fidelity=proof(2))
    page = page_of(tmp_path / "run")
    assert "<img" not in own(page)
    assert page.count("</script>") == 4
    assert NASTY in words(page)


def test_distributions_are_those_of_the_summary(folder):
    for level in RunFolder(folder / "before").levels():
        made = distributions(sample(level.requests()), level.summary)
        for metric, of in made.items():
            summarised = level.summary.latency.by_metric[metric]
            assert of["n"] == summarised.n
            values = of.get("all") or of["q"]
            assert len(values) <= 200
            median = np.median(values) if "all" in of else of["q"][int(np.searchsorted(GRID, 0.5))]
            assert median == pytest.approx(summarised.p50 * 1000, rel=0.01)
            assert values[-1] == pytest.approx(summarised.max * 1000, rel=1e-3) if metric != "itl" else True


def test_an_open_loop_has_its_distributions(folder):
    level = RunFolder(folder / "rates").levels()[0]
    made = distributions(sample(level.requests()), level.summary)
    assert {m: d["n"] for m, d in made.items()} == {m: level.summary.latency.by_metric[m].n for m in made}


def test_the_timeline_adds_up():
    requests = closed(8, 20.0)
    made = timeline(sample(requests), window(2.0, 18.0, enough=True))
    assert sum(made["tok"]) * made["step"] == pytest.approx(requests["output_tokens"].sum(), rel=1e-3)
    assert max(made["flight"]) == 8 and made["err"] is None and made["window"] == [2, 18]
    assert made["bars"]["of"] == len(made["bars"]["due"]) == requests.height
    assert made["bars"]["rows"] == made["bars"]["ofRows"] == 8


def test_bars_are_a_sample_of_whole_users():
    requests = closed(40, 40.0)
    bars = timeline(sample(requests), window(0.0, 1.0))["bars"]
    assert bars["of"] == requests.height > BARS >= len(bars["due"])
    assert bars["rows"] < bars["ofRows"] == 40
    per_user = np.bincount(bars["row"])
    assert per_user.min() == per_user.max() == requests.height // 40


def test_packed_rows_never_overlap(folder):
    level = RunFolder(folder / "rates").levels()[1]
    bars = timeline(sample(level.requests()), level.summary.window)["bars"]
    for row in range(bars["rows"]):
        mine = [i for i, r in enumerate(bars["row"]) if r == row]
        assert all(bars["end"][a] <= bars["due"][b] + 1e-4 for a, b in pairwise(mine))


def test_errors_are_counted_when_they_end():
    rows = [request(k * 10**8, [k * 10**8 + 10**9], user=0, status="reset" if k == 5 else "ok") for k in range(20)]
    made = timeline(sample(table(rows)), window(0.0, 1.0))
    assert sum(made["err"]) == 1
    assert made["err"].index(1) == int(1.5 / made["step"])


def test_server_series_start_with_the_level():
    plain = summarise(closed(2, 5.0), Closed(2), LevelContext(columns=COLUMNS), server=scraped(4, 900))
    made = server_series(replace(plain, run=LevelTimes(t0_monotonic_s=1002.0)))
    assert (made["at"][0], made["aligned"], len(made["at"])) == (-2, True, 300)
    assert server_series(plain)["at"][0] == 0
    assert server_series(replace(plain, server=None)) is None
    running = ServerMetrics(at_s=(1, 2), series={"running": (1, None)})
    assert "waiting" not in server_series(replace(plain, server=running))


def test_the_proof_marks_what_is_past_its_bound():
    row = proof_row("8 users", proof(8, limited=True))
    past = [f.name for f, (_, is_past) in zip(FIGURES, row.cells, strict=True) if is_past]
    assert past == ["Core, busiest worker", "Read lag p99, ms"] and row.limited
    assert proof_row("x", None).verdict == "not recorded"
    assert ("–", False) in proof_row("x", replace(proof(8), loop_lag_p99_s=math.nan)).cells


def test_several_runs_are_named_and_coloured_apart(folder, tmp_path):
    runs = read_runs([folder / "before", folder / "after"])
    assert [r.name for r in runs] == ["before", "after"]
    made = payload(runs)
    assert len({r["light"] for r in made["runs"]}) == 2
    ladder(tmp_path / "before", (1,))
    twins = [r.name for r in read_runs([folder / "before", tmp_path / "before"])]
    assert twins == [str(folder / "before"), str(tmp_path / "before")]


def test_a_repeated_level_has_its_number(tmp_path):
    run = ladder(tmp_path / "run", (2, 2, 4))
    assert read_run(run).names == ["2 users", "2 users (2)", "4 users"]


def test_intervals_and_repeats_are_tables(tmp_path):
    run = read_run(ladder(tmp_path / "run", (2, 4, 4)))
    grid = tables.intervals_grid(run)
    for (_, cells, _), level in zip(grid.rows, run.levels, strict=True):
        itl = level.summary.intervals["median_itl_s"]
        value, low, high = (shown(x * 1000) for x in (itl.value, itl.low, itl.high))
        assert dict(zip(grid.heads, cells, strict=True))["ITL p50, ms"] == f"{value} ({low} to {high})"
        assert itl.low < itl.high
    ((name, cells, _),) = tables.repeats_grid([x.summary for x in run.levels]).rows
    rates = [x.point["output_tput_per_gpu_tok_s"] for x in run.levels[1:]]
    assert (name, cells[0]) == ("4 users", "2") and cells[1].startswith(shown(sum(rates) / 2, 4))


def test_no_run_and_no_level_are_told(tmp_path):
    with pytest.raises(BadFile, match="holds no run"):
        read_run(tmp_path)
    RunFolder(tmp_path / "run").create(METADATA)
    with pytest.raises(NoData, match="--resume"):
        read_run(tmp_path / "run")
    with pytest.raises(CannotWrite, match="--out"):
        write_page("x", tmp_path / "absent" / "x.html")


def test_the_command_writes_beside_the_run(folder, tmp_path):
    done = CliRunner().invoke(command, [str(folder / "after")], catch_exceptions=False)
    assert done.output == f"Report: {folder / 'after' / 'report.html'}\n"
    assert (folder / "after" / "report.html").read_text(encoding="utf-8").startswith("<!doctype html>")
    both = [str(folder / "after"), str(folder / "before"), "--out", str(tmp_path / "two.html")]
    CliRunner().invoke(command, both, catch_exceptions=False)
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
    lines = {(data["text"][c["a"]], data["text"][c["r"]]) for c in panel["axes"]["e2e"]["lines"]}
    assert ("H200", "measured") in lines and ("H200", "published") in lines


@pytest.fixture(scope="module")
def files(folder: Path) -> dict[str, Path]:
    made = {"one": ["before"], "two": ["before", "after"], "trouble": ["trouble"], "rates": ["rates"]}
    for name, runs in made.items():
        write_page(page_of(*(folder / r for r in runs)), folder / f"{name}.html")
    return {name: folder / f"{name}.html" for name in made}


@pytest.fixture
def open_page(browser: Browser, files: dict[str, Path], request: pytest.FixtureRequest) -> Iterator[Open]:
    with watched(browser, files[getattr(request, "param", "one")]) as opened:
        yield opened


PLOTS = ("plot-curve", "plot-ttft", "plot-tpot", "plot-itl", "plot-e2e", "plot-time")


def kinds(page: Page, plot: str) -> list[dict]:
    return page.evaluate(
        "id => document.getElementById(id).data.map(t => ({...t.meta, x: t.x, y: t.y, symbol: t.marker?.symbol}))", plot
    )


@pytest.mark.browser
@pytest.mark.parametrize("open_page", ["one", "two", "trouble", "rates"], indirect=True)
def test_every_plot_is_drawn(open_page: Open) -> None:
    page = open_page()
    for plot in PLOTS:
        assert page.locator(f"#{plot} .scatterlayer .trace").count() >= 1, plot
    assert page.locator("#plot-server").is_visible() == (page.locator("#server table").count() > 0)


@pytest.mark.browser
def test_the_level_changes_distributions_and_timeline(open_page: Open) -> None:
    page = open_page()
    before = [kinds(page, plot) for plot in PLOTS]
    page.select_option("#level", label="2 users")
    after = [kinds(page, plot) for plot in PLOTS]
    assert all(a != b for a, b in zip(before, after, strict=True))
    assert "2 users" in page.inner_text("#subject")
    assert max(next(t for t in after[-1] if t["kind"] == "in flight")["y"]) == 2
    assert open_page(page.url[page.url.index("#") :]).input_value("#level") == "1"


@pytest.mark.browser
def test_axes_switch_the_curve(open_page: Open) -> None:
    page = open_page()
    seen = []
    for control, value in (("axis", "inter"), ("side", "total"), ("scale", "log")):
        page.select_option(f"#{control}", value)
        seen.append(page.evaluate("(({x, y}) => [x, y])(document.getElementById('plot-curve').data[1])"))
        seen[-1].append(page.evaluate("document.getElementById('plot-curve').layout.xaxis.type"))
    assert seen[0][0] == sorted(seen[0][0], reverse=True)
    assert seen[0][1] != seen[1][1]
    assert [s[2] for s in seen] == ["linear", "linear", "log"]


@pytest.mark.browser
def test_a_click_on_a_mark_chooses_the_level(open_page: Open) -> None:
    page = open_page()
    assert page.input_value("#level") == "4"
    page.locator("#plot-curve").scroll_into_view_if_needed()
    box = page.evaluate(
        "(() => { const n = document.getElementById('plot-curve'), l = n._fullLayout, t = n.data[1];"
        " const r = n.getBoundingClientRect();"
        " return [r.x + l._size.l + l.xaxis.l2p(t.x[0]), r.y + l._size.t + l.yaxis.l2p(t.y[0])]; })()"
    )
    page.mouse.move(*box)
    page.wait_for_selector("#plot-curve .hoverlayer .hovertext")
    hover = page.locator("#plot-curve .hoverlayer").inner_html()
    for part in ("1 user", "TTFT p50", "TPOT p50", "E2E p50", "95 %", "steady: yes", "origin: measured"):
        assert part in hover
    page.mouse.click(*box)
    page.wait_for_function("document.getElementById('level').value === '0'")


@pytest.mark.browser
@pytest.mark.parametrize("open_page", ["trouble"], indirect=True)
def test_doubtful_levels_are_hollow_and_failures_red(open_page: Open) -> None:
    page = open_page()
    marks = next(t for t in kinds(page, "plot-curve") if t["kind"] == "levels")
    assert marks["symbol"] == ["circle", *["circle-open"] * 4]
    page.select_option("#level", label="12 users (failed)")
    shown = {t["kind"] for t in kinds(page, "plot-time")}
    assert {"errors", "failed", "waiting", "decoding"} <= shown
    page.select_option("#level", label="2 users (2) (failed)")
    assert "none" in page.inner_text("#n-ttft")
    assert {t["kind"] for t in kinds(page, "plot-time")} >= {"errors", "failed"}


@pytest.mark.browser
@pytest.mark.parametrize("open_page", ["two"], indirect=True)
def test_runs_lie_over_each_other(open_page: Open) -> None:
    page = open_page()
    assert {t.get("run") for t in kinds(page, "plot-curve") if t["kind"] == "levels"} == {"before", "after"}
    page.select_option("#run", label="after")
    assert page.locator("#level option").count() == 3
    assert page.inner_text("#subject").startswith("after: 16 users")
    strong = [t for t in kinds(page, "plot-ttft") if t["strong"]]
    assert len(strong) == 2


@pytest.mark.browser
@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("open_page", ["one", "two", "trouble"], indirect=True)
def test_no_horizontal_overflow(open_page: Open, width: int) -> None:
    page = open_page(width=width)
    page.evaluate("document.querySelectorAll('details').forEach(d => { d.open = true })")
    assert page.evaluate("document.scrollingElement.scrollWidth <= innerWidth")


@pytest.mark.browser
def test_dark_print_keyboard_and_no_script(open_page: Open, browser: Browser, files: dict[str, Path]) -> None:
    page = open_page(color_scheme="dark")
    ground = (
        "[getComputedStyle(document.body).backgroundColor, document.getElementById('plot-time').layout.paper_bgcolor]"
    )
    assert page.evaluate(ground) == ["rgb(20, 24, 28)", "#14181c"]
    page.click("#theme")
    assert page.evaluate(ground) == ["rgb(255, 255, 255)", "#ffffff"]
    page.click("#theme")
    page.emulate_media(media="print", color_scheme="dark")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert not page.locator("nav").is_visible()
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert page.locator("#levels details table").first.is_visible()
    assert len(page.pdf(format="A4")) > 50_000
    fresh = open_page()
    fresh.keyboard.press("Tab")
    assert fresh.evaluate("document.activeElement.className") == "skip"
    fresh.focus("#level")
    before = kinds(fresh, "plot-time")
    fresh.keyboard.press("ArrowUp")
    assert kinds(fresh, "plot-time") != before
    context = browser.new_context(java_script_enabled=False)
    bare = context.new_page()
    bare.goto(files["one"].as_uri())
    assert bare.locator("#levels table").first.is_visible() and bare.locator("#proof table").is_visible()
    assert not bare.locator("#plot-curve").is_visible() and not bare.locator("#one-level").is_visible()
    context.close()


@pytest.mark.browser
def test_a_link_with_nonsense_still_shows_something(open_page: Open) -> None:
    page = open_page("#axis=up&side=x&scale=&tail=z&run=9&level=-4")
    assert page.input_value("#level") == "4" and kinds(page, "plot-curve")
