"""Lengths and workloads as people type them."""

from __future__ import annotations

import pytest

from paretoken.bench.workload.length_text import parse_length
from paretoken.bench.workload.lengths import Fixed, Lognormal, Uniform
from paretoken.catalog.lengths import lengths, tokens
from paretoken.errors import BadConfig, UnknownName


@pytest.mark.parametrize(
    ("written", "count"),
    [
        ("1024", 1024),
        ("1k", 1024),
        ("1K", 1024),
        (" 8k ", 8192),
        ("1.5k", 1536),
        ("128k", 131_072),
        ("1,024", 1024),
        ("1_024", 1024),
        ("1024 tokens", 1024),
        ("k", None),
        ("1m", None),
        ("1.3k", None),
        ("-5", None),
        ("1e3", None),
        ("", None),
    ],
)
def test_a_number_of_tokens(written, count):
    assert tokens(written) == count


@pytest.mark.parametrize(
    ("written", "pair"),
    [
        ("1k1k", (1024, 1024)),
        ("1k/1k", (1024, 1024)),
        ("8k1k", (8192, 1024)),
        ("8K/1K", (8192, 1024)),
        ("3k/700", (3072, 700)),
        ("1024x1024", (1024, 1024)),
        ("1024/128", (1024, 128)),
        ("1k-8k", (1024, 8192)),
        ("1k_1k", (1024, 1024)),
        ("1k 1k", (1024, 1024)),
        ("1,024/1,024", (1024, 1024)),
        ("isl1024osl128", (1024, 128)),
        ("1024128", None),
        ("1_024", None),
        ("512_128", None),
        ("1 024", None),
        ("2k5", None),
        ("2k50", None),
        ("8k512", (8192, 512)),
        ("1k1.5k", (1024, 1536)),
        ("8kosl512", (8192, 512)),
        ("1_024/128", (1024, 128)),
        ("1k", None),
        ("0/5", None),
        ("1k/0", None),
        ("chat", None),
        ("/", None),
    ],
)
def test_a_pair_of_lengths(written, pair):
    assert lengths(written) == pair


@pytest.mark.parametrize(
    ("written", "id_"),
    [
        ("chat", "chat"),
        ("1k1k", "chat"),
        ("1024x1024", "chat"),
        ("8k1k", "summarisation-8k"),
        ("1k/8k", "reasoning-8k"),
        ("summarization", "summarisation"),
        ("3k/700", "3072/700"),
        ("3072/700", "3072/700"),
    ],
)
def test_a_workload_by_its_lengths(catalog, written, id_):
    assert catalog.workload_id(written) == id_


def test_an_unknown_workload_says_what_else_to_write(catalog):
    with pytest.raises(
        UnknownName,
        match=r"did you mean chat or chat-multi-turn\? Write ISL/OSL in tokens, as in 3k/700.*--isl and --osl",
    ):
        catalog.workload_id("chatt")


@pytest.mark.parametrize(
    ("written", "law"),
    [
        ("1k", Fixed(1024)),
        ("1024", Fixed(1024)),
        ("uniform:1k:0.8", Uniform(1024, 0.8)),
        ("lognormal:2k:0.5", Lognormal(2048, 0.5)),
    ],
)
def test_a_law_of_lengths_takes_k(written, law):
    assert parse_length(written) == law


def test_a_ratio_takes_no_k():
    with pytest.raises(BadConfig, match=r"uniform:1024:0\.8"):
        parse_length("uniform:1024:0.8q")


DEPLOYMENT = "--accelerator H200 --model llama-3-70b --precision fp8 --engine vllm --tp 8 --concurrency 8 --json"


@pytest.mark.parametrize(
    "line",
    [
        f"predict {DEPLOYMENT} {{}}",
        f"explain {DEPLOYMENT} {{}}",
        "fit llama-3-70b --precision fp8 --accelerator H200 --json {}",
        "compare --model llama-3-70b --precision fp8 --e2e 20 --json {}",
    ],
)
def test_every_verb_takes_lengths_in_all_their_forms(call, line):
    forms = ("--isl 1024 --osl 1024", "--isl 1k --osl 1k", "--workload 1k1k", "--workload chat")
    plain, *others = [call(line.format(form)) for form in forms]
    assert plain[0] == 0, plain[2]
    assert {out for _, out, _ in others} == {plain[1]}


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (f"predict {DEPLOYMENT}", "--isl and --osl are missing; add --isl and --osl, or --workload such as chat"),
        (f"predict {DEPLOYMENT} --isl 1k", "--osl is missing"),
        (f"explain {DEPLOYMENT} --isl 1k --workload chat", "use --workload, or --isl and --osl, not both"),
        (f"predict {DEPLOYMENT} --isl 1q --osl 1k", "'1q' is not a number of tokens; write it as 1024 or 1k"),
        (
            "compare --model llama-3-70b --precision fp8 --e2e 9",
            "give --isl and --osl, or --workload such as",
        ),
        ("emulate --workload chat", "--workload needs a predicted engine"),
    ],
)
def test_errors_of_lengths_name_the_options(call, line, message):
    code, _, err = call(line)
    assert code == 2
    assert message in err
