"""Range queries of a server that acts as Prometheus: pieces, retries, keys, and what each refusal says."""

from __future__ import annotations

import numpy as np
import pytest

from paretoken.bench.keys import ApiKey
from paretoken.errors import BadConfig, EndpointFailed, NoData
from paretoken.traffic import range_query
from paretoken.traffic.metric_names import counter_names
from paretoken.traffic.prometheus import read_metrics
from paretoken.traffic.range_query import fetch_range
from tests.support.prometheus import MIDNIGHT, SmallPrometheus, made_up, serving

END = MIDNIGHT + 7200


@pytest.fixture(autouse=True)
def at_the_end(monkeypatch):
    """The clock stands at the end of the made-up period, and no pause takes time."""
    monkeypatch.setattr(range_query.time, "time", lambda: END + 12.0)
    monkeypatch.setattr(range_query, "PAUSE_S", 0.001)


def read(prometheus, **options):
    return read_metrics(prometheus.url, since_s=7200.0, **options)


def test_a_server_gives_what_a_file_gives():
    server = made_up(800)
    with serving(SmallPrometheus(server.matrix())) as prometheus:
        traffic = read(prometheus)
        assert read_metrics(f"{prometheus.url}/api/v1/query_range", since_s=7200.0).rate_s == traffic.rate_s
    assert len(traffic) == 800 and traffic.day_start_s == 0 and traffic.span_s == 7200
    assert traffic.input_tokens.sum() == server.inputs.sum()
    assert prometheus.url in traffic.source


def test_long_periods_are_asked_in_pieces(monkeypatch):
    monkeypatch.setattr(range_query, "MOST_POINTS", 50)
    server = made_up(800)
    with serving(SmallPrometheus(server.matrix(), points=50)) as prometheus:
        traffic = read(prometheus)
    assert len(prometheus.queries) == 6
    assert len(traffic) == 800 and traffic.output_tokens.sum() == server.outputs.sum()


def test_a_piece_that_is_refused_is_halved():
    with serving(SmallPrometheus(made_up(800).matrix(), points=40)) as prometheus:
        assert len(read(prometheus)) == 800
    assert len(prometheus.queries) > 6


def test_a_piece_of_too_many_bytes_is_halved(monkeypatch):
    monkeypatch.setattr(range_query, "MOST_BYTES", 60_000)
    with serving(SmallPrometheus(made_up(400).matrix())) as prometheus:
        assert len(read(prometheus)) == 400
    monkeypatch.setattr(range_query, "MOST_BYTES", 500)
    with serving(SmallPrometheus(made_up(400).matrix())) as prometheus, pytest.raises(EndpointFailed, match="longer"):
        read(prometheus)


def test_only_the_chosen_model_is_asked_for():
    rows = made_up(200).matrix() + made_up(90, seed=2, instance="b:1", model='we"ird').matrix()
    with serving(SmallPrometheus(rows)) as prometheus:
        assert len(read(prometheus, model="m")) == 200
        assert len(read(prometheus, model="all")) == 290
        with pytest.raises(BadConfig, match="--served-model, or all: m, we"):
            read(prometheus)
        with pytest.raises(NoData, match="no metrics of requests of the model 'none'"):
            read(prometheus, model="none")
    assert 'model_name="m"' in prometheus.queries[0]["query"]
    assert "model_name" not in prometheus.queries[2]["query"]


def test_a_busy_server_is_asked_again_and_then_given_up():
    with serving(SmallPrometheus(made_up(100).matrix(), failures=[503, 502])) as prometheus:
        assert len(read(prometheus)) == 100
    with serving(SmallPrometheus([], failures=[503] * 9)) as prometheus:
        with pytest.raises(EndpointFailed, match="status 503: busy now"):
            read(prometheus)
        assert len(prometheus.queries) == 3


def test_a_key_is_sent_and_never_shown():
    with serving(SmallPrometheus(made_up(100).matrix(), key="sesame-opens-it")) as prometheus:
        assert len(read(prometheus, key=ApiKey("sesame-opens-it"))) == 100
        with pytest.raises(EndpointFailed, match="PARETOKEN_API_KEY") as error:
            read(prometheus, key=ApiKey("wrong-long-secret"))
        assert "wrong" not in str(error.value)


def test_what_is_no_prometheus():
    with serving(SmallPrometheus([])) as prometheus:
        elsewhere = prometheus.url.removesuffix("/prom")
        with pytest.raises(EndpointFailed, match="URL of Prometheus itself"):
            read_metrics(elsewhere, since_s=7200.0)
        with pytest.raises(NoData, match="no metrics of requests"):
            read(prometheus)
    with pytest.raises(EndpointFailed, match="cannot be reached"):
        read_metrics(elsewhere, since_s=7200.0)


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("http://user:secret@h:1", "holds a password"),
        ("http://", "names no host"),
        ("http://h:x", "is no URL"),
    ],
)
def test_urls_that_are_refused(url, words):
    with pytest.raises(BadConfig, match=words) as error:
        read_metrics(url)
    assert "secret" not in str(error.value)


def test_a_step_above_the_period_is_refused():
    with pytest.raises(BadConfig, match="--step is 120 s"):
        fetch_range("http://h", counter_names(), model=None, since_s=60.0, step_s=120.0, key=ApiKey())


def test_pieces_join_without_a_seam(monkeypatch):
    monkeypatch.setattr(range_query, "MOST_POINTS", 7)
    server = made_up(300)
    with serving(SmallPrometheus(server.matrix())) as prometheus:
        fetched = fetch_range(
            prometheus.url, counter_names(), model=None, since_s=7200.0, step_s=60.0, key=ApiKey(), end_s=END
        )
    for series in fetched.series:
        assert len(series.time_s) == 121
        assert (np.diff(series.time_s) == 60).all()
