"""Prometheus' text format, read back."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from paretoken.exposition import Histogram, labels_of

SAMPLE = re.compile(r'([a-zA-Z_:][\w:]*)(?:\{((?:\w+="(?:[^"\\\n]|\\.)*",?)*)\})? (\S+)')


def samples_of(text: str) -> dict[str, float]:
    """The value of each sample, by its name and labels as written; every line is a comment or a sample."""
    values = {}
    for line in text.splitlines():
        if not line.startswith("# "):
            match = SAMPLE.fullmatch(line)
            assert match, line
            values[line.rpartition(" ")[0]] = float(match[3])
    return values


@given(st.text(max_size=40))
def test_any_value_of_a_label_is_one_sample(value):
    line = f"m{{{labels_of(name=value)}}} 1"
    if not any(c in value for c in "\r\v\f\x1c\x1d\x1e\x85\u2028\u2029"):
        (written,) = samples_of(line)
        raw = written.removeprefix('m{name="').removesuffix('"}')
        assert re.sub(r"\\(.)", lambda m: "\n" if m[1] == "n" else m[1], raw) == value


@given(st.lists(st.floats(0, 100)), st.lists(st.floats(0, 100)))
def test_a_histogram_of_both_is_the_sum(one, other):
    bounds = (1.0, 2.0, 50.0)
    both, parts = Histogram(bounds), [Histogram(bounds), Histogram(bounds)]
    for value in one + other:
        both.observe(value)
    for values, part in zip((one, other), parts, strict=True):
        for value in values:
            part.observe(value)
    parts[0].add(parts[1].buckets, parts[1].sum)
    assert parts[0].buckets == both.buckets and parts[0].count == both.count == len(one + other)
    assert abs(parts[0].sum - both.sum) < 1e-6


def test_a_histogram_without_labels_has_all_its_lines():
    histogram = Histogram((1.0,))
    histogram.observe(0.5)
    assert samples_of("\n".join(histogram.lines("h"))) == {
        'h_bucket{le="1.0"}': 1,
        'h_bucket{le="+Inf"}': 1,
        "h_count": 1,
        "h_sum": 0.5,
    }
