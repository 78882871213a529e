"""How `paretoken selfhost` prints its answer: what it chose and why, what decides, and the APIs by rising price."""

from __future__ import annotations

from paretoken.answers.bounds import BEST_KNOWN_TITLE, PLAIN_TITLE
from paretoken.answers.selfhost import SelfhostAnswer
from paretoken.answers.selfhost_words import (
    BEST_KNOWN,
    PLAIN,
    candidate_doubts,
    candidate_words,
    deciders,
    decision_words,
    short_name,
    sources_words,
)
from paretoken.cli.cells import TableCell
from paretoken.cli.money import currency
from paretoken.cli.output import console, print_table
from paretoken.prices.self_host import SelfHost

SPARE = ("valid from", "$/M cached", "$/M input", "$/M output", "tier")


def print_selfhost(answer: SelfhostAnswer) -> None:
    """The candidates of both bounds, what decides, and the table of APIs."""
    other = answer.best_known
    bounds = [(PLAIN_TITLE, PLAIN, answer), (BEST_KNOWN_TITLE, BEST_KNOWN, other)] if other else [("", "", answer)]
    out = console()
    for title, _, bound in bounds:
        if title:
            out.print(title, style="bold")
        for line in candidate_words(bound, currency()):
            out.print(line)
        for line in candidate_doubts(bound):
            out.print(line, style="yellow")
    answered = [(name, bound) for _, name, bound in bounds if bound.against]
    if len(answered) > 1 and other and deciders(answer) == deciders(other):
        answered = [("", answer)]
    out.print("\nWhat decides", style="bold")
    for line in decision_words(answered, currency()):
        out.print(line)
    _print_apis(answered)
    out.print(sources_words(answered[0][1]), style="dim")


def _print_apis(answered: list[tuple[str, SelfhostAnswer]]) -> None:
    loads = [list(zip(bound.against, bound.against_as_run, strict=True)) for _, bound in answered]
    volume = answered[0][1].day is not None
    print_table(
        "\nThe break-even load of self-hosting against each API",
        (
            *("API", "model name", "tier", "$/M input", "$/M output", "$/M cached", "$/M"),
            *(["USD/day"] if volume else []),
            *(name or "load" for name, _ in answered),
            "valid from",
        ),
        [
            (
                f"{s.api.provider} (maker)" if s.api.maker else s.api.provider,
                short_name(s.api),
                s.tier,
                s.api.base.input,
                s.api.base.output,
                s.api.base.cached,
                s.api_usd_per_mtok,
                *([s.api_usd_per_day] if volume else []),
                *(_loads(*own) for own in row),
                s.api.valid_from or None,
            )
            for row in zip(*loads, strict=True)
            for s in (row[0][0],)
        ],
        "$/M: blended for the task; loads: interpolated at the limit / as run, or both; never: the API is cheaper at "
        "any volume; valid from: the first day on which the price is known to hold",
        SPARE,
    )


def _loads(at_limit: SelfHost, as_run: SelfHost) -> TableCell:
    texts = [f"{s.load:.0%}" if s.pays else "never" for s in (at_limit, as_run)]
    shares = [s.load * 100 if s.pays else None for s in (at_limit, as_run)]
    return TableCell(" / ".join(dict.fromkeys(texts)), tuple(shares), ("at the limit %", "as run %"))
