"""Questions of money from JSON and answers to JSON: the same values as the commands print, and a schema for each."""

from __future__ import annotations

import json

import pytest

from paretoken.answers.advise import AdviseQuestion, advise
from paretoken.answers.outlook import OutlookQuestion, TrendsQuestion, outlook, trends
from paretoken.answers.rent import (
    FlaggedPricesQuestion,
    RentHistoryQuestion,
    RentQuestion,
    flagged_prices,
    rent,
    rent_history,
    rental_market,
)
from paretoken.answers.seam import json_schema, question_from_json, to_json
from paretoken.answers.selfhost import selfhost
from paretoken.answers.selfhost_question import SelfhostQuestion
from paretoken.answers.tco import TcoQuestion, tco
from paretoken.errors import BadConfig

DAY = "2026-11-24"
POINTS = {"model": "deepseek-r1", "precision": "fp8", "workload": "chat", "interactivity": 40}
LINE = "--model deepseek-r1 --precision fp8 --workload chat --interactivity 40"
MONTE_CARLO = {"draws": 200, "seed": 3, "at_latency": POINTS, "against": "H200"}
VERBS = [
    (AdviseQuestion, advise, {**POINTS, "at": DAY}, f"advise {LINE} --at {DAY}", None),
    (SelfhostQuestion, selfhost, {**POINTS, "at": DAY}, f"selfhost {LINE} --at {DAY}", None),
    (
        OutlookQuestion,
        outlook,
        {"scenario": "rent-cut", "at": DAY},
        f"outlook rent-cut --at {DAY}",
        None,
    ),
    (
        TrendsQuestion,
        trends,
        {"accelerator": "MI300X"},
        "outlook --trend --accelerator MI300X",
        "trends",
    ),
    (RentQuestion, rent, {"accelerator": "H200", "at": DAY}, f"rent H200 --at {DAY}", None),
    (RentQuestion, rental_market, {"at": DAY}, f"rent --at {DAY}", None),
    (RentHistoryQuestion, rent_history, {"accelerator": "H100", "at": DAY}, f"rent H100 --history --at {DAY}", None),
    (FlaggedPricesQuestion, flagged_prices, {"accelerator": "H100"}, "rent H100 --flagged", "rows"),
    (TcoQuestion, tco, {"accelerators": ["H200"]}, "tco --accelerator H200", "costs"),
    (
        TcoQuestion,
        tco,
        {"accelerators": ["H200"], "explain": True},
        "tco --accelerator H200 --explain",
        "explanations",
    ),
    (
        TcoQuestion,
        tco,
        {"operator": "enterprise", "tornado": True},
        "tco --operator enterprise --tornado",
        "tornado",
    ),
    (
        TcoQuestion,
        tco,
        {"own_or_rent": {"needed_share": 0.6}, "at": DAY},
        f"tco --or-rent --needed 0.6 --at {DAY}",
        "own_or_rent",
    ),
    (
        TcoQuestion,
        tco,
        {"accelerators": ["H200", "MI300X"], "monte_carlo": MONTE_CARLO},
        f"tco --accelerator H200 --accelerator MI300X --monte-carlo 200 --seed 3 {LINE} --against H200",
        "uncertainty",
    ),
]


@pytest.mark.parametrize(
    ("kind", "function", "asked", "line", "part"), VERBS, ids=[f"{v[3].split(' --')[0]} {v[4] or ''}" for v in VERBS]
)
def test_a_question_in_json_is_the_command(call, kind, function, asked, line, part):
    question = question_from_json(kind, json.dumps(asked))
    answer = function(question)
    printed = json.loads(call(f"{line} --json")[1])
    plain = to_json(answer)
    assert (plain[part] if part else plain) == printed
    assert json_schema(kind)["additionalProperties"] is False
    assert {"properties", "$ref"} & json_schema(type(answer)).keys()
    assert question_from_json(kind, to_json(question)) == question


def test_a_scenario_can_be_stated_in_full():
    scenario = {
        "name": "x",
        "model": "llama-3-70b",
        "precision": "fp8",
        "workload": "chat",
        "e2e_s": 20,
        "reference": "H200",
        "from": "2026-10-01",
        "to": "2027-01-01",
        "tco": "2026-07",
    }
    question = question_from_json(OutlookQuestion, {"scenario": scenario})
    answer = outlook(question)
    assert answer.scenario == "x" and {s.origin for s in answer.states} == {"scenario"}


def test_figures_can_be_stated_in_the_question():
    asked = {"accelerators": ["H200"], "sets": ["h200-2025", {"electricity_usd_per_kwh": 1.0}]}
    cost = tco(question_from_json(TcoQuestion, asked)).costs[0]
    assert cost.inputs["electricity_usd_per_kwh"].layer == "the question" and cost.usd_per_gpu_h > 2


@pytest.mark.parametrize(
    ("kind", "asked", "says"),
    [
        (RentQuestion, {"acelerator": "H200"}, "did you mean 'accelerator'"),
        (AdviseQuestion, {}, "'model' is missing"),
        (TcoQuestion, {"operator": 3}, "operator = 3"),
    ],
)
def test_a_wrong_key_is_named(kind, asked, says):
    with pytest.raises(BadConfig, match=says):
        question_from_json(kind, asked)
