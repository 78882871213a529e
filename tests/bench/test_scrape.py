"""Server counters: recordings of real engines, replicas and ranks, restarts, servers that do not answer."""

from __future__ import annotations

import http.server
import json
import socket
import threading
import time
from pathlib import Path

import pytest

from paretoken.bench.documents import to_json
from paretoken.bench.stats.prometheus import FIGURES, MetricsReading, merge, parse
from paretoken.bench.stats.scrape import CounterDeltas, GaugeStatistics, Scraper, delta, metrics_urls, summed
from tests.support.page_server import page_server

RECORDED = Path(__file__).parent.parent / "data" / "metrics"

VLLM = """# HELP vllm:num_requests_running Number of requests
# TYPE vllm:num_requests_running gauge
vllm:num_requests_running{{engine="0",model_name="m"}} {running}
vllm:num_requests_waiting{{engine="0",model_name="m"}} 2.0
vllm:kv_cache_usage_perc{{engine="0",model_name="m"}} 0.25
vllm:num_preemptions_total{{engine="0",model_name="m"}} {preempted}
vllm:prefix_cache_queries_total{{engine="0",model_name="m"}} {queries} 1795476429405
vllm:prefix_cache_hits_total{{engine="0",model_name="m"}} {hits}
vllm:iteration_tokens_total_sum{{engine="0",model_name="m"}} {queries}
vllm:iteration_tokens_total_count{{engine="0",model_name="m"}} 10
"""


def vllm(running=4, preempted=0, queries=100, hits=10):
    return VLLM.format(running=running, preempted=preempted, queries=queries, hits=hits)


def test_vllm_as_recorded():
    reading = parse((RECORDED / "vllm.txt").read_text())
    assert reading.engine == "vllm"
    assert (reading.running, reading.waiting, reading.kv_cache_usage, reading.preemptions) == (0, 0, 0, 0)
    assert (reading.prefix_cache_queries, reading.prefix_cache_hits) == (177, 0)
    assert (reading.generation_tokens, reading.iteration_tokens, reading.iterations) == (66, 243, 66)
    assert reading.batch_size is None and reading.cache_hit_rate is None


def test_sglang_as_recorded():
    reading = parse((RECORDED / "sglang.txt").read_text())
    assert reading.engine == "sglang"
    assert (reading.prefix_cache_queries, reading.prefix_cache_hits) == (211, 158)
    assert (reading.running, reading.waiting, reading.retracted) == (0, 0, 0)
    assert reading.generation_tokens == 76
    assert reading.preemptions is None and reading.iterations is None


def test_llama_cpp_as_recorded():
    """Its prompt tokens leave out those from the cache: 41 computed and 158 cached are 199 looked up."""
    reading = parse((RECORDED / "llama.cpp.txt").read_text())
    assert reading.engine == "llama.cpp"
    assert (reading.prompt_tokens, reading.prefix_cache_queries, reading.prefix_cache_hits) == (199, 199, 158)
    assert (reading.running, reading.waiting, reading.batch_size, reading.generation_tokens) == (0, 0, 1, 68)
    assert reading.preemptions is None and reading.kv_cache_usage is None


@pytest.mark.parametrize("separator", ["_", ":"])
def test_tensorrt_llm_with_either_separator(separator):
    text = f'trtllm{separator}kv_cache_utilization{{model_name="m"}} 0.6\ntrtllm{separator}num_requests_running 7\n'
    reading = parse(text)
    assert (reading.engine, reading.kv_cache_usage, reading.running, reading.waiting) == ("trtllm", 0.6, 7, None)


def test_an_unknown_server_is_all_none_never_zero():
    reading = parse("node_cpu_seconds_total 5\nnot prometheus at all\nvllm:num_requests_running NaN\n")
    assert reading == MetricsReading()
    assert all(getattr(reading, name) is None for name in FIGURES)


def test_engines_of_one_server_add_up_and_the_fullest_cache_counts():
    text = vllm() + vllm(running=6).replace('engine="0"', 'engine="1"').replace("0.25", "0.75")
    reading = parse(text)
    assert (reading.running, reading.kv_cache_usage, reading.waiting) == (10, 0.75, 4)


def test_ranks_of_one_engine_are_counted_once():
    text = "".join(
        f'sglang:num_running_reqs{{dp_rank="{d}",tp_rank="{t}"}} 5\n' for d in (0, 1) for t in (2 * d, 2 * d + 1)
    )
    assert parse(text).running == 10


def test_labels_may_hold_braces_and_quotes():
    assert parse('vllm:num_requests_running{model_name="a}b\\"c 1"} 3\n').running == 3


def test_replicas_are_one_server_and_a_silent_figure_is_unknown():
    a, b = (
        MetricsReading(engine="vllm", running=1, kv_cache_usage=0.2),
        MetricsReading(engine="vllm", running=2, kv_cache_usage=0.5),
    )
    both = merge([a, b], 3.0)
    assert (both.at_s, both.engine, both.running, both.kv_cache_usage) == (3.0, "vllm", 3, 0.5)
    assert merge([a, MetricsReading(engine="vllm")], 0).running is None


def test_deltas_of_counters_and_the_hit_rate_in_between():
    rise = delta(parse(vllm(queries=100, hits=90)), parse(vllm(queries=300, hits=100, preempted=2)))
    assert (rise.prefix_cache_queries, rise.prefix_cache_hits, rise.preemptions) == (200, 10, 2)
    assert rise.cache_hit_rate == pytest.approx(0.05)
    assert rise.generation_tokens is None and rise.tokens_per_iteration is None


def test_a_restart_makes_the_delta_unknown_not_negative():
    rise = delta(parse(vllm(queries=300)), parse(vllm(queries=5)))
    assert rise.prefix_cache_queries is None and rise.cache_hit_rate is None
    assert delta(None, None) == CounterDeltas()


def test_gauges_have_a_mean_and_a_maximum():
    metrics = summed([parse(vllm(running=n), at_s=n) for n in (2, 4, 12)])
    assert metrics.gauges.running == GaugeStatistics(6.0, 12.0)
    assert metrics.gauges.batch_size is None
    again = json.loads(json.dumps(to_json(metrics)))
    assert again["series"]["running"] == [2, 4, 12] and "batch_size" not in again["series"]


def test_a_hit_rate_without_counters_is_what_the_server_says():
    snapshots = [parse('trtllm_kv_cache_hit_rate{m="x"} 0.3\n')] * 2
    assert summed(snapshots).delta.cache_hit_rate == 0.3


def test_reading_before_beside_and_after():
    count = iter(range(1000))
    enough = threading.Event()

    def fetch(url, timeout_s):
        reads = next(count)
        if reads > 3:
            enough.set()
        return vllm(queries=100 * (reads + 1))

    with Scraper(["http://h:1/v1"], interval_s=0.005, fetch=fetch, clock=time.monotonic) as scraper:
        assert enough.wait(5)
    metrics = scraper.result
    assert len(metrics.at_s) >= 5 and metrics.missed == 0
    assert metrics.delta.prefix_cache_queries == 100 * (len(metrics.at_s) - 1)
    assert not scraper._thread.is_alive()


def test_errors_while_running_are_counted_and_never_raised():
    answers = iter([vllm(), OSError("refused"), TimeoutError(), ValueError("bad"), vllm(hits=20)])
    scraper = Scraper(["http://h:1"], interval_s=60, fetch=lambda url, timeout_s: give(answers))
    with scraper:
        for _ in range(3):
            scraper._keep(scraper.read())
    assert scraper.missed == 3
    assert scraper.result.delta.prefix_cache_hits == 10


def give(answers):
    answer = next(answers)
    if isinstance(answer, Exception):
        raise answer
    return answer


def test_a_server_without_metrics_gives_nothing():
    def refuse(url, timeout_s):
        raise ConnectionRefusedError(url)

    with Scraper(["http://h:1"], fetch=refuse) as scraper:
        pass
    assert scraper.result is None and scraper.missed == 1


def test_json_under_metrics_leads_to_the_other_path():
    assert metrics_urls("https://host:8000/v1") == (
        "https://host:8000/metrics",
        "https://host:8000/prometheus/metrics",
    )
    urls = []

    def fetch(url, timeout_s):
        urls.append(url)
        return "trtllm_num_requests_running 1\n" if "prometheus" in url else '[{"iter": 1}]'

    with Scraper(["http://h:1/v1"], interval_s=60, fetch=fetch) as scraper:
        pass
    assert scraper.result.engine == "trtllm"
    assert urls == ["http://h:1/metrics", "http://h:1/prometheus/metrics", "http://h:1/prometheus/metrics"]


class Metrics(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = vllm().encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def test_over_a_real_socket():
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Metrics) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        with Scraper([f"http://127.0.0.1:{server.server_port}/v1"], interval_s=60) as scraper:
            pass
        server.shutdown()
    assert scraper.result.engine == "vllm" and len(scraper.result.at_s) == 2


@pytest.mark.parametrize(
    "line",
    [
        "vllm:num_requests_running{" + "a" * 300_000 + "} 1",
        "vllm:num_requests_running{" + "a" * 8_000 + "} 1",
        "vllm:num_requests_running{" + "} a" * 2_700 + "} 1",
        "vllm:num_requests_running{" + 'a="b' * 2_000 + "} 1",
        "vllm:num_requests_running{" + 'a="' + "\\" * 8_000 + "} 1",
        "vllm:num_requests_running " + "1 " * 4_000,
        'vllm:num_requests_running{a="b"} nan',
        "vllm:num_requests_running inf",
        "vllm:num_requests_running -1e300",
        "vllm:num_requests_running 1e",
        'vllm:num_requests_running{a="b"',
        "vllm:num_requests_running",
    ],
)
def test_a_line_that_is_hostile_or_no_number_is_left_out(line):
    good = 'vllm:num_requests_waiting{model="a}b\\"c", x="y",} 3 1700000000\n'
    reading = parse(f"{line}\n" * 200 + good)
    assert (reading.engine, reading.running, reading.waiting) == ("vllm", None, 3.0)


def test_metrics_that_hang_or_never_end_cost_one_timeout():
    listener = socket.create_server(("127.0.0.1", 0))
    scraper = Scraper([f"http://127.0.0.1:{listener.getsockname()[1]}/v1"], interval_s=60, timeout_s=0.2)
    with scraper:
        pass
    listener.close()
    assert scraper.result is None and scraper.missed == 1


def test_metrics_are_read_up_to_a_bound(monkeypatch):
    monkeypatch.setattr("paretoken.bench.stats.scrape.MAX_BYTES", 1000)
    page = "vllm:num_requests_running 1\n"
    for text, value in ((page, 1.0), (page * 100, None)):
        with page_server({"/metrics": text}) as url:
            reading = Scraper([f"{url}/v1"]).read()
        assert (reading and reading.running) == value


def test_hits_of_lower_tiers_count_as_hits_of_vllm():
    """vLLM counts hits in GPU memory and those of a connector apart; the bytes have had two names."""
    text = vllm(queries=100, hits=30) + (
        'vllm:external_prefix_cache_queries_total{engine="0"} 70\n'
        'vllm:external_prefix_cache_hits_total{engine="0"} 25\n'
    )
    newer = parse(text + "vllm:kv_offload_load_bytes_total 4096\nvllm:kv_offload_store_bytes_total 8192\n")
    older = parse(
        text
        + 'vllm:kv_offload_total_bytes_total{transfer_type="CPU_to_GPU"} 4096\n'
        + 'vllm:kv_offload_total_bytes_total{transfer_type="GPU_to_CPU"} 8192\n'
    )
    for reading in (newer, older):
        assert (reading.prefix_cache_hits, reading.offload_queries, reading.offload_hits) == (55, 70, 25)
        assert (reading.loaded_bytes, reading.stored_bytes) == (4096, 8192)
    assert parse(vllm(hits=30)).prefix_cache_hits == 30 and parse(vllm()).offload_hits is None


def test_hicache_of_sglang():
    """Its hits already count those of host memory."""
    text = (
        'sglang:cached_tokens_total{cache_source="device"} 1000\nsglang:cached_tokens_total{cache_source="host"} 500\n'
        'sglang:evicted_tokens_total{cache_type="RadixCache"} 4200\nsglang:load_back_tokens_total 480\n'
    )
    reading = parse(text)
    assert (reading.prefix_cache_hits, reading.offload_hits, reading.evicted_tokens, reading.loaded_tokens) == (
        1500,
        500,
        4200,
        480,
    )
