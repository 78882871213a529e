"""The accuracy gate against a server with faults."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import orjson
import pytest

from paretoken.accuracy.client import Client
from paretoken.accuracy.gate import GatePlan, calibrate, gate_of, run_gate
from paretoken.accuracy.gate_file import read_gate, write_gate
from paretoken.accuracy.limits import DEFAULT, calibrated
from paretoken.accuracy.pair import compare
from paretoken.accuracy.prompts import prompts
from paretoken.accuracy.reference import ReferenceKey, check_model, read_reference, write_reference
from paretoken.accuracy.servers import OpenAI, SGLang, connect
from paretoken.accuracy.single import capability, consistency, repeatability
from paretoken.accuracy.verdicts import FAIL, NA, PASS, TierVerdict, overall
from paretoken.errors import BadConfig, BadFile, EndpointFailed, UnknownName
from tests.support.fault_server import FAULTS, fault_server

SMALL = {"n": 8, "tokens": 10, "items": 60}


@pytest.fixture(scope="module")
def clean():
    with fault_server() as url:
        yield url


@pytest.fixture(scope="module")
def reference(clean):
    return calibrate(
        connect(clean), None, ReferenceKey("tiny", dtype="float64"), GatePlan(n=10, tokens=10, items=60, seed=1)
    )


def verdicts(fault, reference, **settings):
    with fault_server(fault, **settings) as url:
        return {v.tier: v for v in run_gate(connect(url), reference, GatePlan(seed=2, **SMALL))}


# Faults

TRIPS = {
    "logit-noise": {"T3"},
    "kv-scale": {"T2"},
    "batch-noise": {"T1"},
    "double-bos": {"T3", "T4"},
    "truncated": {"T4"},
    "temperature": {"T1"},
    "generated-only": set(),
    "few-logprobs": set(),
    "crossed": {"T3"},
    "stale-prefix": {"T2"},
}
LOST = {"generated-only": {"T0", "T2", "T3"}, "few-logprobs": {"T0", "T1", "T2", "T3"}, "crossed": {"T2"}}


def test_every_fault_is_tried():
    assert set(TRIPS) == set(FAULTS)


def test_a_server_without_fault_passes_every_tier(reference):
    assert {t: v.verdict for t, v in verdicts("", reference).items()} == dict.fromkeys(
        ("T0", "T1", "T2", "T3", "T4"), PASS
    )


@pytest.mark.parametrize("fault", FAULTS)
def test_each_fault_trips_its_tier_and_no_other(fault, reference):
    found = verdicts(fault, reference)
    assert {t for t, v in found.items() if v.verdict == FAIL} == TRIPS[fault]
    assert {t for t, v in found.items() if v.verdict == NA} == LOST.get(fault, set())
    assert overall(found.values()) == (FAIL if TRIPS[fault] else PASS)


def test_a_changed_model_fails_the_pair_alone(reference):
    found = verdicts("", reference, scale=1.05)
    assert {t for t, v in found.items() if v.verdict == FAIL} == {"T3"}
    assert found["T3"].figures["kl"]["low"] > found["T3"].figures["limits"]["kl"]


@pytest.mark.parametrize("fault", ["", "kv-scale"])
def test_sglang_is_asked_in_its_own_way(fault, reference):
    with fault_server(fault, engine="sglang") as url:
        server = connect(url)
        assert isinstance(server, SGLang)
        found = {v.tier: v.verdict for v in run_gate(server, reference, GatePlan(n=4, tokens=6, items=20, seed=2))}
    assert found["T0"] == found["T3"] == PASS
    assert found["T2"] == (FAIL if fault == "kv-scale" else PASS)


def test_a_server_that_tells_no_ids_is_not_applicable(reference):
    found = verdicts("text-only", reference)
    assert {t for t, v in found.items() if v.verdict == NA} == {"T0", "T2", "T3"}
    assert "token ids" in found["T0"].why


@pytest.mark.parametrize("engine", ["vllm", "sglang"])
def test_a_server_of_few_log_probabilities_is_not_applicable(engine, call):
    with fault_server("few-logprobs", engine=engine) as url:
        code, out, err = call(f"accuracy probe --url {url} --json")
        with pytest.raises(BadConfig, match="cannot be a reference: the server refuses"):
            calibrate(connect(url), None, ReferenceKey("tiny"), GatePlan(seed=0, **SMALL))
    assert (code, err) == (0, "") and "log-probabilities of the top 20 tokens" in out and "not finished" not in out


# What breaks


@pytest.mark.parametrize("after", [0, 5, 20, 40])
def test_an_endpoint_that_stops_half_way_keeps_what_was_computed(reference, after):
    with fault_server(dies_after=after) as url:
        found = run_gate(connect(url, timeout_s=5), reference, GatePlan(seed=2, **SMALL))
    assert found[-1].stopped
    assert "stopped answering" in found[-1].stopped
    assert all(v.verdict == PASS for v in found[:-1])
    assert found[-1].verdict == NA
    if after == 40:
        assert found[-1].figures["k3"]["prompts"] >= 1


def test_nan_is_named(clean):
    with fault_server("nan") as url:
        found = consistency(connect(url), prompts(3, np.random.default_rng(0)), tokens=4)
    assert found.verdict == NA
    assert "is nan, not a number" in found.stopped


def test_a_reference_of_another_model_is_refused(reference):
    with fault_server(name="other") as url:
        server = connect(url)
        with pytest.raises(BadConfig, match="the reference is of tiny, the endpoint serves other"):
            check_model(reference, server)
        check_model(reference, server, same=True)


def test_what_fails_never_becomes_a_reference():
    with fault_server("temperature") as url, pytest.raises(BadConfig, match="cannot be a reference: T1"):
        calibrate(connect(url), None, ReferenceKey("tiny"), GatePlan(n=4, tokens=6, items=5, seed=0))
    with fault_server("generated-only") as url, pytest.raises(BadConfig, match="cannot be a reference"):
        calibrate(connect(url), None, ReferenceKey("tiny"), GatePlan(n=4, tokens=6, items=5, seed=0))


def test_a_second_right_server_widens_the_limits(clean):
    with fault_server(scale=1.002) as url:
        found = calibrate(connect(clean), connect(url), ReferenceKey("tiny"), GatePlan(n=8, tokens=8, items=5, seed=3))
        assert found.limits.kl > calibrated(noise_nats=0, k3_decode=0, k3=0, kl=0, flips=0, tokens=64).kl
        assert compare(connect(url), found).verdict == PASS


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("127.0.0.1:1", "stopped answering"),
        ("ftp://x", "is not a server URL"),
        ("http://a:b@x", "must not contain an API key"),
    ],
)
def test_bad_urls(url, says):
    with pytest.raises((BadConfig, EndpointFailed), match=says):
        connect(url)


def test_which_model(clean):
    with pytest.raises(UnknownName, match="did you mean tiny"):
        connect(clean, model="tinny")
    assert isinstance(connect(clean, model="tiny"), OpenAI)


def test_a_key_is_sent_and_never_shown():
    assert "secret" not in repr(Client.at("http://x", key="secret"))


# Files


def test_a_reference_comes_back_as_written(reference, tmp_path):
    write_reference(reference, tmp_path / "r.json")
    again = read_reference(tmp_path / "r.json")
    assert again.key == reference.key
    assert again.limits == reference.limits
    assert again.aa == reference.aa
    assert again.aa["kl"]["value"] == 0.0
    assert again.tasks == reference.tasks
    for a, b in zip(again.samples, reference.samples, strict=True):
        assert a.ids == b.ids
        assert np.allclose(a.logprobs, b.logprobs, atol=1e-6)
        assert [sorted(t) for t in a.tops] == [sorted(t) for t in b.tops]
    (tmp_path / "r.json").write_text('{"schema_version": 1}')
    with pytest.raises(BadFile, match="key: field required"):
        read_reference(tmp_path / "r.json")


# Tiers alone


def test_probe_and_repeat_say_their_figures(clean):
    server = connect(clean)
    made = prompts(4, np.random.default_rng(5))
    assert capability(server, made[0]).figures["top_k"] >= 20
    found = repeatability(server, made, tokens=6)
    assert found.figures["alone against together"]["equal"] == 1.0
    assert found.figures["noise_nats"] == 0.0
    assert consistency(server, made, tokens=6).figures["limit"] == DEFAULT.k3_decode


# The commands


def test_commands_end_to_end(call, tmp_path, clean):
    small = "--prompts 6 --tokens 6 --seed 1"
    code, out, err = call(f"accuracy calibrate --url {clean} --dtype float64 {small} --items 20 --out ref.json --json")
    assert (code, err) == (0, "")
    assert orjson.loads(out)["key"] == {
        "model": "tiny",
        "dtype": "float64",
        "quantization": "",
        "kv_dtype": "",
        "speculation": "",
    }
    with fault_server("kv-scale") as url:
        for line in (
            f"probe --url {url}",
            f"repeat --url {url} {small} --reference ref.json",
            f"consistency --url {url} {small}",
            f"compare --url {url} --reference ref.json {small}",
            f"task --url {url} --reference ref.json --items 20",
        ):
            code, out, err = call(f"accuracy {line}")
            assert (code, err) == (0, ""), line
    found = read_gate(tmp_path / "gate.json")
    assert [v.tier for v in found.tiers] == ["T0", "T1", "T2", "T3", "T4"]
    assert {v.tier for v in found.tiers if v.verdict == FAIL} == {"T2"}
    code, out, _ = call(f"accuracy gate --url {clean} --reference {clean} {small} --items 20 --out all.json --json")
    assert orjson.loads(out)["verdict"] == PASS
    code, out, _ = call("ecosystem --gate gate.json --json")
    answer = orjson.loads(out)
    assert answer["accuracy"][0]["verdict"] == FAIL
    assert answer["coverage"]["entries"][-1]["engine"] == "vllm"
    assert "T2 self-consistency" in call("ecosystem --gate gate.json")[1]


def test_an_endpoint_that_stops_leaves_its_verdicts_and_exit_code_2(call, tmp_path, reference):
    write_reference(reference, tmp_path / "ref.json")
    with fault_server(dies_after=40) as url:
        code, _, err = call(
            f"accuracy gate --url {url} --reference ref.json --prompts 8 --tokens 10 --items 20 --seed 2"
        )
    assert code == 2
    assert len(err.strip().splitlines()) == 1
    assert "stopped answering" in err
    assert [v.verdict for v in read_gate(tmp_path / "gate.json").tiers][:2] == [PASS, PASS]


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("accuracy probe --url 127.0.0.1:1", "stopped answering"),
        ("accuracy compare --url URL --reference gone.json", "gone.json does not exist"),
        ("accuracy task --url URL --reference URL --tasks copy,coppy", "did you mean copy"),
        ("accuracy task --url URL", "add --reference FILE or URL"),
        ("accuracy task --url URL --tasks none --lm-eval gsm8k", "add --lm-eval-samples"),
        ("accuracy task --url URL --tasks none --lm-eval gsm8k --lm-eval-samples .", "lm-eval is not installed"),
        ("accuracy attach gone.json .", "gone.json does not exist"),
    ],
)
def test_mistakes_are_one_sentence(call, clean, line, says, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    code, out, err = call(line.replace("URL", clean))
    assert (code, out) == (2, "")
    assert says in err
    assert len(err.strip().splitlines()) == 1


def test_lm_eval_that_fails_keeps_the_offline_tasks(call, clean, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    program = tmp_path / "lm_eval"
    program.write_text("#!/bin/sh\necho no such task >&2\nexit 1\n")
    program.chmod(0o755)
    (tmp_path / "samples_gsm8k_1.jsonl").write_text('{"doc_id": 0, "exact_match": 1.0}\n')
    line = f"accuracy task --url {clean} --reference {clean} --tasks copy --items 5"
    code, _, err = call(f"{line} --lm-eval gsm8k --lm-eval-samples {tmp_path}")
    assert code == 2
    assert "lm-eval exited with status 1: no such task" in err
    assert read_gate(tmp_path / "gate.json").tiers[0].figures["copy"]["n"] == 5


def test_a_reference_without_the_answers_is_refused_before_the_server_generates(call, clean, reference, tmp_path):
    write_reference(replace(reference, tasks={"copy": reference.tasks["copy"]}), tmp_path / "ref.json")
    code, out, err = call(f"accuracy task --url {clean} --reference {tmp_path / 'ref.json'} --same-model")
    assert (code, out) == (2, "") and not (tmp_path / "gate.json").exists()
    assert "the reference holds no answers to arithmetic, needle; use --tasks copy" in err


def test_the_endpoint_is_kept_without_a_key(clean, tmp_path):
    server = connect(clean, key="secret")
    asked = clean.replace("://", "://me:secret@") + "?key=secret"
    write_gate(gate_of(server, asked, [TierVerdict("T0", PASS, "")]), tmp_path / "g.json")
    assert read_gate(tmp_path / "g.json").endpoint == clean
    assert "secret" not in (tmp_path / "g.json").read_text()


@pytest.mark.parametrize(
    ("fault", "passed"), [("", True), ("temperature", False), ("generated-only", True), ("few-logprobs", True)]
)
def test_a_campaigns_probe_fails_what_fails_and_not_what_cannot_be_asked(fault, passed):
    from paretoken.campaign.probing import accuracy_probe

    with fault_server(fault) as url:
        found = accuracy_probe(url, connect(url).model)
    assert found.passed is passed
    assert "T1" in found.text
