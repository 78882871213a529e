"""The acceptance length of a prediction: calibrated with its interval, or as stated, and shown with its origin."""

from __future__ import annotations

import json
from dataclasses import replace
from math import exp

import pytest

from paretoken.catalog.loader import load_catalog
from paretoken.predict.acceptance import speculation_in_force, speculation_text
from paretoken.predict.calibration.bands import KINDS, assumed_bands, components
from paretoken.predict.calibration.effects import EffectKey, deviations
from paretoken.predict.calibration.file import Calibration, write_calibration
from paretoken.predict.calibration.novelty import Seen
from paretoken.predict.csvfile import predict_rows
from paretoken.predict.deployment import Case, Deployment, Lengths
from paretoken.predict.explain import explain_case
from paretoken.predict.predictor import predict_cases
from paretoken.predict.serving import served
from paretoken.predict.speculation import METHODS, expected_length
from tests.support.configurations import assert_refused

CATALOG = load_catalog()
PLAIN = Deployment(accelerator="H200", model="deepseek-r1", precision="fp8", engine="sglang", gpus=8, tp=8)
MTP = replace(PLAIN, speculative="mtp", speculative_tokens=3)
STATED = replace(MTP, acceptance_length=2.4)
CHAT = Lengths(1024, 1024, 0.8)
LEARNED = {
    EffectKey("acceptance", "drafting", "1"): -0.4,
    EffectKey("acceptance", "drafting+model", "deepseek-r1"): 0.3,
}


def calibration(effects=LEARNED) -> Calibration:
    return Calibration(effects, assumed_bands(), frozenset(), {}, {"cells": [], "splits": []})


def case(d: Deployment, users: float = 16) -> Case:
    return Case(deployment=d, lengths=CHAT, concurrency=users)


def test_the_calibrated_length_comes_of_the_odds_of_all_its_levels():
    s = speculation_in_force(MTP, calibration(), CATALOG)
    assert s.acceptance_length == pytest.approx(expected_length(METHODS["mtp"].odds * exp(-0.1), 3))
    assert (s.speculative_tokens, s.tokens_origin, s.acceptance_origin) == (3, "stated", "calibrated")
    assert 1 < s.acceptance_length_lo < s.acceptance_length < s.acceptance_length_hi < 4


def test_what_was_learned_narrows_the_interval():
    known, unknown = (speculation_in_force(MTP, calibration(e), CATALOG) for e in (LEARNED, {}))
    assert known.acceptance_length_hi - known.acceptance_length_lo < unknown.acceptance_length_hi - (
        unknown.acceptance_length_lo
    )


def test_a_stated_length_is_used_as_it_is():
    s = speculation_in_force(STATED, calibration(), CATALOG)
    assert s.acceptance_length == s.acceptance_length_lo == s.acceptance_length_hi == 2.4
    assert s.acceptance_origin == "stated"
    assert speculation_text([s, s]) == (
        "Speculation: mtp, 3 tokens drafted a step (stated), acceptance length 2.4 (stated)."
    )


def test_what_does_not_draft_has_no_speculation():
    assert speculation_in_force(PLAIN, calibration(), CATALOG) is None
    assert speculation_text([]) == ""


def test_the_interval_of_tpot_is_wider_where_the_acceptance_is_not_stated():
    free, stated = (
        predict_cases([case(d)], calibration=calibration(), catalog=CATALOG).log_band[0, 0] for d in (MTP, STATED)
    )
    assert free[0] < stated[0] < 0 < stated[1] < free[1]
    weights = [
        components(case(d), {}, Seen.of(frozenset()), 0.1)[KINDS.index("drafting")] for d in (PLAIN, MTP, STATED)
    ]
    assert weights == [0, 1, 0]


def test_tpot_falls_and_throughput_rises_with_the_acceptance():
    cases = [case(replace(MTP, acceptance_length=x)) for x in (1.0, 1.7, 2.4, 3.9)]
    p = predict_cases(cases, calibration=calibration(), catalog=CATALOG)
    assert (p.tpot_s[1:] < p.tpot_s[:-1]).all()
    assert (p.total_tput_per_gpu[1:] > p.total_tput_per_gpu[:-1]).all()


def test_an_explanation_has_the_draft_as_a_part_of_its_step():
    e = explain_case(case(MTP), calibration=calibration(), catalog=CATALOG)
    parts = {p.name: p for p in e.parts if p.phase == "decode"}
    assert parts["draft"].seconds > 0
    assert sum(p.share for p in parts.values()) == pytest.approx(1)
    assert e.speculation == speculation_in_force(MTP, calibration(), CATALOG)
    assert "draft" not in {p.name for p in explain_case(case(PLAIN), calibration=calibration(), catalog=CATALOG).parts}


def test_the_simulated_engine_yields_the_same_length_and_keeps_the_slots():
    free, stated = (served(d, CHAT, calibration=calibration(), catalog=CATALOG) for d in (MTP, STATED))
    assert free.serving.acceptance_length == pytest.approx(
        speculation_in_force(MTP, calibration(), CATALOG).acceptance_length
    )
    assert stated.serving.acceptance_length == 2.4
    assert free.limits.drafted_tokens == 3
    assert served(PLAIN, CHAT, calibration=calibration(), catalog=CATALOG).limits.drafted_tokens == 0


@pytest.mark.parametrize("level", deviations()["acceptance"])
def test_every_level_of_the_acceptance_moves_its_own_cases_alone(level):
    groups = {"drafting": "1", "drafting+engine": "sglang", "drafting+model": "deepseek-r1", "drafting+method": "mtp"}
    group = groups.get(level, "H200 sglang deepseek-r1 fp8")
    effects = {EffectKey("acceptance", level, group): 0.5}
    moved, other = (speculation_in_force(MTP, calibration(e), CATALOG).acceptance_length for e in (effects, {}))
    assert moved > other
    plain = [predict_cases([case(PLAIN)], calibration=calibration(e), catalog=CATALOG).tpot_s[0] for e in (effects, {})]
    assert plain[0] == plain[1]


@pytest.fixture
def predict(tmp_path):
    """The start of a `paretoken predict` line on a made-up calibration."""
    write_calibration(calibration(), tmp_path / "c.parquet")
    base = "predict --accelerator H200 --model deepseek-r1 --precision fp8 --engine sglang --tp 8 --isl 1024 --osl 1024"
    return f"{base} --calibration c.parquet --concurrency 8"


def test_predictions_print_what_they_draft(call, predict):
    code, out, _ = call(f"{predict} --speculative mtp:3 --acceptance 2.4 --json")
    (row,) = json.loads(out)
    assert code == 0 and row["speculation"]["speculative_tokens"] == 3
    assert (row["speculation"]["acceptance_length"], row["speculation"]["acceptance_origin"]) == (2.4, "stated")
    code, out, _ = call(f"{predict} --speculative mtp")
    assert code == 0 and "acceptance length" in out and "calibrated; 90 %" in out
    assert json.loads(call(f"{predict} --json")[1])[0]["speculation"] is None


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("--speculative mtp:0", "speculative_tokens is 0"),
        ("--speculative mtp:99", "speculative_tokens is 99"),
        ("--speculative mtp:2 --acceptance 3.5", "from 1 to 3"),
        ("--speculative mtp:2 --acceptance 0.9", "from 1 to 3"),
        ("--acceptance 2", "no method drafts tokens"),
        ("--speculative mtp:2 --speculative-tokens 3", "state one of them"),
        ("--speculative mtp:3 --acceptance nan", "nan"),
    ],
)
def test_what_cannot_be_drafted_is_one_sentence_and_exit_2(call, predict, options, message):
    assert_refused(call, f"{predict} {options}", message)


def test_a_serve_command_states_what_it_drafts(call, predict, tmp_path):
    config = '{"method":"mtp","num_speculative_tokens":3}'
    start = predict.replace("--model deepseek-r1 --precision fp8 --engine sglang --tp 8 ", "")
    (tmp_path / "serve.sh").write_text(f"vllm serve deepseek-ai/DeepSeek-R1 -tp 8 --speculative-config '{config}'")
    code, out, _ = call(f"{start} --serve-command @serve.sh --json")
    assert code == 0 and json.loads(out)[0]["speculation"]["speculative_tokens"] == 3
    assert_refused(call, f"{start} --serve-command @serve.sh --speculative mtp:2", "the serve command states 3")


ROW = {
    "accelerator": "H200",
    "n_gpus": "8",
    "model": "deepseek-r1",
    "precision": "fp8",
    "engine": "sglang",
    "tp": "8",
    "ep": "1",
    "isl": "1024",
    "osl": "1024",
    "concurrency": "8",
}


def test_rows_of_a_file_state_their_drafts():
    rows = [
        ROW | {"speculative": "mtp:3", "acceptance_length": "2.4"},
        ROW | {"speculative": "mtp", "speculative_tokens": "3", "acceptance_length": "2.4"},
        ROW | {"speculative": "mtp:3", "acceptance_length": ""},
        ROW | {"speculative": "mtp:0"},
        ROW | {"speculative": "mtp:2", "acceptance_length": "3.5"},
        ROW | {"speculative": "mtp:2", "acceptance_length": "many"},
    ]
    one, same, free, *refused = predict_rows(rows, calibration=calibration(), catalog=CATALOG)
    assert one == same and one["status"] == "ok" == free["status"]
    assert one["median_tpot_ms"] != free["median_tpot_ms"]
    words = ("speculative_tokens is 0", "from 1 to 3", "not a number")
    for figures, text in zip(refused, words, strict=True):
        assert text in figures["status"] and figures["median_tpot_ms"] is None
