"""Workers that share no KV layout are refused in one sentence; every published layout passes."""

from __future__ import annotations

from dataclasses import replace

import pytest

from paretoken.catalog.loader import load_catalog
from paretoken.errors import BadConfig
from paretoken.predict.deployment import Deployment
from paretoken.predict.pools.kv_layout import require_shared_kv
from paretoken.predict.pools.layout import checked_pools, parse_layout
from paretoken.predict.settings import EngineSettings
from tests.support.published_pools import published_pairs

CATALOG = load_catalog()
MLA, GQA, WINDOWS, STATES = "deepseek-r1", "minimax-m2.5", "gpt-oss-120b", "qwen3.5-397b-a17b"
"""gpt-oss-120b and minimax-m2.5 have eight KV heads."""


def worker(core: str, model: str, attention_tp: int = 8, **more) -> Deployment:
    """A worker of eight GPUs in each stage; attention data parallelism where fewer of them share a request."""
    accelerator = "MI355X" if core == "atom" else "B200"
    d = Deployment(accelerator=accelerator, model=model, precision="fp8", engine=core, gpus=8, tp=attention_tp)
    d = replace(d, dp_attention=attention_tp < 8, tp=8 if attention_tp == 1 else attention_tp)
    return replace(d, **more)


def pair(engine: str, model: str, prefill: int, decode: int, **more) -> tuple[str, Deployment, Deployment]:
    core = CATALOG.engines[engine].core
    return engine, worker(core, model, prefill, **more), worker(core, model, decode, **more)


@pytest.mark.parametrize(
    ("engine", "model", "prefill", "decode"),
    [
        ("sglang", MLA, 8, 1),
        ("dynamo-sglang", MLA, 1, 8),
        ("sglang", GQA, 8, 2),
        ("sglang", STATES, 4, 1),
        ("dynamo-sglang", WINDOWS, 4, 4),
        ("vllm", MLA, 8, 1),
        ("dynamo-vllm", GQA, 1, 8),
        ("vllm", GQA, 8, 4),
        ("dynamo-trtllm", WINDOWS, 1, 4),
        ("trtllm", STATES, 4, 1),
        ("atom-disagg", MLA, 8, 1),
        ("mooncake-atom", GQA, 4, 4),
    ],
)
def test_layouts_that_the_documentation_allows(engine, model, prefill, decode):
    require_shared_kv(*pair(engine, model, prefill, decode), CATALOG)


@pytest.mark.parametrize(
    ("engine", "model", "prefill", "decode", "sentence"),
    [
        (
            "dynamo-sglang",
            WINDOWS,
            8,
            4,
            "move the layers with a window of gpt-oss-120b .* attention TP 8 in both",
        ),
        ("vllm", STATES, 4, 1, "cannot move the recurrent states .* attention TP 4 in both"),
        ("atom-disagg", GQA, 8, 4, "cannot move the KV heads .* attention TP 8 in both"),
    ],
)
def test_layouts_that_it_does_not(engine, model, prefill, decode, sentence):
    with pytest.raises(BadConfig, match=sentence) as error:
        require_shared_kv(*pair(engine, model, prefill, decode), CATALOG)
    assert CATALOG.engines[engine].name in str(error.value)
    assert "\n" not in str(error.value)


def test_sizes_that_do_not_divide_each_other_share_no_heads():
    engine, prefill, decode = pair("sglang", GQA, 8, 8)
    prefill = replace(prefill, gpus=6, tp=6)
    with pytest.raises(BadConfig, match="TP 6 to decode workers with attention TP 8; make one a multiple of the other"):
        require_shared_kv(engine, prefill, decode, CATALOG)


def test_a_wider_prefill_worker_of_vllm_needs_a_head_for_each_gpu():
    engine, prefill, decode = pair("vllm", GQA, 8, 8)
    require_shared_kv(engine, prefill, replace(decode, gpus=4, tp=4), CATALOG)
    with pytest.raises(BadConfig, match="at most attention TP 8, a KV head for each GPU, to prefill"):
        require_shared_kv(engine, replace(prefill, gpus=16, tp=16), decode, CATALOG)


@pytest.mark.parametrize(
    ("engine", "model", "prefill", "decode", "before", "since"),
    [
        ("dynamo-vllm", MLA, 8, 4, "2026-03-01", "2026-07-12"),
        ("vllm", GQA, 8, 4, "2026-03-01", "2026-07-12"),
        ("vllm-disagg", MLA, 8, 1, "2026-03-01", "2026-06-18"),
        ("sglang", STATES, 4, 1, "2025-11-01", "2025-12-29"),
        ("sglang", GQA, 8, 4, "2025-05-01", "2025-05-31"),
    ],
)
def test_earlier_versions_refuse_more_and_the_sentence_says_from_when_it_works(
    engine, model, prefill, decode, before, since
):
    amd = {"accelerator": "MI355X"} if engine == "vllm-disagg" else {}
    with pytest.raises(BadConfig, match=f"or give a date from {since} on"):
        require_shared_kv(*pair(engine, model, prefill, decode, date=before, **amd), CATALOG)
    require_shared_kv(*pair(engine, model, prefill, decode, date=since, **amd), CATALOG)


@pytest.mark.parametrize(
    ("engine", "prefill", "decode", "sentence"),
    [
        ("sglang", 4, 1, ""),
        ("sglang", 4, 4, ""),
        ("sglang", 4, 2, "from 4 pipeline stages to 2 pipeline stages; use pp 1 or pp 4 to decode"),
        ("dynamo-vllm", 2, 1, "from 2 pipeline stages to 1 pipeline stage; use pp 1 in both pools"),
        ("atom-disagg", 2, 1, ""),
        ("atom-disagg", 1, 2, "use pp 1 to decode"),
        ("trtllm", 2, 4, ""),
    ],
)
def test_pipeline_stages(engine, prefill, decode, sentence):
    _, p, d = pair(engine, MLA, 8, 8)
    staged = [replace(w, pp=pp, gpus=8 * pp) for w, pp in ((p, prefill), (d, decode))]
    if not sentence:
        require_shared_kv(engine, *staged, CATALOG)
        return
    with pytest.raises(BadConfig, match=sentence):
        require_shared_kv(engine, *staged, CATALOG)


def test_attention_data_parallelism_on_one_side():
    engine, prefill, decode = pair("vllm-disagg", MLA, 1, 1, accelerator="MI355X", date="2026-03-01")
    with pytest.raises(BadConfig, match="attention data parallelism in both pools or in neither"):
        require_shared_kv(engine, replace(prefill, gpus=1, tp=1, dp_attention=False), decode, CATALOG)


def test_one_type_of_cache():
    engine, prefill, decode = pair("sglang", MLA, 8, 8)
    with pytest.raises(BadConfig, match="prefill pool has a KV cache in fp8 and the decode pool one in bf16"):
        require_shared_kv(engine, replace(prefill, settings=EngineSettings(kv_dtype="fp8")), decode, CATALOG)


def test_one_type_of_cache_by_default_too():
    engine, prefill, decode = pair("trtllm", MLA, 8, 8)
    with pytest.raises(BadConfig, match="in bf16 and the decode pool one in fp8"):
        require_shared_kv(engine, replace(prefill, precision="bf16"), decode, CATALOG)


def test_one_vendor_and_one_that_the_engine_runs_on():
    engine, prefill, decode = pair("sglang", MLA, 8, 8)
    with pytest.raises(BadConfig, match=r"B200 \(NVIDIA\) and MI355X \(AMD\), and no engine documents a transfer"):
        require_shared_kv(engine, prefill, replace(decode, accelerator="MI355X"), CATALOG)
    with pytest.raises(BadConfig, match=r"MoRI \+ SGLang does not run on B200 \(NVIDIA\); use .*dynamo-sglang"):
        require_shared_kv("mori-sglang", prefill, decode, CATALOG)


def test_an_engine_without_pools():
    _, prefill, decode = pair("sglang", MLA, 8, 8)
    with pytest.raises(BadConfig, match=r"llama\.cpp does not serve from separate pools; use .*sglang"):
        require_shared_kv("llamacpp", prefill, decode, CATALOG)


def test_checked_pools_refuse_them():
    one = replace(worker("vllm", STATES), accelerator="B200")
    with pytest.raises(BadConfig, match="cannot move the recurrent states"):
        checked_pools(parse_layout("1xTEP8+1xDEP8", one, one, "dynamo-vllm"), CATALOG)


def test_every_published_layout_passes():
    pairs = published_pairs(CATALOG)
    assert len(pairs) > 400
    refused = []
    for engine, prefill, decode in pairs:
        try:
            require_shared_kv(engine, prefill, decode, CATALOG)
        except BadConfig as e:
            refused.append((engine, prefill, decode, str(e)))
    assert not refused
