"""From what a user asks to what can be run: servers probed, prompts planned, loads laid out."""

from __future__ import annotations

import platform
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from paretoken import __version__
from paretoken.bench.client.connection import tls_context
from paretoken.bench.config import BenchConfig
from paretoken.bench.plan import Closed, Endpoint, Load, Source, Stop
from paretoken.bench.probe import Server, probe
from paretoken.bench.stats.goodput import Slo, parse_slos
from paretoken.bench.stats.steady import MIN_REQUESTS
from paretoken.bench.workload.arrivals import Ramp, parse_arrivals, schedule
from paretoken.bench.workload.bodies import Bodies, Synthetic, dialect, parse_extra
from paretoken.bench.workload.conversation import Conversations, Talk
from paretoken.bench.workload.ladder import Until, UserRamp, parse_rates, parse_until, parse_users
from paretoken.bench.workload.length_text import parse_length
from paretoken.bench.workload.lengths import RequestLengths, of_workload
from paretoken.bench.workload.makers import PlainWords, TokenIds, Words
from paretoken.bench.workload.prompts import Correction, Prefixes, PromptPlan, fresh_seed
from paretoken.bench.workload.tokenizer import load_tokenizer
from paretoken.bench.workload.traces import read_trace
from paretoken.bench.workload.traces.source import Replayed
from paretoken.errors import BadConfig

DEFAULT_LADDER = "1:32:x2"
REQUESTS_PER_USER = 10
OPEN_SECONDS = HELD_S = 60.0
LONGEST_S = 600.0
"""Of a level that is to reach a precision."""
SAFE_VOCABULARY = 8192
"""Assumed where nobody says the vocabulary's size; every served language model has a larger one."""

SourceOf = Callable[[int, Correction], Source]


@dataclass(frozen=True, slots=True)
class Setup:
    """A run ready to begin. `source_of(level, correction)` gives a level prompts of its own."""

    config: BenchConfig
    servers: tuple[Server, ...]
    endpoints: tuple[Endpoint, ...]
    seed: int
    until: Until
    slos: tuple[Slo, ...]
    source_of: SourceOf
    counts_itself: bool
    implied_hit_rate: float
    columns: Callable[[], dict[str, Any]]
    notes: tuple[str, ...] = ()
    api_key: str | None = field(default=None, repr=False)

    def loads(self) -> list[Load]:
        """The levels of a ladder or of a list of rates, as often as `repeat` says."""
        if self.config.trace and self.config.arrivals == "trace" and self.config.rate is None:
            once = [self.open_load(0.0, 0)]
        elif self.config.rate is not None:
            once = [self.open_load(rate, n) for n, rate in enumerate(parse_rates(self.config.rate))]
        else:
            users = parse_users(self.config.concurrency or DEFAULT_LADDER)
            once = [self.closed_load(n) for n in users]
        return once * self.config.repeat

    def closed_load(self, users: int | UserRamp) -> Closed:
        """Users that are all there from the start, or come one by one."""
        if isinstance(users, UserRamp):
            return Closed(users.end, self.config.think_s, users.start, users.seconds)
        return Closed(users, self.config.think_s)

    def open_load(self, rate: float | Ramp, level: int) -> Load:
        """Arrivals at a rate, drawn for this level; a trace with times is replayed at that rate."""
        rng = np.random.default_rng((self.seed, 0xA1, level))
        seconds, count = self.until.seconds, self.until.requests
        if isinstance(rate, Ramp):
            seconds, count = rate.seconds, None
        elif seconds is None and count is None:
            seconds = OPEN_SECONDS
        if self.config.trace and self.config.arrivals == "trace":
            replay = read_trace(self.config.trace).replay(self.config.trace_speed)
            return schedule(replay if not rate else replay.at_rate(float(rate)), rng, seconds=seconds, count=count)
        return schedule(parse_arrivals(self.config.arrivals, rate), rng, seconds=seconds, count=count)

    def stop(self, load: Load) -> Stop:
        """When a level ends; a closed loop without a bound ends after so many requests for each user.

        A ramp of users is warm-up, and after it the full load is held: a minute where nothing else is said.
        """
        until, drain_s = self.until, self.config.timeout_s
        if not isinstance(load, Closed):
            return Stop(drain_s=drain_s)
        seconds, requests = until.seconds, until.requests
        if not (seconds or requests or until.tokens):
            if until.precision:
                seconds = LONGEST_S
            elif load.ramp_s:
                seconds = HELD_S
            else:
                # One of each user is before the window whatever the warm-up, and one ends after it.
                requests = max(REQUESTS_PER_USER * load.users, MIN_REQUESTS + 2 * load.users)
        warm = self.config.warmup_per_user * load.users
        return Stop(seconds, requests, until.tokens, load.ramp_s, warm, drain_s)

    def about(self, command: str) -> dict[str, Any]:
        """What run.json holds: enough to repeat the run and to judge it, and no secret."""
        return {
            "config": self.config.as_dict() | {"seed": self.seed},
            "run": {
                "command": command,
                "started": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
                "host": {"node": platform.node(), "system": platform.platform(), "python": platform.python_version()},
                "clock": "CLOCK_MONOTONIC, kernel receive stamps where the system has them",
                "tool": __version__,
                "servers": [_told(s) for s in self.servers],
            },
            "notes": list(self.notes),
        }

    def changes(self, about: Mapping[str, Any]) -> list[str]:
        """In what the servers that answer now differ from those that a run (its run.json) began with."""
        began = (about.get("run") or {}).get("servers") or []
        return [
            f"{now['base_url']} had {key} {then.get(key)!r} and now has {now[key]!r}"
            for then, now in zip(began, map(_told, self.servers), strict=False)
            for key in ("dialect", "version", "models")
            if then.get(key) != now[key]
        ]


def _told(server: Server) -> dict[str, Any]:
    """What run.json holds of a server."""
    return {
        "base_url": server.base_url,
        "dialect": server.dialect,
        "version": server.version,
        "models": list(server.models),
    }


def prepare(config: BenchConfig, *, api_key: str | None = None) -> Setup:
    """The run that a configuration describes. Errors are the user's, one sentence each; no load is sent yet."""
    slos, until = _goals(config), parse_until(config.until) if config.until else Until()
    shape = _shape(config)
    tls = tls_context(Path(config.cafile) if config.cafile else None, config.insecure)
    headers = {"Authorization": f"Bearer {api_key}"} if api_key else {}
    servers = tuple(probe(url, headers=headers, tls=tls) for url in config.urls)
    weights = config.weights or (1.0,) * len(servers)
    if len(weights) != len(servers):
        raise BadConfig(f"{len(weights)} weights for {len(servers)} URLs: give one for each")
    endpoints = tuple(Endpoint(s.base_url, s.model(config.model), w) for s, w in zip(servers, weights, strict=True))
    _check_context(servers[0], shape)
    seed = fresh_seed() if config.seed is None else config.seed
    source_of, counts_itself, hit_rate, notes = _prompts(config, servers[0], endpoints[0].model, shape, seed)
    return Setup(
        config,
        servers,
        endpoints,
        seed,
        until,
        slos,
        source_of,
        counts_itself,
        hit_rate,
        partial(_columns, config, servers[0], endpoints[0].model, shape),
        notes,
        api_key,
    )


def _goals(config: BenchConfig) -> tuple[Slo, ...]:
    slos = parse_slos(config.slo)
    hidden = [slo.text for slo in slos if slo.metric != "e2e"]
    if hidden and not config.stream:
        raise BadConfig(f"{hidden[0]} cannot be seen with --no-stream: only goals on e2e can; leave out --no-stream")
    return slos


def _shape(config: BenchConfig) -> RequestLengths:
    if config.workload:
        return of_workload(_catalog().workload(config.workload))
    return RequestLengths(parse_length(config.isl), parse_length(config.osl))


def _check_context(server: Server, shape: RequestLengths) -> None:
    longest = shape.isl.longest + shape.osl.longest
    if server.max_context is not None and longest > server.max_context:
        raise BadConfig(
            f"prompts and answers of up to {longest:,} tokens do not fit the {server.max_context:,} tokens of context "
            f"that {server.base_url} serves; choose shorter --isl and --osl, or start it with a longer context"
        )


def _prompts(
    config: BenchConfig, server: Server, model: str, shape: RequestLengths, seed: int
) -> tuple[SourceOf, bool, float, tuple[str, ...]]:
    """How each level gets its prompts, whether our count is exact, the hit rate they imply, and what to say."""
    spoken = dialect(config.dialect or server.dialect)
    bodies = Bodies(
        model=model,
        api=config.api,
        dialect=spoken,
        stream=config.stream,
        ignore_eos=config.ignore_eos,
        min_tokens=config.min_tokens,
        temperature=config.temperature,
        extra=parse_extra(config.extra_body) if config.extra_body else {},
    )
    maker, notes = _maker(config, server, model, spoken.token_ids and config.api == "completions")
    prefixes = Prefixes(config.prefix_share, config.prefixes) if config.prefix_share else None
    exact = isinstance(maker, TokenIds)
    if config.trace:
        count = None if isinstance(maker, PlainWords) else getattr(getattr(maker, "tokenizer", None), "count", None)
        trace = read_trace(config.trace).counted(count, round(shape.osl.mean))
        loops = config.arrivals != "trace"
        return (
            lambda level, correction: Replayed(
                plan=PromptPlan(maker, seed, level, None, correction), trace=trace, bodies=bodies, repeat=loops
            ),
            exact,
            trace.hit_rate(),
            notes,
        )
    if config.turns:
        talk = Talk(parse_length(config.turns), shape.isl, shape.osl, think_s=config.think_s)

        def talks(level: int, correction: Correction) -> Conversations:
            return Conversations(PromptPlan(maker, seed, level, None, correction), talk, bodies)

        return talks, exact, talks(0, Correction()).hit_rate(200), notes
    hit_rate = prefixes.hit_rate(1000) if prefixes else 0.0
    return (
        lambda level, correction: Synthetic(
            plan=PromptPlan(maker, seed, level, prefixes, correction), lengths=shape, bodies=bodies
        ),
        exact,
        hit_rate,
        notes,
    )


def _maker(config: BenchConfig, server: Server, model: str, token_ids: bool) -> tuple[Any, tuple[str, ...]]:
    if config.prompt_unit == "words":
        return PlainWords(), ("prompts are counted in words; the server's usage gives their tokens",)
    found = None
    if config.tokenizer:
        found = load_tokenizer(config.tokenizer)
    elif not (token_ids and (config.vocab_size or server.vocab_size)):
        found = _tokenizer_of(server, model)
    if token_ids:
        if found:
            return TokenIds.of_tokenizer(found), ()
        size = config.vocab_size or server.vocab_size
        if size:
            return TokenIds.of_size(size), ()
        note = f"the vocabulary's size is not known; prompts use token ids below {SAFE_VOCABULARY:,} (--vocab-size)"
        return TokenIds.of_size(SAFE_VOCABULARY), (note,)
    if found is None:
        raise BadConfig(
            f"no tokenizer for {model!r} was found; give one with --tokenizer PATH, or count prompts in words with "
            "--prompt-unit words"
        )
    return Words.of_tokenizer(found), ()


def _tokenizer_of(server: Server, model: str):
    for name in (server.root, model):
        if not name:
            continue
        try:
            return load_tokenizer(name)
        except BadConfig:
            continue
    return None


def _catalog():
    from paretoken.catalog.loader import load_catalog

    return load_catalog()


def _columns(config: BenchConfig, server: Server, model: str, shape: RequestLengths) -> dict[str, Any]:
    """The columns of the operating points that the run itself knows."""
    catalog = _catalog()
    named = config.catalog_model or model
    engine = config.engine or (config.dialect or server.dialect)
    columns = {
        "accelerator": catalog.accelerators.id_of(config.accelerator)
        if config.accelerator in catalog.accelerators
        else config.accelerator,
        "model": catalog.models.id_of(named) if named in catalog.models else named,
        "model_variant": model,
        "precision": config.precision,
        "engine": catalog.engines.id_of(engine) if engine in catalog.engines else engine,
        "engine_version": server.version,
        "tp": config.tp,
        "date": time.strftime("%Y-%m-%d"),
        "disaggregated": False,
        "multinode": False,
    }
    if not config.trace:
        columns |= {"isl": _nominal(config.isl, shape.isl), "osl": _nominal(config.osl, shape.osl)}
    return {k: v for k, v in columns.items() if v is not None}


def _nominal(text: str, length: Any) -> int:
    """The nominal length: of a uniform ratio its upper end, as InferenceX names it; else the mean."""
    return getattr(length, "nominal", None) or round(length.mean)
