"""Traffic from saved range queries: counts, lengths, resets, gaps, models, forms of files."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from paretoken.errors import BadConfig, BadFile, NoData, UnknownName
from paretoken.traffic.prometheus import read_metrics
from tests.support.prometheus import BOUNDS, MIDNIGHT, SGLANG, answer, made_up


def saved(tmp_path, document, name="range.json"):
    file = tmp_path / name
    file.write_text(json.dumps(document), encoding="utf-8")
    return str(file)


def of(tmp_path, *servers, **options):
    return read_metrics(saved(tmp_path, answer([row for s in servers for row in s.matrix()])), **options)


@pytest.mark.parametrize("names", [None, SGLANG])
def test_every_request_and_token_is_there(tmp_path, names):
    server = made_up(3000, **({"names": names} if names else {}))
    traffic = of(tmp_path, server)
    hour = (server.time_s // 3600).astype(int)
    assert len(traffic) == 3000
    assert traffic.span_s == 7200 and traffic.day_start_s == 0
    assert np.bincount(traffic.hour_of()).tolist() == np.bincount(hour).tolist()
    for h in range(2):
        mine = traffic.hour_of() == h
        assert traffic.input_tokens[mine].sum() == server.inputs[hour == h].sum()
        assert traffic.output_tokens[mine].sum() == server.outputs[hour == h].sum()
    assert traffic.hit_share == pytest.approx(0.25, abs=1e-4)
    assert ("sglang" if names else "vllm") in traffic.source


def test_every_step_has_its_requests(tmp_path):
    server = made_up(2000)
    traffic = of(tmp_path, server)
    edges = np.arange(0, 7201, 60)
    assert np.histogram(traffic.time_s, edges)[0].tolist() == np.histogram(server.time_s, edges)[0].tolist()


def test_lengths_lie_in_the_buckets_of_the_servers(tmp_path):
    server = made_up(4000)
    traffic = of(tmp_path, server)
    edges = [0.5, *(b + 0.5 for b in BOUNDS)]
    drawn, true = (np.histogram(t, edges)[0] for t in (traffic.input_tokens, server.inputs))
    assert np.abs(drawn - true).max() <= 0.02 * 4000
    for q in (10, 50, 90, 99):
        assert np.percentile(traffic.input_tokens, q) == pytest.approx(np.percentile(server.inputs, q), rel=0.12)


def test_the_same_seed_gives_the_same_requests(tmp_path):
    server = made_up(500)
    a, b, c = (of(tmp_path, server, seed=seed) for seed in (3, 3, 4))
    assert (a.time_s == b.time_s).all() and (a.input_tokens == b.input_tokens).all()
    assert not (a.time_s == c.time_s).all()


def test_counters_of_several_servers_add_up(tmp_path):
    traffic = of(tmp_path, made_up(700), made_up(300, seed=2, instance="b:8000"))
    assert len(traffic) == 1000
    assert any("2 servers are added up" in note for note in traffic.notes)


def test_a_server_scraped_by_two_jobs_counts_once(tmp_path):
    server = made_up(700)
    traffic = of(tmp_path, server, replace(server, job="again"))
    assert len(traffic) == 700
    assert any("second scrape job" in note for note in traffic.notes)


def test_a_restart_loses_only_what_was_not_scraped(tmp_path):
    server = made_up(2000, restarts=(1810.0, 5399.0))
    traffic = of(tmp_path, server)
    lost = sum(
        ((server.time_s > scraped) & (server.time_s <= at)).sum() for scraped, at in ((1800, 1810), (5340, 5399))
    )
    assert len(traffic) == 2000 - lost


def test_a_server_that_came_and_one_that_went_make_no_gap(tmp_path):
    early, late = made_up(500, gaps=((3660, 9e9),)), made_up(500, seed=2, instance="b:1", gaps=((0, 3600),))
    traffic = of(tmp_path, early, late)
    assert traffic.span_s == 7200
    assert len(traffic) == (early.time_s <= 3600).sum() + (late.time_s > 3600).sum()
    assert not any("without samples" in note for note in traffic.notes)


def test_a_short_gap_is_as_busy_as_its_hour(tmp_path):
    server = made_up(6000, gaps=((600, 1200),))
    traffic = of(tmp_path, server)
    left = ((server.time_s <= 540) | ((server.time_s > 1200) & (server.time_s <= 3600))).sum()
    assert traffic.span_s == 7200
    assert (traffic.time_s < 3600).sum() == pytest.approx(left * 60 / 49, abs=1)
    assert any(note.startswith("11 min without samples") for note in traffic.notes)


def test_a_long_gap_divides_the_period(tmp_path):
    server = made_up(6000, gaps=((1200, 3600),))
    traffic = of(tmp_path, server)
    assert traffic.span_s == 3600 and traffic.day_start_s == 3600
    assert len(traffic) == (server.time_s > 3600).sum()
    assert any("1 gap of more than 30 min" in note and "0.317 h" in note for note in traffic.notes)


def test_nan_is_no_zero(tmp_path):
    server = made_up(6000)
    rows = server.matrix()
    for row in rows:
        row["values"] = [[t, "NaN" if 1200 <= t - MIDNIGHT < 1500 else v] for t, v in row["values"]]
    traffic = read_metrics(saved(tmp_path, answer(rows)))
    assert len(traffic) == pytest.approx(6000, rel=0.02)
    assert any("6 min without samples" in note for note in traffic.notes)


def test_several_models_need_a_choice(tmp_path):
    one, two = made_up(500), made_up(200, seed=2, instance="b:1", model="other/m-2")
    with pytest.raises(BadConfig, match="choose one with --served-model, or all: m, other/m-2"):
        of(tmp_path, one, two)
    assert len(of(tmp_path, one, two, model="other/m-2")) == 200
    assert len(of(tmp_path, one, two, model="all")) == 700
    with pytest.raises(UnknownName, match="other/m-2"):
        of(tmp_path, one, two, model="other/m-3")


def test_without_histograms_lengths_are_the_mean(tmp_path):
    server = made_up(1000, names=SGLANG, histograms=False)
    rows = server.matrix()
    total = next(row for row in rows if row["metric"]["__name__"] == "sglang:prompt_tokens_total")
    rows.append({"metric": total["metric"] | {"__name__": "sglang:generation_tokens_total"}, "values": total["values"]})
    traffic = read_metrics(saved(tmp_path, answer(rows)))
    assert traffic.input_tokens.sum() == server.inputs.sum()
    assert np.ptp(traffic.input_tokens[traffic.hour_of() == 0]) <= 1
    assert any("--collect-tokens-histogram" in note for note in traffic.notes)


def test_an_hour_without_a_sum_keeps_its_buckets(tmp_path):
    rows = [row for row in made_up(1000).matrix() if not row["metric"]["__name__"].endswith(("_sum", "_count"))]
    assert len(read_metrics(saved(tmp_path, answer(rows)))) == 1000


def test_bounds_of_servers_may_differ(tmp_path):
    server, short = made_up(800), made_up(800, seed=5, instance="b:1")
    rows = [row for row in short.matrix() if row["metric"].get("le") not in ("500.0", "20000.0", "5.0")]
    traffic = read_metrics(saved(tmp_path, answer(server.matrix() + rows)))
    assert traffic.input_tokens.sum() == server.inputs.sum() + short.inputs.sum()


def summed_query(server, function):
    """The rates or increases that a query without names would give, each with its query."""
    documents = []
    for row in server.matrix():
        labels = dict(row["metric"])
        name = labels.pop("__name__")
        counts = [float(v) for _, v in row["values"]]
        divisor = 60 if function == "rate" else 1
        values = [
            [t, f"{(b - a) / divisor!r}"] for (t, _), a, b in zip(row["values"][1:], counts, counts[1:], strict=False)
        ]
        first = [[row["values"][0][0], "0"]]
        result = [{"metric": labels, "values": first + values}]
        documents.append({"query": f"sum by (le, model_name) ({function}({name}[1m]))", "result": result})
    return documents


@pytest.mark.parametrize("function", ["rate", "increase"])
def test_rates_are_read_by_their_query(tmp_path, function):
    server = made_up(2000)
    traffic = read_metrics(saved(tmp_path, summed_query(server, function)))
    assert len(traffic) == pytest.approx(2000, abs=1)
    assert traffic.input_tokens.mean() == pytest.approx(server.inputs.mean(), rel=1e-3)


def test_a_sum_that_falls_is_unknown_there_and_no_restart(tmp_path):
    """A server that ends takes its counts out of sum(): they have not come again."""
    server, other = made_up(2000), made_up(2000, seed=2, instance="b:1", gaps=((3660, 9e9),))
    documents = []
    for row, ended in zip(server.matrix(), other.matrix(), strict=True):
        labels = {k: v for k, v in row["metric"].items() if k in ("le", "model_name", "finished_reason")}
        counts = dict(ended["values"])
        values = [[t, repr(v + float(counts.get(t, 0)))] for t, v in ((t, float(v)) for t, v in row["values"])]
        query = f"sum by (le, model_name, finished_reason) ({row['metric']['__name__']})"
        documents.append({"query": query, "result": [{"metric": labels, "values": values}]})
    traffic = read_metrics(saved(tmp_path, documents))
    assert len(traffic) == pytest.approx(2000 + (other.time_s <= 3600).sum(), rel=0.02)


def test_times_may_jitter(tmp_path):
    rows = made_up(900).matrix()
    rng = np.random.default_rng(1)
    for row in rows:
        row["values"] = [[t + rng.uniform(-0.4, 0.4), v] for t, v in row["values"]]
    assert len(read_metrics(saved(tmp_path, answer(rows)))) == 900


def test_a_query_of_something_else_is_left_out_and_named(tmp_path):
    documents = [answer(made_up(300).matrix())]
    for query in (
        "histogram_quantile(0.9, rate(vllm:request_prompt_tokens_bucket[5m]))",
        "rate(vllm:prompt_tokens_total[1m]) / rate(vllm:request_success_total[1m])",
        "up",
    ):
        values = [[MIDNIGHT, "1"], [MIDNIGHT + 60, "2"]]
        documents.append({"query": query, "result": [{"metric": {"instance": "a"}, "values": values}]})
    traffic = read_metrics(saved(tmp_path, documents))
    assert len(traffic) == 300
    assert any("3 queries" in note for note in traffic.notes)


def test_every_form_of_a_file_gives_the_same(tmp_path):
    rows = made_up(400).matrix()
    half = len(rows) // 2
    forms = {
        "data.json": {"resultType": "matrix", "result": rows},
        "list.json": [answer(rows[:half]), answer(rows[half:])],
        "by_name.json": {"a": answer(rows[:half]), "b": answer(rows[half:])},
    }
    expected = read_metrics(saved(tmp_path, answer(rows)))
    targets = [saved(tmp_path, document, name) for name, document in forms.items()]
    lines = tmp_path / "lines.jsonl"
    lines.write_text("\n".join(json.dumps(answer([row])) for row in rows), encoding="utf-8")
    folder = tmp_path / "folder"
    folder.mkdir()
    saved(folder, answer(rows[:half]), "a.json")
    saved(folder, answer(rows[half:]), "b.json")
    for target in (*targets, str(lines), str(folder)):
        traffic = read_metrics(target)
        assert (traffic.time_s == expected.time_s).all()
        assert (traffic.input_tokens == expected.input_tokens).all()


@pytest.mark.parametrize(
    ("document", "words"),
    [
        ({"status": "error", "errorType": "bad_data", "error": "parse error"}, "holds an error of Prometheus"),
        ({"status": "success", "data": {"resultType": "vector", "result": []}}, "of one moment"),
        ({"status": "success"}, "has no 'result'"),
        ({}, "has no 'result'"),
        (7, "is not JSON of a Prometheus range query"),
        ({"data": {"result": 3}}, "not a list of series"),
        ([[[[[[[[[[[[]]]]]]]]]]]], "nested too deep"),
        (answer([3]), "series 1 has no 'metric'"),
        (answer([{"metric": {}, "values": [[MIDNIGHT, "1"]]}]), "has no __name__"),
        (answer([{"metric": {"__name__": "vllm:request_success_total"}, "values": 5}]), "are not pairs"),
        (answer([{"metric": {"__name__": "vllm:request_success_total"}, "values": [[1, 2, 3]]}]), "are not pairs"),
        (answer([{"metric": {"__name__": "vllm:request_success_total"}, "values": [["x", "1"]]}]), "are not pairs"),
        (answer([{"metric": {"__name__": "vllm:request_success_total"}, "values": [[1.78e12, "1"]]}]), "no Unix time"),
        (
            answer([{"metric": {"__name__": "vllm:request_success_total"}, "values": [[MIDNIGHT, "1"]]}]),
            "fewer than two samples",
        ),
    ],
)
def test_what_is_no_range_query_is_refused_in_one_sentence(tmp_path, document, words):
    with pytest.raises(BadFile, match=words):
        read_metrics(saved(tmp_path, document))


def test_no_metrics_of_requests(tmp_path):
    rows = [{"metric": {"__name__": "up"}, "values": [[MIDNIGHT, "1"]]}]
    with pytest.raises(NoData, match="vllm:request_success_total"):
        read_metrics(saved(tmp_path, answer(rows)))
    still = [row | {"values": [[t, "5"] for t, _ in row["values"]]} for row in made_up(50).matrix()]
    with pytest.raises(NoData, match="no request ended in the 2 h"):
        read_metrics(saved(tmp_path, answer(still)))


def test_broken_files(tmp_path):
    for name, text, words in (
        ("a.json", "{", "not valid JSON"),
        ("a.jsonl", "{}\n{", "line 2 is not valid JSON"),
    ):
        (tmp_path / name).write_text(text if name == "a.json" else json.dumps(answer([])) + "\n{", encoding="utf-8")
        with pytest.raises(BadFile, match=words):
            read_metrics(str(tmp_path / name))
    with pytest.raises(BadFile, match="does not exist"):
        read_metrics(str(tmp_path / "none.json"))
    (tmp_path / "empty").mkdir()
    with pytest.raises(BadFile, match=r"has 0 \.json"):
        read_metrics(str(tmp_path / "empty"))
