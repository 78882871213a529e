"""Per-request latencies against hand-made arrivals, and the traps that a naive count falls into."""

from __future__ import annotations

import time
from itertools import pairwise

import numpy as np
import polars as pl
import pytest

from paretoken.bench.stats.chunks import Chunks
from paretoken.bench.stats.latency import latency
from paretoken.bench.stats.metrics import sample
from paretoken.bench.stats.quantiles import describe, inverse, needed, supported
from paretoken.bench.stats.throughput import (
    in_flight,
    input_rates,
    mean_in_flight,
    output_rates,
    smooth_input_rates,
    throughput,
    whole_run,
)
from paretoken.points.requests import conform_requests, empty_requests
from tests.support.levels import MS, S, closed, request, table


def everything(samples):
    return np.ones(len(samples), dtype=bool)


def test_latencies_count_from_due_and_beside_it_from_sent():
    samples = sample(table([request(0, [300 * MS, 400 * MS, 500 * MS], sent_ns=100 * MS)]))
    assert samples.ttft_s[0] == pytest.approx(0.3)
    assert samples.e2e_s[0] == pytest.approx(0.5)
    assert samples.tpot_s[0] == pytest.approx(0.1)
    assert samples.ttft_from_sent_s[0] == pytest.approx(0.2)
    assert samples.e2e_from_sent_s[0] == pytest.approx(0.4)
    assert samples.lateness_s[0] == pytest.approx(0.1)


def test_four_tokens_in_a_chunk_bend_the_comparable_tpot_but_not_the_unbiased():
    """The server makes a token every 20 ms; 32 chunks of 4: the first form is 2.4 % low."""
    chunks = [(50 + 80 * k) * MS for k in range(32)]
    samples = sample(table([request(0, chunks, [4] * 32)]))
    assert samples.osl[0] == 128
    assert samples.tpot_unbiased_s[0] == pytest.approx(0.020)
    assert samples.tpot_s[0] == pytest.approx(31 * 0.080 / 127)
    assert samples.chunks.itl(np.ones(32, dtype=bool)) == pytest.approx(np.full(31, 0.080))


def test_a_server_that_packs_tokens_into_chunks_is_counted_by_its_usage():
    """425 events for 512 tokens, as vLLM under load: the count, TPOT and throughput are the server's."""
    chunks = [S + k * 10 * MS for k in range(425)]
    samples = sample(table([request(0, chunks, output_tokens=512, planned_output=512)]))
    assert samples.osl[0] == 512
    assert samples.client_osl[0] == 425
    assert samples.tpot_s[0] == pytest.approx(424 * 0.01 / 511)
    assert throughput(samples, 0, 10 * S).output_tokens == pytest.approx(512)


def test_the_client_count_stands_in_where_the_server_gave_none():
    samples = sample(table([request(0, [S, 2 * S], output_tokens=-1, input_tokens=-1)]))
    assert (samples.osl[0], samples.isl[0]) == (2, 100)
    assert np.isnan(samples.server_osl[0])


@pytest.mark.parametrize("status", ["reset", "timeout", "http_5xx", "truncated", "in_band_error", "empty"])
def test_a_failed_request_has_no_latency_and_no_tokens(status):
    samples = sample(table([request(0, [S, 2 * S], status=status)]))
    assert np.isnan([samples.ttft_s[0], samples.e2e_s[0], samples.tpot_s[0]]).all()
    assert throughput(samples, 0, 10 * S).output_tokens == 0


def test_a_request_cut_by_us_gives_its_tokens_but_no_latency():
    samples = sample(table([request(0, [S, 2 * S], status="cancelled", output_tokens=-1)]))
    amounts = throughput(samples, 0, 10 * S)
    assert (amounts.output_tokens, amounts.input_tokens, amounts.requests) == (2, 100, 0)
    assert np.isnan(samples.ttft_s[0])


def test_one_token_and_one_chunk_have_no_tpot():
    samples = sample(table([request(0, [S]), request(0, [S], [64])]))
    assert np.isnan(samples.tpot_s).all()
    assert np.isnan(samples.tpot_unbiased_s).all()
    assert samples.ttft_s == pytest.approx([1.0, np.nan], nan_ok=True)  # 64 tokens at once: the first was not observed


def test_coalesced_gaps_are_left_out_and_counted():
    """Three events in one read at 400 ms: true arrivals 200, 300, 400; only the gaps to 500 and 100 are known."""
    chunks = [100 * MS, 400 * MS, 400 * MS, 400 * MS, 500 * MS]
    merged = sample(table([request(0, chunks, coalesced=2)]))
    samples = latency(merged, everything(merged), 0, S)
    assert merged.chunks.itl(np.ones(5, dtype=bool)) == pytest.approx([0.1])
    assert (samples.itl_s.censored_gaps, samples.itl_s.n) == (3, 1)


def test_equal_stamps_that_no_read_explains_are_real_gaps():
    samples = sample(table([request(0, [100 * MS, 400 * MS, 400 * MS])]))
    assert samples.chunks.itl(np.ones(3, dtype=bool)) == pytest.approx([0.3, 0.0])


def test_gaps_do_not_run_from_one_request_into_the_next():
    samples = sample(table([request(0, [S, 2 * S]), request(1, [5 * S, 7 * S], coalesced=1)]))
    assert sorted(samples.chunks.itl(np.ones(4, dtype=bool))) == pytest.approx([1.0, 2.0])
    assert samples.chunks.mean_gaps() == pytest.approx([1.0, 2.0])


def test_an_answer_without_chunks_is_one_arrival_of_all_its_tokens():
    row = request(0, [], first_ns=2 * S, last_ns=2 * S, end_ns=2 * S, output_tokens=40)
    samples = sample(table([row, request(1, [S, 3 * S])]))
    assert throughput(samples, 0, 2 * S).output_tokens == 41
    assert throughput(samples, 2 * S, 3 * S).output_tokens == 1
    assert samples.chunks.request.tolist() == [0, 1, 1]


def test_throughput_counts_tokens_where_they_arrive_and_never_twice():
    samples = sample(closed(4, 10.0))
    edges = [0, 3 * S, 7 * S, 12 * S]
    parts = [throughput(samples, a, b) for a, b in pairwise(edges)]
    whole = throughput(samples, 0, 12 * S)
    assert sum(p.output_tokens for p in parts) == whole.output_tokens == samples.osl.sum()
    assert sum(p.input_tokens for p in parts) == whole.input_tokens == 100 * len(samples)
    assert sum(p.requests for p in parts) == len(samples)


def test_prompts_are_spread_over_the_tokens_of_their_own_answers(monkeypatch):
    """One answer has a token in each chunk and the other four, so the client counts too few of them."""
    slow = request(0, [(1 + k) * S for k in range(8)], input_tokens=80)
    packed = request(0, [(9 + k) * S for k in range(8)], [1] * 8, input_tokens=80, output_tokens=32)
    failed = request(0, [2 * S], status="http_5xx")
    samples = sample(table([slow, packed, failed]))
    rates = smooth_input_rates(samples, 0, 16 * S, 16)
    assert rates == pytest.approx(np.full(16, 10.0))
    assert output_rates(samples, 0, 16 * S, 16) == pytest.approx([1.0] * 8 + [4.0] * 8)
    monkeypatch.setattr("paretoken.bench.stats.throughput._BLOCK", 3)
    assert smooth_input_rates(samples, 0, 16 * S, 16) == pytest.approx(rates)


@pytest.mark.parametrize("block", [1, 7, 100_000])
def test_the_blocks_of_arrivals_do_not_change_the_rates(monkeypatch, block):
    rng = np.random.default_rng(3)
    rows = []
    for n in range(40):
        arrivals = sorted(rng.integers(0, 60 * S, rng.integers(0, 9)).tolist())
        status = "ok" if arrivals and n % 5 else "http_5xx"
        rows.append(request(0, arrivals, input_tokens=int(rng.integers(1, 500)), status=status))
    samples = sample(table(rows))
    per_token = np.where(samples.osl > 0, samples.isl / np.maximum(samples.osl, 1), 0.0)
    weights = samples.chunks.tokens * np.repeat(per_token, samples.chunks.lengths)
    inside = (samples.chunks.at_ns > 5 * S) & (samples.chunks.at_ns <= 55 * S)
    amounts = np.histogram(samples.chunks.at_ns[inside] - 1, np.linspace(5 * S, 55 * S, 11), weights=weights[inside])[0]
    expected = amounts / amounts.mean() * input_rates(samples, 5 * S, 55 * S, 10).mean()
    monkeypatch.setattr("paretoken.bench.stats.throughput._BLOCK", block)
    assert smooth_input_rates(samples, 5 * S, 55 * S, 10) == pytest.approx(expected)


def test_embeddings_have_only_the_prompts_themselves():
    rows = [request(0, [], planned_output=0, output_tokens=-1, last_ns=k * S, first_ns=-1) for k in range(1, 9)]
    samples = sample(table(rows))
    assert smooth_input_rates(samples, 0, 8 * S, 8) == pytest.approx(np.full(8, 100.0))


def test_the_whole_run_is_first_start_to_last_end_of_complete_answers():
    rows = [request(S, [2 * S, 3 * S]), request(2 * S, [4 * S, 5 * S]), request(S, [2 * S], status="reset")]
    amounts = whole_run(sample(table(rows)))
    assert (amounts.seconds, amounts.output_tokens, amounts.input_tokens, amounts.requests) == (4.0, 4, 200, 2)
    assert amounts.total_tok_s == pytest.approx(51.0)


def test_requests_in_flight_follow_littles_law():
    samples = sample(closed(6, 20.0, stagger_s=0.1))
    assert in_flight(samples, np.array([10 * S])) == 6
    assert mean_in_flight(samples, 5 * S, 15 * S) == pytest.approx(6.0)
    amounts = throughput(samples, 5 * S, 15 * S)
    assert amounts.requests_s * 1.18 == pytest.approx(6.0, rel=0.02)


def test_no_requests_give_empty_arrays():
    samples = sample(empty_requests())
    assert len(samples) == 0
    assert throughput(samples, 0, S).total_tok_s == 0.0
    assert whole_run(samples).total_tok_s is None


def test_p99_of_71_samples_is_left_out():
    few = describe(np.arange(71.0))
    assert few.p99 is None and few.unsupported == ("p99", "p999")
    assert few.p95 == np.quantile(np.arange(71.0), 0.95) and few.thin == ()
    assert describe(np.arange(100.0)).p99 is not None and describe(np.arange(100.0)).thin == ("p99",)
    assert describe(np.arange(1000.0)).unsupported == () and describe(np.arange(1000.0)).thin == ("p999",)
    assert describe(np.array([np.nan])).n == 0


@pytest.mark.parametrize("q", [0.5, 0.9, 0.95, 0.99, 0.999])
def test_a_quantile_is_supported_where_the_largest_sample_bounds_it(q):
    """The chance that all of n samples lie below the true quantile is qⁿ: at most 5 % where it is supported."""
    n = needed(q)
    assert q**n <= 0.05 < q ** (n - 1)
    assert supported(n, q) and not supported(n - 1, q)
    rng = np.random.default_rng(3)
    bounded = np.mean([rng.random(n).max() > q for _ in range(2000)])
    assert 0.935 < bounded < 0.985  # whole n: a median of 5 is bounded in 97 % of cases


def test_the_slow_tail_of_interactivity_is_that_of_tpot():
    tpot = describe(np.linspace(0.01, 0.1, 200))
    speed = inverse(tpot)
    assert speed.p99 == 1 / tpot.p99 < speed.p50


def test_metrics_keep_a_pace_of_a_hundred_thousand_requests_of_128_tokens_in_two_seconds():
    """A quarter of that, so that the test is light; CPU time, so that a busy neighbour does not matter much."""
    n, k = 25_000, 128
    due = np.arange(n) * 6 * MS
    chunk_ns = (due + 50 * MS)[:, None] + np.arange(k) * 20 * MS
    frame = conform_requests(
        pl.DataFrame(
            {
                "due_ns": due,
                "sent_ns": due,
                "first_ns": chunk_ns[:, 0],
                "last_ns": chunk_ns[:, -1],
                "end_ns": chunk_ns[:, -1],
                "status": ["ok"] * n,
                "output_tokens": [k] * n,
                "chunk_ns": pl.Series(chunk_ns).arr.to_list(),
                "chunk_tokens": pl.Series(np.ones((n, k), dtype=np.int32)).arr.to_list(),
            }
        )
    )
    spent = []
    for _ in range(3):
        begin = time.process_time()
        samples = sample(frame)
        result = latency(samples, everything(samples), 0, int(chunk_ns.max()))
        spent.append(time.process_time() - begin)
    assert min(spent) < 0.5
    assert result.itl_s.n == n * (k - 1)
    assert result.itl_s.p99 == pytest.approx(0.02)


def test_a_first_token_read_with_later_ones_bounds_how_late_its_ttft_may_be():
    alone = [10 * MS, 14 * MS, 18 * MS]
    three_at_once = [18 * MS, 18 * MS, 18 * MS, 22 * MS, 26 * MS]  # truly 10, 14, 18
    rows = [
        request(0, alone),
        request(0, three_at_once, coalesced=2),
        request(0, [18 * MS, 18 * MS], coalesced=1),  # all in one read: the level's TPOT stands in
        request(0, [9 * MS, 9 * MS, 30 * MS]),  # equal stamps of two reads are real
    ]
    samples = sample(table(rows))
    assert samples.ttft_late_s == pytest.approx([0, 2 * 0.004, 0.004, 0])


def test_gaps_do_not_read_memory_that_nothing_was_written_to(monkeypatch):
    """What happens to lie there may be a signalling NaN, of which arithmetic warns."""
    littered = lambda n, dtype: np.full(n, 0x7FA00000, dtype=np.uint32).view(dtype)  # noqa: E731
    chunks = Chunks(np.array([2, 0, 3]), np.array([0, 5, 1, 4, 8]) * 10**7, np.ones(5), np.zeros(5, dtype=bool))
    monkeypatch.setattr(np, "empty", littered)
    assert chunks.gap_s == pytest.approx([np.nan, 0.05, np.nan, 0.03, 0.04], nan_ok=True)


def test_the_tokens_of_an_answer_may_sum_to_more_than_32_bits():
    samples = sample(table([request(0, [100 * MS, 200 * MS], [2**31 - 1] * 2, output_tokens=2, planned_output=2)]))
    assert samples.client_osl[0] == 2**32 - 2
