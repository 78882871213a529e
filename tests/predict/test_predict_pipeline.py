"""Pipelines: a stage against the whole, rounds of micro-batches against closed forms, both ways of simulating."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from paretoken.catalog.loader import load_catalog
from paretoken.cli.predict.explain_plot import figure
from paretoken.errors import BadConfig
from paretoken.points.published import prepare
from paretoken.predict.calibration.file import shipped_calibration
from paretoken.predict.calibration.sample import usable
from paretoken.predict.capacity import kv_tokens
from paretoken.predict.columns import deployment_columns, deployment_numbers
from paretoken.predict.configure import case, sizes_that_fit
from paretoken.predict.csvfile import predict_rows
from paretoken.predict.deployment import Deployment, Lengths
from paretoken.predict.explain import explain_case
from paretoken.predict.first_token import LEAD_S
from paretoken.predict.load import LoadColumns, kv_slots
from paretoken.predict.memory import memory_parts
from paretoken.predict.numbers import Columns
from paretoken.predict.operations import operations
from paretoken.predict.predictor import novelty, predict_cases
from paretoken.predict.prompts import attention_pairs, prompt_terms
from paretoken.predict.rows import predicted_points
from paretoken.predict.serving import served
from paretoken.predict.simulation.limits import SchedulerLimits
from paretoken.predict.simulation.run import ServingOptions, simulate
from paretoken.predict.simulation.sources import OpenLoop
from paretoken.predict.steady import steady
from paretoken.predict.steptime import AffineStepTime
from paretoken.predict.terms import TERMS, decode_seconds, decode_terms, micro_batch, total
from tests.support import configurations

CATALOG = load_catalog()
ONES = np.ones((1, len(TERMS)))
CHAT = Lengths(1024, 1024, 0.8)
EVEN = ("llama-3-70b", "gpt-oss-120b", "mixtral-8x7b")
QUICK = settings(max_examples=30)
SIZES, STAGES = st.sampled_from([1, 2, 4, 8]), st.sampled_from([2, 4])
PIPELINE = Deployment(accelerator="H200", model="llama-3-70b", precision="fp8", engine="vllm", gpus=8, tp=4, pp=2)


def deployed(tp=4, pp=1, model="llama-3-70b", accelerator="H200", precision="fp8") -> Deployment:
    return Deployment(
        accelerator=accelerator, model=model, precision=precision, engine="vllm", gpus=tp * pp, tp=tp, pp=pp
    )


def built(*args, **named) -> Columns:
    return deployment_columns([deployed(*args, **named)], CATALOG)


def weights(d: Deployment) -> float:
    """Bytes of weights on one GPU."""
    return memory_parts(d, CATALOG).weight_bytes


def prompt_seconds(c, m, tokens):
    """Seconds that a whole prompt adds to the steps it rides on."""
    return total(prompt_terms(c, m, tokens, attention_pairs(c, tokens)))


def found(c: Columns, users, isl=1024.0, osl=1024.0):
    load = LoadColumns(*(np.array([float(x)]) for x in (users, isl, isl, osl, 0.06)))
    return steady(c, ONES, load, slots=kv_slots(c, load), iterations=200)


# ---- one stage is as before


@pytest.mark.parametrize("name", list(CATALOG.models))
def test_one_stage_is_the_whole_model(name):
    whole = operations(CATALOG.models[name])
    assert whole.in_stages(1) == whole


@QUICK
@given(batch=st.floats(0, 4096))
def test_one_stage_has_one_micro_batch_and_no_hops(batch):
    c = built()
    assert micro_batch(c, np.array([batch])) == batch
    assert decode_terms(c, ONES, np.array([batch]), 2048.0)["hop"] == 0
    assert prompt_terms(c, ONES, 1024.0, np.ones(1))["hop"] == 0
    assert ServingOptions().beside_s(None, None, 1000, 0) == 0


def test_stages_are_given_last_and_are_one():
    assert Deployment(
        accelerator="H200", model="llama-3-70b", precision="fp8", engine="vllm", gpus=8, tp=4
    ) == Deployment(
        accelerator="H200",
        model="llama-3-70b",
        precision="fp8",
        engine="vllm",
        gpus=8,
        tp=4,
        ep=1,
        dp_attention=False,
        speculative="none",
        date=None,
        engine_version="",
        pp=1,
    )


# ---- memory


@pytest.mark.parametrize("model", EVEN)
@QUICK
@given(tp=SIZES, pp=STAGES)
def test_a_stage_holds_its_share_of_weights_and_cache(model, tp, pp):
    """The embedding and the head are whole at the two ends, so a stage of more than two holds more of these."""
    alone, stage = deployed(tp, model=model), deployed(tp, pp, model=model)
    head = operations(CATALOG.models[model]).head_params * 2 / tp
    layers = weights(alone) - 2 * head
    assert weights(stage) == pytest.approx(layers / pp + head)
    one, some = (deployment_numbers(d, CATALOG) for d in (alone, stage))
    assert some.memory.sequence_bytes(4096.0) == one.memory.sequence_bytes(4096.0)
    held = some.memory.cache_bytes * pp / one.memory.sequence_bytes(4096.0) * 4096
    assert kv_tokens(some, 4096.0) == pytest.approx(held, rel=1e-6)


def test_layers_that_do_not_divide_count_as_the_largest_stage():
    """61 layers in 4 stages: one has 16, of which 16·58/61 are rounded up to 16 of experts."""
    o = operations(CATALOG.models["deepseek-r1"])
    four = o.in_stages(4)
    assert (four.layers, four.moe_layers) == (64, 64)
    assert four.kv_values == pytest.approx(o.kv_values * 64 / 61)
    assert four.attention_params == pytest.approx(o.attention_params * 64 / 61)
    assert four.head_params == o.head_params


def test_what_does_not_fit_one_node_fits_two_stages():
    big = deployed(8, model="llama-3.1-405b", accelerator="H100", precision="bf16")
    with pytest.raises(BadConfig, match="higher pp"):
        case(big, CHAT, 4)
    assert case(replace(big, gpus=16, pp=2), CHAT, 4).deployment.stage_gpus == 8


def test_auto_keeps_the_stages():
    some = sizes_that_fit(deployed(1, 2, accelerator="H100", precision="bf16"))
    assert [(d.gpus, d.tp, d.pp) for d in some] == [(2, 1, 2), (4, 2, 2), (8, 4, 2), (16, 8, 2)]


# ---- time


@pytest.mark.parametrize("model", EVEN)
@QUICK
@given(tp=SIZES, pp=STAGES, each=st.integers(1, 512), context=st.integers(1, 30_000))
def test_a_round_serves_p_batches_in_the_time_of_one(model, tp, pp, each, context):
    """The whole closed form: p·b sequences in the time that a stage's GPUs with all layers take for b, and the hops."""
    alone, pipeline = built(tp, model=model), built(tp, pp, model=model)
    batch, context = np.array([float(each)]), float(context)
    terms = decode_terms(pipeline, ONES, batch * pp, context)
    assert sum(terms.values()) == pytest.approx(decode_seconds(alone, ONES, batch, context) + terms["hop"])
    assert terms["hop"] > 0


@QUICK
@given(tp=SIZES, pp=STAGES, few=st.floats(1, 4))
def test_fewer_sequences_than_stages_leave_stages_idle(tp, pp, few):
    c = built(tp, pp)
    one, some = (decode_seconds(c, ONES, np.array([b]), 1024.0) for b in (1.0, min(few, pp)))
    assert some == pytest.approx(one)


@pytest.mark.parametrize("model", [*EVEN, "deepseek-r1"])
@QUICK
@given(tp=SIZES, pp=STAGES, isl=st.integers(16, 8192), osl=st.integers(2, 8192))
def test_one_user_is_no_faster_with_more_stages(model, tp, pp, isl, osl):
    alone, pipeline = (found(built(tp, n, model=model), 1, isl, osl) for n in (1, pp))
    assert pipeline.tpot_s >= alone.tpot_s
    assert pipeline.e2e_s >= alone.e2e_s


@QUICK
@given(pp=STAGES, a=st.integers(1, 255), b=st.integers(1, 256))
def test_more_users_are_never_faster_for_one_and_never_slower_for_all(pp, a, b):
    few, many = sorted((a, a + b))
    c = built(2, pp)
    x, y = found(c, few), found(c, many)
    assert y.e2e_s >= x.e2e_s * (1 - 1e-3)
    assert many / y.e2e_s >= few / x.e2e_s * (1 - 1e-3)


@QUICK
@given(users=st.integers(64, 512), isl=st.integers(128, 8192))
def test_stages_reduce_less_than_tensor_parallelism_over_as_many_gpus(users, isl):
    wide, pipeline = built(8), built(4, 2)
    batch = np.array([float(users)])
    assert decode_terms(pipeline, ONES, batch, 1024.0)["link"] < decode_terms(wide, ONES, batch, 1024.0)["link"]
    # of a prompt: the bytes that each link carries, over both stages; each stage is busy with half of it
    assert prompt_terms(pipeline, ONES, isl, np.ones(1))["link"] / 2 < prompt_terms(wide, ONES, isl, np.ones(1))["link"]


def test_under_high_load_stages_serve_more_where_links_are_slow():
    wide, pipeline = (replace(c, links=replace(c.links, link=c.links.link / 10)) for c in (built(8), built(4, 2)))
    assert found(pipeline, 512).e2e_s < found(wide, 512).e2e_s


def test_all_reduces_have_the_size_of_a_stage():
    alone, pipeline = built(4), built(4, 2)
    assert pipeline.links.reduced_bytes == alone.links.reduced_bytes
    assert pipeline.links.link == alone.links.link
    assert built(1, 8).links.reductions == 0


def test_a_long_prompts_chunks_follow_each_other():
    """One user: 64 chunks of 8,192 tokens need (64 + p − 1)/64 of the time of one stage, in rounds of p chunks."""
    c = built(4, 4)
    whole, chunks = prompt_seconds(c, ONES, 8192.0 * 64), found(c, 1, 8192.0 * 64, 2)
    step = decode_seconds(c, ONES, np.array([1.0]), 8192.0 * 64 + 1)
    assert chunks.ttft_s == pytest.approx(whole / 4 * (1 + 3 / 64) + LEAD_S + 64 / 4 * step, rel=1e-3)
    short = found(c, 1, 512.0, 2)
    assert short.ttft_s >= prompt_seconds(c, ONES, 512.0)


# ---- the simulation


def test_a_prompt_passes_all_stages_but_holds_up_one():
    """Two prompts at once in three stages of 1 s: both have 2 s before the queue, and share a step of 2 s."""
    step, limits = (
        AffineStepTime(0.0, per_prompt_token_s=0.01),
        SchedulerLimits(max_num_seqs=8, max_batched_tokens=600, kv_blocks=1000),
    )
    source = OpenLoop(np.zeros(2), np.array([100, 100]), np.array([1, 1]))
    assert simulate(step, limits, source, ServingOptions(stages=3)).ttft_s == pytest.approx([4.0, 4.0])
    assert simulate(step, limits, source).ttft_s == pytest.approx([2.0, 2.0])
    with pytest.raises(BadConfig, match="stages"):
        ServingOptions(stages=0)


def test_what_is_served_is_the_round_and_a_stages_prompt():
    one, two = served(deployed(4), CHAT), served(PIPELINE, CHAT)
    assert two.limits.max_batched_tokens == 2 * one.limits.max_batched_tokens
    assert two.serving.stages == 2
    assert two.step_time.per_pair == pytest.approx(one.step_time.per_pair / 2)
    assert two.limits.kv_blocks > 2 * one.limits.kv_blocks


def test_an_emulated_pipeline_lets_a_prompt_in_later(monkeypatch):
    from paretoken.emulate.connection import HttpRequest
    from paretoken.emulate.engine import predicted
    from paretoken.emulate.service import Service
    from paretoken.emulate.settings import EmulatorSettings

    engine = predicted(PIPELINE, Lengths(1024, 1024))
    step = served(PIPELINE, Lengths(1024, 1024)).step_time
    assert engine.step_time.decode(16) == step.decode(16)
    settings = EmulatorSettings(
        model=engine.model, step_time=engine.step_time, limits=engine.limits, serving=engine.serving, time_scale=2.0
    )
    waits = []
    service = Service(settings, lambda: 0.0)
    body = json.dumps({"model": engine.model, "prompt": [1] * 1000, "max_tokens": 5}).encode()
    service.handle(
        type("Waiting", (), {"reply": None, "later": lambda self, after_s, then: waits.append(after_s)})(),
        HttpRequest("POST", "/v1/completions", "HTTP/1.1", {}, body),
    )
    alone = step.prefill(1000, 1000 * 1001 / 2)
    assert waits == [pytest.approx((engine.serving.frontend_s + alone) / 2)]


# ---- what users see


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"pp": 0}, "pp is 0"),
        ({"pp": 81, "gpus": 324}, "80 layers"),
        ({"pp": 3}, "3 stages of groups of tp 4; give a multiple of tp x pp = 12"),
        ({"gpus": 6, "tp": 3}, "heads"),
    ],
)
def test_stages_that_cannot_be_are_one_sentence(changed, words):
    with pytest.raises(BadConfig, match=words):
        case(replace(PIPELINE, **changed), CHAT, 4)


def test_attention_groups_are_within_a_stage():
    d = Deployment(
        accelerator="H200",
        model="deepseek-r1",
        precision="fp8",
        engine="sglang",
        gpus=16,
        tp=4,
        ep=8,
        dp_attention=True,
        pp=2,
    )
    assert (d.attention_tp, deployment_columns([d], CATALOG).layout.attention_groups[0]) == (4, 2)
    assert replace(d, tp=8).attention_tp == 1


def test_a_pipeline_is_new_to_the_calibration_and_its_interval_is_wider():
    shipped = shipped_calibration()
    assert novelty(case(PIPELINE, CHAT, 16), shipped) == ("pipeline",)
    assert novelty(case(replace(PIPELINE, accelerator="MI350X"), CHAT, 16), shipped) == ("accelerator", "pipeline")
    assert novelty(case(PIPELINE, Lengths(4096, 1024, 0.8), 16), shipped) == ("workload", "pipeline")
    alone, pipeline = (predict_cases([case(d, CHAT, 16)], catalog=CATALOG) for d in (deployed(4), PIPELINE))
    for outcome in ("tpot", "ttft", "e2e", "tput"):
        (low, high), (lower, higher) = alone.band(outcome), pipeline.band(outcome)
        assert higher[0] / lower[0] > 2 * high[0] / low[0]


@QUICK
@given(users=st.sampled_from([1, 4, 64]), tp=st.sampled_from([2, 4]))
def test_a_stage_has_the_calibrated_effects_of_its_size(users, tp):
    """So that what differs from the same group with all layers is physics alone: here, one user's hops."""
    alone, pipeline = (predict_cases([case(deployed(tp, n), CHAT, users)], catalog=CATALOG) for n in (1, 2))
    ratio = pipeline.tpot_s[0] / alone.tpot_s[0]
    assert 1 <= ratio < 1.01 if users == 1 else ratio < 1


ROW = {**configurations.ROW, "accelerator": "h200", "n_gpus": "8", "length_range_ratio": "0.8", "pp": "2"}


def test_a_csv_may_say_the_stages():
    asked, blank, replicas, wrong = predict_rows(
        [ROW, {**ROW, "n_gpus": ""}, {**ROW, "n_gpus": "16", "concurrency": "32"}, {**ROW, "tp": "8"}]
    )
    p = predict_cases([case(PIPELINE, CHAT, 16)], catalog=CATALOG)
    for row in (asked, blank, replicas):
        assert row["status"] == "ok"
        assert row["median_tpot_ms"] == pytest.approx(p.tpot_s[0] * 1e3)
        assert row["total_tput_per_gpu_tok_s"] == pytest.approx(p.total_tput_per_gpu[0])
    assert "2 stages" in wrong["status"]


def test_predicted_points_name_their_stages():
    big = deployed(8, 2, model="llama-3.1-405b", accelerator="H100", precision="bf16")
    points = predicted_points(predict_cases([case(d, CHAT, 4) for d in (PIPELINE, big, deployed(4))]))
    assert ["pipeline of 2 stages" in n for n in points["notes"]] == [True, True, False]
    assert points["multinode"].to_list() == [False, True, False]
    assert points["n_gpus"].to_list() == [8, 16, 4]


def test_points_may_say_their_stages():
    points = prepare(predicted_points(predict_cases([case(PIPELINE, CHAT, 4)])))
    said = usable(points.with_columns(pp=pl.lit(2)), CATALOG)
    assert said.select("gpus", "tp", "pp", "dp_attention").row(0) == (8, 4, 2, False)
    assert usable(points, CATALOG)["pp"].to_list() == [1]


def test_an_explanation_has_hops_only_between_stages():
    alone, pipeline = (explain_case(case(d, CHAT, 64), catalog=CATALOG) for d in (deployed(4), PIPELINE))
    assert "hop" not in {p.name for p in alone.parts}
    assert [p.phase for p in pipeline.parts if p.name == "hop"] == ["decode", "prompt"]
    assert any("activations between stages" in bar["about"]["rows"][0] for bar in figure(pipeline)["bars"])
    decode = [p for p in pipeline.parts if p.phase == "decode"]
    assert sum(p.seconds for p in decode) == pytest.approx(pipeline.tpot_s * (1 - pipeline.busy))
    mixture = Deployment(accelerator="H200", model="deepseek-r1", precision="fp8", engine="sglang", gpus=8, tp=8)
    one, two = (explain_case(case(d, CHAT, 64)) for d in (mixture, replace(mixture, gpus=16, pp=2)))
    assert two.active_experts < one.active_experts


ASKED = "--accelerator H200 --model llama-3-70b --precision fp8 --engine vllm --isl 1024 --osl 1024"


def test_commands_take_stages(call):
    code, out, err = call(f"predict {ASKED} --tp 4 --pp 2 --concurrency 1,64 --json")
    assert code == 0, err
    assert [(r["n_gpus"], r["tp"], r["pp"]) for r in json.loads(out)] == [(8, 4, 2)] * 2
    assert "4x2" in call(f"predict {ASKED} --pp 2 --concurrency 64")[1]
    assert "TP x PP" in call(f"predict {ASKED} --pp 2 --slo tpot=20ms")[1]
    assert "4x2" in call(f"predict {ASKED} --tp 4 --pp 2 --rate 2")[1]
    assert "8 x H200 in 2 stages" in call(f"explain {ASKED} --tp 4 --pp 2")[1]
    code, _, err = call(f"predict {ASKED} --tp 4 --pp 3 --gpus 8")
    assert code == 2
    assert err.count("\n") == 1
