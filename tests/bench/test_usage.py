"""Token counts as servers state them in `usage`: which are believed, and what each includes."""

from __future__ import annotations

import math

import pytest

from paretoken.bench.client.usage import number, usage_of


@pytest.mark.parametrize(
    ("value", "count"),
    [(20, 20), (20.0, 20), ("20", 20), (0, 0), (2**31 - 1, 2**31 - 1)]
    + [
        (v, -1)
        for v in (2**31, 2**32 - 1, -1, 1e300, 20.5, True, None, "", "-1", "2e1", "٢", "9" * 5000, [20], {}, math.inf)
    ],
)
def test_the_counts_that_are_believed(value, count):
    assert number({"a": {"b": value}}, "a.b") == count


@pytest.mark.parametrize(
    ("stated", "output", "reasoning"),
    [
        ({"prompt_tokens": 11, "completion_tokens": 20, "total_tokens": 31}, 20, -1),
        ({"prompt_tokens": 11, "completion_tokens": 20, "total_tokens": 31, "reasoning_tokens": 10}, 20, 10),
        ({"prompt_tokens": 11, "completion_tokens": 10, "total_tokens": 31, "reasoning_tokens": 10}, 20, 10),
        ({"prompt_tokens": 11, "completion_tokens": 10, "total_tokens": 31}, 10, -1),
        ({"prompt_tokens": 11, "completion_tokens": 10, "total_tokens": 31, "reasoning_tokens": 4}, 10, 4),
        ({"completion_tokens": 8, "reasoning_tokens": 12}, 20, 12),
        ({"prompt_tokens": 11, "total_tokens": 31}, 20, -1),
        ({"prompt_tokens": 11, "completion_tokens": 20, "total_tokens": 5}, 20, -1),
        ({"total_tokens": 31}, -1, -1),
        ({"completion_tokens": 2**31 - 1, "reasoning_tokens": 2**31 - 1}, 2**31 - 1, 2**31 - 1),
        ({"completion_tokens": 2_000_000_000, "reasoning_tokens": 2_100_000_000}, -1, 2_100_000_000),
    ],
)
def test_output_tokens_include_reasoning(stated, output, reasoning):
    usage = usage_of({"usage": stated})
    assert (usage.output, usage.reasoning) == (output, reasoning)


@pytest.mark.parametrize(
    ("document", "prompt", "cached"),
    [
        ({"usage": {"prompt_tokens": 11, "completion_tokens": 20, "cache_read_input_tokens": 1000}}, 1011, 1000),
        ({"usage": {"prompt_tokens": 11, "completion_tokens": 20, "cache_read_input_tokens": 5}}, 11, 5),
        (
            {
                "usage": {
                    "prompt_tokens": 11,
                    "completion_tokens": 20,
                    "total_tokens": 36,
                    "cache_creation_input_tokens": 5,
                }
            },
            16,
            -1,
        ),
        ({"usage": {"prompt_tokens": 2**31 - 1, "cache_read_input_tokens": 2**31 - 1}}, 2**31 - 1, 2**31 - 1),
        ({"usage": {"prompt_tokens": 2**31 - 2, "cache_read_input_tokens": 2**31 - 1}}, -1, 2**31 - 1),
        ({"timings": {"prompt_n": 3, "cache_n": 8, "predicted_n": 2}}, 11, 8),
        ({"timings": {"prompt_n": 2**31 - 1, "cache_n": 2**31 - 1, "predicted_n": 2}}, -1, 2**31 - 1),
    ],
)
def test_prompt_tokens_include_cached_ones_and_never_exceed_any_count(document, prompt, cached):
    usage = usage_of(document)
    assert (usage.prompt, usage.cached) == (prompt, cached)
