"""What `./paretoken.toml` may state. It may come with a repository of others, so it may only choose figures and names.

Allowed are numbers, choices, names of the catalog, and the texts and flags listed here. All else is refused: what
names a file, a server or a program, what is sent to a server, and what weakens a check. A new option is refused until
it is listed.
"""

from __future__ import annotations

import re

import rich_click as click
from click.types import FloatParamType, FuncParamType, IntParamType

from paretoken.cli.names import BundleName, CatalogName, PrecisionName
from paretoken.cli.option_keys import is_confirmation, keys_of


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_KINDS = (IntParamType, FloatParamType, click.Choice, CatalogName, PrecisionName, BundleName)
_STARTS_JOBS = ("nodes",)
"""Numbers that start programs, on other machines too."""
TEXTS = _words(
    "isl osl turns concurrency rate arrivals until slo ttft peak since step term tier contract basket form operator "
    "price price-decline token-price rent reserved currency as-of at date model models served-model engine origin tp "
    "kv-cache-dtype kv-tokens speculative disaggregated split allow smallest"
)
"""Lengths, loads, limits, prices, days and names."""
FLAGS = _words(
    "all coarse dp-attention dry-run enforce-eager estimate-terms explain flagged gate history ignore-eos "
    "ignore-unknown-flags include-suspicious json keep-going market min-tokens names no-prefix-cache no-published "
    "no-shipped-prices no-validation on-top or-rent prefix-cache published replay statement steps-only stream tiers "
    "tornado trend two-batch-overlap wide"
)
"""How something is computed or shown."""
_ELSEWHERE = re.compile(r"\s*(?:[@/~]|\.{1,2}/|empirical:|\w[\w+.-]*://)")
"""The beginning of a text that names a file or a server."""


def may_be_of_project(option: click.Option) -> bool:
    """Whether the project's file may state an option."""
    key = keys_of(option)[0]
    if is_confirmation(key) or key in _STARTS_JOBS:
        return False
    if option.is_flag:
        return key in FLAGS
    names_file = isinstance(option.type, (click.Path, click.File, FuncParamType))
    return isinstance(option.type, _KINDS) or (key in TEXTS and not names_file)


def names_place(value: object) -> bool:
    """Whether a value, or one of a list, names a file or a server."""
    return any(_ELSEWHERE.match(str(v)) for v in (value if isinstance(value, list) else [value]))
