"""What traffic to read, in a user's words, and the reading of it."""

from __future__ import annotations

import os
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated

from paretoken.bench.keys import OWN_KEY, ApiKey, key_for
from paretoken.bench.workload.length_text import parse_length
from paretoken.bench.workload.prompts import Prefixes
from paretoken.catalog.description import Description
from paretoken.errors import BadConfig
from paretoken.traffic.day_curves import DayRate, parse_day_curve, parse_peak
from paretoken.traffic.growth import grown
from paretoken.traffic.mix import TrafficMix, draw_day
from paretoken.traffic.prometheus import NO_KEY, SINCE_S, STEP_S, read_metrics
from paretoken.traffic.range_query import is_url
from paretoken.traffic.rates import parse_period_s, parse_rate_s
from paretoken.traffic.traffic import Traffic


@dataclass(frozen=True, kw_only=True)
class TrafficRequest:
    """Traffic from one of three sources: a log or trace, Prometheus metrics, or a mix by hand."""

    log: Annotated[Path | None, Description("Log of requests, or a trace in any form that bench reads")] = None
    metrics: Annotated[
        str | None, Description("URL of Prometheus, or saved answers of its range queries: a file or a folder")
    ] = None
    rate: Annotated[
        str | None,
        Description("Mean requests of a mix by hand, such as 2000/min; also /s, /h, /day"),
    ] = None
    served_model: Annotated[
        str | None, Description("Model, by its name in the log or the metrics; may be empty if there is only one")
    ] = None
    since: Annotated[str | None, Description("Period to read from the URL of Prometheus; by default 24h")] = None
    step: Annotated[str | None, Description("Step of the queries to that URL; by default 60s")] = None
    api_key_file: Annotated[Path | None, Description("File with the key of Prometheus; else PARETOKEN_API_KEY")] = None
    isl: Annotated[str | None, Description("Input lengths of a mix, tokens, as in lognormal:1800:1.1")] = None
    osl: Annotated[str | None, Description("Output lengths of a mix, tokens, in the same forms")] = None
    day_curve: Annotated[
        str | None,
        Description(
            "Hours of a mix: flat, office, consumer, campus, 24 numbers, or a CSV file hour,share; by default flat"
        ),
    ] = None
    peaks: Annotated[tuple[str, ...], Description("Peaks of a mix on top of its curve, as in 3x@14:00/30m")] = ()
    burstiness: Annotated[
        float | None, Description("Shape of the gamma gaps between arrivals of a mix; by default 1, for Poisson")
    ] = None
    prefix_share: Annotated[
        float | None, Description("Share of each prompt of a mix that is a shared prefix, below 1; by default 0")
    ] = None
    prefixes: Annotated[int | None, Description("Number of distinct shared prefixes of a mix; by default 1")] = None
    requests_per_session: Annotated[
        float | None, Description("Mean requests of a session of a mix; by default there are no sessions")
    ] = None
    growth: Annotated[float, Description("Factor on the requests of the source; hours and lengths stay the same")] = 1.0
    seed: Annotated[int, Description("Seed of all that is drawn")] = 0


_SOURCES = ("log", "metrics", "rate")
_OF_A_MIX = (
    "isl",
    "osl",
    "day_curve",
    "peaks",
    "burstiness",
    "prefix_share",
    "prefixes",
    "requests_per_session",
)
_OF_A_URL = ("since", "step", "api_key_file")
_OPTIONS = {"peaks": "--peak"}


def read_traffic(request: TrafficRequest) -> Traffic:
    """The traffic of the request's source, times its growth. BadConfig for none, for several, or for stray options."""
    _require_one_source(request)
    if request.seed < 0:
        raise BadConfig(f"--seed is {request.seed}; give 0 or more")
    if request.rate is not None:
        traffic = _mixed(request, request.rate)
    elif request.metrics is not None:
        traffic = _measured(request, request.metrics)
    else:
        assert request.log is not None  # noqa: S101 - as _require_one_source() checks
        from paretoken.traffic.log import read_log

        traffic = read_log(request.log, model=request.served_model)
    return grown(traffic, request.growth, request.seed)


def _require_one_source(request: TrafficRequest) -> None:
    named = [f"--{name}" for name in _SOURCES if getattr(request, name) is not None]
    if not named:
        raise BadConfig("no traffic: give --log, --metrics, or --rate with --isl and --osl")
    if len(named) > 1:
        raise BadConfig(f"{' and '.join(named)} are sources of traffic each; give one of them")
    unset = {f.name: f.default for f in fields(request)}
    stray = [] if request.rate is not None else _options_set(request, _OF_A_MIX, unset)
    if stray:
        raise BadConfig(f"{stray[0]} belongs to a mix by --rate, not to {named[0]}; leave it out")
    if request.metrics is None or not is_url(request.metrics):
        stray = _options_set(request, _OF_A_URL, unset)
        if stray:
            raise BadConfig(f"{stray[0]} belongs to --metrics with the URL of Prometheus; leave it out")
    if request.rate is not None and request.served_model is not None:
        raise BadConfig("--served-model belongs to --log and --metrics; leave it out")


def _options_set(request: TrafficRequest, names: tuple[str, ...], unset: dict[str, object]) -> list[str]:
    return [
        _OPTIONS.get(name, f"--{name.replace('_', '-')}") for name in names if getattr(request, name) != unset[name]
    ]


def _measured(request: TrafficRequest, target: str) -> Traffic:
    return read_metrics(
        target,
        model=request.served_model,
        since_s=parse_period_s(request.since, "--since") if request.since else SINCE_S,
        step_s=parse_period_s(request.step, "--step") if request.step else STEP_S,
        seed=request.seed,
        key=_key(target, request.api_key_file) if is_url(target) else NO_KEY,
    )


def _key(url: str, file: Path | None) -> ApiKey:
    """The key of the file, else PARETOKEN_API_KEY: those of other programs are for other servers."""
    return key_for((url,), {OWN_KEY: os.environ.get(OWN_KEY, "")}, file)


def _mixed(request: TrafficRequest, rate: str) -> Traffic:
    if request.isl is None or request.osl is None:
        missing = " and ".join(f"--{name}" for name in ("isl", "osl") if getattr(request, name) is None)
        raise BadConfig(f"--rate needs {missing}; give lengths in tokens, such as lognormal:1800:1.1")
    if request.prefixes is not None and not request.prefix_share:
        raise BadConfig("--prefixes needs --prefix-share, the share of each prompt that is a shared prefix")
    curve = request.day_curve or "flat"
    mix = TrafficMix(
        rate=DayRate(parse_rate_s(rate), parse_day_curve(curve), tuple(map(parse_peak, request.peaks))),
        isl=parse_length(request.isl),
        osl=parse_length(request.osl),
        burstiness=1.0 if request.burstiness is None else request.burstiness,
        requests_per_session=request.requests_per_session,
        prefixes=Prefixes(request.prefix_share, request.prefixes or 1) if request.prefix_share else None,
    )
    return draw_day(mix, request.seed, f"a mix by hand: {rate} on average, {request.isl} tokens in, {request.osl} out")
