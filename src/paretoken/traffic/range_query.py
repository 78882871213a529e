"""Range queries of a Prometheus server over HTTP: in pieces that it takes, repeated where it is busy."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from urllib.parse import urlencode, urlsplit

import numpy as np

from paretoken.bench.keys import ApiKey
from paretoken.errors import BadConfig, BadFile, EndpointFailed
from paretoken.foreign_http import FAILURES, Redirected, SmallAnswer, SmallRequests
from paretoken.traffic.metric_names import MODEL_LABEL
from paretoken.traffic.range_series import RangeAnswers, RangeSeries, series_of

MOST_POINTS = 11_000
"""Of a series in one answer, by Prometheus' own limit."""
MOST_BYTES = 64_000_000
MOST_SPLIT = 1_000
"""Queries after which pieces are not made smaller any more."""
TIMEOUT_S = 60.0
ATTEMPTS = 3
PAUSE_S = 1.0
_BUSY = (429, 500, 502, 503, 504)
_PATH = "/api/v1/query_range"


@dataclass(frozen=True, slots=True)
class FetchedRange:
    """The series of a period that ended at `end_s`, Unix time."""

    series: tuple[RangeSeries, ...]
    end_s: float


class _TooLarge(Exception):
    """An answer of more bytes or samples than one may have."""


def is_url(target: str) -> bool:
    return target.lower().startswith(("http://", "https://"))


def fetch_range(
    url: str,
    metrics: Sequence[str],
    *,
    model: str | None,
    since_s: float,
    step_s: float,
    key: ApiKey,
    end_s: float | None = None,
    pause: Callable[[float], None] = time.sleep,
) -> FetchedRange:
    """The series of these metrics, of one served model if given, over the last `since_s` before `end_s` or now.

    EndpointFailed says in one sentence what Prometheus did instead of answering.
    """
    base = _base(url)
    if not 1 <= step_s <= since_s:
        raise BadConfig(f"--step is {step_s:g} s; give at least 1 s, and at most the {since_s:g} s of --since")
    end_s = (time.time() if end_s is None else end_s) // step_s * step_s
    headers = {"Authorization": f"Bearer {key.value}"} if key.value else {}
    requests = SmallRequests(headers=headers, timeout_s=TIMEOUT_S, most_bytes=MOST_BYTES)
    query = _selector(metrics, model)
    steps = int(since_s // step_s)
    pieces = [(k, min(k + MOST_POINTS - 1, steps)) for k in range(0, steps + 1, MOST_POINTS)]
    series: list[RangeSeries] = []
    queries = 0
    while pieces:
        first, last = pieces.pop(0)
        times = {"start": end_s - (steps - first) * step_s, "end": end_s - (steps - last) * step_s, "step": step_s}
        url, queries = f"{base}{_PATH}?{urlencode({'query': query, **times})}", queries + 1
        try:
            series += _answer(requests, base, url, metrics, pause).series
        except _TooLarge:
            if last == first or queries >= MOST_SPLIT:
                raise EndpointFailed(
                    f"{base} has more series than it gives in one answer; choose one model with --served-model, a "
                    "longer --step or a shorter --since"
                ) from None
            middle = (first + last) // 2
            pieces[:0] = [(first, middle), (middle + 1, last)]
    return FetchedRange(_merged(series), end_s)


def _base(url: str) -> str:
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018 - raises for one that is no number
    except ValueError as e:
        raise BadConfig(f"{url} is no URL; write it as http://HOST:9090") from e
    if parts.username or parts.password:
        raise BadConfig("the URL of --metrics holds a password; set PARETOKEN_API_KEY or give --api-key-file instead")
    if not parts.hostname:
        raise BadConfig(f"{url} names no host; write it as http://HOST:9090")
    return f"{parts.scheme}://{parts.netloc}{parts.path.rstrip('/').removesuffix(_PATH)}"


def _selector(metrics: Sequence[str], model: str | None) -> str:
    names = f'__name__=~"{"|".join(metrics)}"'
    if model is None:
        return f"{{{names}}}"
    escaped = model.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'{{{names},{MODEL_LABEL}="{escaped}"}}'


def _answer(
    requests: SmallRequests, base: str, url: str, metrics: Sequence[str], pause: Callable[[float], None]
) -> RangeAnswers:
    """The series of one query, sent up to `ATTEMPTS` times. _TooLarge if it is cut off or refused as too large."""
    for attempt in range(1, ATTEMPTS + 1):
        try:
            answer = requests.get(url)
        except Redirected as e:
            raise EndpointFailed(f"{base} redirects to {e.shown}; give that URL in --metrics") from None
        except FAILURES as e:
            problem = "did not answer in time" if isinstance(e, TimeoutError) else f"cannot be reached: {e}"
            problem += "; check that --metrics is the URL of Prometheus"
        else:
            if answer.status == 200:
                return _series(answer, base, metrics)
            problem = _refusal(answer)
            if answer.status not in _BUSY:
                break
        if attempt < ATTEMPTS:
            pause(PAUSE_S * attempt)
    raise EndpointFailed(f"{base} {problem}")


def _series(answer: SmallAnswer, base: str, metrics: Sequence[str]) -> RangeAnswers:
    if len(answer.body) >= MOST_BYTES:
        raise _TooLarge
    try:
        document = answer.json()
    except ValueError:
        raise EndpointFailed(f"{base} is no Prometheus server: {_PATH} answers no JSON; give its URL") from None
    try:
        return series_of(document, metrics, base)
    except BadFile as e:
        raise EndpointFailed(str(e)) from None


def _refusal(answer: SmallAnswer) -> str:
    """What a status other than 200 means, and what to do."""
    words = answer.words()
    if answer.status in (401, 403):
        return f"asks for a key (status {answer.status}); set PARETOKEN_API_KEY or give --api-key-file"
    if answer.status == 404:
        return f"has no {_PATH}; give the URL of Prometheus itself, with its prefix, not that of a server's /metrics"
    if answer.status in (400, 422) and any(w in words for w in ("too many samples", "exceeded maximum", "limit")):
        raise _TooLarge
    return f"answered with status {answer.status}: {words or 'an empty answer'}; check the URL, or try again later"


def _merged(series: Sequence[RangeSeries]) -> tuple[RangeSeries, ...]:
    """The pieces of each series joined, in the order of time."""
    parts: dict[tuple[object, ...], list[RangeSeries]] = {}
    for s in series:
        parts.setdefault((s.metric, *sorted(s.labels.items())), []).append(s)
    return tuple(
        RangeSeries(
            p[0].metric, p[0].labels, np.concatenate([s.time_s for s in p]), np.concatenate([s.values for s in p])
        )
        for p in parts.values()
    )
