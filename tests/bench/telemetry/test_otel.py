"""`bench --otel`: every span that a collector gets is the record of a request, and no text is in it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest

from paretoken.bench.documents import write_json
from paretoken.bench.run_folder import SUMMARY, RunFolder
from paretoken.bench.telemetry.otel_watch import OtelWatch
from paretoken.bench.truth.server import Pace, truth_server
from tests.support.otlp_receiver import otlp_receiver, values
from tests.support.runs import ladder
from tests.support.sessions import write_sessions
from tests.support.span_sources import chat_source

pytestmark = pytest.mark.slow
KEY = "sk-very-secret-0123456789"
SECRET = "mellifluous"
AGENT = [
    {
        "id": "plan",
        "after": [],
        "call": {"input_tokens": 10, "output_tokens": 3, "messages": [{"role": "user", "content": SECRET}]},
    },
    {"id": "grep", "name": "grep", "agent": "helper", "after": ["plan"], "seconds": 0.03},
    {"id": "end", "after": ["grep"], "call": {"input_tokens": 10, "output_tokens": 3, "continues": "plan"}},
]


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with truth_server(Pace(ttft_ms=20, itl_ms=4), log=tmp_path_factory.mktemp("truth") / "log") as server:
        yield server


def records(run: Path) -> list[dict]:
    return [row for level in RunFolder(run).levels() for row in level.requests().iter_rows(named=True)]


@pytest.fixture(scope="module")
def exported(server, tmp_path_factory):
    """The folder of a run of two levels with a key and a secret header, what its collector got, and stderr."""
    place = tmp_path_factory.mktemp("exported")
    line = (
        f"bench {server.base_url} --prompt-unit words --isl 32 --osl 8 --concurrency 1,3 --until 12requests --out run"
    )
    with otlp_receiver() as received:
        words = [*line.split(), "--header", f"X-Team: {SECRET}", f"--otel={received.url}"]
        done = subprocess.run(
            [sys.executable, "-P", "-m", "paretoken", *words],
            cwd=place,
            env={**os.environ, "PARETOKEN_API_KEY": KEY},
            capture_output=True,
            text=True,
        )
    assert done.returncode == 0, done.stderr
    return place / "run", received, done.stderr


def test_spans_are_the_records_of_the_requests(exported, server):
    run, received, err = exported
    rows, levels = records(run), RunFolder(run).levels()
    assert f"OpenTelemetry: {len(rows) + 2} spans exported" in err
    spans = received.named("text_completion truth")
    assert len(spans) == len(rows) >= 24 and len(received.named("level")) == 2
    expected = {}
    for level in levels:
        begin = round(level.summary.run.t0_unix_s * 1e9)
        for row in level.requests().iter_rows(named=True):
            expected[begin + row["sent_ns"], begin + row["end_ns"]] = row
    for span in spans:
        row, of = expected[span.start_time_unix_nano, span.end_time_unix_nano], values(span.attributes)
        assert of["gen_ai.usage.output_tokens"] == row["output_tokens"]
        assert of["gen_ai.response.time_to_first_chunk"] == pytest.approx((row["first_ns"] - row["sent_ns"]) / 1e9)
        assert (of["gen_ai.operation.name"], of["gen_ai.provider.name"]) == ("text_completion", "openai")
        assert (of["server.address"], of["server.port"]) == (
            "127.0.0.1",
            server.port,
        )
        assert "error.type" not in of and not span.parent_span_id
    for level, span in zip(levels, received.named("level"), strict=True):
        linked = [s for s in spans if s.links[0].span_id == span.span_id]
        assert len(linked) == level.summary.errors.requests
        assert {values(s.attributes)["paretoken.load"] for s in linked} == {level.summary.load.name}
    assert received.resources[0]["service.name"] == "paretoken"
    assert not any(word in body for body in received.bodies for word in (KEY.encode(), SECRET.encode()))


def test_metrics_are_sums_over_the_records(exported):
    run, received, _ = exported
    rows = records(run)
    (duration,) = received.metrics["gen_ai.client.inference.duration"].histogram.data_points
    assert duration.count == len(rows) == sum(duration.bucket_counts)
    assert duration.sum == pytest.approx(sum(r["end_ns"] - r["sent_ns"] for r in rows) / 1e9)
    (output,) = received.metrics["gen_ai.client.inference.usage.output_tokens"].sum.data_points
    assert output.as_int == sum(r["output_tokens"] for r in rows)
    assert values(output.attributes)["gen_ai.token.modality"] == "text"
    (gaps,) = received.metrics["gen_ai.client.inference.time_per_output_chunk"].histogram.data_points
    assert gaps.count == sum(len(r["chunk_ns"]) - 1 for r in rows)
    usage = received.metrics["gen_ai.client.token.usage"].histogram.data_points
    assert {values(p.attributes)["gen_ai.token.type"] for p in usage} == {"input", "output"}
    assert duration.explicit_bounds[0] == 0.01 and usage[0].explicit_bounds[-1] == 4**13


def test_a_session_is_a_trace_with_its_calls_and_tools(call, tmp_path, server):
    write_sessions(tmp_path / "agents.jsonl", {SECRET: AGENT})
    line = f"bench {server.base_url} --api chat --trace agents.jsonl --concurrency 1 --until 2sessions --out run"
    with otlp_receiver() as received:
        code, _, err = call(f"{line} --otel={received.url}")
    assert code == 0, err
    roots = received.named("invoke_workflow")
    assert len(roots) == 2 and not any(root.parent_span_id for root in roots)
    for root in roots:
        inside = [s for s in received.spans if s.parent_span_id == root.span_id]
        assert sorted(s.name for s in inside) == ["chat truth"] * 2 + ["execute_tool grep"]
        assert {s.trace_id for s in inside} == {root.trace_id}
        assert min(s.start_time_unix_nano for s in inside) >= root.start_time_unix_nano
        assert max(s.end_time_unix_nano for s in inside) == root.end_time_unix_nano
        (tool,) = [s for s in inside if s.name.startswith("execute_tool")]
        assert tool.end_time_unix_nano - tool.start_time_unix_nano == 30_000_000
        assert values(tool.attributes)["gen_ai.agent.name"] == "helper"
        assert len({values(s.attributes)["gen_ai.conversation.id"] for s in (root, *inside)}) == 1
    assert not any(SECRET.encode() in body for body in received.bodies)


def test_failures_have_their_type_and_not_the_words_of_the_server(tmp_path):
    run = ladder(tmp_path / "run", (4,))
    (level,) = RunFolder(run).levels()
    rows = level.requests()
    odd = ["http_5xx", "http_5xx", "timeout", "cancelled"]
    changed = rows.with_columns(
        status=pl.Series(odd + rows["status"].to_list()[len(odd) :]),
        http_status=pl.Series([503, 503] + [200] * (rows.height - 2), dtype=pl.Int32),
        detail=pl.lit(SECRET),
    )
    changed.write_parquet(level.folder / "requests.parquet", row_group_size=1024)
    with otlp_receiver() as received, OtelWatch(chat_source(received.url)) as watch:
        watch.begins(1, None, None, None)
        watch.ends(level)
    assert watch.report.spans == changed.height + 1 and not watch.report.lost
    kinds = [values(s.attributes).get("error.type") for s in received.named("chat m")]
    assert sorted(k for k in kinds if k) == ["503", "503", "timeout"]
    assert sum(s.status.code == 2 for s in received.named("chat m")) == 3
    assert not any(SECRET.encode() in body for body in received.bodies)
    duration = received.metrics["gen_ai.client.inference.duration"].histogram.data_points
    assert {values(p.attributes).get("error.type"): p.count for p in duration}["503"] == 2


@pytest.mark.parametrize("tok_s", [None, 812.5])
def test_an_unknown_throughput_is_left_out_of_the_span_of_a_level(tmp_path, tok_s):
    (level,) = RunFolder(ladder(tmp_path / "run", (4,))).levels()
    throughput = level.summary.throughput
    window = replace(throughput.window, output_tok_s=tok_s)
    write_json(level.folder / SUMMARY, replace(level.summary, throughput=replace(throughput, window=window)))
    with otlp_receiver() as received, OtelWatch(chat_source(received.url)) as watch:
        watch.begins(1, None, None, None)
        watch.ends(level)
    (span,) = received.named("level")
    assert values(span.attributes).get("paretoken.output_tokens_per_second") == tok_s


@pytest.mark.parametrize("collector", ["dead", "refuses"])
def test_a_collector_that_fails_costs_one_warning(tmp_path, collector):
    (level,) = RunFolder(ladder(tmp_path / "run", (4,))).levels()
    with otlp_receiver(status=400) as received:
        url = received.url if collector == "refuses" else "http://127.0.0.1:9"
        with OtelWatch(chat_source(url)) as watch:
            for number in (1, 2, 3):
                watch.begins(number, None, None, None)
                watch.ends(level)
        assert len(received.bodies) == (1 if collector == "refuses" else 0)
    requests = level.summary.errors.requests
    assert (watch.report.spans, watch.report.lost) == (0, 3 * (requests + 1))
    assert watch.report.sentence.startswith("warning: OpenTelemetry: ") and "\n" not in watch.report.sentence


def test_a_slow_collector_is_left_after_a_while(tmp_path):
    (level,) = RunFolder(ladder(tmp_path / "run", (4,))).levels()
    with otlp_receiver() as received, OtelWatch(chat_source(received.url), finish_s=0.01) as watch:
        watch.begins(1, None, None, None)
        watch.ends(level)
    assert watch.report.requests == level.summary.errors.requests and not watch.report.lost
    assert "requests not confirmed, 0 spans exported: the collector was too slow" in watch.report.sentence


def test_what_arrived_before_the_time_was_over_counts(tmp_path):
    (level,) = RunFolder(ladder(tmp_path / "run", (4,))).levels()
    with otlp_receiver(most=2) as received, OtelWatch(chat_source(received.url), finish_s=0.01) as watch:
        for bodies in (2, 3):  # spans and metrics of the first level, and spans that nothing answers
            watch.begins(1, None, None, None)
            watch.ends(level)
            for _ in range(600):
                if len(received.bodies) == bodies:
                    break
                time.sleep(0.05)
    requests = level.summary.errors.requests
    assert (watch.report.spans, watch.report.requests) == (requests + 1, requests)
    assert f"{requests} requests not confirmed, {requests + 1} spans exported: " in watch.report.sentence


@pytest.mark.parametrize("damage", ["summary.json", "requests.parquet"])
def test_a_level_that_cannot_be_read_is_counted(tmp_path, damage):
    (level,) = RunFolder(ladder(tmp_path / "run", (4,))).levels()
    (broken,) = RunFolder(ladder(tmp_path / "broken", (4,))).levels()
    (broken.folder / damage).write_bytes(b"{")
    with otlp_receiver() as received, OtelWatch(chat_source(received.url)) as watch:
        for measured in (level, broken):
            watch.begins(1, None, None, None)
            watch.ends(measured)
    report, requests = watch.report, level.summary.errors.requests
    assert (report.spans, report.lost, report.requests, report.seconds > 0) == (requests + 1, 0, requests, True)
    assert f"{requests} requests not confirmed, {requests + 1} spans exported: " in report.sentence
    assert "metrics" not in report.sentence


def test_a_collector_of_spans_only_gets_no_metrics(tmp_path, monkeypatch):
    monkeypatch.setenv("OTEL_METRICS_EXPORTER", "none")
    (level,) = RunFolder(ladder(tmp_path / "run", (1,))).levels()
    with otlp_receiver() as received, OtelWatch(chat_source(received.url)) as watch:
        watch.begins(1, None, None, None)
        watch.ends(level)
    assert not received.metrics and len(received.spans) == watch.report.spans > 1
    assert watch.report.sentence == f"OpenTelemetry: {watch.report.spans} spans exported"


def test_levels_of_before_are_not_exported_again(tmp_path):
    (level,) = RunFolder(ladder(tmp_path / "run", (4,))).levels()
    with OtelWatch(chat_source("http://127.0.0.1:9")) as watch:
        watch.ends(level)
    assert watch.report is None


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ("--otel=ftp://x", "is not the URL of a collector"),
        ("--otel=http://me:pw@127.0.0.1:4318", "keep keys out of the URL of --otel"),
        ("--otel=http://127.0.0.1:4318?api_key=x", "keep keys out of the URL of --otel"),
        ("--metrics-port x", "is not a port"),
        ("--metrics-port 0.0.0.0:0", "set a token in PARETOKEN_METRICS_TOKEN"),
    ],
)
def test_a_bad_place_is_one_sentence_and_leaves_no_folder(call, tmp_path, options, words):
    code, _, err = call(f"bench http://127.0.0.1:9 --out run {options}")
    assert code == 2 and words in err and not (tmp_path / "run").exists()


def test_the_url_of_the_server_is_not_taken_for_a_collector(call):
    code, _, err = call("bench --otel http://127.0.0.1:9 --isl 3")
    assert code == 2 and "paretoken bench URL --otel" in err


def test_a_missing_package_is_one_sentence(call, monkeypatch):
    monkeypatch.setitem(sys.modules, "opentelemetry.exporter.otlp.proto", None)
    monkeypatch.delitem(sys.modules, "opentelemetry.exporter.otlp.proto.http", raising=False)
    code, _, err = call("bench http://127.0.0.1:9 --otel")
    assert code == 2 and "pip install 'paretoken[otel]'" in err


def test_the_source_holds_no_secret():
    assert json.dumps(chat_source("http://c:4318").to_json()).count("http") == 1
