"""Length laws: every mean in closed form against samples, every draw within its bounds, every form read back."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from paretoken.bench.workload.length_text import parse_length
from paretoken.bench.workload.lengths import (
    Empirical,
    Fixed,
    Lognormal,
    Normal,
    RequestLengths,
    Uniform,
    of_workload,
)
from paretoken.errors import BadConfig, BadFile, UnknownName

N = 200_000


@pytest.mark.parametrize(
    "law",
    [
        Fixed(1024),
        Uniform(1024, 0.8),
        Uniform(100, 0.29),
        Uniform(7, 0),
        Normal(1024, 128),
        Normal(100, 100),
        Normal(1024, 128, 1000, 1100),
        Lognormal(800, 0.5),
        Lognormal(800, 1.5),
        Lognormal(800, 0.5, 500, 1200),
        Empirical((10, 20, 600)),
    ],
    ids=str,
)
def test_the_mean_is_that_of_the_draws(law):
    drawn = law.draw(np.random.default_rng(3), N)
    error = drawn.std() / np.sqrt(N)
    assert drawn.mean() == pytest.approx(law.mean, abs=4 * error + 0.01)
    assert drawn.dtype == np.int64 and drawn.shape == (N,)


def test_inferencex_draws_eighty_to_a_hundred_percent():
    drawn = Uniform(1024, 0.8).draw(np.random.default_rng(0), N)
    assert (drawn.min(), drawn.max()) == (819, 1024)
    assert Uniform(1024, 0.8).mean == 921.5


def test_an_uncut_lognormal_has_the_mean_and_spread_given():
    drawn = Lognormal(800, 0.5).draw(np.random.default_rng(1), N)
    assert Lognormal(800, 0.5).mean == pytest.approx(800, rel=1e-6)
    assert np.log(drawn).std() == pytest.approx(0.5, rel=0.01)


LAWS = st.one_of(
    st.builds(Fixed, st.integers(1, 9999)),
    st.builds(Uniform, st.integers(1, 9999), st.floats(0, 1)),
    st.builds(Normal, st.floats(50, 2000), st.floats(1, 300), st.integers(1, 40), st.integers(3000, 9000)),
    st.builds(Lognormal, st.floats(50, 2000), st.floats(0.05, 1.5), st.integers(1, 10), st.integers(3000, 9000)),
    st.builds(Empirical, st.lists(st.integers(1, 9999), min_size=1, max_size=9).map(tuple)),
)


@settings(max_examples=80, deadline=None)
@given(LAWS, st.integers(0, 300), st.integers(0, 99))
def test_draws_are_whole_tokens_within_bounds_and_repeat(law, n, seed):
    drawn = law.draw(np.random.default_rng(seed), n)
    assert len(drawn) == n and (drawn >= 1).all() and (drawn <= law.longest).all()
    assert 1 <= law.mean <= law.longest
    np.testing.assert_array_equal(drawn, law.draw(np.random.default_rng(seed), n))


@pytest.mark.parametrize(
    ("text", "law"),
    [
        ("1024", Fixed(1024)),
        ("uniform:1024:0.8", Uniform(1024, 0.8)),
        ("normal:1024:128", Normal(1024, 128)),
        ("normal:1024:128:64:4096", Normal(1024, 128, 64, 4096)),
        ("lognormal:800:0.5", Lognormal(800, 0.5)),
        ("lognormal:800:0.5:1:2000", Lognormal(800, 0.5, 1, 2000)),
    ],
)
def test_forms(text, law):
    assert parse_length(text) == law


def test_a_ratio_takes_the_nominal_length_from_outside():
    assert parse_length("uniform:0.8", nominal=4096) == Uniform(4096, 0.8)


def test_lengths_of_a_file(tmp_path):
    file = tmp_path / "isl.txt"
    file.write_text("# seen on Monday\n12\n\n400\n")
    assert parse_length(f"empirical:{file}") == Empirical((12, 400))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("0", "must be 1 to"),
        ("-5", "must be 1 to"),
        ("1.5", "neither a whole number"),
        ("", "length distribution"),
        ("normall:3:4", "did you mean normal"),
        ("normal:1024", "as in normal:1024:128"),
        ("normal:a:b", "as in normal:1024:128"),
        ("normal:-900:1", "above 0"),
        ("normal:50:1:1000:2000", "rarely"),
        ("normal:50:9:90:20", "must rise"),
        ("lognormal:800:0", "above 0"),
        ("lognormal:8:0.1:1000:2000", "rarely"),
        ("uniform:0.8", "as in uniform:1024:0.8"),
        ("uniform:1024:80", "within 0 to 1"),
        ("normal:nan:1", "above 0"),
    ],
)
def test_bad_lengths_are_one_sentence(text, says):
    with pytest.raises((BadConfig, UnknownName)) as caught:
        parse_length(text)
    assert says in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "says"), [("12\nlong\n", "line 2: 'long'"), ("0\n", "line 1: '0'"), ("", "no lengths")]
)
def test_bad_files_are_named_with_their_line(tmp_path, text, says):
    file = tmp_path / "isl.txt"
    file.write_text(text)
    with pytest.raises(BadFile, match=says):
        parse_length(f"empirical:{file}")


@pytest.mark.parametrize("name", ["missing.txt", ""])
def test_a_missing_file_is_said(name):
    with pytest.raises(BadFile, match="cannot be read"):
        parse_length(f"empirical:{name}")


def test_shapes_of_the_catalog(catalog):
    workload = catalog.workloads["summarisation-8k"]
    assert of_workload(workload) == RequestLengths(Fixed(8192), Fixed(1024))
    assert of_workload(workload, 0.8).isl == Uniform(8192, 0.8)
    assert of_workload(workload).draw(np.random.default_rng(0)) == (8192, 1024)
