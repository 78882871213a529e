"""The memory of a GPU by its parts, against what engines printed and against arithmetic."""

from __future__ import annotations

import csv
import hashlib
import sys
from dataclasses import replace
from math import inf
from pathlib import Path

import pytest

from paretoken.catalog.loader import load_catalog
from paretoken.errors import BadConfig
from paretoken.predict.capacity import MARGIN, kv_tokens, require_fit, require_room
from paretoken.predict.columns import deployment_numbers
from paretoken.predict.configure import case
from paretoken.predict.deployment import Deployment, Lengths
from paretoken.predict.memory import GIB, memory_parts
from paretoken.predict.operations import operations
from paretoken.predict.settings import EngineSettings

sys.path.insert(0, str(Path(__file__).parents[2] / "tools"))
from kv_table import LINES, PAGE, WITHIN, kv_lines, section

CATALOG = load_catalog()
FAR = {
    # the cache is what 64 GiB of weights leave, and the engine pads these by up to 2 GiB
    ("gpt-oss-120b", "H100", 3.33),
    ("gpt-oss-120b", "H100", -2.14),
    ("gpt-oss-120b", "H100", 1.71),
}
"""Lines from which the computed cache differs by more than `WITHIN`: model, accelerator, GiB printed."""


def deployed(model="llama-3.1-8b", precision="bf16", gpus=1, accelerator="H100", engine="vllm", **fields):
    settings = EngineSettings(**{k: fields.pop(k) for k in EngineSettings.__dataclass_fields__ if k in fields})
    fields = {"date": "2026-04-22", "tp": gpus // fields.get("pp", 1), **fields}
    return Deployment(
        accelerator=accelerator, model=model, precision=precision, engine=engine, gpus=gpus, settings=settings, **fields
    )


def parts(*args, **fields):
    return memory_parts(deployed(*args, **fields), CATALOG)


# ---- what engines printed


@pytest.mark.parametrize("line", kv_lines(), ids=lambda x: f"{x.deployment.engine}-{x.deployment.model}-{x.tokens}")
def test_what_engines_printed(line):
    d, difference = line.deployment, line.difference(memory_parts(line.deployment, CATALOG))
    outlier = (d.model, d.accelerator, line.cache_gib) in FAR
    assert (abs(difference) > WITHIN) == outlier, f"{difference:+.1%}"


def test_no_line_is_further_than_a_small_share_of_the_memory():
    """`MARGIN`, beyond which a stated cache is refused, is about twice that share."""
    for line in kv_lines():
        p = memory_parts(line.deployment, CATALOG)
        printed = p.cache_bytes * line.tokens / p.kv_tokens if line.tokens else line.cache_gib * GIB
        assert abs(printed - p.cache_bytes) < MARGIN / 1.9 * p.reported_bytes, line


def test_a_third_is_held_out_by_a_hash():
    with LINES.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    for r in rows:
        key = "|".join(v for name, v in r.items() if name not in ("split", "source", "cache_gib", "date"))
        held_out = int(hashlib.sha256(key.encode()).hexdigest(), 16) % 3 == 0
        assert r["split"] == ("held out" if held_out else "tuning")
    assert len(rows) >= 35 and all(r["source"].startswith("https://") for r in rows)


def test_the_page_shows_every_line():
    assert section() in PAGE.read_text(encoding="utf-8"), "run tools/kv_table.py"


# ---- parts


@pytest.mark.parametrize("engine", ["vllm", "sglang", "trtllm", "atom"])
@pytest.mark.parametrize("model", ["llama-3-70b", "deepseek-r1", "gemma-3-27b", "qwen3.5-27b", "kimi-k2.5"])
@pytest.mark.parametrize("accelerator", ["H200", "MI355X"])
def test_parts_are_all_of_the_memory(engine, model, accelerator):
    p = parts(model, CATALOG.models[model].native_precision, 8, accelerator, engine)
    other = p.activation_bytes + p.graph_bytes + p.runtime_bytes + p.reserved_bytes + p.cache_bytes
    assert p.weight_bytes + other == pytest.approx(p.reported_bytes)
    assert p.cache_bytes > 0 and p.reserved_bytes > 0


def test_a_larger_share_is_all_cache():
    less, more = (parts(memory_utilization=u) for u in (0.8, 0.9))
    assert more.cache_bytes - less.cache_bytes == pytest.approx(0.1 * more.reported_bytes)


def test_activations_grow_with_tokens_and_sequences():
    assert parts(max_batched_tokens=32768).activation_bytes > parts(max_batched_tokens=8192).activation_bytes
    many, few = (parts(max_num_seqs=n, date="2025-10-01").activation_bytes for n in (1024, 256))
    assert many - few == pytest.approx((1024 - 256) * 128256 * 38.4)


def test_without_graphs_their_memory_is_cache():
    graphs, eager = (parts(date="2026-10-06", enforce_eager=x) for x in (False, True))
    assert eager.graph_bytes == 0
    assert (
        eager.cache_bytes - graphs.cache_bytes == pytest.approx(graphs.graph_bytes) == pytest.approx(32 * 0.022 * GIB)
    )


def test_a_stated_checkpoint_scales_the_weights():
    plain, stated = (parts("gpt-oss-120b", "fp4", weights_gb=gb) for gb in (None, 80.0))
    assert stated.weight_bytes == pytest.approx(80e9)
    assert stated.expert_bytes / stated.attention_bytes == pytest.approx(plain.expert_bytes / plain.attention_bytes)


def test_redundant_experts_take_memory():
    without, with_32 = (parts("deepseek-r1", "fp8", 8, "H200", ep=8, redundant_experts=n) for n in (0, 32))
    assert with_32.expert_bytes == pytest.approx(without.expert_bytes * 288 / 256)


def test_ranks_of_attention_hold_all_but_experts():
    tp, dp = (parts("deepseek-r1", "fp8", 8, "H200", ep=8, dp_attention=x) for x in (False, True))
    assert dp.expert_bytes == tp.expert_bytes
    assert dp.dense_bytes == pytest.approx(8 * tp.dense_bytes)
    assert dp.embedding_bytes == pytest.approx(8 * tp.embedding_bytes)
    shared = parts("deepseek-r1", "fp8", 8, "H200", "sglang", ep=8, dp_attention=True)
    assert shared.attention_bytes == dp.attention_bytes and shared.dense_bytes == tp.dense_bytes


def test_indexers_are_whole_on_every_gpu():
    one, eight = (parts("deepseek-v3.2", "fp8", n, "B300") for n in (1, 8))
    o = operations(CATALOG.models["deepseek-v3.2"])
    alike = one.attention_bytes / o.attention_params
    shared = o.attention_params - o.index_params
    assert eight.attention_bytes / alike == pytest.approx(shared / 8 + o.index_params)


# ---- the cache


def test_latent_caches_are_whole_on_every_gpu_unless_context_is_shared():
    one, eight, shared = (
        parts("kimi-k2-thinking", "int4", n, "H200", context_parallel=c).layout for n, c in ((1, 1), (8, 1), (8, 8))
    )
    assert one.growing_bytes == eight.growing_bytes == pytest.approx(8 * shared.growing_bytes)
    assert one.growing_bytes == 61 * 576 * 2


def test_a_window_counts_by_the_policy_of_the_engine():
    whole, freed = (parts("gemma-3-27b", date=day, accelerator="H200").layout for day in ("2025-06-01", "2026-04-22"))
    pools = parts("gemma-3-27b", engine="sglang", accelerator="H200").layout
    assert whole.window_tokens == inf and freed.window_tokens == 1024
    assert whole.sequence_bytes(8192) > 3 * freed.sequence_bytes(8192)
    assert whole.sequence_bytes(1024) == freed.sequence_bytes(1024)
    assert pools.windowed_bytes == pytest.approx(0.8 * whole.windowed_bytes)


def test_states_have_a_pool_of_their_own_or_a_share_of_each_sequence():
    own, shared = (parts("qwen3.5-27b", "fp8", engine=e, accelerator="H200").layout for e in ("sglang", "vllm"))
    state = operations(CATALOG.models["qwen3.5-27b"]).state_bytes
    assert shared.sequence_bytes(0) == shared.fixed_bytes == state
    assert own.sequence_bytes(1) == own.least_bytes == pytest.approx(state / 0.4737)
    assert own.growing_bytes == pytest.approx(shared.growing_bytes / (1 - 0.4737))


def test_the_columns_hold_what_the_parts_do():
    d = deployed("gemma-3-27b", gpus=2, accelerator="H200")
    p, numbers = memory_parts(d, CATALOG), deployment_numbers(d, CATALOG)
    assert numbers.memory.cache_bytes == p.cache_bytes
    assert numbers.memory.sequence_bytes(9000.0) == p.layout.sequence_bytes(9000)
    assert kv_tokens(numbers, 9000.0) == int(p.cache_bytes / p.layout.sequence_bytes(9000) * 9000)


def test_aiter_leaves_less_at_long_contexts_unless_heads_are_few():
    short, long = (
        parts("qwen3-8b", engine="sglang", accelerator="MI355X", memory_utilization=0.8, max_model_len=n).cache_bytes
        for n in (8192, 8193)
    )
    assert short - long == pytest.approx(0.12 * (287.98 - 0.5) * GIB)
    few, many = (
        parts("deepseek-r1", "fp8", n, "MI355X", "sglang", memory_utilization=0.8, max_model_len=9000) for n in (4, 8)
    )
    assert few.cache_bytes + few.weight_bytes > many.cache_bytes + many.weight_bytes


# ---- what fits


def test_what_does_not_fit_is_refused_with_what_would():
    d = deployed("llama-3-70b", "bf16")
    with pytest.raises(BadConfig, match=r"does not fit 1 x H100: \d+\.\d GB per GPU are missing .* tp 2 is enough"):
        require_fit(d, CATALOG)
    assert memory_parts(d, CATALOG).kv_tokens == 0
    with pytest.raises(BadConfig, match="no tp in one node is enough"):
        require_fit(deployed("deepseek-r1", "bf16", 8), CATALOG)


def test_a_model_that_fits_but_for_the_default_share_of_memory_is_refused_with_that():
    ranks = replace(deployed("deepseek-r1", "fp4", 72, "GB200", "sglang"), tp=1, ep=72, dp_attention=True)
    with pytest.raises(BadConfig, match=r"state the server's gpu_memory_utilization, 0\.\d+ by default"):
        require_fit(ranks, CATALOG)
    require_fit(replace(ranks, settings=EngineSettings(memory_utilization=0.8)), CATALOG)
    with pytest.raises(BadConfig) as e:
        require_fit(deployed("deepseek-r1", "bf16", 1), CATALOG)
    assert "memory_utilization" not in str(e.value)


@pytest.mark.parametrize("model", ["gpt-oss-120b", "llama-3-70b", "deepseek-r1", "qwen3-235b-a22b"])
@pytest.mark.parametrize("gpus", [1, 2, 4, 8])
def test_nothing_is_predicted_without_memory_for_a_cache(model, gpus):
    d = deployed(model, CATALOG.models[model].native_precision, gpus, "H100")
    fits = memory_parts(d, CATALOG).cache_bytes > 0
    try:
        case(d, Lengths(64, 16), 1, catalog=CATALOG)
        predicted = True
    except BadConfig:
        predicted = False
    assert predicted == fits


def test_a_stated_cache_is_the_cache_unless_the_memory_cannot_hold_it():
    d = deployed()
    computed = memory_parts(d, CATALOG)
    half, more, twice = (
        replace(d, settings=replace(d.settings, kv_tokens=int(computed.kv_tokens * x))) for x in (0.5, 1.05, 2)
    )
    assert memory_parts(half, CATALOG).cache_bytes == pytest.approx(computed.cache_bytes / 2, rel=1e-3)
    assert memory_parts(half, CATALOG).kv_tokens == half.settings.kv_tokens
    require_fit(half, CATALOG)
    require_fit(more, CATALOG)
    with pytest.raises(BadConfig, match=f"{twice.settings.kv_tokens:,}.*holds {computed.kv_tokens:,} tokens"):
        require_fit(twice, CATALOG)


def test_a_request_larger_than_the_cache_is_refused():
    d = deployed(kv_tokens=4096)
    require_room(d, Lengths(4000, 97), CATALOG)
    with pytest.raises(BadConfig, match="needs 4,097 tokens"):
        require_room(d, Lengths(4000, 98), CATALOG)
