"""`paretoken compare`: the ranking within a latency limit, plain and as best known."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

import rich_click as click

from paretoken.cli import options
from paretoken.cli.asking import question

if TYPE_CHECKING:
    from paretoken.answers.compare import CompareAnswer, CompareQuestion
    from paretoken.answers.priced import PricedCandidate

SPARE = ("E2E from", "source", "points", "$/M output", "release", "tok/s/user", "$/GPU-h", "E2E s", "origin")


def _token_price(ctx: click.Context, param: click.Parameter, value: str | None) -> float | str | None:
    """USD per million tokens, or "api"."""
    if value is None or value.strip().lower() == "api":
        return value and "api"
    try:
        return float(value)
    except ValueError:
        raise click.BadParameter(f"{value!r} is neither USD per million tokens nor api.", ctx, param) from None


@click.command("compare", no_args_is_help=True)
@options.what
@options.latency
@options.accelerators
@options.tco
@options.price
@options.serving_load
@click.option(
    "--rank-by",
    type=click.Choice(["cost", "tok_s_per_mw", "profit"]),
    default="cost",
    show_default=True,
    help="Rank by cost of tokens, by tokens per second and MW, or by profit per MW (needs --token-price).",
)
@options.mw
@options.grid
@click.option(
    "--token-price",
    callback=_token_price,
    metavar="USD",
    help="What a million tokens sell for, or api for the cheapest list price: show revenue, margin and payback.",
)
@options.which
@options.currency
@options.as_json
def command(*, as_json: bool, **values: object) -> None:
    """Rank accelerators within a latency limit, cheapest tokens first.

    Anything faster also meets the limit. Two rankings are printed, unless --serving or --speculative asks for
    one of them: plain serving (one node, no speculative decoding), and the best known serving of any kind.

    For a workload of sessions, such as agent-code, sessions are simulated on each deployment with its prefix
    cache, under plain serving. That takes up to some minutes the first time; --accelerator and --engine
    shorten it. Your cache folder keeps the points.

    \b
    Examples:
      paretoken compare --model llama-3-70b --precision fp8 --isl 1024 \\
                        --osl 1024 --e2e 15
      paretoken compare --model deepseek-r1 --precision fp8 --workload 8k/1k \\
                        --interactivity 40 --tco 2026-07 --tier rent-3yr --json
      paretoken compare --model deepseek-r1 --precision fp8 --workload chat \\
                        --ttft p50=1s --interactivity 40 --e2e 30
      paretoken compare --model gpt-oss-120b --precision fp4 --workload chat \\
                        --e2e 10 --accelerator MI355X --accelerator B200 --mw 10
      paretoken compare --model llama-3-70b --precision fp8 \\
                        --workload agent-code --interactivity 40
      paretoken compare --model deepseek-r1 --precision fp8 --workload chat \\
                        --interactivity 40 --rank-by profit --token-price api \\
                        --serving-load 0.6 --grid-gco2-per-kwh 400
    """
    from paretoken.answers.bounds import BEST_KNOWN_TITLE, PLAIN_TITLE
    from paretoken.answers.compare import CompareQuestion, compare
    from paretoken.answers.kept_points import KeptPoints
    from paretoken.answers.seam import to_json
    from paretoken.answers.verdict_words import SAME_RANKING
    from paretoken.cli.output import echo, print_json
    from paretoken.cli.progress import bar_on_stderr

    compare_question = question(CompareQuestion, values)
    with bar_on_stderr("simulating sessions on", "deployments") as on_progress:
        answer = compare(compare_question, on_progress=on_progress, kept=KeptPoints.of_user())
    if as_json:
        print_json(to_json(answer))
        return
    if answer.best_known is None:
        _show(answer, f"{answer.workload}. " if answer.workload else "", compare_question)
        return
    _show(answer, f"{PLAIN_TITLE}. ", compare_question)
    echo()
    if answer.best_known.candidates == answer.candidates:
        echo(f"{BEST_KNOWN_TITLE}. {SAME_RANKING}")
        return
    _show(replace(answer.best_known, other_engines=()), f"{BEST_KNOWN_TITLE}. ", compare_question)


def _show(answer: CompareAnswer, head: str, question: CompareQuestion) -> None:
    from paretoken.answers.ranking_rows import RANKING_HEADS, RANKING_NOTE, ranking_row
    from paretoken.answers.verdict_words import newer_words, verdict_words
    from paretoken.cli.compare.sessions_view import print_sessions
    from paretoken.cli.compare.site_view import print_site
    from paretoken.cli.output import console, print_table

    everyone = (*answer.candidates, *answer.other_engines)
    title = f"{head}{answer.limits[:1].upper()}{answer.limits[1:]}, {answer.tariff.name} ({answer.tco})"
    out = console()
    if everyone:
        # Figures of sessions are not interpolated; their own table says so.
        note = RANKING_NOTE if answer.tokens_per_session is None else ""
        print_table(title, RANKING_HEADS, [ranking_row(c) for c in everyone], note, SPARE)
        print_sessions(answer)
    else:
        out.print(f"{title}: no point meets the limit", style="bold")
    for line in verdict_words(answer):
        out.print(line)
    for note in dict.fromkeys((*newer_words(answer.newer_releases), *_notes(everyone))):
        out.print(note, style="yellow")
    for name, reason in answer.no_data.items():
        out.print(f"no data: {name}: {reason}", style="dim")
    for name, reason in answer.left_out.items():
        if name not in answer.no_data:
            out.print(f"left out: {name}: {reason}; add --include-suspicious", style="dim")
    print_site(answer, question)


def _notes(candidates: Iterable[PricedCandidate]) -> Iterator[str]:
    """The notes of measured points, such as that the client was the limit."""
    for c in candidates:
        if c.origin == "measured":
            yield from (f"{c.accelerator} {c.engine}: {point['notes']}" for point in c.around if point["notes"])
