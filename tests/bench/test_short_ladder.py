"""What a short ladder asks a server before it measures."""

from __future__ import annotations

import pytest

from paretoken.bench.config import BenchConfig
from paretoken.bench.keys import ApiKey
from paretoken.bench.short_ladder import probed, slots
from paretoken.catalog.loader import load_catalog
from tests.support.page_server import page_server


@pytest.mark.parametrize(
    ("owner", "pages", "expected"),
    [
        ("llamacpp", {"/props": {"total_slots": 4}}, 4),
        ("llamacpp", {"/props": {"total_slots": 0}}, None),
        ("llamacpp", {"/props": {"total_slots": "many"}}, None),
        ("llamacpp", {"/props": ["total_slots"]}, None),
        ("llamacpp", {}, None),
        ("sglang", {"/get_server_info": {"max_running_requests": 128}}, 128),
        ("sglang", {"/get_server_info": {"max_running_requests": True}}, None),
        ("vllm", {"/props": {"total_slots": 4}}, None),
    ],
)
def test_requests_that_the_server_computes_at_once(owner, pages, expected):
    listed = {"/v1/models": {"data": [{"id": "m", "owned_by": owner}]}}
    with page_server(listed | pages) as url:
        setup = probed(BenchConfig(urls=(url,), prompt_unit="words"), ApiKey(), load_catalog())
        assert slots(setup) == expected
