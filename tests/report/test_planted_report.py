"""What the report says of planted points: limits, real points, both kinds of serving, and what counts for nobody."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from paretoken.answers.study.result import StudyResult
from paretoken.report.contests import contests
from paretoken.report.html import render
from paretoken.report.payload import payload
from paretoken.report.point_words import software_words
from paretoken.report.rent_sources import rent_sources
from paretoken.report.summary import cells, verdict_of
from paretoken.report.text import answer
from tests.support.html_pages import section_of
from tests.support.planted import STEADY, TODAY, curve, planted_study, times

Plant = Callable[..., StudyResult]


@pytest.fixture
def plant(tmp_path: Path) -> Plant:
    return partial(planted_study, tmp_path / "points.parquet")


def marked(result: StudyResult, e2e_s: float, scenario: int = 0):
    verdict = verdict_of(result.panels[scenario], "e2e", result.tariffs[0].tier)
    return cells(verdict, [e2e_s])[0]


def met(result: StudyResult):
    return contests(result, "like-for-like", "e2e", result.tariffs[0].tier)


def words(html: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", html)).replace("\u00a0", " ")


def curve_of(result: StudyResult, accelerator: str, origin: str = "published") -> list[tuple[float, float]]:
    """(E2E latency s, tok/s/GPU) of a curve of the payload."""
    data = payload(result)
    (panel, text) = data["panels"][0], data["text"]
    curves = panel["axes"]["e2e"]["curves"]
    (own,) = (c for c in curves if (text[c["a"]], text[c["r"]]) == (accelerator, origin))
    return [(panel["points"]["e2e"][i], panel["points"]["t"][i]) for i in own["p"]]


def test_beyond_its_last_point_a_curve_counts(plant: Plant) -> None:
    points = [(2, 9000), (3, 9900), (4, 10000), (5, 11000)]
    result = plant(curve("B200", points), curve("MI355X", STEADY))
    assert marked(result, 30.0).winner == "B200"
    assert curve_of(result, "B200") == points


def out_of_order(**changes: object) -> tuple[list[dict], ...]:
    """B300 at half of B200's throughput with the same engine, release and date."""
    return (
        curve("B200", times(STEADY, 4)),
        curve("B300", times(STEADY, 2)),
        curve("MI355X", STEADY, **changes),
    )


def test_a_withheld_verdict_names_no_winner_counts_for_nobody_and_is_listed(plant: Plant) -> None:
    result = plant(*out_of_order())
    cell = marked(result, 20.0)
    assert cell.winner is None
    assert cell.withheld.startswith("inconsistent data: with at most 20 s end to end B300")
    assert met(result) and not any(c.counts for c in met(result))
    short = answer(result)
    assert "no limit has data that can be compared" in short[0]
    page = render(result)
    listed = words(section_of(page, "withheld"))
    assert "1 pair is out of order" in listed
    for part in (
        "B300",
        "B200",
        "vllm 0.18.0, 2026-01-01",
        "≈ 1,136 against 2,273 tok/s/GPU at 14.2 s",
        "TP8 on 8 GPUs, 8 users: 800.0 tok/s/GPU at 10 s",
        "1,600",
    ):
        assert part in listed, part
    assert ">withheld</abbr>" in section_of(page, "verdicts")
    data = payload(result)
    segments = data["panels"][0]["axes"]["e2e"]["verdicts"][result.tariffs[0].tier]["segments"]
    assert all(data["text"][s[12]].startswith("inconsistent data") for s in segments if s[5] is not None)


def test_consistent_verdicts_say_so(plant: Plant) -> None:
    page = render(plant(curve("B200", times(STEADY, 4)), curve("MI355X", STEADY)))
    assert "No pair of accelerators is out of order" in words(section_of(page, "withheld"))
    assert "No newer state is left out" in words(section_of(page, "newer"))


def test_a_fragile_verdict_says_why(plant: Plant) -> None:
    """Without its load of 16 users, which alone is far above the rest, MI355X would lose at 20 s."""
    result = plant(
        curve("H200", [(5, 2000), (10, 2200), (20, 2400), (40, 2600)]),
        curve("MI355X", [(5, 100), (10, 150), (20, 9000), (40, 9100)]),
    )
    cell = marked(result, 20.0)
    assert (cell.winner, cell.fragile[:26]) == ("MI355X", "one load level decides it ")
    counted = [c for c in met(result) if c.value == 20.0]
    assert counted[0].counts and counted[0].fragile == cell.fragile
    assert f'title="{cell.fragile}"' in section_of(render(result), "verdicts")
    assert re.search(r"Fragile, because .*: \d of \d \(plain serving\)", answer(result)[2])


def test_a_mark_beside_a_change_of_vendor_is_fragile(plant: Plant) -> None:
    result = plant(
        curve("H200", [(5, 1000), (10, 1050), (20, 1100), (40, 1200)]),
        curve("MI355X", [(4, 10), (10, 20), (19.5, 9000), (40, 9100)]),
    )
    assert {c.value: c.fragile is not None for c in met(result)}[20.0]


def test_dates_far_apart_are_said(plant: Plant) -> None:
    result = plant(curve("B200", times(STEADY, 4), date="2025-03-01"), curve("MI355X", STEADY, date="2026-03-01"))
    cell = marked(result, 20.0)
    assert cell.stale and cell.days_apart == 365
    assert "the software of the two is 365 days apart" in section_of(render(result), "verdicts")
    assert re.search(r"more than 90 days apart: [1-9]\d* \(plain serving\)", answer(result)[2])


def test_a_newer_release_with_too_few_loads_is_shown_apart(plant: Plant) -> None:
    result = plant(
        curve("MI355X", STEADY, engine_version="0.18.0", date="2026-01-01"),
        curve("MI355X", [(20, 9000)], engine_version="0.19.0", date="2026-05-01"),
    )
    data = payload(result)
    (newer,) = data["panels"][0]["newer"]
    assert (data["text"][newer["w"]], data["text"][newer["of"]], newer["e2e"]) == ("0.19.0", "0.18.0", [20])
    assert max(t for _, t in curve_of(result, "MI355X")) == 1600
    listed = words(section_of(render(result), "newer"))
    for part in ("0.19.0", "2026-05-01", "0.18.0", "9,000 tok/s/GPU"):
        assert part in listed


def test_plain_and_best_known_stand_side_by_side(plant: Plant) -> None:
    """MI355X wins plain; H200 with speculative decoding, which plain leaves out."""
    result = plant(
        curve("H200", STEADY),
        curve("MI355X", times(STEADY, 3)),
        curve("H200", times(STEADY, 20), speculative="mtp", engine="sglang"),
    )
    short = answer(result)
    lead = short[0]
    assert lead.startswith("Within limits of 5 to 120 s on end-to-end latency, at the study’s prices (“")
    assert "with plain serving" in lead and "; with the best known serving" in lead
    assert re.search(r"AMD has the cheapest tokens in 6 of 6 comparisons", lead)
    assert re.search(r"best known serving, NVIDIA in 6 of 6", lead)


def test_emulated_points_are_in_no_headline(plant: Plant) -> None:
    """Asked for by name they are drawn and marked; the lead and the counts do not know them."""
    emulated = curve("MI355X", times(STEADY, 50), origin="emulated", source="an emulator")
    real = (curve("H200", times(STEADY, 3)), curve("MI355X", STEADY))
    chosen = plant(*real, emulated, origins=["published", "emulated"])
    assert curve_of(chosen, "MI355X", "emulated") == times(STEADY, 50)
    cell = marked(chosen, 20.0)
    assert cell.winner == "MI355X" and "emulated" in cell.confidence
    assert ">emulated</small>" in section_of(render(chosen), "verdicts")
    without = plant(*real, origins=["published"])
    assert answer(chosen)[0] == answer(without)[0]


def test_software_in_words() -> None:
    assert software_words("0.5.12", "published") == "0.5.12"
    assert software_words("2025-09-29..2026-07-19", "published") == "median over 2025-09 to 2026-07"
    assert software_words("undated", "published") == "software not stated"
    assert software_words("undated", "predicted") == "predicted"


def test_speculation_and_software_of_every_point_are_in_the_page(plant: Plant) -> None:
    result = plant(curve("H200", STEADY, date="2025-09-29..2026-07-19", engine_version=None), curve("MI355X", STEADY))
    data = json.loads(json.dumps(payload(result)))
    points = data["panels"][0]["points"]
    assert {data["text"][i] for i in points["w"]} == {"median over 2025-09 to 2026-07", "0.18.0"}
    assert {data["text"][i] for i in points["spec"]} == {"none"}


def test_the_rents_name_their_sources_and_their_newest_price(plant: Plant) -> None:
    result = plant(curve("H200", STEADY), curve("MI355X", STEADY))
    sources = {s.name: s for s in rent_sources(result)}
    credited = sources["adriannutiu/gpu-rental-prices"]
    assert (credited.site, credited.licence[:5]) == ("https://gpurentalprices.com", "CC-BY")
    shown = section_of(render(result), "market")
    for source in sources.values():
        assert source.name in shown
        assert source.url is None or f'href="{source.url}"' in shown
    newest = max(o.date for c in result.economy.cells for o in c.offers)
    assert payload(result)["money"]["newest"] == str(newest)
    assert f"the newest price shown is of {newest}" in words(shown)
    assert newest < TODAY
