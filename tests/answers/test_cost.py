"""`cost`: points without a price say so; hours split between input and output tokens; carbon and idle hours."""

from __future__ import annotations

import json

import pytest

from paretoken.answers.cost import CostQuestion, cost
from paretoken.answers.points import Data
from paretoken.answers.seam import to_json
from paretoken.errors import BadConfig, NoData
from tests.support.points import prepared, row

FIGURES = {"total_tput_per_gpu_tok_s": 500.0, "output_tput_per_gpu_tok_s": 250.0, "median_e2e_s": 9.0}
ASKED = {"model": "llama-3-70b", "precision": "fp8", "isl": 1024, "osl": 1024}


@pytest.fixture
def price(catalog):
    """The first priced point of some rows."""

    def priced(*rows: dict, **question):
        return cost(CostQuestion(**ASKED, tiers=("hyperscaler",), **question), Data(catalog, prepared(*rows))).points[0]

    return priced


def test_points_without_an_accelerator_are_one_sentence(catalog):
    question = CostQuestion(**ASKED)
    priced = cost(question, Data(catalog, prepared(row(**FIGURES))))
    assert {p.accelerator for p in priced.points} == {"H200"}
    unknown = Data(catalog, prepared(row(accelerator="unknown", **FIGURES)))
    with pytest.raises(NoData, match=r"no price for the accelerator of these points \(unknown\).*'accelerator"):
        cost(question, unknown)
    own = cost(CostQuestion(**ASKED, price_usd_per_gpu_h={"unknown": 1.8}), unknown).points
    assert [p.usd_per_mtok_total for p in own] == pytest.approx([1.0] * len(own))


@pytest.mark.parametrize("split", ["compute", "ratio:4"])
def test_input_and_output_tokens_pay_for_the_hour_together(price, split):
    p = price(row(**FIGURES, input_tput_per_gpu_tok_s=250.0), split=split, serving_load=0.5)
    paid = (p.split.input_usd_per_mtok + p.split.output_usd_per_mtok) * 250.0 * 0.0036 * 0.5
    assert paid == pytest.approx(p.usd_per_gpu_h)
    assert p.split.input_usd_per_mtok * 250.0 * 0.0036 * 0.5 == pytest.approx(p.usd_per_gpu_h * p.split.prefill_share)


def test_a_ratio_is_that_of_the_prices(price):
    split = price(row(**FIGURES), split="ratio:5").split
    assert split.output_usd_per_mtok == pytest.approx(5 * split.input_usd_per_mtok)
    assert split.cached_input_usd_per_mtok is None


def test_a_cached_token_costs_less_than_a_prefilled_one(price):
    split = price(row(**FIGURES), split="compute").split
    assert 0 < split.cached_input_usd_per_mtok < split.input_usd_per_mtok


def test_a_total_is_divided_by_the_lengths_where_nothing_else_is_stated(price):
    bare = row(total_tput_per_gpu_tok_s=500.0, median_e2e_s=9.0)
    split = price(bare, split="ratio:4").split
    assert "divided by the lengths" in split.basis
    assert (split.input_usd_per_mtok + split.output_usd_per_mtok) * 250.0 * 0.0036 == pytest.approx(
        price(bare).usd_per_gpu_h
    )


def test_a_split_that_cannot_be_made_says_why(price):
    p = price(row(**FIGURES, n_gpus=None), split="compute", serving="any")
    assert p.split is None
    assert p.no_split == "the point does not state its GPUs"


@pytest.mark.parametrize("split", ["ratio:0", "ratio:nan", "ratio", "time", "ratio:-1"])
def test_a_split_of_another_kind_is_refused(price, split):
    with pytest.raises(BadConfig, match=r"write compute, or .*ratio:4"):
        price(row(**FIGURES), split=split)


def test_idle_hours_and_carbon(price):
    p = price(row(**FIGURES), serving_load=0.75, grid_gco2_per_kwh=360.0)
    assert p.idle_usd_per_gpu_day == pytest.approx(6 * p.usd_per_gpu_h)
    assert p.gco2_per_mtok == pytest.approx(1.37 * 1.15 * 1000 / 500.0 * 100)


def test_what_was_not_asked_for_is_not_in_the_json(price):
    keys = to_json(price(row(**FIGURES))).keys()
    assert not {"split", "no_split", "gco2_per_mtok"} & keys


def test_the_command_shows_the_split(shown):
    text = shown("cost --tier hyperscaler --split compute --serving-load 0.5", row(**FIGURES))
    assert "prefill share" in text and "$/M cached input" in text and "idle $/GPU-day" in text
    assert "$/M output " not in text.replace("$/M output, split", "")
    points = json.loads(shown("cost --tier hyperscaler --split compute --json", row(**FIGURES)))
    assert points[0]["split"]["basis"].startswith("predicted time")


@pytest.mark.parametrize(("split", "predicted"), [("compute", True), ("ratio:4", False)])
def test_a_predicted_split_of_a_published_point_says_so(shown, split, predicted):
    text = shown(f"cost --tier hyperscaler --split {split}", row(**FIGURES))
    assert ("prefill share: predicted time of prompts and of decode steps, not measured" in text) is predicted
    assert ("cached input: predicted, not measured" in text) is predicted
