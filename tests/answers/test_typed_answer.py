"""Answers as data frames, as plots and as pages of Jupyter."""

from __future__ import annotations

import sys
from dataclasses import replace

import matplotlib
import pytest
from matplotlib import pyplot

import paretoken
from paretoken.answers.plot import MARKS, PlotAxes, drawn
from paretoken.answers.rows import flat_rows
from paretoken.answers.shown_rows import MOST_ROWS, columns_of, page
from paretoken.errors import BadConfig, NoData

matplotlib.use("Agg")
CHAT = {"model": "llama-3-70b", "precision": "fp8", "workload": "chat"}
HOSTILE = "<script>alert(1)</script>$x$\x1b[2J"


@pytest.fixture(autouse=True)
def _no_figure_stays():
    yield
    pyplot.close("all")


@pytest.fixture(scope="module")
def compared():
    return paretoken.compare(**CHAT, e2e_s=15)


@pytest.fixture(scope="module")
def predicted():
    return paretoken.predict_deployment(
        model="llama-3-70b", precision="fp8", accelerator="H100", engine="vllm", tp=4, isl=3000, osl=700
    )


def test_a_frame_has_units_origins_and_sources(compared):
    frame = compared.to_polars()
    assert {"tput_per_gpu_tok_s", "usd_per_mtok_total", "e2e_s", "origin", "source"} <= set(frame.columns)
    assert frame["accelerator"].to_list() == [c.accelerator for c in compared.candidates]
    assert frame["tput_per_gpu_tok_s"].to_list() == [c.tput_per_gpu for c in compared.candidates]


def test_a_predicted_frame_says_who_predicted(predicted):
    frame = predicted.to_polars()
    assert set(frame["origin"]) == {"predicted"} and frame["source"][0].endswith("prediction")
    assert (frame["total_tput_per_gpu_tok_s_lo"] <= frame["total_tput_per_gpu_tok_s"]).all()


def test_pandas_has_the_same_figures(compared):
    assert compared.to_pandas()["usd_per_mtok_total"].to_list() == compared.to_polars()["usd_per_mtok_total"].to_list()


@pytest.mark.parametrize(("method", "module"), [("to_pandas", "pandas"), ("plot", "matplotlib")])
def test_a_missing_extra_is_one_sentence(compared, monkeypatch, method, module):
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(BadConfig, match=rf"needs {module}; pip install 'paretoken\[notebook\]'"):
        getattr(compared, method)()


def test_records_become_columns_and_lists_text():
    (row,) = flat_rows([{"a": {"b": 1, "tput_per_gpu": 2.0}, "names": ["x", "y"], "rows": [{"c": 1}]}], {"origin": "o"})
    assert row == {"a_b": 1, "a_tput_per_gpu_tok_s": 2.0, "names": "x; y", "origin": "o"}


def test_candidates_are_bars_by_rank(compared):
    ax = compared.plot()
    assert next(t.get_text() for t in ax.get_yticklabels()) == "B200 trtllm"
    widths = [bar.get_width() for bar in ax.patches]
    assert widths == [c.usd_per_mtok_total for c in compared.candidates]
    assert "USD per million tokens" in ax.get_xlabel() and compared.winner in ax.get_title(loc="left")


def test_a_frontier_has_one_line_a_curve():
    answer = paretoken.frontiers(**CHAT)
    ax = answer.plot()
    curves = {(p.accelerator, p.engine, p.software) for p in answer.points}
    assert len(ax.lines) == len(curves) and ax.get_xlabel() == "E2E latency (s)"
    assert {line.get_marker() for line in ax.lines} == {MARKS["published"].marker}
    assert sum(len(line.get_xdata()) for line in ax.lines) == len(answer.points)


def test_a_cost_falls_over_interactivity_s_axis():
    ax = paretoken.cost(**CHAT, axis="interactivity", tiers=("hyperscaler",)).plot()
    assert ax.get_xlabel() == "Interactivity (tok/s/user)" and ax.get_ylabel() == "Cost (USD per million tokens)"


@pytest.mark.parametrize("basis", [{"rent_usd": 2.5}, {"market": True, "terms": ("on-demand",)}])
def test_a_break_even_rent_is_a_curve_over_latency(basis):
    answer = paretoken.breakeven(**CHAT, accelerator="MI300X", against="H200", **basis)
    (line,) = answer.plot().lines
    rents = [p.break_even_usd_per_gpu_h for p in answer.points] or list(answer.terms[0].break_even_usd_per_gpu_h)
    assert list(line.get_ydata()) == rents and "MI300X" in answer.sentence


def test_predictions_are_hollow_and_have_a_band(predicted):
    ax = predicted.plot()
    assert ax.lines[0].get_markerfacecolor() == "none" and ax.lines[0].get_linestyle() == "--"
    top = max(y for path in ax.collections[0].get_paths() for _, y in path.vertices)
    assert top == pytest.approx(max(r.total_tput_per_gpu_tok_s_hi for r in predicted.rows))


def test_an_axes_of_the_caller_is_drawn_on(compared):
    mine = pyplot.subplots()[1]
    assert compared.plot(mine) is mine


def test_an_answer_without_a_picture_says_so():
    with pytest.raises(NoData, match="RentAnswer has nothing to plot"):
        paretoken.rent(accelerator="H200").plot()


def test_rows_without_the_figure_are_nothing_to_plot():
    with pytest.raises(NoData, match="no row has y"):
        drawn([{"y": None}], PlotAxes(label="", y="y", y_label=""), "")


def test_words_of_strangers_are_drawn_as_they_are():
    """Two $ would be a formula, and a control character a box."""
    ax = drawn([{"n": HOSTILE, "y": 1.0, "origin": "measured"}], PlotAxes(label="{n}", y="y", y_label="USD"), HOSTILE)
    ax.figure.canvas.draw()
    assert "\\x1b" in ax.get_yticklabels()[0].get_text() and "$x$" in ax.get_title(loc="left")


def test_jupyter_gets_the_verdict_the_table_and_the_sources(compared):
    text = compared._repr_html_()
    assert compared.sentence in text.replace("&#x27;", "'") and text.count("<tr>") == len(compared.candidates) + 1
    assert "Origin: published" in text and "Source: inferencex-" in text and "paretoken ask compare" in text


def test_jupyter_gets_no_markup_of_strangers(compared):
    first = replace(compared.candidates[0], accelerator=HOSTILE, source=HOSTILE)
    text = replace(compared, winner=HOSTILE, candidates=(first,))._repr_html_()
    assert "<script" not in text and "&lt;script&gt;" in text and "\x1b" not in text


def test_a_long_table_is_cut_and_says_so():
    text = page("", [{"n": i} for i in range(MOST_ROWS + 5)], (), {})
    assert text.count("<tr>") == MOST_ROWS + 1 and "5 more rows" in text


def test_columns_without_difference_or_value_are_left_out():
    rows = [{"a": 1, "same": 2, "none": None}, {"a": 2, "same": 2, "none": None}]
    assert columns_of(rows, ()) == ["a"] and columns_of(rows, ("none", "same")) == ["same"]


def test_no_verdict_names_no_winner(compared):
    withheld = replace(compared, winner=None, withheld="better hardware is slower")
    assert withheld.sentence == "At most 15 s end to end, no verdict: better hardware is slower"


def test_a_plan_is_bars_with_the_interval_of_its_bill():
    answer = paretoken.plan_fleet(
        model="llama-3-70b",
        precisions=("fp8",),
        accelerators=("H200",),
        engines=("vllm",),
        tp=2,
        rate="200/min",
        isl="1800",
        osl="250",
        slo="ttft_p95=2s,tpot=50ms",
        coarse=True,
    )
    frame = answer.to_polars()
    bill = answer.rows[0].bills[0]
    assert (frame["usd_per_day_lo"][0], frame["usd_per_day_hi"][0]) == bill.usd_per_day_90
    assert answer.plot().patches[0].get_width() == bill.usd_per_day and answer.sentence == answer.headline
