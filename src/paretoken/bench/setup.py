"""From settings to a run that can start: servers probed, prompts planned, loads laid out."""

from __future__ import annotations

import platform
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING

from paretoken import __version__
from paretoken.bench.access import Access, learned
from paretoken.bench.adapters import adapter_endpoints, adapter_note, parse_adapters
from paretoken.bench.cache_block import CacheBlock, cache_block
from paretoken.bench.config import NO_ANSWERS, NO_WAITS, OSL, BenchConfig
from paretoken.bench.keys import header_fields
from paretoken.bench.level_loads import OPEN_SECONDS, LevelLoads
from paretoken.bench.metadata import Origin, RunMetadata, RunOrigin, ServerIdentity
from paretoken.bench.plan import Api, Closed, Endpoint, Load, Open, Stop
from paretoken.bench.point_columns import point_columns, sessions_label
from paretoken.bench.probe import ProbedServer
from paretoken.bench.prompting import SourceOf, plan_prompts
from paretoken.bench.server_config import configured, reported
from paretoken.bench.session_trace import needs_chat
from paretoken.bench.setup_notes import emulated_servers, unlike_models, unstated_drafting
from paretoken.bench.workload.arrivals import Ramp
from paretoken.bench.workload.ladder import Until, UserRamp, parse_until
from paretoken.bench.workload.length_text import parse_length
from paretoken.bench.workload.lengths import RequestLengths, of_workload
from paretoken.bench.workload.prompts import fresh_seed
from paretoken.bench.workload.sessions.possible import PossibleHits
from paretoken.bench.workload.traces.request import Trace
from paretoken.errors import BadConfig
from paretoken.plural import counted
from paretoken.sessions.graph import SessionTrace
from paretoken.sessions.label import GENERATOR_VERSION
from paretoken.slo import MEASURED, SESSION, Slo, parse_slos

if TYPE_CHECKING:
    from paretoken.catalog.loader import Catalog
    from paretoken.catalog.session_workload import SessionWorkload


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """A run ready to begin. `source_of(level, correction)` gives a level prompts of its own.

    `workload` names the `sessions` in operating points. `possible` are the cache hits that these allow, `block` the
    block of the server's cache that counts them.
    """

    config: BenchConfig
    servers: tuple[ProbedServer, ...]
    endpoints: tuple[Endpoint, ...]
    seed: int
    until: Until
    slos: tuple[Slo, ...]
    source_of: SourceOf
    counts_itself: bool
    implied_hit_rate: float
    columns: Callable[[], dict[str, object]]
    trace: Trace | None = None
    sessions: SessionTrace | None = None
    workload: str | None = None
    possible: PossibleHits | None = None
    block: CacheBlock | None = None
    notes: tuple[str, ...] = ()
    api_key: str | None = field(default=None, repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)

    @property
    def api(self) -> Api:
        """The API that the load calls."""
        return "completions" if self.config.api == "auto" else self.config.api

    @property
    def origin(self) -> Origin:
        """Emulated as soon as one of the servers is."""
        return "emulated" if any(server.emulated for server in self.servers) else "measured"

    def loads(self) -> list[Load]:
        """The levels of a ladder or of a list of rates, `repeat` times."""
        return self._levels.loads()

    def closed_load(self, users: int | UserRamp) -> Closed:
        """Users who all start at once, or join one by one."""
        return self._levels.closed_load(users)

    def open_load(self, rate: float | Ramp, level: int) -> Load:
        """Arrivals at a rate, drawn for this level; a trace with times is replayed at that rate."""
        return self._levels.open_load(rate, level)

    def stop(self, load: Load) -> Stop:
        """When a level ends."""
        return self._levels.stop(load)

    @property
    def _levels(self) -> LevelLoads:
        return LevelLoads(
            config=self.config,
            seed=self.seed,
            until=self.until,
            slos=self.slos,
            trace=self.trace,
            sessions=self.sessions,
        )

    def metadata(self, command: str) -> RunMetadata:
        """What run.json holds of this run, started by that command line."""
        return RunMetadata(
            config=self.config.without_secrets() | {"seed": self.seed},
            run=RunOrigin(
                command=command,
                started=time.strftime("%Y-%m-%dT%H:%M:%S%z"),
                host={"node": platform.node(), "system": platform.platform(), "python": platform.python_version()},
                clock="CLOCK_MONOTONIC, kernel receive stamps where the system has them",
                tool=__version__,
                servers=tuple(_identity(s) for s in self.servers),
            ),
            origin=self.origin,
            notes=self.notes,
            workload=self.workload,
            generator_version=GENERATOR_VERSION if self.sessions and not self.config.trace else None,
            cache_block_tokens=self.block.tokens if self.block else None,
        )

    def changes(self, metadata: RunMetadata) -> list[str]:
        """In what the servers that answer now differ from those that a run began with."""
        return [
            f"{now.base_url} had {key} {getattr(then, key)!r} and now has {getattr(now, key)!r}"
            for then, now in zip(metadata.run.servers, map(_identity, self.servers), strict=False)
            for key in ("dialect", "version", "models")
            if getattr(then, key) != getattr(now, key)
        ]


def _identity(server: ProbedServer) -> ServerIdentity:
    return ServerIdentity(
        base_url=server.base_url, dialect=server.dialect, version=server.version, models=server.models
    )


def prepare(
    config: BenchConfig, *, api_key: str | None = None, try_first: bool = True, catalog: Catalog | None = None
) -> Setup:
    """The run that a configuration describes. Errors are one sentence each; no load is sent yet.

    The configuration of the result states what the servers take, by one request for one token to each; it is left
    out where `try_first` is false and the servers list their models. Names are those of the catalog, by default the
    shipped one.
    """
    catalog = catalog or _catalog()
    slos, until = _slos(config), parse_until(config.until) if config.until else Until()
    workload = _session_workload(config, catalog)
    shape = _shape(config, catalog)
    access = Access.of(config, api_key)
    servers = tuple(access.probe(url, config) for url in config.urls)
    weights = _weights(config, servers)
    models = [server.model(config.model) for server in servers]
    if config.api == "auto" and needs_chat(config) and not any(server.api for server in servers):
        config = replace(config, api="chat")
    seed = fresh_seed() if config.seed is None else config.seed
    config, servers, bodies, trial_notes = learned(config, servers, models, access, seed, try_first)
    adapters = parse_adapters(config.adapters) if config.adapters else ()
    plain = tuple(Endpoint(s.base_url, m, w, s.query) for s, m, w in zip(servers, models, weights, strict=True))
    endpoints = adapter_endpoints(servers, weights, adapters) if adapters else plain
    columns = reported(servers[0].base_url, config.dialect or servers[0].dialect, access.reader())
    configuration = configured(columns, config.stated_configuration, servers[0].base_url)
    _check_context(servers[0], shape)
    prompts = plan_prompts(config, servers[0], bodies, shape, seed, _shared_models(servers, endpoints), workload)
    _check_sessions_judged(slos, of_sessions=prompts.sessions is not None or bool(config.turns))
    block = cache_block(servers, access, config.dialect) if prompts.sessions else None
    setup = Setup(
        config=config,
        servers=servers,
        endpoints=endpoints,
        seed=seed,
        until=until,
        slos=slos,
        source_of=prompts.source_of,
        counts_itself=prompts.counts_itself,
        implied_hit_rate=prompts.hit_rate,
        columns=partial(point_columns, config, catalog, servers, models[0], shape, configuration),
        notes=(
            *emulated_servers(servers),
            *unlike_models(servers, models),
            *unstated_drafting(config, configuration, servers, access),
            *trial_notes,
            *([adapter_note(adapters)] if adapters else ()),
            *prompts.notes,
            *([block.note(config.dialect or servers[0].dialect)] if block else ()),
        ),
        trace=prompts.trace,
        sessions=prompts.sessions,
        workload=sessions_label(config, catalog, workload, servers[0], prompts.sessions),
        possible=prompts.possible,
        block=block,
        api_key=api_key,
        headers=header_fields(config.headers),
    )
    return replace(setup, notes=(*setup.notes, *_cut(setup)))


def _cut(setup: Setup) -> list[str]:
    """The note that a replay ends before the trace does."""
    if setup.config.arrivals != "trace" or setup.config.rate is not None:
        return []
    what = "session" if setup.sessions else "request"
    total = len(setup.sessions.sessions) if setup.sessions else len(setup.trace.requests) if setup.trace else 0
    load = setup.open_load(0.0, 0)
    sent = len(load.due_s) if isinstance(load, Open) else total
    if sent == total:
        return []
    limit = setup.config.until or f"the default of {OPEN_SECONDS:g} s"
    return [f"the trace is cut by {limit} after {sent:,} of {counted(total, what)}; set --until to send more"]


def _weights(config: BenchConfig, servers: Sequence[ProbedServer]) -> tuple[float, ...]:
    """The share of each server, equal by default."""
    weights = config.weights or (1.0,) * len(servers)
    if len(weights) != len(servers):
        raise BadConfig(f"{len(weights)} --weight for {len(servers)} URLs; use one for each")
    return weights


def _shared_models(servers: Sequence[ProbedServer], endpoints: Sequence[Endpoint]) -> frozenset[str]:
    """The models that every server lists; none where the endpoint of a request decides its model."""
    if len({endpoint.model for endpoint in endpoints}) > 1:
        return frozenset()
    return frozenset.intersection(*(frozenset(server.models) for server in servers))


def _slos(config: BenchConfig) -> tuple[Slo, ...]:
    slos = parse_slos(config.slo, MEASURED)
    hidden = [slo.text for slo in slos if slo.metric not in ("e2e", SESSION)]
    if hidden and not config.stream:
        raise BadConfig(f"{hidden[0]} cannot be measured with --no-stream (only e2e can); leave it out")
    return slos


def _session_workload(config: BenchConfig, catalog: Catalog) -> SessionWorkload | None:
    """The workload of sessions that the run plays. BadConfig for settings that only sessions have, without any."""
    workload = catalog.session_workload(config.workload) if config.workload else None
    if workload is not None and (config.trace or config.turns or config.arrivals == "trace"):
        raise BadConfig(f"--workload {config.workload} has sessions of its own; leave out --trace and --turns")
    if workload is None:
        for option, value in (("--sessions", config.sessions), ("--session-seed", config.session_seed)):
            if value:
                raise BadConfig(f"{option} needs a --workload of sessions, such as agent-code")
    if workload is None and not config.trace:
        if config.idle_cap_s is not None:
            raise BadConfig(NO_WAITS)
        if config.answers == "server" and not config.turns:
            raise BadConfig(NO_ANSWERS)
    return workload


def _check_sessions_judged(slos: Sequence[Slo], *, of_sessions: bool) -> None:
    """BadConfig for a limit on sessions where the load has none."""
    if not of_sessions and (limits := [slo.text for slo in slos if slo.of_sessions]):
        raise BadConfig(
            f"{limits[0]} limits sessions, and this load has none; add a --trace of sessions, or leave it out"
        )


def _shape(config: BenchConfig, catalog: Catalog) -> RequestLengths:
    """The lengths of single requests."""
    if config.workload and catalog.session_workload(config.workload) is None:
        return of_workload(catalog.workload(config.workload))
    return RequestLengths(parse_length(config.isl), parse_length(config.osl or OSL))


def _check_context(server: ProbedServer, shape: RequestLengths) -> None:
    longest = shape.isl.longest + shape.osl.longest
    if server.max_context is not None and longest > server.max_context:
        raise BadConfig(
            f"prompts and answers of up to {longest:,} tokens exceed the context of {server.max_context:,} tokens at "
            f"{server.base_url}; use a shorter --isl or --osl, or start the server with a longer context"
        )


def _catalog() -> Catalog:
    from paretoken.catalog.loader import load_catalog

    return load_catalog()
