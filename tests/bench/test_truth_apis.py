"""Every API against a server whose timing and counts are known: what is reported is what the server did."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import orjson
import pytest

from paretoken.bench.access import Access, learned
from paretoken.bench.client.level import LevelResult
from paretoken.bench.client.options import ClientOptions
from paretoken.bench.client.run import run_level
from paretoken.bench.client.stamps import wall_offset_ns
from paretoken.bench.config import BenchConfig
from paretoken.bench.plan import Api, Closed, Endpoint, Prepared, Stop
from paretoken.bench.stats.metrics import sample
from paretoken.bench.stats.summary import LevelContext, summarise
from paretoken.bench.truth.server import Pace, Truth, read_truth, truth_server
from paretoken.bench.workload.bodies import Bodies
from paretoken.errors import BadConfig

TOKENS, BATCH = 12, 3
STREAMS: tuple[Api, ...] = ("completions", "chat", "messages", "responses")
PACE = Pace(ttft_ms=15, itl_ms=3)


class Asking:
    """An endless source of one request of an API."""

    def __init__(self, api: Api, stream: bool = True) -> None:
        bodies = Bodies(model="truth", api=api, stream=stream)
        embeds = api == "embeddings"
        self.body = bodies.embeddings(["one two"] * BATCH) if embeds else bodies.of("one two", TOKENS)
        self.planned = 0 if embeds else TOKENS

    def requests(self, worker: int, workers: int) -> Iterator[Prepared]:
        while True:
            yield Prepared(self.body, -1, self.planned)


def level(folder, api: Api, stream: bool = True, pace: Pace = PACE) -> tuple[LevelResult, Truth]:
    log = folder / "truth.log"
    with truth_server(pace, log=log, compiled=False) as server:
        source = Asking(api, stream)
        result = run_level([server.endpoint], api, source, Closed(3), Stop(requests=12), folder=folder / "run")
    return result, read_truth(log)


@pytest.mark.parametrize("api", STREAMS)
def test_a_stream_is_reported_token_by_token(tmp_path, api):
    result, truth = level(tmp_path, api)
    rows = result.requests
    assert rows["status"].to_list() == ["ok"] * 12 == ["ok"] * len(truth.tokens)
    assert rows["output_tokens"].to_list() == [TOKENS] * 12 == truth.tokens.tolist()
    assert [list(t) for t in rows["chunk_tokens"]] == [[1] * TOKENS] * 12
    assert rows["input_tokens"].to_list() == [1] * 12
    assert {*rows["finish_reason"]} <= {"length", "max_tokens", "max_output_tokens"}
    # Chunk by chunk, so a busy machine, which delays what the server sends, changes nothing.
    stamps = np.sort(rows["chunk_ns"].explode().to_numpy()) + result.t0_monotonic_ns + wall_offset_ns()
    lag_s = (stamps - np.sort(truth.sent_ns)) / 1e9
    assert lag_s.min() > -0.001
    assert np.median(lag_s) < 0.002


@pytest.mark.parametrize("api", STREAMS)
def test_several_tokens_in_an_event_are_counted_by_the_usage(tmp_path, api):
    rows = level(tmp_path, api, pace=Pace(ttft_ms=5, itl_ms=1, tokens_per_chunk=4))[0].requests
    assert [list(t) for t in rows["chunk_tokens"]] == [[4] * (TOKENS // 4)] * 12


@pytest.mark.parametrize("api", STREAMS)
def test_a_whole_answer_has_its_tokens_and_no_ttft(tmp_path, api):
    rows = level(tmp_path, api, stream=False)[0].requests
    assert rows["status"].to_list() == ["ok"] * 12
    assert rows["output_tokens"].to_list() == [TOKENS] * 12
    samples = sample(rows)
    assert np.isnan(samples.ttft_s).all() and np.isnan(samples.tpot_s).all()
    assert (samples.e2e_s >= (PACE.ttft_ms + (TOKENS - 1) * PACE.itl_ms) / 1e3).all()


def test_embeddings_have_latency_and_input_tokens_alone(tmp_path):
    result, truth = level(tmp_path, "embeddings")
    rows = result.requests
    assert rows["status"].to_list() == ["ok"] * 12
    assert (rows["input_tokens"].to_list(), rows["output_tokens"].to_list()) == ([BATCH] * 12, [0] * 12)
    samples = sample(rows)
    assert np.isnan(samples.ttft_s).all() and np.isnan(samples.tpot_s).all()
    assert (samples.e2e_s >= truth.ttft_s.min()).all() and (samples.e2e_s >= PACE.ttft_ms / 1e3).all()
    summary = summarise(rows, Closed(3), LevelContext(columns={"model": "truth"}))
    assert not {w.code for w in summary.warnings} & {"buffered", "partly_buffered"}
    assert summary.throughput.whole_run.input_tok_s == pytest.approx(BATCH * summary.throughput.whole_run.requests_s)


@pytest.mark.parametrize("api", [*STREAMS, "embeddings"])
def test_a_trial_finds_the_api(tmp_path, api):
    with truth_server(PACE, log=tmp_path / "truth.log", compiled=False) as server:
        config = BenchConfig(urls=(server.base_url,), api=api, prompt_unit="words")
        access = Access.of(config, None)
        servers = tuple(access.probe(url, config) for url in config.urls)
        config, _, bodies, notes = learned(config, servers, ["truth"], access, 1, True)
    assert (config.api, bodies.api) == (api, api)
    assert len(notes) == 1  # that a request was sent
    assert orjson.loads(bodies.of("hi", 5))["model"] == "truth"


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ({"slo": "ttft_p99=2s,e2e=1s"}, "--slo on ttft: embeddings have no output tokens"),
        ({"slo": "tpot=2ms,itl=5ms"}, "--slo on itl and tpot"),
        ({"turns": "3"}, "--turns is for answers with output tokens"),
        ({"search": "knee"}, "--search knee is for answers"),
    ],
)
def test_embeddings_refuse_what_needs_output_tokens(tmp_path, more, says):
    with truth_server(PACE, log=tmp_path / "truth.log", compiled=False) as server:
        config = BenchConfig(urls=(server.base_url,), api="embeddings", prompt_unit="words", **more)
        access = Access.of(config, None)
        servers = tuple(access.probe(url, config) for url in config.urls)
        with pytest.raises(BadConfig, match=says):
            learned(config, servers, ["truth"], access, 1, True)


def test_a_batch_needs_embeddings(tmp_path):
    with truth_server(PACE, log=tmp_path / "truth.log", compiled=False) as server:
        config = BenchConfig(urls=(server.base_url,), batch=4, prompt_unit="words")
        access = Access.of(config, None)
        servers = tuple(access.probe(url, config) for url in config.urls)
        with pytest.raises(BadConfig, match="--batch 4 is for --api embeddings"):
            learned(config, servers, ["truth"], access, 1, True)


def test_endpoints_of_one_server_are_counted_apart(tmp_path):
    """As adapters are: shares by weight, and the number of the endpoint in the record."""
    with truth_server(PACE, log=tmp_path / "truth.log", compiled=False) as server:
        endpoints = [Endpoint(server.base_url, "sql", 0.75), Endpoint(server.base_url, "law", 0.25)]
        rows = run_level(
            endpoints,
            "chat",
            Asking("chat"),
            Closed(2),
            Stop(requests=16),
            folder=tmp_path / "run",
            client=ClientOptions(balance="weighted"),
        ).requests
    assert rows["endpoint"].value_counts().sort("endpoint")["count"].to_list() == [12, 4]
