"""The options of `predict` that replay sessions, of a trace or of a workload."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import rich_click as click

from paretoken.cli.options import Finite, stack
from paretoken.cli.predict import options
from paretoken.errors import BadConfig

trace_options = stack(
    click.option(
        "--trace",
        type=click.Path(path_type=Path),
        metavar="FILE",
        help="Replay a trace of sessions or requests in any form of bench; --concurrency then counts sessions "
        "(default: recorded times).",
    ),
    click.option(
        "--sessions",
        type=click.IntRange(1),
        metavar="N",
        help="With a --workload of sessions: how many are played (default: as many as precise figures need).",
    ),
    click.option(
        "--seed",
        type=click.IntRange(0),
        default=0,
        show_default=True,
        help="With a --workload of sessions: seed of their draws.",
    ),
    click.option(
        "--idle-cap",
        "idle_cap_s",
        type=Finite(0),
        metavar="S",
        help="With sessions: maximum duration of a tool call or a wait.",
    ),
    click.option(
        "--replicas",
        type=click.IntRange(1),
        default=1,
        show_default=True,
        help="With sessions: replicas behind the router.",
    ),
    click.option(
        "--routing",
        type=click.Choice(["prefix", "least", "round-robin"]),
        default="prefix",
        show_default=True,
        help="With --replicas: how requests are routed.",
    ),
    options.cache_tiers("With sessions", ", for each replica"),
    click.option("--no-prefix-cache", is_flag=True, help="With sessions: compute every prompt in full."),
    click.option(
        "--cache-worth",
        is_flag=True,
        help="With sessions: compare without a cache and with each tier, in tokens and money.",
    ),
    click.option("--keep-going", is_flag=True, help="With --trace: leave out sessions that cannot be read or served."),
)
"""Every option of a replay."""
NAMES = (
    *(
        "trace",
        "sessions",
        "seed",
        "idle_cap_s",
        "replicas",
        "routing",
        "host_cache_gb",
        "ssd_cache_gb",
        "no_prefix_cache",
    ),
    *("cache_worth", "keep_going"),
)
_OF_WORKLOAD = ("--sessions", "--seed")
_OPTIONS = (
    *("--idle-cap", "--replicas", "--routing", "--host-cache", "--ssd-cache", "--no-prefix-cache"),
    *("--cache-worth", "--keep-going"),
)
_LENGTHS = ("--isl", "--osl", "--length-range-ratio", "--prefix-hits")
_OTHERS = ("--disaggregated", "--rate", "--in", "--plot", "--rent", "--top")


def taken(values: dict[str, Any]) -> dict[str, Any]:
    """The options of a replay, taken out of all others."""
    return {name: values.pop(name) for name in NAMES}


def session_workload(name: str | None, catalog_folders: tuple[Path, ...]) -> str | None:
    """The id of a workload of sessions; None for one of fixed lengths, or without any."""
    if name is None:
        return None
    from paretoken.catalog.loader import load_catalog

    return load_catalog(*catalog_folders).session_workloads.find(name)


def require_sessions(replay: Mapping[str, Any], workload: str | None) -> None:
    """BadConfig for options of a replay without sessions, and for those that sessions replace."""
    stated = options.on_the_command_line()
    load = "--trace" if replay["trace"] is not None else f"--workload {workload}" if workload else ""
    if not load:
        if stray := [name for name in (*_OPTIONS, *_OF_WORKLOAD) if name in stated]:
            raise BadConfig(f"{stray[0]} needs {_source(stray[0])}")
        return
    for name in (*_LENGTHS, *(["--workload"] if replay["trace"] is not None else [])):
        if name in stated:
            raise BadConfig(f"{load} states the lengths and what prompts share; leave out {name}")
    if replay["cache_worth"] and "--out" in stated:
        raise BadConfig("--out takes operating points of one cache; leave out --cache-worth")
    unusable = _OTHERS if workload and replay["trace"] is None else (*_OTHERS, *_OF_WORKLOAD)
    for name in unusable:
        if name in stated:
            raise BadConfig(f"{load} cannot be combined with {name}; leave one of them out")


def _source(option: str) -> str:
    """What an option of a replay needs."""
    if option in _OF_WORKLOAD:
        return "a --workload of sessions, such as agent-code"
    return "--trace" if option == "--keep-going" else "--trace, or a --workload of sessions such as agent-code"


def replay_fields(replay: Mapping[str, Any], deployment: dict[str, Any], load: Mapping[str, Any]) -> dict[str, Any]:
    """The options as the fields of a `ReplayQuestion`."""
    return options.request_fields(deployment) | {
        "calibration": deployment["calibration"],
        "catalog": deployment["catalog_folders"],
        "prefix_cache": not replay["no_prefix_cache"],
        **{name: replay[name] for name in NAMES if name not in ("no_prefix_cache", "cache_worth")},
        **load,
    }
