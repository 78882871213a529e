"""The configuration of a live server: what it says of itself, and what the user states where it says nothing."""

from __future__ import annotations

from collections.abc import Mapping

from paretoken.bench.probe import JsonReader
from paretoken.bench.server_url import host_root
from paretoken.bench.stats.prometheus import LONGEST_LINE
from paretoken.emulated import EMULATED
from paretoken.errors import BadConfig
from paretoken.foreign_text import one_line
from paretoken.points.naming import agree, option_of
from paretoken.points.server_config import (
    ACTIVE,
    Columns,
    kv_cache_dtype,
    sglang_block_tokens,
    sglang_config,
    trtllm_metrics,
    vllm_block_tokens,
    vllm_config,
    vllm_metrics,
)

LONGEST, MOST = 100, 1_000_000
"""Characters of a text, and the largest number, that a server is believed."""


def reported(base_url: str, dialect: str, reader: JsonReader) -> Columns:
    """The columns that a server of this dialect tells; the others stay unknown, and so does what is out of reason."""
    columns = _reported(base_url, dialect, reader)
    texts: Columns = {k: one_line(v)[:LONGEST] for k, v in columns.items() if isinstance(v, str)}
    return texts | {k: v for k, v in columns.items() if isinstance(v, int) and 0 <= v <= MOST}


def _reported(base_url: str, dialect: str, reader: JsonReader) -> Columns:
    root = host_root(base_url)
    if dialect == "vllm":
        by_metrics = vllm_metrics(_metrics(f"{root}/metrics", reader))
        return {**by_metrics, **vllm_config(reader.try_get(f"{root}/server_info?config_format=json"))}
    if dialect == "trtllm":
        return trtllm_metrics(_metrics(f"{root}/prometheus/metrics", reader))
    if dialect == "sglang":
        return sglang_config(_sglang_info(root, reader))
    return {}


def block_tokens(base_url: str, dialect: str, reader: JsonReader) -> int | None:
    """Tokens of a block of a server's prefix cache, as far as it says."""
    root = host_root(base_url)
    if dialect in ("vllm", EMULATED):
        tokens = vllm_block_tokens(_metrics(f"{root}/metrics", reader))
    else:
        tokens = sglang_block_tokens(_sglang_info(root, reader)) if dialect == "sglang" else None
    return tokens if tokens is not None and tokens <= MOST else None


def _sglang_info(root: str, reader: JsonReader) -> object:
    return reader.try_get(f"{root}/get_server_info") or reader.try_get(f"{root}/server_info")


def _metrics(url: str, reader: JsonReader) -> str:
    """The Prometheus text at a URL, without lines above `LONGEST_LINE` characters."""
    return "\n".join(line for line in reader.try_text(url).splitlines() if len(line) <= LONGEST_LINE)


def configured(reported_columns: Columns, stated: Mapping[str, str | int | None], base_url: str) -> dict[str, object]:
    """Both together. BadConfig where they contradict each other; a method replaces the mere word that there is one."""
    columns: dict[str, object] = dict(reported_columns)
    own = {**stated, "kv_cache_dtype": kv_cache_dtype(stated.get("kv_cache_dtype"))}
    for name, value in own.items():
        if value is None:
            continue
        if name in reported_columns and reported_columns[name] != ACTIVE and not agree(reported_columns[name], value):
            raise BadConfig(
                f"{base_url} says {name} is {reported_columns[name]}, but {option_of(name)} {value} was given; "
                f"leave {option_of(name)} out"
            )
        columns[name] = value
    if columns.get("speculative") == "none" and columns.get("speculative_tokens"):
        raise BadConfig("--speculative-tokens needs a method: add --speculative mtp, or leave it out")
    return columns
