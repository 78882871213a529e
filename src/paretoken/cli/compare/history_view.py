"""Series as a table, and their steps by configuration."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from paretoken.cli.cells import share
from paretoken.cli.output import echo, percent, print_json, print_table
from paretoken.plural import counted

if TYPE_CHECKING:
    from paretoken.answers.history import HistoryAnswer
    from paretoken.history.across_loads import ConfigurationChange
    from paretoken.history.series import ThroughputSeries, Value

COLUMNS = (
    "accelerator",
    "engine",
    "model",
    "precision",
    "speculative",
    "TP",
    "lengths",
    "at",
    "dates",
    "from",
    "to",
    "first",
    "last",
    "change",
    "steps",
)


def show_history(answer: HistoryAnswer, as_json: bool) -> None:
    """Print total tok/s/GPU of each series at both ends, then the steps; as JSON the whole answer."""
    if as_json:
        from paretoken.answers.seam import to_json

        print_json(to_json(answer))
        return
    print_table(
        "Total tok/s/GPU over time",
        COLUMNS,
        [_row(s) for s in answer.series],
        spare=("dates", "steps", "from", "first", "to", "last"),
        empty="No series has a step; leave out --steps-only to show those without.",
    )
    for change in answer.changes:
        for line in _lines(change):
            echo(line)


def _row(s: ThroughputSeries) -> tuple[object, ...]:
    return (
        s.of["accelerator"],
        s.of["engine"],
        s.of["model"],
        s.of["precision"],
        s.of["speculative"],
        s.of["tp"],
        f"{s.of['isl']}/{s.of['osl']}",
        _load(s),
        len(s.dates),
        s.dates[0],
        s.dates[-1],
        s.values[0],
        s.values[-1],
        share(s.values[-1] / s.values[0] - 1),
        len(s.steps),
    )


def _lines(c: ConfigurationChange) -> list[str]:
    """What changed, by how much, and with which software."""
    sign = "regression" if c.regression else "improvement"
    unconfirmed = "" if c.confirmed else ", not confirmed: one date alone shows it"
    over = "" if c.steps == 1 else f", {percent(c.least)} to {percent(c.most)} over {c.steps} of {c.series} loads"
    return [
        f"{sign.upper() if c.regression else sign} between {c.last_date_before} and {c.date}: {_configuration(c.of)}",
        f"  {percent(c.change)} (95 % interval {percent(c.low)} to {percent(c.high)}){_at(c)}{over}{unconfirmed}",
        *(f"  {name} {text}" for name, text in _software(c)),
    ]


def _configuration(of: Mapping[str, Value]) -> str:
    sizes = [f"TP{of['tp']}" if of["tp"] else "", f"EP{of['ep']}" if of["ep"] not in (None, 0, 1) else ""]
    drafting = str(of["speculative"]) if of["speculative"] not in (None, "none") else ""
    names = [str(of[name] or "") for name in ("accelerator", "engine", "model_variant", "precision")]
    return " ".join(part for part in (*names, *sizes, drafting, f"{of['isl']}/{of['osl']}") if part)


def _at(c: ConfigurationChange) -> str:
    if not c.loads:
        return ""
    ends = dict.fromkeys((c.loads[0], c.loads[-1]))
    return f" at {' to '.join(f'{load:g}' for load in ends)} concurrent requests"


def _software(c: ConfigurationChange) -> Iterator[tuple[str, str]]:
    """What both sides state of the software."""
    pairs = (("image", c.image_before, c.image_after), ("commit", c.commit_before, c.commit_after))
    for name, before, after in pairs:
        if before or after:
            both = f"{before or 'not stated'} → {after or 'not stated'}"
            yield name, f"{after}, the same" if before == after else both


def _load(s: ThroughputSeries) -> str:
    if "e2e" in s.of:
        return f"{s.of['e2e']:g} s"
    if "interactivity" in s.of:
        return f"{s.of['interactivity']:g} tok/s/user"
    return counted(float(s.of["concurrency"]), "user") if s.of["concurrency"] else f"{s.of['request_rate']:g} req/s"
