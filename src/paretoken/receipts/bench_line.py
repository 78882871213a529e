"""The settings of a benchmark as the words of its command line."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import MISSING, fields

from paretoken.bench.config import BenchConfig
from paretoken.bench.plan import LoadRecord
from paretoken.bench.secrets import MASK

_OPTIONS = {
    "headers": "--header",
    "weights": "--weight",
    "idle_cap_s": "--idle-cap",
    "think_s": "--think",
    "timeout_s": "--timeout",
}
"""Of fields whose option has another name."""
_LEARNED = ("urls", "refused", "tokens_per_word", "tokens_per_recorded_word")
"""Fields that are no option: the first is the arguments, the others are found out before the load."""
_LOADS = ("concurrency", "rate", "search", "repeat")


def bench_words(config: BenchConfig, load: LoadRecord | None = None) -> list[str]:
    """The words of `paretoken bench` for a configuration, or for one of its loads alone.

    A value that is kept masked is a variable that the user must set.
    """
    words = ["paretoken", "bench", *config.urls]
    for field in fields(config):
        if field.name in _LEARNED or (load is not None and field.name in _LOADS):
            continue
        value = getattr(config, field.name)
        stated = field.name == "isl" and not (config.workload or config.trace)
        if stated or field.default is MISSING or value != field.default:
            words += _option(field.name, value)
    return words + (_load(load) if load else [])


def _option(name: str, value: object) -> Iterator[str]:
    option = _OPTIONS.get(name, f"--{name.replace('_', '-')}")
    if isinstance(value, bool):
        yield option if value else option.replace("--", "--no-", 1)
        return
    for one in value if isinstance(value, tuple) else (value,):
        if one is not None:
            yield from (option, _word(one))


def _word(value: object) -> str:
    if isinstance(value, float):
        return f"{value:g}" if float(f"{value:g}") == value else repr(value)
    return str(value).replace(f": {MASK}", ": $VALUE")


def _load(load: LoadRecord) -> list[str]:
    if load.kind == "open":
        return ["--rate", _word(float(load.rate or 0.0))]
    ramp = f"ramp:{load.from_users or 0}:{load.users}:{load.ramp_s:g}s" if load.ramp_s else str(load.users)
    return ["--concurrency", ramp]
