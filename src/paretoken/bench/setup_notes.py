"""Notes on the servers of a run before its load: emulated ones, those that differ, what the points will lack."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

from paretoken.bench.access import Access
from paretoken.bench.config import BenchConfig
from paretoken.bench.labels import UNSTATED
from paretoken.bench.probe import ProbedServer
from paretoken.bench.stats.scrape import Scraper, fetch
from paretoken.emulated import EMULATED
from paretoken.foreign_text import visible


def unlike_models(servers: Sequence[ProbedServer], models: Sequence[str]) -> list[str]:
    """The note that servers which share a load serve different models."""
    if len(set(models)) < 2:
        return []
    pairs = ", ".join(f"{visible(m)} at {s.base_url}" for s, m in zip(servers, models, strict=True))
    return [f"the servers serve different models: {pairs}"]


def emulated_servers(servers: Sequence[ProbedServer]) -> list[str]:
    """The note that a run's figures are emulated."""
    urls = [server.base_url for server in servers if server.emulated]
    if not urls:
        return []
    return [
        f"{', '.join(urls)} is emulated: the points get origin {EMULATED} and enter no comparison "
        f"without --origin {EMULATED}"
    ]


def unstated_drafting(
    config: BenchConfig, configuration: Mapping[str, object], servers: Sequence[ProbedServer], access: Access
) -> list[str]:
    """The note that points meant for comparison do not state their speculative decoding."""
    if config.accelerator in UNSTATED or "speculative" in configuration:
        return []
    reading = Scraper([s.base_url for s in servers], fetch=partial(fetch, tls=access.tls)).read()
    if reading and (reading.drafts or reading.acceptance_length):
        return ["the server's counters show that it drafts tokens; state how: --speculative METHOD"]
    return [
        "the server does not say whether it drafts tokens, so comparisons of plain serving leave these points out; "
        "state it: --speculative none, or the method"
    ]
