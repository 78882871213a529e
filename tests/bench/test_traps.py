"""The traps of published benchmarks: what a naive client reports, the truth, and what we report.

Each test takes a case whose truth is known, computes the figure of a client that falls into the trap, shows
that it is wrong, and that ours is right. The numbers are those of the list in the project's method notes.
"""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest
from scipy.interpolate import PchipInterpolator

from paretoken.answers.priced import rank
from paretoken.bench.client.options import ClientOptions
from paretoken.bench.client.pace import READY_AHEAD
from paretoken.bench.client.run import run_level
from paretoken.bench.client.stamps import wall_offset_ns
from paretoken.bench.plan import Closed, Endpoint, Open, Stop
from paretoken.bench.stats.metrics import sample
from paretoken.bench.stats.point import points_frame
from paretoken.bench.stats.prometheus import parse
from paretoken.bench.stats.quantiles import describe, inverse
from paretoken.bench.stats.scrape import CounterDeltas, ServerMetrics, delta
from paretoken.bench.stats.steady import find_window, latency_mask
from paretoken.bench.stats.summary import LevelContext, summarise
from paretoken.bench.stats.throughput import throughput
from paretoken.bench.truth.selftest import SameAgain
from paretoken.bench.truth.server import Pace, compiler, read_truth, truth_server
from paretoken.bench.workload.makers import TokenIds
from paretoken.bench.workload.prompts import PromptPlan, fresh_seed
from paretoken.frontier import candidates
from paretoken.points.load import import_file
from paretoken.points.published import prepare
from paretoken.prices import tariff, usd_per_mtok
from tests.frontier.test_frontier import curves_of, points_of
from tests.support.levels import MS, S, closed, request, table
from tests.support.load_servers import DONE, HEAD, Bodies, chunk, event, stream

DATA = Path(__file__).parent.parent / "data"
ABOUT = LevelContext(
    columns={
        "accelerator": "H200",
        "model": "llama-3-70b",
        "precision": "fp8",
        "engine": "vllm",
        "isl": 100,
        "osl": 50,
        "tp": 8,
        "date": "2026-11-20",
    },
    n_gpus=8,
)
LIFE = 0.2 + 49 * 0.02  # one request of a closed level: 50 tokens


def codes(summary) -> set[str]:
    return {w.code for w in summary.warnings}


def closed_run(server, bodies, folder, users):
    """Every body once, by this number of users."""
    endpoint, stop = Endpoint(server.base_url, "m"), Stop(requests=len(bodies), drain_s=5)
    return run_level(
        [endpoint],
        "completions",
        Bodies(bodies),
        Closed(users),
        stop,
        folder=folder,
        client=ClientOptions(timeout_s=5.0),
    )


def test_01_ramp_and_tail_are_not_throughput():
    """Ten users, the first round slow, users added one by one: the whole run is not the load that was asked for."""
    requests = closed(10, 30.0, ttft=lambda rng, t: 3.0 if t < 2 else 0.2, stagger_s=0.2)
    truth = 10 * 50 / LIFE
    naive = requests["output_tokens"].sum() / ((requests["last_ns"].max() - requests["sent_ns"].min()) / S)
    summary = summarise(requests, Closed(10), ABOUT)
    assert naive < 0.93 * truth
    assert summary.throughput.whole_run.output_tok_s == pytest.approx(naive)  # beside it, under its own name
    assert summary.throughput.window.output_tok_s == pytest.approx(truth, rel=0.02)
    assert summary.point["output_tput_per_gpu_tok_s"] == pytest.approx(truth / 8, rel=0.02)


def test_02_the_clock_starts_when_a_request_is_due_not_after_the_semaphore():
    """Two requests a second for a client that lets only one through, each of 1 s: the k-th waits k/2 s."""
    due = np.arange(40) * S // 2
    sent = np.arange(40) * S
    requests = table(
        [request(int(d), [int(s) + 100 * MS, int(s) + S], sent_ns=int(s)) for d, s in zip(due, sent, strict=True)]
    )
    truth = 0.1 + np.arange(40) / 2
    naive = (requests["first_ns"] - requests["sent_ns"]).to_numpy() / S
    samples = sample(requests)
    assert naive == pytest.approx(np.full(40, 0.1))  # a hundred milliseconds, whatever the load
    assert samples.ttft_s == pytest.approx(truth)
    assert samples.lateness_s == pytest.approx(truth - 0.1)
    summary = summarise(requests, Open(due / S, 2.0), ABOUT)
    assert summary.whole_run.latency.ttft_s.max == pytest.approx(truth[-1])
    assert summary.whole_run.latency.uncorrected.ttft_s.max == pytest.approx(0.1)
    assert "no_steady_state" in codes(summary)


class PrefixCache:
    """A server with a prefix cache of blocks of 16 tokens, and its counters as vLLM exports them."""

    def __init__(self) -> None:
        self.blocks: set[tuple[int, ...]] = set()
        self.queries = self.hits = 0

    def read(self, ids: list[int]) -> None:
        heads = [tuple(ids[:n]) for n in range(16, len(ids) + 1, 16)]
        self.queries += len(ids)
        self.hits += 16 * sum(head in self.blocks for head in heads)
        self.blocks.update(heads)

    def serve(self, seed: int, point: int = 0) -> CounterDeltas:
        """A run of 50 prompts of 64 tokens; what its counters say of it."""
        plan, before = PromptPlan(TokenIds.of_size(32_000), seed, point), parse(self.metrics())
        for k in range(50):
            self.read(plan.prompt(k, 64).content)
        return delta(before, parse(self.metrics()))

    def metrics(self) -> str:
        names = {"queries": self.queries, "hits": self.hits}
        return "".join(f'vllm:prefix_cache_{n}_total{{engine="0"}} {v}\n' for n, v in names.items())


def test_03_a_fixed_seed_on_a_warm_server_measures_its_cache():
    server, fixed = PrefixCache(), 0
    assert server.serve(fixed).cache_hit_rate == 0.0
    naive = server.serve(fixed)  # the same run again: nothing is left to prefill
    assert naive.cache_hit_rate == 1.0
    summary = summarise(closed(8, 30.0), Closed(8), ABOUT, server=ServerMetrics(delta=naive))
    assert "cache_hits" in codes(summary)
    mine = fresh_seed()
    deltas = [server.serve(mine, point) for point in (0, 1)]  # another seed each run, other prompts each level
    assert [f.cache_hit_rate for f in deltas] == [0.0, 0.0]
    summary = summarise(closed(8, 30.0), Closed(8), ABOUT, server=ServerMetrics(delta=deltas[1]))
    assert "cache_hits" not in codes(summary)


def test_04_a_chunk_of_four_tokens_is_not_one_token(tmp_path):
    """The server makes a token every 5 ms and sends them in fours."""
    pace, log = Pace(ttft_ms=20, itl_ms=5, tokens_per_chunk=4), tmp_path / "log"
    with truth_server(pace, log=log) as server:
        rows = run_level(
            [server.endpoint], "completions", SameAgain(40), Closed(4), Stop(requests=12), folder=tmp_path / "run"
        ).requests
    truth = read_truth(log)
    gaps = np.concatenate([np.diff(t.to_numpy()) for t in rows["chunk_ns"]]) / S
    samples = sample(rows)
    assert rows["chunk_ns"].list.len().sum() == truth.tokens.sum() / 4  # tokens, if a chunk were one
    assert gaps.mean() > 3.5 * truth.tpot_s.mean()  # time per token, if a gap were one token's
    assert samples.osl.sum() == samples.client_osl.sum() == truth.tokens.sum() == 12 * 40
    assert samples.tpot_unbiased_s.mean() == pytest.approx(truth.tpot_s.mean(), rel=0.1)


def test_05_text_that_is_tokenised_again_has_another_count(golden, tokenizer, tmp_path):
    """A model may spell a word in pieces that the tokenizer would join."""
    ids = np.random.default_rng(5).choice(tokenizer.plain_ids(), 60).tolist()
    pieces = [tokenizer.decode([i]) for i in ids]
    usage = {"prompt_tokens": 3, "completion_tokens": len(ids), "total_tokens": 3 + len(ids)}
    sends = [event(piece, "length" if k == 59 else None) for k, piece in enumerate(pieces)]
    script = [["send", HEAD], *(["send", s] for s in sends), ["send", event("", usage=usage)], ["send", DONE]]
    naive = tokenizer.count("".join(pieces))
    samples = sample(closed_run(golden, [{"script": script}], tmp_path, 1).requests)
    assert abs(naive / len(ids) - 1) > 0.05
    assert samples.osl.tolist() == samples.server_osl.tolist() == [len(ids)]


class Hungry(SameAgain):
    """A source that takes the client's core for 40 ms for each request, past those made before the start."""

    def requests(self, worker, workers):
        for k, prepared in enumerate(super().requests(worker, workers)):
            end = time.perf_counter() + 0.04 * (k >= READY_AHEAD)
            while time.perf_counter() < end:
                pass
            yield prepared


def test_06_a_client_that_is_the_limit_says_so(tmp_path):
    """Stamps taken when the loop gets to them show the client's own delay as the server's; nothing has failed."""
    off = {}
    for name, kernel in (("naive", False), ("ours", True)):
        log = tmp_path / f"{name}.log"
        with truth_server(Pace(ttft_ms=70, itl_ms=60), log=log) as server:
            result = run_level(
                [server.endpoint],
                "completions",
                Hungry(6),
                Closed(8),
                Stop(requests=24),
                folder=tmp_path / name,
                client=ClientOptions(kernel_stamps=kernel),
            )
        assert (result.requests["status"] == "ok").all()
        truth, samples = read_truth(log), sample(result.requests)
        gaps = samples.chunks.itl(np.ones(len(samples.chunks.at_ns), dtype=bool))
        sent_ns = result.requests["sent_ns"].to_numpy() + result.t0_monotonic_ns + wall_offset_ns()
        true_s = truth.ttft_s.mean() + (truth.received_ns.mean() - sent_ns.mean()) / 1e9  # a busy server reads late
        off[name] = (samples.ttft_from_sent_s.mean() / true_s - 1, gaps.std() - truth.itl_s.std())
    fidelity = result.fidelity
    assert off["naive"][0] > 0.05 and off["naive"][1] > 0.005
    if fidelity.kernel_stamps:
        assert abs(off["ours"][0]) < 0.03 and abs(off["ours"][1]) < 0.003
    assert fidelity.client_limited and fidelity.loop_lag_p99_s > 0.01
    reasons = "; ".join(fidelity.reasons)
    assert "--workers" in reasons or "other programs used its core" in reasons
    summary = summarise(result.requests, Closed(8), ABOUT, fidelity=fidelity)
    assert "client_limited" in codes(summary) and "client-limited: " in summary.point["notes"]


def test_07_a_pool_of_a_thousand_connections_is_no_plateau_of_the_server(tmp_path):
    """1,100 users at a server that takes them all for 1 s each."""
    rows = [request(0, [(900 + 1000 * (k >= 1000)) * MS], sent_ns=S * (k >= 1000), user=k) for k in range(1100)]
    pooled = sample(table(rows))
    assert pooled.ttft_from_sent_s.max() == pytest.approx(0.9)  # a pooled client sees a server at ease,
    assert (pooled.sent_ns == 0).sum() == 1000  # 1,100 users in name only
    assert pooled.ttft_s.max() == pytest.approx(1.9)  # by our clock the last hundred waited for a connection
    if compiler() is None:
        pytest.skip("1,100 streams need the compiled server")
    log = tmp_path / "log"
    with truth_server(Pace(ttft_ms=1500, itl_ms=5), log=log, compiled=True) as server:
        run_level(
            [server.endpoint], "completions", SameAgain(1), Closed(1100), Stop(requests=1100), folder=tmp_path / "run"
        )
    truth = read_truth(log)
    came, went = truth.received_ns, truth.received_ns + (truth.ttft_s * S).astype(np.int64)
    assert max((came <= t).sum() - (went < t).sum() for t in came) == 1100  # in the server at once, by its own log


def test_08_a_dropped_request_is_a_failure_not_an_absence(golden, tmp_path):
    """Ten requests, four of which the server drops: a client that keeps what finished has six and no failure."""
    lost = {
        "reset": [["send", HEAD], ["send", event()], ["sleep", 0.02], ["reset"]],
        "truncated": [["send", HEAD], ["send", event()], ["send", "ff\r\ndata: {"], ["close"]],
        "empty": [["send", HEAD], ["send", DONE]],
        "in_band_error": [["send", HEAD], ["send", chunk('data: {"error":{"message":"out of memory"}}\n\n')]],
    }
    scripts = [*lost.values(), *[stream(4)] * 6]
    before = len(golden.log())
    result = closed_run(golden, [{"script": s} for s in scripts], tmp_path, 2)
    naive = {"completed": result.requests.filter(result.requests["finish_reason"] != "").height, "failed": 0}
    summary = summarise(result.requests, Closed(2), ABOUT)
    assert len(golden.log()) - before == 10
    assert naive == {"completed": 6, "failed": 0}
    errors = summary.errors
    assert (errors.requests, errors.ok, errors.failed) == (10, 6, 4)
    assert errors.by_status == dict.fromkeys(lost, 1)
    assert "errors" in codes(summary)


def test_09_preemptions_stand_in_the_result():
    """Nothing in the requests tells that the server threw seven of them out and began them again."""
    requests = closed(8, 30.0)
    naive = summarise(requests, Closed(8), ABOUT)
    text = 'vllm:num_preemptions_total{{engine="0"}} {}\n'
    metrics = ServerMetrics(delta=delta(parse(text.format(5)), parse(text.format(12))))
    summary = summarise(requests, Closed(8), ABOUT, server=metrics)
    assert naive.errors.failed == 0 and "preemptions" not in codes(naive)
    assert "preemptions" in codes(summary) and "preempted 7 requests" in summary.point["notes"]


def test_10_p99_of_interactivity_is_the_slow_tail():
    """Of a thousand users 20 get 4 tok/s, the rest 50, a lucky 20 get 200."""
    tpot = np.repeat([1 / 4, 1 / 50, 1 / 200], [20, 960, 20])
    naive = np.quantile(1 / tpot, 0.99)
    interactivity = inverse(describe(tpot))
    assert naive == pytest.approx(200)
    assert (interactivity.p50, interactivity.p99) == (pytest.approx(50), pytest.approx(4))


def test_11_output_per_decode_gpu_and_input_per_prefill_gpu_do_not_add(catalog):
    """8 prefill and 16 decode GPUs; the sum of the published rates is almost three times the total."""
    points, _ = import_file(DATA / "importers" / "inferencex_disagg.json", catalog=catalog, values={})
    point = points.row(0, named=True)
    published = {"output": 500.0, "input": 8000.0, "total": 3000.0}
    assert published["output"] + published["input"] > 2.8 * published["total"]
    parts = point["output_tput_per_gpu_tok_s"] + point["input_tput_per_gpu_tok_s"]
    assert parts == pytest.approx(point["total_tput_per_gpu_tok_s"]) == published["total"]


def test_12_throughput_is_interpolated_and_cost_derived():
    """Throughput is a straight line, 10 tok/s/GPU for each second of latency, so its true cost is known between."""
    (curve,) = curves_of(*points_of("H200", (1, 10), (2, 20), (4, 40)))
    truth = usd_per_mtok(2.0, 15.0)
    naive = float(PchipInterpolator([1, 2, 4], [usd_per_mtok(2.0, y) for y in (10, 20, 40)])(1.5))
    assert naive > 1.03 * truth
    assert usd_per_mtok(2.0, float(curve.at(1.5)[0])) == pytest.approx(truth)


def test_13_what_is_slower_than_a_limit_has_no_data_there():
    """The H200 was measured at 2 to 4 s, the B200 from 1 to 3 s."""
    curves = curves_of(*points_of("H200", (2, 50), (4, 60)), *points_of("B200", (1, 40), (3, 55)))
    naive = np.interp(1.5, [2, 4], [50, 60])  # the edge held: the H200 seems to win
    assert naive > np.interp(1.5, [1, 3], [40, 55])
    assert [c.accelerator for c in candidates(curves, 1.5)] == ["B200"]
    assert {c.accelerator: c.e2e_s for c in candidates(curves, 3.5)} == {"H200": 3.5, "B200": 3.0}
    assert {c.accelerator for c in candidates(curves, 2.5)} == {"B200", "H200"}


def test_14_a_cost_names_the_dated_prices_it_rests_on(catalog):
    """The same throughput under two dated sets of prices is two costs, no change of hardware."""
    compared = candidates(curves_of(*points_of("H200", (1, 100), (9, 110))), 1.0)
    sets = [tariff(catalog, date, "hyperscaler") for date in ("2025-08", "2026-07")]
    costs = [rank(compared, t).candidates[0].usd_per_mtok_total for t in sets]
    assert costs[0] != pytest.approx(costs[1], rel=0.01)
    for prices, cost in zip(sets, costs, strict=True):
        assert cost == pytest.approx(usd_per_mtok(prices.usd_per_gpu_h["H200"], 100))
    assert [t.price_set for t in sets] == ["2025-08", "2026-07"] and all(t.source and t.date for t in sets)


def test_15_a_heading_in_ms_may_hold_seconds(catalog):
    """0.008 under `median_tpot_ms` beside 125 tok/s per user is 8 ms, not 8 µs."""
    points, _ = import_file(DATA / "importers" / "inferencex_headed_ms.json", catalog=catalog, values={})
    point = points.row(0, named=True)
    naive = 0.008 * 1e-3
    assert naive * 125.0 == pytest.approx(1e-3)  # TPOT times interactivity must be 1
    assert point["median_tpot_s"] * 125.0 == pytest.approx(1.0)
    assert (point["median_ttft_s"], point["notes"]) == (0.08, "columns headed ms hold seconds")


def test_16_unfinished_warm_up_is_cut_off_or_told_by_the_neighbours():
    """Compilation: for 8 s every first token takes 4 s. In a long level it is left out; a short one is flagged."""
    cold = closed(4, 60.0, ttft=lambda rng, t: 4.0 if t < 8 else 0.2)
    samples, load = sample(cold), Closed(4)
    window = find_window(samples, load, Stop(warmup_s=15.0))
    assert samples.ttft_s.mean() > 1.3 * 0.2
    assert samples.ttft_s[latency_mask(samples, window, load)] == pytest.approx(0.2)
    amounts = throughput(samples, window.start_ns, window.end_ns)
    assert amounts.output_tok_s == pytest.approx(4 * 50 / LIFE, rel=0.02)
    levels = [closed(n, 40.0, ttft=lambda rng, t, n=n: 4.0 if n == 1 else 0.2) for n in (1, 2, 4, 8)]
    rows = [summarise(r, Closed(n), ABOUT).point for n, r in zip((1, 2, 4, 8), levels, strict=True)]
    points = prepare(points_frame(rows)).sort("concurrency")
    assert points["tput_per_gpu"][1] > 6 * points["tput_per_gpu"][0]  # read as it stands: two users beat one sixfold
    assert points["suspicious"].to_list() == ["superlinear", None, None, None]
