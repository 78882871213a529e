"""Questions of `plan` as JSON, and its answer in words."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from paretoken.answers.plan.question import PlanQuestion
from paretoken.answers.plan.result import SessionOutcome
from paretoken.answers.plan.words import availability, headline, session_words
from paretoken.answers.seam import json_schema, question_from_json, to_json
from paretoken.errors import BadConfig
from paretoken.slo import parse_slos
from tests.support.plans import question, row


class TestJson:
    def test_a_question_there_and_back(self):
        original = question(
            accelerators=("H200", "MI300X"),
            layouts=("auto",),
            price_usd_per_gpu_h={"H200": 2.5},
            log=Path("x.csv"),
            rate=None,
            sets=({"pue": 1.2},),
        )
        assert question_from_json(PlanQuestion, json.dumps(to_json(original))) == original

    @pytest.mark.parametrize(
        ("field", "value"),
        [("spares", 101), ("confidence", 1.0), ("top", 0), ("mw", 0), ("most_gpus", 0), ("cold_start_s", -1)],
    )
    def test_values_out_of_bounds(self, field, value):
        with pytest.raises(BadConfig, match=field):
            question_from_json(PlanQuestion, {"model": "llama-3-70b", "slo": "tpot=50ms", field: value})

    def test_an_unknown_key(self):
        with pytest.raises(BadConfig, match="did you mean 'accelerators'"):
            question_from_json(PlanQuestion, {"model": "llama-3-70b", "slo": "tpot=50ms", "accelerator": ["H200"]})

    def test_the_schema_describes_every_key(self):
        schema = json_schema(PlanQuestion)
        assert set(schema["required"]) == {"model", "slo"}
        assert all("description" in field for field in schema["properties"].values())


class TestWords:
    def test_the_decision(self):
        best, other = row(1, "MI355X", 2, 5, 2.3), row(2, "H200", 4, 4, 2.6, cheaper=0.25)
        text = headline((best, other))
        bill, more = best.bills[0], other.bills[0].usd_per_day / best.bills[0].usd_per_day - 1
        assert text.startswith(f"12 MI355X (5+1 replicas of {best.layout} with {best.engine} in {best.precision})")
        assert f"{bill.usd_per_day:,.0f} USD a day ({bill.contract})" in text
        assert "probability of 93 %." in text and f"costs {more:.0%} more" in text
        assert text.endswith("cheaper with a probability of 25 %.")

    def test_nothing_predicted_is_certain_and_small_costs_are_shown(self):
        best = row(1, "H200", 4, 4, 2.6, probability=1.0)
        bill = replace(best.bills[0], usd_per_day=3.456, usd_per_mtok=15_300_000.0)
        text = headline((replace(best, bills=(bill,)),))
        assert "more than 99 %" in text and "3.46 USD a day" in text and "15,300,000 USD per million" in text

    def test_spares(self):
        assert availability(0) == "N: no replica may fail"
        assert availability(1) == "N+1: 1 replica may fail" and availability(2) == "N+2: 2 replicas may fail"

    @pytest.mark.parametrize(
        ("text", "words"),
        [
            ("ttft_p95=2s", "TTFT p95 ≤ 2 s"),
            ("tpot=50ms", "TPOT p50 ≤ 50 ms"),
            ("e2e_p999<30", "E2E p99.9 ≤ 30 s"),
            ("itl_mean=0.02", "ITL mean ≤ 20 ms"),
            ("interactivity_p90=20", "interactivity p90 ≥ 20 tok/s"),
        ],
    )
    def test_limits(self, text, words):
        assert parse_slos(text)[0].words == words


def outcome(**changes: object) -> SessionOutcome:
    values = {
        "hour": 9,
        "replicas": 3,
        "sized_replicas": 3,
        "share": 1.0,
        "sessions": 40,
        "calls": 800,
        "hit_share": 0.91,
        "assumed_hit_share": 0.87,
        "median_session_s": 61.0,
        "p99_session_s": 240.0,
        "worst": 0.7,
        "first_to_fail": "ttft_p99=2s",
        "met": True,
        "needed": 3,
    }
    return SessionOutcome(**{**values, **changes})


class TestSessionWords:
    def test_a_fleet_that_meets_the_limits(self):
        assert session_words(outcome()) == (
            "Replay of 800 calls of sessions in the busiest hour on 3 replicas, each turn after its answer: the prefix "
            "cache finds 91 % of prompt tokens (the sizing assumed 87 %), the median session takes 61.00 s, p99 240 s. "
            "All limits hold."
        )

    def test_a_fleet_that_was_enlarged(self):
        assert session_words(outcome(sized_replicas=2)).endswith("hold; with the 2 of the sizing they do not.")

    @pytest.mark.parametrize(
        ("needed", "says"),
        [(4, "4 replicas would meet all limits."), (None, "not even 6 replicas meet all limits.")],
    )
    def test_a_fleet_that_misses_one(self, needed, says):
        text = session_words(outcome(met=False, worst=1.3, needed=needed, hit_share=0.0))
        assert text.endswith(f"It misses ttft_p99=2s: 1.30 times the limit; {says}") and "prefix cache" not in text

    def test_the_headline_says_so(self):
        plain = row(1, "H200", 4, 3, 2.0)
        missed = replace(plain, sessions=outcome(met=False, needed=4))
        assert "But a replay of its sessions misses ttft_p99=2s." in headline([missed])
        assert "But a replay" not in headline([replace(plain, sessions=outcome())])
