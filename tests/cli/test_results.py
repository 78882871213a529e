"""The printed result of a benchmark: one level in full, a ladder as a table, and figures that are the requests' own."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from paretoken.bench.plan import Closed
from paretoken.bench.run_folder import RunFolder
from paretoken.bench.stats.level_in_full import level_in_full
from paretoken.cli.measure import levels as levels_module
from paretoken.cli.measure.levels import scarce_p99, show_run
from tests.support.runs import METADATA, keep, ladder, loaded, proof, troubled
from tests.support.summaries import summary


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return RunFolder(ladder(tmp_path_factory.mktemp("run") / "run", (1, 4, 8)))


@pytest.fixture(scope="module")
def single(tmp_path_factory):
    return RunFolder(ladder(tmp_path_factory.mktemp("single") / "run", (8,)))


@pytest.fixture
def shown(capsys, monkeypatch):
    """What a run prints where no width is given."""
    monkeypatch.setattr("paretoken.cli.output.WIDTH_OF_A_PIPE", 250)

    def show(folder: RunFolder, **how: bool) -> str:
        show_run(folder, folder.levels(), **how)
        return capsys.readouterr().out

    return show


def cell(value: object) -> str:
    """A value as a table shows it: four digits, thousands apart."""
    if isinstance(value, float):
        return f"{value:,.0f}" if value >= 1000 else f"{value:.4g}"
    return str(value)


@pytest.fixture
def tables(monkeypatch, capsys):
    """The table of a run as it is handed on: columns, cells, and the columns that may be left out."""

    def of(folder: RunFolder) -> tuple[list[str], list[list[str]], tuple[str, ...]]:
        kept = []
        monkeypatch.setattr(levels_module, "print_table", lambda *table, **how: kept.append((table, how)))
        show_run(folder, folder.levels())
        capsys.readouterr()
        (_, columns, rows, *_), how = kept[0]
        return list(columns), [[cell(value) for value in row] for row in rows], how["spare"]

    return of


def line_of(out: str, label: str) -> str:
    (line,) = (x for x in out.splitlines() if x.startswith(label))
    return line


def cells(out: str, label: str) -> list[float]:
    return [float(x.replace(",", "")) for x in line_of(out, label).removeprefix(label).split()]


def test_the_figures_of_a_level_are_those_of_its_requests(single, shown):
    """Computed anew from the records: the complete requests that end in the window, numpy's quantiles."""
    out = shown(single)
    (level,) = single.levels()
    low, high = level.summary.window.start_s * 1e9, level.summary.window.end_s * 1e9
    rows = level.requests()
    done = rows.filter((pl.col("status") == "ok") & (pl.col("last_ns") > low) & (pl.col("last_ns") <= high))
    ttft, e2e = ((done[name] - done["due_ns"]).to_numpy() / 1e9 for name in ("first_ns", "last_ns"))
    tpot = (e2e - ttft) / (done["output_tokens"].to_numpy() - 1)
    for label, values, scale in (("TTFT, ms", ttft, 1e3), ("TPOT, ms", tpot, 1e3), ("E2E, s", e2e, 1.0)):
        cuts = [np.mean(values), *np.quantile(values, [0.5, 0.9, 0.95, 0.99]), values.min(), values.max()]
        assert cells(out, label)[:7] == pytest.approx([x * scale for x in cuts], rel=1e-3)
    chunks = rows.explode("chunk_ns", "chunk_tokens").filter((pl.col("chunk_ns") > low) & (pl.col("chunk_ns") <= high))
    seconds = (high - low) / 1e9
    tok_s = chunks["chunk_tokens"].sum() / seconds
    assert float(line_of(out, "Output tok/s").split()[2]) == pytest.approx(tok_s, rel=1e-3)
    assert float(line_of(out, "tok/s/GPU").split()[1]) == pytest.approx(tok_s / 8, rel=1e-3)
    assert cells(out, "Requests/s") == [pytest.approx(done.height / seconds, rel=1e-3)]
    assert f"Requests       {rows.height:,}, of which {done.height} in the window, none failed" in out
    share = np.mean(ttft <= 0.25)
    assert f"requests/s ({share:.1%} of requests) within ttft_p90=250ms" in out


def test_one_level_is_shown_in_full_and_has_no_table(single, shown):
    out = shown(single)
    assert "Measured, 8 users\n" in out and "load" not in out
    assert re.search(r"latency +mean +p50 +p90 +p95 +p99", out)
    assert all(line_of(out, name) for name in ("TTFT, ms", "TPOT, ms", "ITL, ms", "E2E, s", "Duration", "Total tok/s"))


def test_what_may_not_be_left_out_fits_80_columns(run, tables):
    """On a narrow terminal the columns of `spare` go, the first one first."""
    columns, rows, spare = tables(run)
    widths = {c: max(len(c), *(len(row[i]) for row in rows)) for i, c in enumerate(columns)}
    left = [c for c in columns if c not in spare]
    assert left == ["load", "tok/s", "TTFT p50", "TTFT p99", "TPOT p50", "TPOT p99", "SLO", "valid"]
    assert sum(widths[c] + 2 for c in [*left, "goodput"]) - 2 <= 80
    assert spare[-1] == "goodput" and set(spare) <= {*columns, "errors", "session p90 s"}


def test_a_ladder_is_a_table_then_its_best_level_in_full(run, shown):
    out = shown(run)
    assert re.search(r"^8 users +.* met .* yes ", out, re.MULTILINE)
    assert "Measured, 8 users: the highest load within the SLOs" in out and out.count("TTFT, ms") == 1
    assert shown(run, every=True).count("TTFT, ms") == 3


def test_a_wide_terminal_has_every_column(run, shown):
    heads = re.split(r" {2,}", line_of(shown(run), "load"))
    assert heads[:3] == ["load", "req/s", "tok/s"] and "tok/s/GPU" in heads
    assert heads[-6:] == ["tok/s/user", "E2E p50 s", "ITL p99", "total tok/s", "tok/s ±95 %", "requests"]


def test_per_gpu_figures_need_gpus_and_goodput_needs_slos(tmp_path, shown, monkeypatch):
    folder = RunFolder(tmp_path / "run")
    folder.create(METADATA)
    for users in (2, 4):
        keep(folder, loaded(users), Closed(users), fidelity=proof(users))
    levels = [replace(level, summary=replace(level.summary, n_gpus=1)) for level in folder.levels()]
    monkeypatch.setattr(RunFolder, "levels", lambda _: levels)
    out = shown(folder)
    assert "GPU" not in out.replace("of all GPUs", "") and "oodput" not in out and "SLO" not in out
    assert "Measured, 4 users: the highest output throughput" in out


def test_a_p99_of_too_few_requests_says_how_many_it_needs(run, shown):
    out = shown(run)
    n = [level.summary.latency.e2e_s.n for level in run.levels()]
    assert n[0] < 299 and n[1] < 299 <= n[2]
    assert f"p99 needs 299 requests in the window: approximate at 1 user ({n[0]}), 4 users ({n[1]})" in out
    assert "--until '307 requests' gives every level enough" in out
    assert f"TTFT, TPOT, E2E: p99 needs 299 requests in the window, has {n[0]}: approximate" in shown(run, every=True)


def test_a_p99_that_is_left_out_is_blank_and_said():
    few = summary(2, 10.0)
    latency = replace(few.latency, e2e_s=replace(few.latency.e2e_s, n=40, p99=None))
    text = scarce_p99([("2 users", replace(few, latency=latency))])
    assert text.startswith("p99 needs 299 requests in the window: left out at 2 users (40); --until '303 requests'")


def test_what_is_wrong_with_a_level_is_in_its_line(tmp_path, shown):
    folder = RunFolder(troubled(tmp_path / "run"))
    out = shown(folder)
    table = out[out.index("load") : out.index("Measured, ", 10)]
    words = {line.split("  ")[0]: line for line in table.splitlines()}
    assert "drifts" in words["4 users"] and "client" in words["8 users"] and "failed" in words["12 users"]
    assert "short" in words["3 users"] and re.search(r"2 users +.* yes", words["2 users"])
    assert (
        "12 users: FAILED: 11 % of requests failed, more than --max-error-rate 5 %; http_5xx: <b>out of | memory" in out
    )


@pytest.mark.parametrize(
    ("levels", "answer", "place", "why"),
    [
        ([(1, 10.0, True)], None, 0, ""),
        ([(1, 10.0, False), (2, 30.0, False), (4, 20.0, False)], None, 1, "the highest output throughput"),
        ([(1, 10.0, True), (2, 30.0, True), (4, 50.0, False)], None, 1, "the highest load within the SLOs"),
        ([(1, 10.0, True), (2, 30.0, True)], {"kind": "slo", "users": 1}, 0, "the answer of the search"),
        ([(1, 10.0, False), (2, 30.0, False)], {"kind": "slo", "users": None}, 1, "the highest output throughput"),
        ([(2, 10.0, True), (2, 11.0, True)], None, None, None),
    ],
)
def test_which_level_is_shown_in_full(levels, answer, place, why):
    best = level_in_full([summary(users, tok_s, met=met) for users, tok_s, met in levels], answer)
    assert (best and best.place, best and best.why) == (place, why)


def test_without_output_tokens_the_level_in_full_has_the_most_requests_per_second():
    levels = []
    for users, requests_s in ((1, 10.0), (2, 30.0), (4, 20.0)):
        level = summary(users, 0.0, met=False)
        window = replace(level.throughput.window, requests_s=requests_s)
        levels.append(replace(level, throughput=replace(level.throughput, window=window)))
    best = level_in_full(levels)
    assert best is not None and (best.place, best.why) == (1, "the most requests per second")
