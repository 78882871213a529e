"""The configuration that bench records: read from a live server, stated by the user, or unknown."""

from __future__ import annotations

import pytest

from paretoken.bench.config import BenchConfig
from paretoken.bench.server_config import configured
from paretoken.bench.setup import prepare
from paretoken.errors import BadConfig
from tests.support.page_server import page_server

CACHE = 'vllm:cache_config_info{cache_dtype="fp8",engine="0"} 1.0\n'
SGLANG = {"model_path": "m", "speculative_algorithm": None, "kv_cache_dtype": "auto", "chunked_prefill_size": 4096}
COLUMNS = ("speculative", "speculative_tokens", "kv_cache_dtype", "chunked_prefill")


def columns(pages: dict, owner: str, **config: object) -> tuple:
    """COLUMNS of a run's points on a server of these pages."""
    listed = {"/v1/models": {"data": [{"id": "m", "owned_by": owner, "max_model_len": 8192}]}}
    with page_server(listed | pages) as url:
        setup = prepare(BenchConfig(urls=(url,), prompt_unit="words", **config))
    stated = setup.columns()
    return tuple(stated.get(name) for name in COLUMNS)


@pytest.mark.parametrize(
    ("owner", "pages", "expected"),
    [
        ("vllm", {}, (None, None, None, None)),
        ("vllm", {"/metrics": CACHE}, ("none", None, "fp8", None)),
        (
            "vllm",
            {
                "/metrics": CACHE + 'vllm:spec_decode_num_drafts_total{engine="0"} 1.0\n',
                "/server_info?config_format=json": {
                    "vllm_config": {
                        "scheduler_config": {"enable_chunked_prefill": True},
                        "speculative_config": {"method": "mtp", "num_speculative_tokens": 2},
                    }
                },
            },
            ("mtp", 2, "fp8", True),
        ),
        ("sglang", {"/get_server_info": SGLANG}, ("none", None, None, True)),
        ("sglang", {"/server_info": SGLANG}, ("none", None, None, True)),
        ("tensorrt_llm", {"/get_server_info": SGLANG}, (None, None, None, None)),
        (
            "tensorrt_llm",
            {
                "/prometheus/metrics": 'trtllm_model_config_info{model="m"} 1.0\n'
                'trtllm_speculative_config_info{spec_method="MTP",spec_num_tokens="2"} 1.0\n'
            },
            ("mtp", 2, None, None),
        ),
    ],
)
def test_what_a_live_server_tells(owner, pages, expected):
    assert columns(pages, owner) == expected


def test_the_user_states_what_the_server_leaves_open():
    assert columns({}, "tensorrt_llm", speculative="mtp", speculative_tokens=3, kv_cache_dtype="fp8") == (
        "mtp",
        3,
        "fp8",
        None,
    )


def test_a_method_replaces_the_mere_word_that_there_is_one():
    assert configured({"speculative": "on"}, {"speculative": "eagle"}, "url")["speculative"] == "eagle"


def test_a_contradiction_is_one_sentence():
    with pytest.raises(BadConfig, match=r"says speculative is none, but --speculative mtp was given; leave"):
        columns({"/metrics": CACHE}, "vllm", speculative="mtp")
    with pytest.raises(BadConfig, match="--speculative-tokens needs a method"):
        columns({"/metrics": CACHE}, "vllm", speculative_tokens=2)
    assert columns({"/metrics": CACHE}, "vllm", kv_cache_dtype="FP8_E4M3")[2] == "fp8"
