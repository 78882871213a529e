"""The report as a file: complete, escaped, loading nothing, its data what the study found."""

from __future__ import annotations

import json
import re
from base64 import b64decode
from dataclasses import replace
from datetime import date
from zlib import decompress

import polars as pl
import pytest

from paretoken.answers.study.config import Study, load_study
from paretoken.answers.study.result import StudyResult
from paretoken.answers.study.run import run_study
from paretoken.catalog.loader import load_catalog
from paretoken.report.contests import contests
from paretoken.report.html import render
from paretoken.report.money_data import _index
from paretoken.report.numbers import money, more, percent, rounded, shown
from paretoken.report.page import environment, island
from paretoken.report.payload import payload
from paretoken.report.sections import SECTIONS
from paretoken.report.style import style_of
from paretoken.report.summary import cells, panels_of, verdict_of
from paretoken.report.text import answer
from tests.support.html_pages import data_of, without_library

SMALL = Study(
    name="small", title="A small study", models=["gpt-oss-120b"], precisions=["fp4"], workloads=["chat", "reasoning-8k"]
)
NASTY_TITLE = "<script>alert(1)</script>"
NASTY_ENGINE = "vllm\"'><img src=x onerror=alert(2)></script>"


@pytest.fixture(scope="module")
def result() -> StudyResult:
    return run_study(SMALL, today=date(2026, 11, 24))


@pytest.fixture(scope="module")
def page(result: StudyResult) -> str:
    return render(result)


def with_engine(result: StudyResult, old: str, new: str) -> StudyResult:
    """The result with an engine renamed in its points and curves."""
    rename = pl.col("engine").replace(old, new)
    panels = tuple(
        replace(
            p,
            points=p.points.with_columns(rename),
            curves={
                a: tuple(
                    replace(c, engine=new, points=c.points.with_columns(rename)) if c.engine == old else c for c in cs
                )
                for a, cs in p.curves.items()
            },
        )
        for p in result.panels
    )
    return replace(result, panels=panels)


def test_the_page_is_whole_and_says_who_wins(page: str, result: StudyResult) -> None:
    assert page.startswith("<!doctype html>")
    assert page.rstrip().endswith("</html>")
    assert '<html lang="en">' in page
    assert environment().from_string("{{ s }}").render(s=answer(result)[0]) in page
    for section in SECTIONS:
        assert f'id="{section.name}"' in page


def test_nothing_is_loaded_from_anywhere(page: str) -> None:
    own = without_library(page)
    assert "default-src 'none'" in own
    resources = re.findall(r"<(?:script|img|iframe|audio|video|source|embed|object)\b[^>]*\b(?:src|data)\s*=", own)
    assert resources == []
    followed = re.findall(r"<a\b[^>]*>", own)
    loaded = [tag for tag in re.findall(r"<[a-z]+\b[^>]*\bhref=[^>]*>", own) if tag not in followed]
    assert loaded == ['<link rel="icon" href="data:,">']
    assert all('href="#' in tag or 'rel="noopener noreferrer"' in tag for tag in followed)
    assert "@import" not in own
    assert "url(" not in own


def test_own_code_has_no_eval_and_no_markup_from_text(page: str) -> None:
    own = without_library(page)
    for word in ("eval(", "innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "new Function"):
        assert word not in own


def test_a_hostile_title_and_engine_stay_text(result: StudyResult) -> None:
    hostile = with_engine(result, "vllm", NASTY_ENGINE)
    hostile = replace(hostile, study=hostile.study.model_copy(update={"title": NASTY_TITLE, "name": NASTY_TITLE}))
    own = without_library(render(hostile))
    assert NASTY_TITLE not in own
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in own
    assert "<img" not in own
    assert NASTY_ENGINE in data_of(own)["engines"]


@pytest.mark.parametrize("text", ["</script>", "<!--", "a&b", "\u2028\u2029", 'say "x"', "]]>", "é – µ"])
def test_an_island_cannot_be_left_and_reads_back(text: str) -> None:
    made = str(island({"text": text}))
    assert re.fullmatch(r"[A-Za-z0-9+/=]+", made)
    assert json.loads(decompress(b64decode(made))) == {"text": text}


def test_the_payload_comes_back_from_the_page_as_it_was_made(page: str, result: StudyResult) -> None:
    assert data_of(page) == json.loads(json.dumps(payload(result)))


def test_the_rent_index_leaves_out_quarters_of_too_few_providers(result: StudyResult) -> None:
    periods = next(p for p in result.economy.index.values() if any(q.median is None for q in p))
    drawn = _index(periods)
    assert drawn["period"] == [q.period for q in periods if q.median is not None] and min(drawn["n"]) >= 3
    assert None not in drawn["median"] + drawn["index"]


def test_curves_are_places_of_the_points_that_make_them(result: StudyResult) -> None:
    data = payload(result)
    text = data["text"]
    for panel, made in zip(result.panels, data["panels"], strict=True):
        columns = made["points"]
        for axis, curves in panel.curves.items():
            latency = columns["e2e" if axis == "e2e" else "tpot"]
            assert len(made["axes"][axis]["curves"]) == len(curves)
            for own, drawn in zip(curves, made["axes"][axis]["curves"], strict=True):
                assert (text[drawn["a"]], text[drawn["e"]], text[drawn["r"]]) == (
                    own.accelerator,
                    own.engine,
                    own.origin,
                )
                assert {text[columns["a"][i]] for i in drawn["p"]} == {own.accelerator}
                assert [latency[i] for i in drawn["p"]] == pytest.approx(list(own.latency_s), rel=1e-5)
                served = own.points["tput_per_gpu"].to_list()
                assert [columns["t"][i] for i in drawn["p"]] == pytest.approx(served, rel=1e-5)


def test_a_contest_is_between_vendors_and_its_margin_is_not_negative(result: StudyResult) -> None:
    met = contests(result, "like-for-like", "e2e", result.tariffs[0].tier)
    assert met
    assert all(c.margin >= 0 for c in met)
    assert all(c.panel in panels_of(result, "like-for-like") for c in met)


def test_predictions_change_nothing_of_what_is_counted(default_result: StudyResult) -> None:
    real = run_study(load_study().model_copy(update={"predict": None}), today=date(2026, 11, 24))

    def counted(of: StudyResult) -> list[tuple]:
        met = contests(of, "like-for-like", "e2e", of.tariffs[0].tier)
        return [
            (c.panel.title, c.value, c.accelerator, c.margin, c.fragile, c.withheld) for c in met if not c.predicted
        ]

    assert counted(default_result) == counted(real)
    assert answer(default_result)[0] == answer(real)[0]


def test_what_rests_on_a_prediction_says_so_in_every_verdict(default_result: StudyResult) -> None:
    predicted = set()
    for panel in panels_of(default_result, "like-for-like"):
        verdict = verdict_of(panel, "e2e", default_result.tariffs[0].tier)
        for cell, mark in zip(cells(verdict, default_result.study.e2e_s), default_result.study.e2e_s, strict=True):
            of_mark = [c for c in verdict.comparisons if c.value == mark]
            top = [p.origin for c in of_mark for p in c.candidates[:2] if p.usd_per_mtok_total is not None]
            if cell.withheld is None:
                assert ("predicted" in cell.confidence) == ("predicted" in top)
            predicted.add("predicted" in cell.confidence)
    assert predicted == {True, False}


def test_a_study_of_one_vendor_says_that_vendors_do_not_meet() -> None:
    alone = run_study(SMALL.model_copy(update={"accelerators": ["H100", "B200"]}))
    assert "no limit has data that can be compared for accelerators of different vendors" in answer(alone)[0]
    assert render(alone)


def test_unknown_accelerators_have_a_lasting_style_of_their_family() -> None:
    assert style_of("R999", "NVIDIA") == style_of("R999", "NVIDIA")
    assert style_of("R999", "NVIDIA").shape == style_of("H100", "NVIDIA").shape == "circle"
    assert style_of("MI999", "AMD").shape == "diamond"
    assert style_of("Thing", "Somebody").shape == "square"


def contrast(one: str, two: str) -> float:
    def luminance(colour: str) -> float:
        parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
        return sum(w * v for w, v in zip((0.2126, 0.7152, 0.0722), linear, strict=True))

    high, low = sorted((luminance(one), luminance(two)), reverse=True)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("vendor", ["NVIDIA", "AMD", "Somebody"])
@pytest.mark.parametrize("name", [*load_catalog().accelerators, *(f"X{i}" for i in range(1, 6))])
def test_colours_stand_out_from_both_grounds(name: str, vendor: str) -> None:
    style = style_of(name, vendor)
    assert contrast(style.light, "#ffffff") >= 3
    assert contrast(style.dark, "#14181c") >= 3


@pytest.mark.parametrize(
    ("value", "text"),
    [(1234.5, "1,234"), (12.345, "12.3"), (0.0925, "0.0925"), (0, "0"), (None, "–"), (float("nan"), "–")],
)
def test_figures_as_shown(value: float | None, text: str) -> None:
    assert shown(value) == text


def test_other_formats() -> None:
    assert (rounded(1234.5678), rounded(2.0), rounded(float("inf")), rounded(None)) == (1235, 2, None, None)
    assert (percent(0.354), percent(0.0335), percent(2.6)) == ("35\u00a0%", "3.4\u00a0%", "3.6×")
    assert (more(0.354), more(2.6)) == ("+35\u00a0%", "×3.6")
    assert (money(1.6759), money(0.0925), money(None)) == ("$1.68", "$0.0925", "–")
