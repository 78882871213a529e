"""Speculative decoding in a user's words: methods, drafted tokens, acceptance lengths, and what is refused."""

from __future__ import annotations

from dataclasses import replace

import pytest

from paretoken.catalog.loader import load_catalog
from paretoken.errors import BadConfig, UnknownName
from paretoken.predict.deployment import Deployment, check, resolve
from paretoken.predict.speculation import (
    METHODS,
    check_speculation,
    expected_length,
    method_and_tokens,
    published_method,
)

CATALOG = load_catalog()
D = Deployment(accelerator="B200", model="deepseek-r1", precision="fp8", engine="sglang", gpus=8, tp=8)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("none", ("none", None)),
        ("", ("none", None)),
        ("mtp", ("mtp", None)),
        (" MTP:3 ", ("mtp", 3)),
        ("NEXTN:2", ("mtp", 2)),
        ("draft-model:5", ("draft_model", 5)),
        ("dflash", ("dspark", None)),
        ("mtp:0", ("mtp", 0)),
    ],
)
def test_a_method_may_have_its_tokens_behind_it(text, expected):
    assert method_and_tokens(text) == expected


@pytest.mark.parametrize("text", ["mtp:x", "mtp:", "mtp:-1", "mtp:1.5", "mtp:3:4", "mtp:9999999"])
def test_what_is_no_number_of_tokens_is_refused(text):
    with pytest.raises(BadConfig, match="such as mtp:3"):
        method_and_tokens(text)


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("mtp", ("mtp", None)),
        ("MTP3", ("mtp", 3)),
        ("eagle3", ("eagle3", None)),
        ("draft_model", ("draft_model", None)),
        ("on", ("mtp", None)),
        ("active", ("mtp", None)),
    ],
)
def test_the_word_of_a_source_is_a_method_or_counts_as_mtp(word, expected):
    assert published_method(word) == expected


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (("mtp", 0, None, ""), "speculative_tokens is 0; draft 1 to 64"),
        (("mtp", 65, None, ""), "speculative_tokens is 65"),
        (("mtp", 2, 3.5, ""), "acceptance_length is 3.5; with 2 drafted tokens a step it is from 1 to 3"),
        (("mtp", 2, 0.5, ""), "acceptance_length is 0.5"),
        (("mtp", None, 66.0, ""), "from 1 to 65"),
        (("mtp", None, float("nan"), ""), "acceptance_length is nan"),
        (("none", None, 2.0, ""), "no method drafts tokens"),
        (("none", 3, None, ""), "no method drafts tokens"),
        (("none", None, None, "1b"), "no method drafts tokens"),
        (("mtp", None, None, "1b"), "mtp needs none"),
        (("eagel", None, None, ""), "did you mean eagle"),
    ],
)
def test_what_cannot_be_is_refused_in_one_sentence(values, message):
    with pytest.raises(BadConfig, match=message) as refused:
        check_speculation(*values)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(("tokens", "length"), [(None, None), (1, 1.0), (1, 2.0), (64, 65.0), (None, 4.5)])
def test_every_method_takes_what_can_be(method, tokens, length):
    check_speculation(method, tokens, length, "")


def test_a_deployment_is_resolved_to_a_method_and_its_tokens():
    d = resolve(replace(D, speculative="MTP:3"), CATALOG)
    assert (d.speculative, d.speculative_tokens) == ("mtp", 3)
    assert resolve(replace(D, speculative="mtp:3", speculative_tokens=3), CATALOG) == d
    with pytest.raises(BadConfig, match="speculative_tokens is 2; state one of them"):
        resolve(replace(D, speculative="mtp:3", speculative_tokens=2), CATALOG)
    with pytest.raises(BadConfig, match="speculative_tokens is 0"):
        check(resolve(replace(D, speculative="mtp:0"), CATALOG), CATALOG)


def test_a_draft_model_is_one_of_the_catalog_or_a_size():
    assert resolve(replace(D, draft_model="Qwen3-8B"), CATALOG).draft_model == "qwen3-8b"
    assert resolve(replace(D, draft_model="1.5B"), CATALOG).draft_model == "1.5b"
    with pytest.raises(UnknownName):
        resolve(replace(D, draft_model="no-such-model"), CATALOG)
    with pytest.raises(BadConfig, match="a size such as"):
        resolve(replace(D, draft_model="0b"), CATALOG)


@pytest.mark.parametrize("tokens", [0, 1, 3, 7])
def test_the_acceptance_length_lies_between_one_and_all_tokens(tokens):
    assert expected_length(1e-9, tokens) == pytest.approx(1.0)
    assert expected_length(1e6, tokens) == pytest.approx(1 + tokens, rel=1e-4)
    assert expected_length(1.0, tokens) == pytest.approx(sum(0.5**k for k in range(tokens + 1)))
