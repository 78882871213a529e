"""How the servers of a run are reached, and what a trial request to each shows before the load."""

from __future__ import annotations

import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from paretoken.bench.apis import IN_TURNS, PATHS, api_headers
from paretoken.bench.client.connection import tls_context
from paretoken.bench.config import BenchConfig
from paretoken.bench.keys import header_fields
from paretoken.bench.plan import Api
from paretoken.bench.probe import JsonReader, ProbedServer, probe
from paretoken.bench.prompting import recorded_words, request_bodies, sample_ids, sample_words
from paretoken.bench.server_url import server_url
from paretoken.bench.trial import Trial, adapted
from paretoken.bench.workload.bodies import Bodies
from paretoken.errors import BadConfig
from paretoken.plural import listed
from paretoken.secret_names import is_secret
from paretoken.slo import parse_slos


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """How every request reaches the servers: headers with the key, and what TLS trusts."""

    headers: Mapping[str, str] = field(repr=False)
    tls: ssl.SSLContext
    has_key: bool

    @classmethod
    def of(cls, config: BenchConfig, api_key: str | None) -> Access:
        own = header_fields(config.headers)
        key = {"Authorization": f"Bearer {api_key}"} if api_key else {}
        tls = tls_context(Path(config.cafile) if config.cafile else None, config.insecure)
        return cls(headers=key | own, tls=tls, has_key=bool(api_key) or any(map(is_secret, own)))

    def probe(self, url: str, config: BenchConfig) -> ProbedServer:
        """What answers at a URL, asked with the headers that the API needs, if it is known."""
        api = server_url(url).api if config.api == "auto" else config.api
        headers = api_headers(api, self.headers, url)
        return probe(url, model=config.model, query=config.query, headers=headers, tls=self.tls, has_key=self.has_key)

    def reader(self) -> JsonReader:
        return JsonReader(self.headers, self.tls)


def learned(
    config: BenchConfig,
    servers: tuple[ProbedServer, ...],
    models: Sequence[str],
    access: Access,
    seed: int,
    try_first: bool,
) -> tuple[BenchConfig, tuple[ProbedServer, ...], Bodies, list[str]]:
    """The configuration and the servers as a trial request found them, the bodies to send, and notes."""
    apis = _apis(config, servers)
    bodies = replace(request_bodies(config, servers[0], models[0], apis[0]), image_seed=seed)
    refused, notes, bases = config.refused, list[str](), list[str]()
    ratio, of_recorded = config.tokens_per_word, config.tokens_per_recorded_word
    for server, model in zip(servers, models, strict=True):
        if server.listed and not try_first:
            bases.append(server.base_url)
            continue
        trial = Trial(
            bases=(server.base_url, *server.other_bases),
            apis=apis,
            bodies=replace(bodies, model=model),
            query=server.query,
            headers=access.headers,
            tls=access.tls,
            timeout_s=config.timeout_s,
            has_key=access.has_key,
            listed=server.listed,
            in_url=server.api is not None,
            token_ids=sample_ids(config, server),
            words=sample_words(seed),
            recorded_words=recorded_words(config),
            field_is_free=config.max_tokens_field == "auto",
            refused=list(refused),
        ).run()
        bases.append(trial.base_url)
        refused, ratio = trial.refused, ratio or trial.tokens_per_word
        of_recorded = of_recorded or trial.tokens_per_recorded_word
        bodies, apis = replace(trial.bodies, model=models[0]), (trial.bodies.api,)
        notes += trial.notes
    if try_first:
        notes.append(
            "each server got a request for one token before the load, to learn which API and fields it accepts"
        )
    servers = tuple(replace(s, base_url=base) for s, base in zip(servers, bases, strict=True))
    stated, learned = config.max_tokens_field, bodies.max_tokens_field
    name = stated if stated != "auto" or learned == "max_tokens" else learned
    _check_embeddings(bodies.api, config)
    config = replace(config, api=bodies.api, max_tokens_field=name, refused=refused)
    config = replace(config, tokens_per_word=ratio, tokens_per_recorded_word=of_recorded)
    return config, servers, adapted(bodies, refused), notes


def _apis(config: BenchConfig, servers: Sequence[ProbedServer]) -> tuple[Api, ...]:
    """The APIs to try: the one that is set, else the one that the URLs name, else all, completions first."""
    named = {server.api for server in servers if server.api}
    if len(named) > 1 or (named and config.api not in ("auto", *named)):
        also = f"--api is {config.api}" if config.api != "auto" else "another names the other"
        raise BadConfig(f"a URL names {PATHS[min(named)]}, but {also}; use one API")
    if config.api != "auto":
        return (config.api,)
    return tuple(named) or (IN_TURNS if config.images else tuple(PATHS))


def _check_embeddings(api: Api, config: BenchConfig) -> None:
    """BadConfig for options that suppose tokens of output, which embeddings have not."""
    if api != "embeddings":
        if config.batch > 1:
            raise BadConfig(f"--batch {config.batch} is for --api embeddings; leave it out")
        return
    paced = sorted({slo.metric for slo in parse_slos(config.slo)} - {"e2e"}) if config.slo else []
    if paced:
        raise BadConfig(
            f"--slo on {listed(paced)}: embeddings have no output tokens, so no TTFT, TPOT or ITL; use e2e, as in "
            "--slo e2e_p99=200ms"
        )
    for option, used in (
        ("--turns", config.turns),
        ("--trace", config.trace),
        ("--search knee", config.search == "knee"),
    ):
        if used:
            raise BadConfig(f"{option} is for answers with output tokens, which embeddings have not; leave it out")
