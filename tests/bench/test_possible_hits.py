"""Cache hits that are possible: token by token, and never less than a simulated or an emulated server finds."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from paretoken.bench.config import BenchConfig
from paretoken.bench.run_folder import RunFolder
from paretoken.bench.setup import prepare
from paretoken.bench.stats.metrics import sample
from paretoken.bench.workload.sessions.possible import PossibleHits
from paretoken.predict.simulation.cache.options import CacheOptions
from paretoken.predict.simulation.limits import SchedulerLimits
from paretoken.predict.simulation.run import simulate
from paretoken.predict.simulation.sources import session_load
from paretoken.sessions.graph import Call, Session, Step
from paretoken.sessions.write import write_sessions
from tests.predict.test_simulation import STEP
from tests.support.cache_reference import texts
from tests.support.emulators import LIMITS, emulated
from tests.support.page_server import page_server
from tests.support.patience import examples
from tests.support.session_graphs import sessions
from tests.support.session_levels import record, records


def hits(graphs: list[Session]) -> PossibleHits:
    return PossibleHits.of(graphs, own_answers=True)


def common(a: tuple, b: tuple) -> int:
    return next((i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))


@examples(60)
@given(sessions(most=4, most_steps=5, longest=20), st.integers(0, 2**32), st.sampled_from([1, 4, 16]))
def test_a_request_finds_what_any_other_due_before_its_first_token_holds(graphs, seed, block):
    rng, of = np.random.default_rng(seed), hits(graphs)
    n = len(of.input_tokens)
    outputs = [c.output_tokens for s in graphs for c in s.calls.values()]
    whole = texts(of.tree, of.input_tokens.tolist(), outputs)
    prompt = [text[:tokens] for text, tokens in zip(whole, of.input_tokens, strict=True)]
    rows = 3 * n
    call, again, due = (rng.integers(0, most, rows) for most in (max(n, 1), 2, 12))
    until = due + rng.integers(1, 6, rows)
    possible = of.tokens(call, again, due, until, block)
    for i in range(rows):
        others = (j for j in range(rows) if j != i and again[j] == again[i] and due[j] < until[i])
        longest = max((common(prompt[call[i]], whole[call[j]]) for j in others), default=0)
        assert possible[i] == min(longest, len(prompt[call[i]]) - 1) // block * block


@examples(40)
@given(sessions(), st.integers(1, 4), st.sampled_from(["vllm", "sglang"]))
def test_no_simulated_cache_finds_more(graphs, users, policy):
    limits = SchedulerLimits(max_num_seqs=4, max_batched_tokens=64, kv_blocks=4000, block_tokens=4)
    of, load = hits(graphs), session_load(graphs, users=users)
    run = simulate(STEP, limits, load, cache=CacheOptions(policy=policy))
    due, first = (np.round(1e9 * times).astype(np.int64) for times in (run.due_s, run.first_s))
    calls = np.arange(len(due))
    possible = of.tokens(calls, np.zeros_like(calls), due, first, 4 if policy == "vllm" else 1)
    assert (run.cached_tokens <= possible).all()


def opened(name: str, opening: str, turns: int) -> Session:
    """A session of turns that begins with an opening of 64 tokens and gains 40 with each turn."""
    first = Step(call=Call(input_tokens=100, output_tokens=20, opening=opening, opening_tokens=64))
    later = [
        Step(after=(k,), wait_s=0.01, call=Call(input_tokens=100 + 60 * (k + 1), output_tokens=20, continues=k))
        for k in range(turns - 1)
    ]
    return Session(name=name, steps=(first, *later))


def test_nothing_is_found_of_the_pass_before():
    trace = [opened("a", "system", 2)]
    rows = records(
        *(record(k, turn, k + turn / 2, k + turn / 2 + 0.1, k + turn / 2 + 0.2) for k in (0, 1) for turn in (0, 1))
    )
    assert hits(trace).added(rows, 16)["possible_tokens"].to_list() == [0, 112, 0, 112]


def test_a_request_without_a_session_has_no_possible_hits():
    rows = records(record(0, 0, 0, 1, 2), record(-1, 0, 0, 1, 2))
    assert hits([opened("a", "", 1)]).added(rows, 16)["possible_tokens"].to_list() == [0, -1]


@pytest.mark.slow
@pytest.mark.parametrize("block", [16, 48])
def test_an_emulated_server_finds_no_more_in_a_trace_played_two_and_a_half_times(call, tmp_path, block):
    """Nine users in three workers, two openings: each request finds at most what is possible, all nearly it."""
    trace = [opened(f"s{i}", f"opening {i % 2}", 3) for i in range(12)]
    write_sessions(tmp_path / "trace.jsonl", trace)
    limits = replace(LIMITS, block_tokens=block)
    with emulated(cache=CacheOptions(), limits=limits) as server:
        line = f"bench http://127.0.0.1:{server.port} --trace trace.jsonl --concurrency 9 --until 30sessions"
        code, _, err = call(f"{line} --workers 3 --out run")
    assert code == 0, err
    run = json.loads((tmp_path / "run" / "run.json").read_bytes())
    assert run["cache_block_tokens"] == block
    assert any(f"in blocks of {block} tokens, as the server says" in note for note in run["notes"])
    (level,) = RunFolder(tmp_path / "run").levels()
    rows = level.requests()
    assert rows.height == 90 and set(rows["status"]) == {"ok"} and rows["session"].max() == 29
    cached, possible = rows["cached_tokens"], rows["possible_tokens"]
    assert (cached <= possible).all()
    # Users who begin with one opening at once could each have been the one that finds it.
    assert cached.sum() >= possible.sum() - 3 * 2 * 9 * 64 and cached.sum() > 0.8 * possible.sum()
    late = rows.filter((pl.col("session") >= 12) & (pl.col("turn") > 0))
    assert (late["cached_tokens"] == late["possible_tokens"]).all()
    assert level.summary.sessions.reuse.found_of_possible <= 1
    assert np.nansum(sample(rows).possible) == possible.sum()


@pytest.mark.parametrize(
    ("owner", "pages", "tokens", "words"),
    [
        ("vllm", {"/metrics": 'vllm:cache_config_info{block_size="32",engine="0"} 1.0\n'}, 32, "as the server says"),
        (
            "vllm",
            {"/metrics": 'vllm:cache_config_info{block_size="16",effective_attention_block_size="528"} 1.0\n'},
            528,
            "as the server says",
        ),
        (
            "vllm",
            {"/metrics": 'vllm:cache_config_info{block_size="16",effective_attention_block_size="None"} 1.0\n'},
            16,
            "as the server says",
        ),
        ("vllm", {}, 16, "the default of vllm"),
        ("vllm", {"/metrics": 'vllm:cache_config_info{block_size="0"} 1.0\n'}, 16, "the default of vllm"),
        ("sglang", {"/get_server_info": {"page_size": 64}}, 64, "as the server says"),
        ("sglang", {"/server_info": {"page_size": 1}}, 1, "as the server says"),
        ("sglang", {"/server_info": {"page_size": True}}, 1, "the default of sglang"),
        ("llamacpp", {}, 1, "the default of llamacpp"),
        ("somebody", {}, 1, "does not say how large"),
    ],
)
def test_the_block_is_the_server_s_else_its_engine_s(tmp_path, owner, pages, tokens, words):
    write_sessions(tmp_path / "trace.jsonl", [opened("a", "system", 2)])
    listed = {"/v1/models": {"data": [{"id": "m", "owned_by": owner, "max_model_len": 8192}]}}
    with page_server(listed | pages) as url:
        setup = prepare(
            BenchConfig(urls=(url,), prompt_unit="words", trace=str(tmp_path / "trace.jsonl")), try_first=False
        )
    assert setup.block.tokens == tokens and setup.metadata("").cache_block_tokens == tokens
    (note,) = (note for note in setup.notes if "cache hits" in note)
    assert words in note
