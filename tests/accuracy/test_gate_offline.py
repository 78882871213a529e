"""What the accuracy gate does without a server: verdicts and their files, tasks, samples of lm-eval."""

from __future__ import annotations

import json

import pytest

from paretoken.accuracy.asking import ask_all
from paretoken.accuracy.gate_file import Gate, attach, read_gate, write_gate
from paretoken.accuracy.lm_eval import read_samples, run_lm_eval
from paretoken.accuracy.reference import ReferenceKey
from paretoken.accuracy.solving import against
from paretoken.accuracy.tasks import TASKS, items
from paretoken.accuracy.verdicts import FAIL, NA, PASS, TierVerdict, overall
from paretoken.errors import BadConfig, BadFile, EndpointFailed, UnknownName


def test_key_says_what_counts():
    assert str(ReferenceKey("m", dtype="bf16", kv_dtype="fp8")) == "model m, dtype bf16, kv_dtype fp8"


def gate_with(verdict, model="m"):
    return Gate(model=model, engine="vllm", endpoint="u", made="2026-11-24", tiers=(verdict,))


def test_a_gate_keeps_the_tiers_it_holds(tmp_path):
    out = tmp_path / "gate.json"
    write_gate(gate_with(TierVerdict("T1", PASS, "")), out)
    write_gate(gate_with(TierVerdict("T3", FAIL, "no")), out)
    assert [(v.tier, v.verdict) for v in read_gate(out).tiers] == [("T1", PASS), ("T3", FAIL)]
    assert read_gate(out).verdict == FAIL
    write_gate(gate_with(TierVerdict("T0", PASS, ""), model="other"), out)
    assert [v.tier for v in read_gate(out).tiers] == ["T0"]
    out.write_text("[]")
    with pytest.raises(BadFile, match="is not a verdict"):
        read_gate(out)


def test_attach_needs_a_run(tmp_path):
    write_gate(
        gate_with(TierVerdict("T3", FAIL, "no")),
        tmp_path / "gate.json",
    )
    with pytest.raises(BadConfig, match="is not a run"):
        attach(tmp_path / "gate.json", tmp_path)
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "run.json").write_text("{}")
    assert attach(tmp_path / "gate.json", tmp_path / "run").verdict == FAIL
    assert read_gate(tmp_path / "run" / "gate.json").tiers[0].why == "no"


@pytest.mark.parametrize(
    ("tiers", "expected"),
    [
        ({"T0": PASS, "T1": PASS}, NA),
        ({"T2": PASS}, PASS),
        ({"T2": PASS, "T4": FAIL}, FAIL),
        ({}, NA),
        ({"T3": NA, "T4": PASS}, PASS),
        ({"T0": NA, "T2": NA}, NA),
    ],
)
def test_overall(tiers, expected):
    assert overall([TierVerdict(t, v, "") for t, v in tiers.items()]) == expected


# Tasks


def test_tasks_are_the_same_for_a_seed_and_right_for_their_answer():
    for task in TASKS:
        first = items(task, 5, 7)
        assert first == items(task, 9, 7)[:5]
        assert first != items(task, 5, 8)
        for item in first:
            assert item.right(f" {item.answer}\nand more")
            assert not item.right(" 0x")
    with pytest.raises(UnknownName, match="did you mean needle"):
        items("neddle", 1, 0)


def test_a_task_that_the_reference_cannot_do_is_not_applicable():
    found = against({"copy": [False] * 50}, {"copy": [False] * 50})
    assert (found.verdict, found.figures["copy"]["n"]) == (NA, 50)
    assert against({"copy": [True] * 50}, None).verdict == NA


def test_what_is_answered_before_a_failure_is_kept():
    def ask(q):
        if q == 3:
            raise EndpointFailed("gone")
        return q * 10

    found = ask_all(ask, range(6), at_once=2)
    assert found.values[:3] == (0, 10, 20)
    assert found.stopped == "gone (after 3 of 6)"


# lm-eval


def test_lm_eval_samples_are_read_in_order(tmp_path):
    rows = [
        {"doc_id": 1, "filter": "strict-match", "exact_match": 1.0},
        {"doc_id": 0, "filter": "strict-match", "exact_match": 0},
        {"doc_id": 0, "filter": "flexible-extract", "exact_match": 1.0},
    ]
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "samples_gsm8k_2026-11-24T10-00-00.jsonl").write_text("\n".join(map(json.dumps, rows)))
    assert read_samples(tmp_path, "gsm8k") == (False, True)
    (folder / "samples_gsm8k_2026-11-25T10-00-00.jsonl").write_text('{"doc_id": 1}')
    with pytest.raises(BadFile, match="line 1 has no doc_id"):
        read_samples(tmp_path, "gsm8k")
    with pytest.raises(BadFile, match="has no samples_x"):
        read_samples(tmp_path, "x")


def test_lm_eval_that_is_not_there_is_told(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(BadConfig, match=r"paretoken\[lm-eval\]"):
        run_lm_eval("http://127.0.0.1:1", "m", ["gsm8k"], tmp_path)
