"""What `advise` makes of the rental market: surveyed prices that are not ranked, and accelerators hardly rented out."""

from __future__ import annotations

import json
from datetime import date

import polars as pl
import pytest

from paretoken.answers.advise import procurement_options
from paretoken.answers.market import Market
from paretoken.prices.market.book import SCHEMA
from paretoken.prices.market.quality_flags import flagged

OPTIONS = "--model deepseek-r1 --precision fp8 --workload chat --interactivity 40"
DAY = date(2026, 11, 24)


def test_a_rent_of_one_provider_wins_nothing_and_is_shown(call):
    """MI355X is rented out by one provider: its surveyed rents are shown last, cheaper or not, in both segments."""
    line = f"advise {OPTIONS} --at 2026-11-24"
    segments = {x["segment"]: x for x in json.loads(call(f"{line} --json")[1])["segments"]}
    for segment in ("enterprise", "team"):
        scarce = [x for x in segments[segment]["choices"] if x["scarce"]]
        assert {"MI355X"} <= {x["accelerator"] for x in scarce} and "survey" in scarce[0]["procurement"]
        assert scarce == segments[segment]["choices"][-len(scarce) :]
    out = call(line)[1]
    team = out[out.index("A team") :]
    assert "retail rental, survey (scarce)" in team and "best known" in team
    assert "MI355X is cheaper where it is available at 2.90" in team and "+81%" not in team
    assert "breaks even at" in out


def test_the_scarcity_of_an_accelerator_is_stated(call):
    team = json.loads(call(f"advise {OPTIONS} --json")[1])["segments"][3]
    rents = {x["accelerator"]: x["data"] for x in team["choices"] if x["procurement"].endswith("survey")}
    assert "scarce: 1 provider rents it out" in rents["MI355X"]
    assert team["choices"][0]["accelerator"] != "MI355X"


def offers(*prices, term="on-demand"):
    """H200 on the market on `DAY`, one provider a price."""
    rows = [
        dict.fromkeys(SCHEMA)
        | {"provider": f"p{i}", "accelerator": "H200", "form": "SXM", "count": 8, "term": term, "statistic": "offer"}
        | {"price": usd, "currency": "USD", "usd_per_gpu_h": usd, "date": date(2026, 11, 20), "source": "test"}
        for i, usd in enumerate(prices)
    ]
    return pl.DataFrame(rows, schema=SCHEMA, orient="row")


def surveyed(catalog, book, segment, accelerator="H200"):
    """(whether the surveyed price of a segment is ranked, what it rests on)."""
    options = procurement_options(Market(catalog, flagged(book, catalog), DAY), [accelerator])
    survey = next(p for p in options if p.segment == segment and p.name.endswith("survey"))
    return accelerator not in survey.unranked, survey.basis[accelerator]


def test_a_survey_competes_only_where_the_market_has_no_median(catalog):
    """H200 is 2.90 in the survey."""
    assert surveyed(catalog, offers(2.5, 2.9, 4.0, 5.0), "team") == (
        False,
        "survey, TCO set 2026-09; on-demand: market median 3.45 USD, 2 of 4 providers at or below it",
    )
    ranked, basis = surveyed(catalog, offers(4.0, 5.0), "team")
    assert ranked and basis.endswith("on-demand: too few providers for a median, none of 2 providers at or below it")


@pytest.mark.parametrize(
    ("segment", "term", "ranked"),
    [
        ("team", "spot", True),
        ("team", "3-year", True),
        ("team", "1-month", False),
        ("enterprise", "on-demand", True),
        ("enterprise", "1-year", True),
        ("enterprise", "3-year", False),
    ],
)
def test_only_comparable_terms_stand_against_a_survey(catalog, segment, term, ranked):
    result, basis = surveyed(catalog, offers(4.0, 5.0, 6.0, term=term), segment)
    assert result == ranked == ("no market price at" in basis)


def test_the_team_is_recommended_what_the_market_asks(call):
    line = f"advise {OPTIONS} --at 2026-11-24"
    team = json.loads(call(f"{line} --json")[1])["segments"][3]
    assert {x["procurement"] for x in team["choices"] if not x["scarce"]} == {"rent, on-demand"}
    out = call(line)[1]
    printed = out[out.index("A team") :]
    assert "retail rental, survey (not ranked)" in printed and "GPU-hour (-42% from 4.25" not in printed
    assert "plain: B200" in printed and "TP4, 16 users, rent, on-demand: " in printed
