"""The emulated prefix cache: its hits against the simulation of the same sessions."""

from __future__ import annotations

import json
from dataclasses import replace
from heapq import heappop, heappush
from math import inf

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from paretoken.bench.stats.prometheus import parse
from paretoken.catalog.loader import load_catalog
from paretoken.emulate.caching import CachingPacer
from paretoken.emulate.engine import prefix_cache
from paretoken.emulate.prometheus import EmulatorMetrics
from paretoken.emulate.prompt import (
    Answer,
    EncodedTokens,
    Message,
    QuarterTokens,
    answer_ids,
    block_ids,
    count_tokens,
    pieces_of,
    token_ids,
)
from paretoken.emulate.reply import Reply
from paretoken.emulate.settings import EmulatorSettings
from paretoken.emulate.words import Script, text_of
from paretoken.errors import BadConfig
from paretoken.predict.cache_tiers import cache_tiers
from paretoken.predict.deployment import Deployment
from paretoken.predict.simulation.cache.blocks import block_tree
from paretoken.predict.simulation.cache.options import CacheOptions, CacheTier
from paretoken.predict.simulation.feed import feed_of
from paretoken.predict.simulation.limits import SchedulerLimits
from paretoken.predict.simulation.run import ServingOptions, simulate
from paretoken.predict.simulation.scheduler import Sequence
from paretoken.predict.simulation.sources import session_load
from paretoken.predict.steptime import AffineStepTime
from paretoken.sessions.prefixes import ROOT
from tests.emulate.test_emulate_pace import streamed
from tests.predict.test_simulation_cache import cached_cases, tiers
from tests.support.emulators import LIMITS, QUICK, ask, emulated, program
from tests.support.patience import examples
from tests.support.session_player import Player, chat, conversation

CACHE = CacheOptions()
SYSTEM = "You are an agent that does what it is asked to do. " * 12
QUARTERS = QuarterTokens()


@pytest.fixture(scope="module")
def server():
    with emulated(cache=CACHE) as running:
        yield running


# ---- the tokens of prompts

TEXTS = st.text("ab \U0001f600é", max_size=40)
MESSAGES = st.lists(st.builds(Message, st.sampled_from(["system", "user", "assistant", "tool"]), TEXTS), max_size=5)


@examples(100)
@given(MESSAGES, MESSAGES, st.integers(0, 100), st.integers(1, 30))
def test_a_prompt_with_its_answer_is_the_beginning_of_the_next_prompt(before, more, start, tokens):
    prompt = token_ids(list(pieces_of(before)), QUARTERS)
    answer = Message("assistant", text_of(start, 0, tokens))
    later = list(pieces_of([*before, answer, *more]))
    ids = token_ids(later, QUARTERS)
    assert len(ids) == count_tokens(later, QUARTERS)
    whole = np.concatenate([prompt, answer_ids(start, tokens)])
    assert ids[: len(whole)].tolist() == whole.tolist()
    called = Message("assistant", "", (("clock", json.dumps({"n": 0, "text": text_of(start, 0, tokens)})),))
    assert token_ids(list(pieces_of([*before, called])), QUARTERS)[: len(whole)].tolist() == whole.tolist()


@examples(100)
@given(st.text(max_size=60), st.text(max_size=60))
def test_equal_beginnings_of_texts_are_equal_tokens_and_no_others(one, other):
    ids, others = QUARTERS.ids(one), QUARTERS.ids(other)
    for i in range(min(len(one), len(other)) // 4):
        assert (ids[: i + 1].tolist() == others[: i + 1].tolist()) == (one[: 4 * i + 4] == other[: 4 * i + 4])
    assert (one == other) == (ids.tolist() == others.tolist())


@examples(100)
@given(st.lists(st.integers(0, 3), max_size=40), st.lists(st.integers(0, 3), max_size=40), st.sampled_from([1, 4, 16]))
def test_blocks_are_alike_as_far_as_all_tokens_before_are(one, other, size):
    a, b = (block_ids(np.array(ids, np.uint64), size) for ids in (one, other))
    assert (len(a), len(b)) == (len(one) // size, len(other) // size)
    for i in range(min(len(a), len(b))):
        assert (a[i] == b[i]) == (one[: (i + 1) * size] == other[: (i + 1) * size])


def test_roles_tools_and_tokenizers_make_other_tokens():
    def ids(*messages):
        return token_ids(list(pieces_of(messages)), QUARTERS).tolist()

    assert ids(Message("user", "hello")) != ids(Message("system", "hello"))
    assert ids(Message("tools", "[]"), Message("user", "hello")) != ids(Message("user", "hello"))
    assert ids(Message("user", "a", (), ("x",))) != ids(Message("user", "a", (), ("y",)))
    by_letters = EncodedTokens(lambda text: list(text.encode()))
    assert count_tokens(["hello", Answer(3, 7), [1, 2]], by_letters) == 5 + 7 + 2
    assert token_ids([[1, 10**30]], QUARTERS).tolist()[0] == 1


# ---- over HTTP


def test_a_second_turn_finds_the_first_and_its_answer(server):
    messages = [{"role": "system", "content": SYSTEM}, {"role": "user", "content": "begin"}]
    first = chat(server.port, messages, 40)
    answer = first["choices"][0]["message"]
    again = chat(server.port, messages, 40)["usage"]
    assert first["usage"]["prompt_tokens_details"]["cached_tokens"] == 0
    assert again["prompt_tokens_details"]["cached_tokens"] == (again["prompt_tokens"] - 1) // 16 * 16
    more = chat(server.port, [*messages, answer, {"role": "user", "content": "go on"}], 8)["usage"]
    assert more["prompt_tokens_details"]["cached_tokens"] == (again["prompt_tokens"] + 40 - 1) // 16 * 16
    other = chat(server.port, [*messages, {"role": "assistant", "content": "no"}, messages[1]], 8)["usage"]
    assert other["prompt_tokens_details"]["cached_tokens"] == again["prompt_tokens"] // 16 * 16


def test_token_ids_share_what_they_begin_with(server):
    def cached(prompt):
        body = {"model": "m", "prompt": prompt, "max_tokens": 2, "ignore_eos": True}
        _, _, raw = ask(server, "POST", "/v1/completions", body)
        return json.loads(raw)["usage"]["prompt_tokens_details"]["cached_tokens"]

    prompt = list(range(7000, 7100))
    assert [cached(prompt), cached(prompt), cached([*prompt[:50], 1, *prompt[51:]])] == [0, 96, 48]


def test_every_api_states_its_hits_and_the_counters_add_them_up():
    with emulated(cache=CACHE) as server:
        for _ in range(2):
            usage = chat(server.port, [{"role": "user", "content": SYSTEM}], 3)["usage"]
        hits = usage["prompt_tokens_details"]["cached_tokens"]
        body = {"model": "m", "max_tokens": 3, "messages": [{"role": "user", "content": SYSTEM}]}
        usage = json.loads(ask(server, "POST", "/v1/messages", body)[2])["usage"]
        prompt = usage["input_tokens"] + usage["cache_read_input_tokens"]
        assert usage["cache_read_input_tokens"] == hits > 0
        usage = json.loads(ask(server, "POST", "/v1/responses", {"model": "m", "input": SYSTEM})[2])["usage"]
        assert usage["input_tokens_details"]["cached_tokens"] == hits
        reading = parse(ask(server, "GET", "/metrics")[2].decode())
    assert (reading.prefix_cache_queries, reading.prefix_cache_hits) == (4 * prompt, 3 * hits)


def test_tiers_give_back_what_gpu_memory_lost_and_take_their_time():
    small = SchedulerLimits(max_num_seqs=4, max_batched_tokens=2048, kv_blocks=32)
    tier = CacheTier(name="host", tokens=10_000, s_per_token=0.0005)
    one, other = ([{"role": "user", "content": letter * 2000}] for letter in "ab")
    with emulated(cache=CacheOptions(tiers=(tier,)), limits=small) as server:
        hits = [chat(server.port, m, 2)["usage"]["prompt_tokens_details"]["cached_tokens"] for m in (one, other, one)]
        first_s = server.service.counters.ttft_s.sum
        page = ask(server, "GET", "/metrics")[2].decode()
    assert hits == [0, 0, 496]
    assert first_s > 496 * 0.0005
    totals = {
        line.split("{")[0]: float(line.rsplit(" ", 1)[1])
        for line in page.splitlines()
        if line.startswith("vllm:external")
    }
    assert totals["vllm:external_prefix_cache_hits_total"] == 496
    assert totals["vllm:external_prefix_cache_queries_total"] == 3 * 504
    assert 'vllm:prefix_cache_hits_total{engine="0",model_name="emulated/m"} 0.0' in page


def test_without_a_cache_the_share_of_the_settings_is_found():
    with emulated(serving=ServingOptions(0.5)) as server:
        usage = chat(server.port, [{"role": "user", "content": SYSTEM}], 3)["usage"]
    assert usage["prompt_tokens_details"]["cached_tokens"] == usage["prompt_tokens"] // 2
    with pytest.raises(BadConfig, match="leave them at 0"):
        EmulatorSettings(model="m", step_time=QUICK, limits=LIMITS, cache=CACHE, serving=ServingOptions(0.5))


# ---- against the simulation


def hits_of(run, sessions):
    """Cached tokens by (session, call)."""
    keys = [(i, call) for i, session in enumerate(sessions) for call in range(len(session.calls))]
    return dict(zip(keys, run.cached_tokens.tolist(), strict=True))


@pytest.mark.parametrize("policy", ["vllm", "sglang"])
@pytest.mark.parametrize("blocks", [60, 120, 4000])
def test_a_user_finds_exactly_what_the_simulation_finds(blocks, policy):
    """One session after the other, and all of them again, in caches that lose parts and in one that does not."""
    options = CacheOptions(policy=policy, tiers=(CacheTier(name="host", tokens=3000, s_per_token=1e-7),))
    limits = SchedulerLimits(max_num_seqs=8, max_batched_tokens=512, kv_blocks=blocks)
    sessions = [
        conversation(str(i), np.random.default_rng(i), 4, system=f"{i} {SYSTEM}", wait_s=0.0, shared=False)
        for i in (*range(6), *range(6))
    ]
    step = AffineStepTime(0.001, per_prompt_token_s=1e-7)
    with emulated(cache=options, limits=limits, step_time=step) as server:
        player = Player(server.port, sessions)
        player.play(1)
    run = simulate(step, limits, session_load(sessions, users=1), cache=options)
    assert player.cached_tokens == hits_of(run, sessions)
    assert (run.cached_by_tier["host"].sum() > 0) == (blocks < 4000)


class Clock:
    """The requests of a source before a caching pacer, on a clock that jumps from event to event."""

    def __init__(self, step_time, limits, source, serving, options) -> None:
        self.inputs, self.outputs = source.input_tokens.tolist(), source.output_tokens.tolist()
        settings = EmulatorSettings(model="m", step_time=step_time, limits=limits, serving=serving, cache=options)
        self.pacer = CachingPacer(settings, options, EmulatorMetrics())
        self.tree = block_tree(getattr(source, "prefixes", None), limits.block_tokens, self.inputs, self.outputs)
        self.replies, self.coming, self.now = {}, [], 0.0
        before_s = [serving.before_queue_s(step_time, limits, n, 0) for n in self.inputs]
        self.feed = feed_of(source, before_s, lambda arrival: heappush(self.coming, arrival))
        self.feed.open()
        while self.coming or self.pacer.ends_s < inf:
            self.now = min(self.pacer.ends_s, self.coming[0][0] if self.coming else inf)
            self.pacer.run(self.now)
            self.submit()
            self.pacer.start(self.now)

    def submit(self) -> None:
        """Queue the requests that are here."""
        while self.coming and self.coming[0][0] <= self.now:
            i = heappop(self.coming)[1]
            request, script = streamed(self.inputs[i], self.outputs[i]), Script(0, self.outputs[i], "length")
            sequence = Sequence(self.inputs[i], self.outputs[i])
            reply = Reply(Wire(self, i), request, sequence, script, name="x", created=0, received_s=self.now)
            sequence.leaf, sequence.owner, reply.connection.reply = self.insert(i), reply, reply
            self.replies[i] = reply
            self.pacer.submit(reply)

    def insert(self, i: int) -> int:
        """The leaf of a request in the pacer's tree, by an id for each block of its path."""
        ids, segment = [], self.tree.leaf[i]
        while segment != ROOT:
            blocks = range(self.tree.first[segment], self.tree.last[segment])
            ids = [(segment << 20) + depth for depth in blocks] + ids
            segment = self.tree.parent[segment]
        self.pacer.tree.insert(ids[: self.inputs[i] // self.pacer.scheduler.limits.block_tokens])
        return self.pacer.tree.insert(ids)


class Wire:
    """The connection of one request, with a place in the order of requests."""

    def __init__(self, clock: Clock, place: int) -> None:
        self.clock, self.place, self.reply = clock, place, None

    def send(self, data: bytes) -> None: ...

    def finished(self) -> None:
        self.clock.feed.ended(self.place, self.reply.last_s)
        self.clock.submit()


@examples(40)
@given(cached_cases(), tiers(), st.sampled_from(["vllm", "sglang"]))
def test_tokens_leave_when_the_simulation_with_a_cache_says(case, below, policy):
    """To the float, with loads from tiers that begin and end while the engine is busy or idle."""
    step_time, limits, source, serving = case
    options = CacheOptions(policy=policy, tiers=below)
    run, clock = simulate(*case, options), Clock(step_time, limits, source, serving, options)
    replies = [clock.replies[i] for i in range(len(run.due_s))]
    assert [reply.sequence.cached for reply in replies] == run.cached_tokens.tolist()
    np.testing.assert_allclose([reply.first_s for reply in replies], run.first_s, rtol=1e-9)
    np.testing.assert_allclose([reply.last_s for reply in replies], run.last_s, rtol=1e-9)
    counters, below_gpu = clock.pacer.counters, run.cached_tokens.sum() - run.cached_by_tier["gpu"].sum()
    assert (counters.cache_hits, counters.tier_hits) == (run.cached_by_tier["gpu"].sum(), below_gpu)
    assert clock.pacer.scheduler.used == 0 and not clock.pacer.from_below


def test_sessions_played_in_real_time_find_what_the_simulation_finds():
    """Three users, tools between turns. `benchmarks/session_times.py` compares the times of such sessions."""
    rng = np.random.default_rng(11)
    sessions = [conversation(str(i), rng, 3, system=SYSTEM, wait_s=0.02, longest=600, answer=20) for i in range(6)]
    for i, s in enumerate(sessions[:3]):  # staggered, so that all but the first hit the system prompt
        sessions[i] = replace(s, steps=(replace(s.steps[0], wait_s=0.3 * i), *s.steps[1:]))
    run = simulate(QUICK, LIMITS, session_load(sessions, users=3), cache=CACHE)
    with emulated(cache=CACHE) as server:
        player = Player(server.port, sessions)
        player.play(3)
    assert player.cached_tokens == hits_of(run, sessions)


# ---- from the command line


def test_the_program_serves_with_a_prefix_cache():
    with program("--prefix-cache", "--decode-ms", "1") as url:
        port = int(url.split(":")[2].split("/")[0])
        messages = [{"role": "user", "content": SYSTEM}]
        hits = [chat(port, messages, 2, model="")["usage"]["prompt_tokens_details"]["cached_tokens"] for _ in range(2)]
    assert hits[0] == 0 < hits[1]


@pytest.mark.parametrize(("engine", "policy"), [("vllm", "vllm"), ("sglang", "sglang")])
def test_a_predicted_engine_has_the_cache_of_its_core_over_tiers(engine, policy):
    catalog = load_catalog()
    deployment = Deployment(accelerator="H200", model="llama-3-70b", precision="fp8", engine=engine, gpus=8, tp=8)
    cache = prefix_cache(deployment, catalog, host_gb=800)
    assert (cache.policy, [tier.name for tier in cache.tiers]) == (policy, ["host"])
    assert cache.tiers == cache_tiers(deployment, catalog, host_gb=800)
    assert prefix_cache(deployment, catalog) == CacheOptions(policy=policy)


POOLS = "--disaggregated 1xDEP4+1xDEP4 --accelerator GB200 --model deepseek-r1 --precision fp4 --engine dynamo-trtllm"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ("--host-cache 8", "add --prefix-cache"),
        ("--prefix-cache --ssd-cache 8", "--ssd-cache needs a predicted engine"),
        ("--prefix-cache --prefix-hits 0.5", "leave them at 0"),
        (f"--prefix-cache {POOLS}", "leave out --prefix-cache"),
    ],
)
def test_options_that_do_not_fit_are_refused_in_one_sentence(call, options, words):
    code, _, error = call(f"emulate --port 0 {options}")
    assert code == 2 and words in " ".join(error.split())
