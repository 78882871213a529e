"""The fewest GPUs that hold a model: by JSON, as a table, and what is refused."""

from __future__ import annotations

import json

import pytest

from paretoken.answers.fit import FitQuestion, FitRow, fit
from paretoken.answers.seam import question_from_json, to_json
from paretoken.catalog.loader import load_catalog
from paretoken.errors import ParetokenError
from paretoken.predict.capacity import sequences_that_fit
from paretoken.predict.deployment import Deployment
from paretoken.predict.fitting import fewest_gpus, practical_sizes
from paretoken.predict.memory import memory_parts

CATALOG = load_catalog()


def answered(**fields):
    return fit(question_from_json(FitQuestion, {"model": "llama-3-70b", "precision": "fp8", **fields}), CATALOG).rows


def alone(accelerator, model="llama-3-70b", precision="fp8", **fields):
    return Deployment(accelerator=accelerator, model=model, precision=precision, engine="vllm", gpus=1, tp=1, **fields)


def test_every_accelerator_is_answered_fewest_gpus_first():
    rows = answered()
    assert {r.accelerator for r in rows} == set(CATALOG.accelerators)
    assert all(isinstance(r, FitRow) or not r.deployable for r in rows)
    sizes = [r.gpus for r in rows if isinstance(r, FitRow)]
    assert sizes == sorted(sizes) and sizes[0] == 1 and sizes[-1] > 1


def test_accelerators_that_the_engine_does_not_run_on_are_left_out_unless_stated(call):
    rows = answered(engine="trtllm")
    assert {r.accelerator for r in rows if not isinstance(r, FitRow)} >= {"MI300X", "TPUv5e"}
    assert all(CATALOG.accelerators[r.accelerator].vendor != "AMD" for r in rows if isinstance(r, FitRow))
    with pytest.raises(ParetokenError, match="does not run on MI300X"):
        answered(engine="trtllm", accelerators=["H100", "MI300X"])
    assert "Left out, as trtllm does not run on them: MI300X" in call("fit llama-3-70b --engine trtllm")[1]


def test_accelerators_that_shipped_after_the_date_are_left_out_for_that(call):
    rows = {r.accelerator: r for r in answered(date="2024-08-01")}
    assert isinstance(rows["H100"], FitRow) and "first shipped" in rows["B200"].reason
    out = call("fit llama-3-70b --date 2024-08-01")[1]
    assert "Left out, as vllm does not run on them or they shipped after --date: B200" in out


def test_a_row_is_the_memory_of_one_gpu():
    (row,) = answered(accelerators=["H200"])
    parts = memory_parts(alone("H200"), CATALOG)
    assert (row.gpus, row.tp, row.pp, row.replicas, row.engines) == (1, 1, 1, 1, 1)
    assert row.kv_tokens == parts.kv_tokens
    assert row.users == sequences_that_fit(parts, 2047)
    other = row.activations_gib + row.graphs_gib + row.runtime_gib + row.cache_gib + row.free_gib
    assert row.weights_gib + other == pytest.approx(row.memory_gib)
    assert {s["name"] for s in to_json(row)["settings"]} >= {"kv_dtype", "memory_utilization", "max_num_seqs"}


def test_the_fewest_are_fewest():
    """One size less does not hold the users."""
    for users in (1, 40, 500):
        smallest = fewest_gpus(alone("H100"), 9215, users, CATALOG)
        assert smallest.users >= users
        for d in practical_sizes(alone("H100"), CATALOG):
            each = sequences_that_fit(memory_parts(d, CATALOG), 9215, d.pp)
            assert each == 0 or -(-users // each) * d.gpus >= smallest.gpus


def test_the_longest_request_is_the_longest():
    for model, precision in (("llama-3-70b", "fp8"), ("gemma-3-27b", "bf16"), ("qwen3.5-27b", "fp8")):
        smallest = fewest_gpus(alone("H200", model, precision), 100, 1, CATALOG)
        assert sequences_that_fit(smallest.parts, smallest.longest) == 1
        assert sequences_that_fit(smallest.parts, smallest.longest + 1) == 0


@pytest.mark.parametrize("model", ["llama-3-70b", "gemma-3-27b", "qwen3.5-27b"])
def test_no_request_is_longer_than_the_context(model):
    (row,) = answered(model=model, precision=None, accelerators=["B300"])
    assert row.longest_request == row.max_model_len == CATALOG.models[model].max_context
    (row,) = answered(model=model, precision=None, accelerators=["B300"], settings={"max_model_len": 5000})
    assert row.longest_request == 5000


def test_a_request_longer_than_the_cache_of_a_plain_model_does_not_fit():
    (row,) = answered(accelerators=["H100"])
    assert row.longest_request == row.kv_tokens < row.max_model_len


def test_stages_come_after_a_node_and_replicas_for_users():
    (row,) = answered(model="deepseek-r1", accelerators=["H100"])
    assert (row.gpus, row.tp, row.pp) == (16, 8, 2)
    (row,) = answered(accelerators=["H200"], users=2000)
    assert row.replicas > 1 and row.gpus == row.tp * row.replicas and row.users >= 2000


def test_attention_groups_count_their_users():
    one, ranks = (
        answered(model="deepseek-r1", accelerators=["B300"], users=2000, dp_attention=dp)[0] for dp in (False, True)
    )
    assert ranks.engines > one.engines
    assert ranks.gpus <= one.gpus


def test_redundant_experts_count_where_ranks_share_the_experts():
    """257 experts divide over no more than one GPU of a stage, as `predict` demands; 288 over up to 32."""
    fields = {"model": "deepseek-r1", "accelerators": ["B300"], "dp_attention": True}
    (one,), (more,) = (answered(**fields, settings={"redundant_experts": n}) for n in (1, 32))
    assert one.tp == 1 and one.pp > 1
    assert more.tp > 1


def test_what_never_fits_says_by_how_much():
    (row,) = answered(model="kimi-k2.5", precision="bf16", accelerators=["DGX-Spark"])
    assert "GiB per GPU are missing" in row.reason


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"model": "lama"}, "did you mean"),
        ({"accelerators": ["H20x"]}, "did you mean"),
        ({"isl": 200_000}, "exceed the context"),
        ({"osl": 0}, "at least 1 token"),
        ({"users": 0}, "users"),
        ({"users": 1_000_001}, "users = 1000001"),
        ({"dp_attention": True}, "dense"),
        ({"settings": {"kv_tokens": 5}}, "leave it out"),
        ({"settings": {"kv_dtype": "int3"}}, "kv_cache_dtype"),
        ({"date": "yesterday"}, "write a day as"),
        ({"acelerators": []}, "did you mean 'accelerators'"),
    ],
)
def test_what_is_refused(fields, message):
    with pytest.raises(ParetokenError, match=message):
        answered(**{"accelerators": ["H100"], **fields})


def test_a_model_by_its_config(tmp_path):
    config = {
        "model_type": "llama",
        "architectures": ["LlamaForCausalLM"],
        "num_hidden_layers": 24,
        "hidden_size": 2048,
        "num_attention_heads": 16,
        "num_key_value_heads": 4,
        "intermediate_size": 5632,
        "vocab_size": 32000,
        "max_position_embeddings": 4096,
        "torch_dtype": "bfloat16",
    }
    (tmp_path / "config.json").write_text(json.dumps(config))
    answer = fit(FitQuestion(model=str(tmp_path), accelerators=("L4",)), CATALOG)
    assert answer.rows[0].gpus == 1
    assert answer.rows[0].weights_gib == pytest.approx(2.2, abs=0.4)


def test_the_command(call):
    code, out, _ = call("fit llama-3-70b --precision fp8 --accelerator H100 --accelerator h200 --isl 8192")
    assert code == 0
    assert "fewest GPUs for 1 request of 8,192/1,024" in out and "H200" in out and "Settings" not in out
    code, out, _ = call("fit llama-3-70b --precision fp8 --accelerator H100 --gpu-memory-utilization 0.95")
    assert "0.95" in out and "stated" in out and "default of vLLM" in out
    code, out, _ = call("fit llama-3-70b --accelerator TPUv5e --precision bf16 --concurrency 3 --json")
    assert json.loads(out)["rows"][0]["users"] >= 3
    assert "the pipeline spans several nodes" in call("fit deepseek-r1 --accelerator H100")[1]
    assert "config.json" in call("fit --help")[1]
    code, _, err = call("fit llama-3-70b --concurrency 100000000000")
    assert code == 2 and "at most 1,000,000" in err
    code, _, err = call("fit lama")
    assert code == 2 and "did you mean" in err
