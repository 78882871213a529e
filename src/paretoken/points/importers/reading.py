"""What an importer hands over for one load level, and the small arithmetic that the formats share.

stated      column -> value that the file says; a different value from the user is a contradiction
totals      side -> tokens per second of the whole deployment; divided by its GPUs later
otherwise   column -> value used only where neither the file nor the user says better
counts      requests, tokens and seconds as the file counts them; `counts` derives the rest and checks the totals
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from paretoken.plural import counted
from paretoken.points.values import number

Parsed = dict[str, object] | list[dict[str, object]]
"""A foreign file: one object, or a list of them."""
_STATISTICS = {
    "mean": "mean",
    "median": "median",
    "p50": "median",
    "p90": "p90",
    "p95": "p95",
    "p99": "p99",
    "p99.9": "p999",
}
SELF_NAMED = (
    "accelerator",
    "n_gpus",
    "precision",
    "engine_version",
    "tp",
    "ep",
    "isl",
    "osl",
    "speculative",
    "speculative_tokens",
    "draft_model",
    "kv_cache_dtype",
    "chunked_prefill",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class LevelCounts:
    """What a client counted in one load level, as its file writes it; None where it does not.

    `sent` counts all requests, tokens are those of the completed ones, and `duration_s` is the time, in seconds,
    that throughputs are divided by.
    """

    sent: object = None
    completed: object = None
    failed: object = None
    input_tokens: object = None
    output_tokens: object = None
    duration_s: object = None


@dataclass(frozen=True, slots=True)
class LevelReading:
    """One load level as its file states it; `at` counts entries from 1, `refused` says why it is not a point."""

    at: int
    stated: Mapping[str, object] = field(default_factory=dict)
    totals: Mapping[str, object] = field(default_factory=dict)
    otherwise: Mapping[str, object] = field(default_factory=dict)
    refused: str = ""
    counts: LevelCounts = LevelCounts()


def entries(parsed: Parsed) -> list[dict[str, object]]:
    """The objects of a document: itself, or those of its list."""
    return parsed if isinstance(parsed, list) else [parsed]


def first(parsed: Parsed) -> dict[str, object]:
    """The object that identifies the format: the document itself, or the first of its list."""
    return parsed if isinstance(parsed, dict) else parsed[0]


def dig(document: object, *path: str | int) -> object:
    """The value at a path of keys and indices, or None where the path ends early."""
    for key in path:
        if isinstance(document, Mapping):
            document = document.get(key)
        elif isinstance(document, list) and isinstance(key, int) and -len(document) <= key < len(document):
            document = document[key]
        else:
            return None
    return document


def scaled(value: object, factor: float) -> object:
    """The number times the factor; other values stay, so that the check can name them."""
    amount = number(value)
    return value if amount is None else amount * factor


def ratio(numerator: object, denominator: object) -> float | None:
    """Their quotient, or None where one is not stated or the divisor is 0."""
    above, below = number(numerator), number(denominator)
    return above / below if above is not None and below else None


def latencies(
    document: dict[str, object], names: dict[str, str], suffix: str = "_ms", factor: float = 1e-3
) -> dict[str, object]:
    """Columns in seconds out of keys like `p99_ttft_ms`; `names` is theirs -> ours."""
    columns: dict[str, object] = {}
    for theirs, ours in names.items():
        for key, statistic in _STATISTICS.items():
            value = document.get(f"{key}_{theirs}{suffix}")
            if value is not None:
                columns.setdefault(f"{statistic}_{ours}_s", scaled(value, factor))
    return columns


def load_of(rate: object, limit: object) -> dict[str, object]:
    """The load columns from a request rate and a limit of requests in flight, as clients write them.

    A finite rate is an open loop whatever the limit; an infinite one is a closed loop of `limit` users,
    or offline without a limit. A rate that is a word ("trace") is an open loop without one rate.
    """
    if rate is None and limit is None:
        return {}
    if rate is None or str(rate).casefold() in ("inf", "infinity"):
        return {"load_kind": "offline"} if limit is None else {"load_kind": "closed", "concurrency": limit}
    notes = f"at most {in_flight(limit)}; queueing in the client is not in the latencies"
    capped = {"notes": notes} if limit is not None else {}
    return {"load_kind": "open", **capped} | ({} if number(rate) is None else {"request_rate": rate})


def in_flight(limit: object) -> str:
    """`1 request in flight`, `64 requests in flight`."""
    return f"{limit} request{'' if number(limit) == 1 else 's'} in flight"


def failures(failed: object, total: object) -> str | None:
    """A note on the requests that failed, if any did."""
    count, of = number(failed), number(total)
    if not count:
        return None
    return f"{count:.0f} of {counted(of, 'request')} failed" if of else f"{counted(count, 'request')} failed"


def joined(*notes: object) -> str | None:
    """The notes that are there, as one text."""
    return "; ".join(str(n) for n in notes if n) or None


def self_named(document: dict[str, object]) -> dict[str, object]:
    """Metadata stored under the schema's own column names, as by `--metadata accelerator=H200 n_gpus=8`."""
    return {name: document[name] for name in SELF_NAMED if isinstance(document.get(name), int | float | str)}


def mean_lengths(document: dict[str, object]) -> dict[str, object]:
    """Mean tokens per completed request from the run's totals; rounded, they stand in for nominal lengths."""
    means = {
        side: ratio(document.get(f"total_{word}_tokens"), document.get("completed"))
        for side, word in (("isl", "input"), ("osl", "output"))
    }
    return {f"mean_{side}": mean for side, mean in means.items() if mean is not None}


def nominal(means: dict[str, object]) -> dict[str, int]:
    """Rounded mean lengths, for files that state no nominal ones."""
    stated = {side: number(means.get(f"mean_{side}")) for side in ("isl", "osl")}
    return {side: round(mean) for side, mean in stated.items() if mean is not None}
