"""The emulated disaggregated server: to the float as the simulation on a virtual clock, and live over sockets."""

from __future__ import annotations

import json
import re
from contextlib import closing
from dataclasses import replace
from http.client import HTTPConnection
from math import inf

import numpy as np
import polars as pl
import pytest

from paretoken.bench.stats.prometheus import parse
from paretoken.emulate.pools import PoolPacer
from paretoken.emulate.prometheus import EmulatorMetrics
from paretoken.emulate.reply import Reply
from paretoken.emulate.settings import EmulatorSettings
from paretoken.emulate.words import Script
from paretoken.predict.deployment import Deployment, Lengths
from paretoken.predict.pools.layout import parse_layout, pooled_case
from paretoken.predict.pools.predictor import predict_pools
from paretoken.predict.simulation.limits import SchedulerLimits
from paretoken.predict.simulation.pools import Worker, WorkerPools, simulate_pools
from paretoken.predict.simulation.router import ROUND_ROBIN, KvTransfer
from paretoken.predict.simulation.run import ServingOptions
from paretoken.predict.simulation.scheduler import Sequence
from paretoken.predict.simulation.sources import closed_loop
from tests.emulate.test_emulate_pace import Users, Wire, streamed
from tests.predict.test_simulation import OTHER, STEP
from tests.predict.test_simulation_pools import slower
from tests.support.emulators import QUICK, ask, body, emulated, program

LIMITS = SchedulerLimits(max_num_seqs=64, max_batched_tokens=512, kv_blocks=5000)
TIGHT = SchedulerLimits(max_num_seqs=64, max_batched_tokens=512, kv_blocks=70)
DRAFTING = replace(TIGHT, drafted_tokens=3)


def pools(senders: int, receivers: int, limits=LIMITS, **changes) -> WorkerPools:
    return WorkerPools(
        prefill=[Worker(slower(OTHER, 1 + 0.0731 * i), LIMITS) for i in range(senders)],
        decode=[Worker(slower(STEP, 1 + 0.0517 * i), limits) for i in range(receivers)],
        transfer=KvTransfer(latency_s=0.00171, s_per_token=0.0000237),
        **changes,
    )


class PoolUsers(Users):
    """A closed loop over a disaggregated server, on a clock that jumps to what is due next."""

    def __init__(self, settings: EmulatorSettings, source) -> None:
        self.pacer, self.source, self.settings = PoolPacer(settings, EmulatorMetrics()), source, settings
        self.sent: list[list[tuple[float, int]]] = [[] for _ in source.input_tokens]
        self.begun, self.now = 0, 0.0
        for _ in range(source.users):
            self.send_next(Wire(self))
        self.pacer.start(0.0)
        while self.pacer.ends_s < inf:
            self.now = self.pacer.ends_s
            self.pacer.run(self.now)
            self.pacer.start(self.now)


class DeafClient:
    """A connection whose client does not listen."""

    reply, place = None, 0

    def send(self, data: bytes) -> None: ...

    def finished(self) -> None: ...


def lone_reply(prompt: int, output: int) -> Reply:
    request, script = streamed(prompt, output), Script(0, output, "length")
    reply = Reply(DeafClient(), request, Sequence(prompt, output), script, name="x", created=0, received_s=0.0)
    reply.sequence.owner = reply
    return reply


@pytest.mark.parametrize(
    ("workers", "serving", "scale"),
    [
        (pools(1, 1), ServingOptions(), 1.0),
        (pools(2, 2), ServingOptions(0.3), 1.0),
        (pools(3, 2, decode_router=ROUND_ROBIN, prefill_router=ROUND_ROBIN), ServingOptions(), 4.0),
        (pools(2, 1, TIGHT), ServingOptions(acceptance_length=2.5), 1.0),
        (pools(2, 2, DRAFTING), ServingOptions(acceptance_length=2.5), 1.0),
    ],
)
def test_each_token_leaves_when_the_simulation_says(workers, serving, scale):
    source = closed_loop(8, 60, 300, 120, ratio=0.7, seed=5)
    decode = workers.decode[0]
    settings = EmulatorSettings(
        model="m",
        step_time=decode.step_time,
        limits=decode.limits,
        serving=serving,
        time_scale=scale,
        pools=workers,
    )
    users = PoolUsers(settings, source)
    run = simulate_pools(workers, source, serving)
    for i, (times, tokens) in enumerate(run.token_times()):
        np.testing.assert_allclose([at * scale for at, n in users.sent[i] if n], times, rtol=1e-9)
        assert sum(n for _, n in users.sent[i]) == len(times) <= tokens.sum()
    assert sum(load.preemptions for load in users.pacer.loads()) == run.preemptions
    assert users.pacer.counters.generation_tokens == source.output_tokens.sum()
    assert users.pacer.counters.ttft_s.sum * scale == pytest.approx(run.ttft_s.sum())
    assert users.pacer.prefill_router.loads == [0] * len(workers.prefill)
    assert users.pacer.decode_router.loads == [0] * len(workers.decode)
    assert not users.pacer.journeys and not any(load.kv_used for load in users.pacer.loads())


def test_steps_of_decode_workers_draft():
    """11 tokens: the first after the prompt, and 2 or 3 in each of 4 steps."""
    workers = pools(1, 1, DRAFTING)
    decode, serving = workers.decode[0], ServingOptions(acceptance_length=2.5)
    settings = EmulatorSettings(
        model="m", step_time=decode.step_time, limits=decode.limits, serving=serving, pools=workers
    )
    users = PoolUsers(settings, closed_loop(1, 1, 100, 11))
    counters = users.pacer.counters
    assert (counters.drafts, counters.draft_tokens, counters.accepted) == (4, 12, [4, 2, 0])
    assert counters.step_tokens.sum == 100 + 4 * (1 + 3)
    prompts = settings.first.limits
    assert settings.most_tokens == min(70 * 16 - 3 + 2 - 3, prompts.kv_blocks * prompts.block_tokens + 1)


def test_a_user_who_leaves_frees_both_workers_wherever_the_request_is():
    """In the prompt, on the link, and while it decodes."""
    workers = pools(1, 1)
    decode = workers.decode[0]
    settings = EmulatorSettings(model="m", step_time=decode.step_time, limits=decode.limits, pools=workers)
    for events in range(6):
        pacer = PoolPacer(settings, EmulatorMetrics())
        reply = lone_reply(300, 9)
        pacer.submit(reply)
        pacer.start(0.0)
        for _ in range(events):
            pacer.run(pacer.ends_s)
        pacer.abandon(reply)
        while pacer.ends_s < inf:
            pacer.run(pacer.ends_s)
        assert pacer.prefill_router.loads == pacer.decode_router.loads == [0]
        assert not pacer.journeys and [load.kv_used for load in pacer.loads()] == [0, 0]
        assert reply.made <= events


@pytest.fixture(scope="module")
def server():
    workers = WorkerPools(
        prefill=[Worker(QUICK, LIMITS)] * 2,
        decode=[Worker(QUICK, LIMITS)],
        transfer=KvTransfer(latency_s=0.05),
    )
    with emulated(limits=LIMITS, pools=workers) as running:
        yield running


def test_the_first_token_comes_after_the_transfer(server):
    status, _, data = ask(server, "POST", "/v1/completions", body(max_tokens=5))
    assert status == 200 and data.count(b'"text"') == 5 and b"[DONE]" in data
    metrics = parse(ask(server, "GET", "/metrics")[2].decode())
    assert metrics.generation_tokens == 5 and metrics.prompt_tokens == 3
    counters = server.service.counters
    assert counters.ttft_s.sum / counters.ttft_s.count >= 0.05


def test_the_server_names_its_workers_as_a_load_balancer_does(server):
    info = json.loads(ask(server, "GET", "/server_info")[2])
    assert [w["disaggregation_mode"] for w in info["prefill"]] == ["prefill"] * 2
    assert [w["disaggregation_mode"] for w in info["decode"]] == ["decode"]
    assert info["model_path"] == "emulated/m" and info["internal_states"] == [{}]
    page = ask(server, "GET", "/metrics")[2].decode()
    assert [page.count(f'vllm:num_requests_running{{engine="{i}"') for i in range(4)] == [1, 1, 1, 0]


def test_a_predicted_decode_pool_drafts():
    options = (*PREDICTED.split(), "--disaggregated", "1xDEP4+1xDEP8", "--time-scale", "20", "--name", "m")
    with (
        program(*options, "--speculative", "mtp:3", "--acceptance", "2.4") as url,
        closing(HTTPConnection(url.removeprefix("http://").removesuffix("/v1"), timeout=20)) as connection,
    ):
        connection.request("POST", "/v1/completions", json.dumps({"model": "m", "prompt": "a b", "max_tokens": 25}))
        answer = json.loads(connection.getresponse().read())
        connection.request("GET", "/metrics")
        page = connection.getresponse().read().decode()
    assert answer["usage"]["completion_tokens"] == 25
    assert re.search(r"vllm:spec_decode_num_drafts_total\{\S+\} 10.0", page)
    assert re.search(r"vllm:spec_decode_num_draft_tokens_total\{\S+\} 30.0", page)


def test_a_prompt_above_the_prefill_workers_cache_is_refused():
    small = SchedulerLimits(max_num_seqs=4, max_batched_tokens=64, kv_blocks=2)
    workers = WorkerPools(prefill=[Worker(QUICK, small)], decode=[Worker(QUICK, LIMITS)])
    with emulated(limits=LIMITS, pools=workers) as running:
        status, _, data = ask(running, "POST", "/v1/completions", body(prompt=list(range(40))))
    assert status == 400 and b"context is 33 tokens" in data


PREDICTED = "--accelerator GB200 --model deepseek-r1 --precision fp4 --engine dynamo-trtllm"


def test_our_benchmark_measures_what_the_closed_form_predicts(call, tmp_path):
    """A whole run over sockets; only where the client itself says that it kept up is its timing held to account."""
    users, isl, osl = 8, 512, 60
    lengths = Lengths(isl, osl, 1.0)
    options = (*PREDICTED.split(), "--isl", str(isl), "--osl", str(osl), "--length-range-ratio", "1")
    with program(*options, "--disaggregated", "2xDEP4+1xDEP8", "--name", "m") as url:
        root = url.removesuffix("/v1")
        code, _, err = call(f"bench {root} --isl {isl} --osl {osl} --concurrency {users} --until 5s --out run --json")
    assert code == 0, err
    folder = next((tmp_path / "run" / "levels").iterdir())
    summary = json.loads((folder / "summary.json").read_text())
    requests = pl.read_parquet(folder / "requests.parquet").filter(pl.col("status") == "ok")
    assert set(requests["output_tokens"]) == {osl} and set(requests["input_tokens"]) == {isl}
    worker = Deployment(accelerator="GB200", model="deepseek-r1", precision="fp4", engine="trtllm", gpus=1, tp=1)
    case = pooled_case(parse_layout("2xDEP4+1xDEP8", worker, worker, "dynamo-trtllm"), lengths, users)
    state = predict_pools([case]).state
    if not summary["fidelity"]["client_limited"]:
        first, last = ((requests[n] - requests["due_ns"]).to_numpy() / 1e9 for n in ("first_ns", "last_ns"))
        assert np.median(first) == pytest.approx(float(state.ttft_s[0]), rel=0.2)
        assert np.median(last - first) / (osl - 1) == pytest.approx(float(state.tpot_s[0]), rel=0.1)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (f"{PREDICTED} --disaggregated 4xDEP4", "4xDEP4"),
        (f"{PREDICTED} --disaggregated 1xDEP4@MI355X+1xDEP8", "use accelerators of one vendor"),
        (f"{PREDICTED} --disaggregated 1xDEP4+1xDEP8 --gpus 12", "leave out --gpus"),
        (f"{PREDICTED} --disaggregated 1xDEP4+1xDEP8 --tp 4", "leave out --tp"),
        ("--disaggregated 1xDEP4+1xDEP8", "add --accelerator"),
        (f"{PREDICTED} --disaggregated 0xDEP4+1xDEP8", "it must be at least 1"),
        (f"{PREDICTED} --disaggregated 1xTP1+1xTP1", "GB200"),
        (f"{PREDICTED} --disaggregated 1xDEP4+1xDEP8 --speculative mtp:1 --acceptance 2.4", "from 1 to 2"),
    ],
)
def test_a_layout_that_cannot_be_emulated_is_refused(call, options, words):
    code, _, err = call(f"emulate {options}")
    assert code == 2 and words in err and "Traceback" not in err
