"""What vLLM and SGLang say of their configuration, as columns: planted answers, and what stays unknown."""

from __future__ import annotations

import pytest

from paretoken.points.server_config import sglang_config, trtllm_metrics, vllm_config, vllm_metrics

CACHE = 'vllm:cache_config_info{{block_size="16",cache_dtype="{}",engine="0",mamba_cache_dtype="auto"}} 1.0\n'


@pytest.mark.parametrize(
    ("text", "columns"),
    [
        ("", {}),
        ("sglang:token_usage 0.5\n", {}),
        (CACHE.format("auto"), {"speculative": "none"}),
        (CACHE.format("fp8_e4m3"), {"speculative": "none", "kv_cache_dtype": "fp8"}),
        (CACHE.format("bfloat16"), {"speculative": "none", "kv_cache_dtype": "bf16"}),
        # An engine before 0.9 registers gauges of speculative decoding whether or not it drafts.
        (CACHE.format("auto") + "# TYPE vllm:spec_decode_efficiency gauge\n", {}),
        (
            CACHE.format("auto")
            + 'vllm:spec_decode_num_drafts_total{engine="0"} 0.0\n'
            + "".join(
                f'vllm:spec_decode_num_accepted_tokens_per_pos_total{{engine="0",position="{p}"}} 0.0\n' for p in (0, 2)
            ),
            {"speculative": "on", "speculative_tokens": 3},
        ),
    ],
)
def test_metrics_of_vllm(text, columns):
    assert vllm_metrics(text) == columns


MODEL_INFO = 'trtllm_model_config_info{engine_type="pytorch",model="big"} 1.0\n'
SPEC_INFO = 'trtllm_speculative_config_info{{spec_enabled="true",spec_method="{}",spec_num_tokens="3"{}}} 1.0\n'


@pytest.mark.parametrize(
    ("text", "columns"),
    [
        ("", {}),
        (SPEC_INFO.format("MTP", ""), {}),
        (MODEL_INFO, {"speculative": "none"}),
        (MODEL_INFO + SPEC_INFO.format("MTP", ""), {"speculative": "mtp", "speculative_tokens": 3}),
        (
            (MODEL_INFO + SPEC_INFO.format("Eagle3", ',spec_draft_model="small"')).replace("trtllm_", "trtllm:"),
            {"speculative": "eagle3", "speculative_tokens": 3, "draft_model": "small"},
        ),
        (
            MODEL_INFO + 'trtllm_kv_cache_config_info{cache_dtype="fp8",page_size="32"} 1.0\n',
            {"speculative": "none", "kv_cache_dtype": "fp8"},
        ),
    ],
)
def test_metrics_of_tensorrt_llm(text, columns):
    assert trtllm_metrics(text) == columns


def vllm(spec: object, **more: object) -> dict:
    return {"vllm_config": {"model_config": {"model": "big"}, "speculative_config": spec, **more}}


@pytest.mark.parametrize(
    ("info", "columns"),
    [
        (None, {}),
        ({"vllm_config": "model='big', …"}, {}),
        ({"vllm_config": {"cache_config": {"cache_dtype": "fp8"}}}, {"kv_cache_dtype": "fp8"}),
        (
            vllm(None, scheduler_config={"enable_chunked_prefill": False}),
            {"speculative": "none", "chunked_prefill": False},
        ),
        (
            vllm({"method": "deepseek_mtp", "num_speculative_tokens": 2, "model": "big"}),
            {"speculative": "mtp", "speculative_tokens": 2},
        ),
        (
            vllm({"method": "eagle3", "num_speculative_tokens": 4, "model": "small"}),
            {"speculative": "eagle3", "speculative_tokens": 4, "draft_model": "small"},
        ),
    ],
)
def test_configuration_of_vllm(info, columns):
    assert vllm_config(info) == columns


def sglang(algorithm: object, **more: object) -> dict:
    return {"model_path": "big", "speculative_algorithm": algorithm, **more}


@pytest.mark.parametrize(
    ("info", "columns"),
    [
        ([], {}),
        ({"model_path": "big", "version": "0.5.9"}, {}),
        (
            sglang(None, kv_cache_dtype="auto", chunked_prefill_size=8192),
            {"speculative": "none", "chunked_prefill": True},
        ),
        (
            sglang(None, kv_cache_dtype="fp8_e5m2", chunked_prefill_size=-1),
            {"speculative": "none", "kv_cache_dtype": "fp8", "chunked_prefill": False},
        ),
        (
            sglang("EAGLE", speculative_num_steps=3, speculative_draft_model_path="big"),
            {"speculative": "mtp", "speculative_tokens": 3},
        ),
        (sglang("NEXTN", speculative_num_steps=1), {"speculative": "mtp", "speculative_tokens": 1}),
        (
            sglang("EAGLE3", speculative_num_steps=5, speculative_draft_model_path="small"),
            {"speculative": "eagle3", "speculative_tokens": 5, "draft_model": "small"},
        ),
        (
            sglang("NGRAM", speculative_num_draft_tokens=12),
            {"speculative": "ngram", "speculative_tokens": 12},
        ),
    ],
)
def test_configuration_of_sglang(info, columns):
    assert sglang_config(info) == columns
