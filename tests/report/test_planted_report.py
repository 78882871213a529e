"""What the report says of planted points: limits, real points, both kinds of serving, and what counts for nobody."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from paretoken.report.lines import APART, FLAT, JOINED, stretch

from paretoken.answers.study.result import Panel, StudyResult
from paretoken.report import render
from paretoken.report.contests import contests
from paretoken.report.payload import payload
from paretoken.report.point_words import software_words
from paretoken.report.rent_sources import rent_sources
from paretoken.report.summary import cells, verdict_of
from paretoken.report.text import answer
from tests.support.planted import STEADY, TODAY, curve, planted_study, times

Plant = Callable[..., StudyResult]


@pytest.fixture
def plant(tmp_path: Path) -> Plant:
    return partial(planted_study, tmp_path / "points.parquet")


def the_panel(result: StudyResult) -> Panel:
    return result.panels[0]


def marked(result: StudyResult, e2e_s: float, scenario: int = 0):
    verdict = verdict_of(result.panels[scenario], "e2e", result.tariffs[0].tier)
    return cells(verdict, [e2e_s])[0]


def met(result: StudyResult):
    return contests(result, "like-for-like", "e2e", result.tariffs[0].tier)


def section(page: str, name: str) -> str:
    return re.search(rf'<section id="{name}".*?</section>', page, re.S)[0]


def words(html: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", html)).replace("\u00a0", " ")


def line_of(result: StudyResult, accelerator: str, origin: str = "published") -> dict:
    data = payload(result)
    lines = data["panels"][0]["axes"]["e2e"]["lines"]
    (line,) = (x for x in lines if (data["text"][x["a"]], data["text"][x["r"]]) == (accelerator, origin))
    return line


def test_beyond_its_last_point_a_curve_counts_and_is_flat(plant: Plant) -> None:
    result = plant(curve("B200", [(2, 9000), (3, 9900), (4, 10000), (5, 11000)]), curve("MI355X", STEADY))
    assert marked(result, 30.0).winner == "B200"
    line, data = line_of(result, "B200"), payload(result)
    x = data["panels"][0]["axes"]["e2e"]["x"][line["k"] :]
    (_, joined), (first, flat) = line["h"]
    assert (joined, flat) == (JOINED, FLAT)
    assert x[first - 1] == 5
    assert set(line["t"][first:]) == {11000}
    assert x[-1] == 40


def test_a_line_breaks_where_source_or_engine_changes(plant: Plant) -> None:
    own = curve("MI355X", STEADY)
    for other in own[2:]:
        other["source"] = "another carrier"
    later = curve("MI355X", [(30, 5000), (35, 5100), (50, 5200), (60, 5300)], engine="sglang")
    result = plant(own, later)
    vllm = next(c for c in the_panel(result).curves["e2e"] if c.engine == "vllm")
    assert [stretch(vllm, x) for x in (5, 7, 10, 15, 20, 30, 50)] == [
        *(JOINED, JOINED, JOINED, APART, JOINED, JOINED, FLAT)
    ]
    line, text = line_of(result, "MI355X"), payload(result)["text"]
    assert [text[e] for _, e in line["e"]] == ["vllm", "sglang"]
    assert APART in [kind for _, kind in line["h"]]


def test_a_pick_is_a_real_point_of_the_winner_of_the_longest_stretch(plant: Plant) -> None:
    """MI355X leads from 12 s on, by far the longest stretch; the interpolated winner at any mark plays no part."""
    result = plant(
        curve("H200", [(4, 900), (6, 950), (8, 1000), (10, 1050)], engine_version="0.18.0"),
        curve("MI355X", [(9, 100), (12, 4000), (25, 5000), (100, 9000)], engine_version="0.18.1"),
    )
    (row_,) = answer(result).rows
    pick = row_.bounds[0].pick
    assert (pick.accelerator, pick.run, pick.software) == ("MI355X", "TP8 on 8 GPUs, 16 users", "0.18.1")
    assert (pick.latency_s, pick.interpolated_usd_per_mtok, pick.rival) == (25.0, None, "H200")
    usd = result.tariffs[0].usd_per_gpu_h["MI355X"]
    assert pick.usd_per_mtok == pytest.approx(usd / (5000 * 0.0036))
    assert "16 users" in words(render(result))


def test_without_a_point_in_the_stretch_the_interpolated_value_stands_beside_and_is_marked(plant: Plant) -> None:
    """MI355X leads between its points at 10 and 40 s only: at both H200 is ahead."""
    result = plant(
        curve("H200", [(9, 400), (20, 410), (35, 420), (39, 50000)]),
        curve("MI355X", [(10, 100), (40, 9000)]),
    )
    (row_,) = answer(result).rows
    pick = row_.bounds[0].pick
    assert pick.latency_s < pick.limit_s
    assert pick.interpolated_usd_per_mtok < pick.usd_per_mtok
    assert "≈" in section_of_overview(render(result))


def section_of_overview(page: str) -> str:
    return re.search(r'<table class="overview".*?</table>', page, re.S)[0]


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
    assert "no limit has data that can be compared" in short.sentences[0]
    assert short.rows[0].bounds[0].pick is None
    assert short.rows[0].bounds[0].withheld == pytest.approx(1.0)
    page = render(result)
    listed = words(section(page, "withheld"))
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
    assert ">withheld</abbr>" in section(page, "verdicts")
    data = payload(result)
    segments = data["panels"][0]["axes"]["e2e"]["verdicts"][result.tariffs[0].tier]["segments"]
    assert all(data["text"][s[12]].startswith("inconsistent data") for s in segments if s[5] is not None)


def test_consistent_verdicts_say_so(plant: Plant) -> None:
    page = render(plant(curve("B200", times(STEADY, 4)), curve("MI355X", STEADY)))
    assert "No pair of accelerators is out of order" in words(section(page, "withheld"))
    assert "No newer state is left out" in words(section(page, "newer"))


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
    assert f'title="{cell.fragile}"' in section(render(result), "verdicts")
    assert re.search(r"Fragile, because .*: \d of \d \(plain serving\)", answer(result).sentences[1])


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
    assert "the software of the two is 365 days apart" in section(render(result), "verdicts")
    assert answer(result).rows[0].bounds[0].leads[0].stale
    assert re.search(r"more than 90 days apart: [1-9]\d* \(plain serving\)", answer(result).sentences[1])


def test_a_newer_release_with_too_few_loads_is_shown_apart(plant: Plant) -> None:
    result = plant(
        curve("MI355X", STEADY, engine_version="0.18.0", date="2026-01-01"),
        curve("MI355X", [(20, 9000)], engine_version="0.19.0", date="2026-05-01"),
    )
    data = payload(result)
    (newer,) = data["panels"][0]["newer"]
    assert (data["text"][newer["w"]], data["text"][newer["of"]], newer["e2e"]) == ("0.19.0", "0.18.0", [20])
    assert max(line_of(result, "MI355X")["t"]) == 1600
    listed = words(section(render(result), "newer"))
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
    assert [name for name, _ in short.bounds] == ["Plain serving", "Best known serving"]
    plain, best = short.rows[0].bounds
    assert [b.leads[0].winner for b in (plain, best)] == ["MI355X", "H200"]
    assert [b.pick.accelerator for b in (plain, best)] == ["MI355X", "H200"]
    assert best.pick.run.endswith("MTP")
    lead = short.sentences[0]
    assert "with plain serving" in lead and "With the best known serving" in lead
    assert re.search(r"AMD has the cheapest tokens in 6 of 6 comparisons", lead)
    assert re.search(r"NVIDIA has the cheapest tokens in 6 of 6 \(", lead)


def test_a_bound_that_adds_nothing_says_so(plant: Plant) -> None:
    result = plant(curve("H200", STEADY), curve("MI355X", times(STEADY, 3)))
    assert [b.as_before for b in answer(result).rows[0].bounds] == [False, True]


def test_emulated_points_are_in_no_headline(plant: Plant) -> None:
    """Asked for by name they are drawn and marked; the lead, the picks and the counts do not know them."""
    emulated = curve("MI355X", times(STEADY, 50), origin="emulated", source="an emulator")
    real = (curve("H200", times(STEADY, 3)), curve("MI355X", STEADY))
    asked = plant(*real, emulated, origins=["published", "emulated"])
    assert line_of(asked, "MI355X", "emulated")
    cell = marked(asked, 20.0)
    assert cell.winner == "MI355X" and "emulated" in cell.confidence
    assert ">emulated</small>" in section(render(asked), "verdicts")
    without = plant(*real, origins=["published"])
    assert answer(asked).sentences[0] == answer(without).sentences[0]
    assert answer(asked).rows[0].bounds[0].pick == answer(without).rows[0].bounds[0].pick
    assert answer(asked).rows[0].bounds[0].leads == answer(without).rows[0].bounds[0].leads


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
    shown = section(render(result), "market")
    for source in sources.values():
        assert source.name in shown
        assert source.url is None or f'href="{source.url}"' in shown
    newest = max(o.date for c in result.economy.cells for o in c.offers)
    assert payload(result)["money"]["newest"] == str(newest)
    assert f"the newest price shown is of {newest}" in words(shown)
    assert newest < TODAY
