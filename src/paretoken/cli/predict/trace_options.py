"""The options of `predict` that replay a trace of sessions."""

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
        "--idle-cap",
        "idle_cap_s",
        type=Finite(0),
        metavar="S",
        help="With --trace: longest that a tool call or a wait lasts.",
    ),
    click.option(
        "--replicas",
        type=click.IntRange(1),
        default=1,
        show_default=True,
        help="With --trace: replicas behind the router.",
    ),
    click.option(
        "--routing",
        type=click.Choice(["prefix", "least", "round-robin"]),
        default="prefix",
        show_default=True,
        help="With --replicas: how requests are routed.",
    ),
    click.option(
        "--host-cache",
        "host_cache_gb",
        type=Finite(0),
        default=0.0,
        metavar="GB",
        help="With --trace: host memory for the KV cache, for each replica.",
    ),
    click.option(
        "--ssd-cache",
        "ssd_cache_gb",
        type=Finite(0),
        default=0.0,
        metavar="GB",
        help="With --trace: SSD for the KV cache, for each replica.",
    ),
    click.option("--no-prefix-cache", is_flag=True, help="With --trace: compute every prompt in full."),
    click.option(
        "--cache-worth",
        is_flag=True,
        help="With --trace: compare without a cache and with each tier, in tokens and money.",
    ),
    click.option("--keep-going", is_flag=True, help="With --trace: leave out sessions that cannot be read or served."),
)
"""Every option of a replay."""
NAMES = (
    *("trace", "idle_cap_s", "replicas", "routing", "host_cache_gb", "ssd_cache_gb", "no_prefix_cache"),
    *("cache_worth", "keep_going"),
)
_OPTIONS = (
    *("--idle-cap", "--replicas", "--routing", "--host-cache", "--ssd-cache", "--no-prefix-cache"),
    *("--cache-worth", "--keep-going"),
)
_LENGTHS = ("--workload", "--isl", "--osl", "--length-range-ratio", "--prefix-hits")
_OTHERS = ("--disaggregated", "--rate", "--in", "--plot", "--rent", "--top")


def taken(values: dict[str, Any]) -> dict[str, Any]:
    """The options of a replay, taken out of all others."""
    return {name: values.pop(name) for name in NAMES}


def require_trace(replay: Mapping[str, Any]) -> None:
    """BadConfig for options of a replay without a trace, and for those that a trace replaces."""
    stated = options.on_the_command_line()
    if replay["trace"] is None:
        if stray := [name for name in _OPTIONS if name in stated]:
            raise BadConfig(f"{stray[0]} needs --trace")
        return
    for name in _LENGTHS:
        if name in stated:
            raise BadConfig(f"--trace states the lengths and what prompts share; leave out {name}")
    if replay["cache_worth"] and "--out" in stated:
        raise BadConfig("--out takes operating points of one cache; leave out --cache-worth")
    for name in _OTHERS:
        if name in stated:
            raise BadConfig(f"--trace cannot be combined with {name}; leave one of them out")


def replay_fields(replay: Mapping[str, Any], deployment: dict[str, Any], load: Mapping[str, Any]) -> dict[str, Any]:
    """The options as the fields of a `ReplayQuestion`."""
    return options.request_fields(deployment) | {
        "calibration": deployment["calibration"],
        "catalog": deployment["catalog_folders"],
        "prefix_cache": not replay["no_prefix_cache"],
        **{name: replay[name] for name in NAMES if name not in ("no_prefix_cache", "cache_worth")},
        **load,
    }
