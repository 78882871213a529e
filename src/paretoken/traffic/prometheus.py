"""Traffic from the Prometheus metrics of vLLM and SGLang servers: saved answers of range queries, or a Prometheus.

Requests and lengths come from counters, so single requests are drawn: in each step as many as ended in it, at even
chances of any moment (a Poisson process of that count), with lengths from the buckets of the step, or of its hour where
the step has few. The mean lengths of every hour are those of the servers to a token.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from paretoken.bench.keys import ApiKey
from paretoken.errors import BadConfig, NoData, UnknownName, quoted, shown
from paretoken.garbage import no_collection
from paretoken.significant import significant
from paretoken.traffic.fleet_counts import FleetCounts, LengthCounts, counts_of
from paretoken.traffic.length_buckets import LengthBuckets, draw_buckets, lengths_in
from paretoken.traffic.metric_names import MODEL_LABEL, bucket_names, counter_names, traffic_metrics
from paretoken.traffic.range_query import fetch_range, is_url
from paretoken.traffic.range_series import RangeAnswers, RangeSeries, read_range_files
from paretoken.traffic.size import require_few
from paretoken.traffic.traffic import ALL_MODELS, DAY_S, HOUR_S, NO_SESSION, Floats, Ints, Traffic

FEW = 20
"""Observations of a step below which its hour's buckets stand in for its own."""
SINCE_S, STEP_S = DAY_S, 60.0
"""Defaults of --since and --step."""
NO_KEY = ApiKey()


def read_metrics(
    target: str,
    *,
    model: str | None = None,
    since_s: float = SINCE_S,
    step_s: float = STEP_S,
    seed: int = 0,
    key: ApiKey = NO_KEY,
) -> Traffic:
    """The traffic that vLLM or SGLang servers counted; `target` is a file or folder of answers, or Prometheus' URL.

    `model` is a value of the label model_name, or "all" for all of them together. `since_s`, `step_s` and `key` are for
    a URL alone. BadFile, EndpointFailed, NoData, UnknownName or BadConfig where there is no traffic to read.
    """
    if is_url(target):
        wanted = None if model == ALL_MODELS else model
        counters = fetch_range(target, counter_names(), model=wanted, since_s=since_s, step_s=step_s, key=key)
        series = _of_model(RangeAnswers(counters.series), model, target)
        name = next((s.labels[MODEL_LABEL] for s in series if MODEL_LABEL in s.labels and model != ALL_MODELS), None)
        buckets = fetch_range(
            target, bucket_names(), model=name, since_s=since_s, step_s=step_s, key=key, end_s=counters.end_s
        )
        answers = RangeAnswers((*series, *buckets.series))
    else:
        with no_collection():
            answers = read_range_files(Path(target), (*counter_names(), *bucket_names()))
    series = _of_model(answers, model, target)
    return _drawn(counts_of(series, target), _source(target, series), answers.left_out, np.random.default_rng(seed))


def _of_model(answers: RangeAnswers, model: str | None, source: str) -> list[RangeSeries]:
    """The series of the model, or of the only one. Series without the label, which sum() drops, are of any."""
    if not answers.series:
        names = ", ".join(name for m in traffic_metrics() for name in (m.requests[0], f"{m.inputs}_bucket"))
        other = f"; left out: {shown(answers.left_out[0])}" if answers.left_out else ""
        of = f" of the model {quoted(model)}" if model is not None else ""
        raise NoData(f"{source} has no metrics of requests{of} in the period, such as {names}{other}")
    if model == ALL_MODELS:
        return list(answers.series)
    models = sorted({s.labels[MODEL_LABEL] for s in answers.series if MODEL_LABEL in s.labels})
    if model is not None and models and model not in models:
        raise UnknownName("served model", model, models, other=f"{source} has {', '.join(models[:5])}")
    if model is None and len(models) > 1:
        raise BadConfig(
            f"{source} has metrics of several models; choose one with --served-model, or all: {', '.join(models)}"
        )
    return [s for s in answers.series if s.labels.get(MODEL_LABEL, model) == (model or s.labels.get(MODEL_LABEL))]


def _source(target: str, series: Sequence[RangeSeries]) -> str:
    models = sorted({s.labels[MODEL_LABEL] for s in series if MODEL_LABEL in s.labels})
    serving = f" serving {', '.join(models)}" if models else ""
    engines = [m.engine for m in traffic_metrics() if any(s.metric in (*m.counters, *m.buckets) for s in series)]
    return f"Prometheus metrics of {' and '.join(engines)}{serving}, {target}"


def _drawn(counts: FleetCounts, source: str, left_out: Sequence[str], rng: np.random.Generator) -> Traffic:
    """Requests drawn from the counts."""
    steps = len(counts.requests)
    hour = (np.arange(steps) * counts.step_s // HOUR_S).astype(np.int64)
    expected = _filled(counts, hour)
    require_few(expected.sum(), "of the metrics", "read a shorter period, with --since or a smaller file")
    number = np.diff(np.rint(np.cumsum(expected)), prepend=0.0).astype(np.int64)
    n = int(number.sum())
    if not n:
        raise NoData(f"no request ended in the {significant(steps * counts.step_s / HOUR_S, 3)} h of {source}")
    starts = np.repeat(np.arange(steps) * counts.step_s, number)
    inputs, outputs = (_lengths(side, number, hour, rng) for side in (counts.inputs, counts.outputs))
    return Traffic(
        time_s=np.sort(starts + rng.random(n) * counts.step_s),
        input_tokens=inputs,
        output_tokens=outputs,
        session=np.full(n, NO_SESSION, dtype=np.int64),
        span_s=steps * counts.step_s,
        day_start_s=counts.start_s % DAY_S,
        hit_share=counts.hit_share,
        source=source,
        notes=(*_notes(counts, left_out), *counts.notes),
    )


def _filled(counts: FleetCounts, hour: Ints) -> Floats:
    """Requests of each step; a step without samples has the mean of the others of its hour, or of the period."""
    sampled = counts.sampled
    n_hours = int(hour[-1]) + 1
    number = np.bincount(hour[sampled], minlength=n_hours)
    rate = np.bincount(hour[sampled], counts.requests[sampled], n_hours) / np.maximum(number, 1)
    rate = np.where(number > 0, rate, counts.requests[sampled].mean())
    filled: Floats = np.where(sampled, counts.requests, rate[hour])
    return filled


def _lengths(side: LengthCounts, number: Ints, hour: Ints, rng: np.random.Generator) -> Ints:
    """Tokens of the requests, in the order of their steps; `number` are those of each step."""
    if not side.tokens.sum() > 0 and not side.buckets.counts.sum() > 0:
        raise NoData("the metrics count no tokens of one side; query the histograms of prompt and generation tokens")
    hours = np.split(np.arange(len(hour)), np.flatnonzero(np.diff(hour)) + 1)
    return np.concatenate([_of_hour(side, steps, number[steps], rng) for steps in hours if number[steps].any()])


def _of_hour(side: LengthCounts, steps: Ints, number: Ints, rng: np.random.Generator) -> Ints:
    observed = side.requests[steps].sum()
    whole = observed or side.requests.sum()
    tokens = side.tokens[steps].sum() if observed else side.tokens.sum()
    mean = float(tokens / whole) if whole > 0 and tokens > 0 else None
    table = side.buckets.counts
    if not table.sum() > 0:
        assert mean is not None  # noqa: S101 - _lengths() refuses a side without tokens and buckets
        flat = LengthBuckets(np.array([mean]), np.array([mean]), np.ones((1, 1)))
        return lengths_in(flat, np.zeros(int(number.sum()), dtype=np.int64), mean, rng)
    of_hour = table[steps].sum(axis=0)
    if not of_hour.sum() > 0:
        of_hour = table.sum(axis=0)
    rows = [
        draw_buckets(table[step] if table[step].sum() >= FEW else of_hour, int(n), rng)
        for step, n in zip(steps, number, strict=True)
        if n
    ]
    return lengths_in(side.buckets, np.concatenate(rows), mean, rng)


def _notes(counts: FleetCounts, left_out: Sequence[str]) -> list[str]:
    notes = [
        f"requests are counted when they end, and spread over their step of {counts.step_s:g} s as Poisson arrivals: "
        "their burstiness within a step is unknown",
        "input and output lengths are paired at random, because histograms don't show how they correlate",
        "hours are those of UTC",
    ]
    if counts.hit_share is None:
        notes.append("metrics don't show sessions or shared prefixes, and the servers count no hits of their caches")
    else:
        notes.append(
            "metrics don't show sessions or shared prefixes; the servers' own prefix caches had "
            f"{counts.hit_share:.1%} of the input tokens"
        )
    if left_out:
        notes.append(f"{len(left_out)} queries that count neither requests nor tokens are left out")
    return notes
