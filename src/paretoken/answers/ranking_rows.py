"""A ranking as a table: heads and cells that the command line and the web pages share."""

from __future__ import annotations

from typing import TypeAlias

from paretoken.answers.priced import PricedCandidate
from paretoken.answers.verdict_words import run_words

RankingCell: TypeAlias = str | float | None

RANKING_HEADS = (
    "accelerator",
    "engine",
    "release",
    "tok/s/GPU",
    "$/M",
    "run as",
    "$/M as run",
    "$/GPU-h",
    "$/M output",
    "E2E s",
    "tok/s/user",
    "points",
    "origin",
    "source",
    "E2E from",
)
RANKING_NOTE = (
    "tok/s/GPU and $/M are interpolated at the limit; 'run as' is the nearest run that meets it. "
    "release: of the engine, or the month of the runs; a..b is a median over that period"
)


def ranking_row(c: PricedCandidate) -> tuple[RankingCell, ...]:
    """A candidate under the heads of a ranking."""
    return (
        c.accelerator,
        c.engine,
        "–" if c.origin == "predicted" else c.software,
        c.tput_per_gpu,
        c.usd_per_mtok_total,
        run_words(c),
        c.usd_per_mtok_recommended,
        c.usd_per_gpu_h,
        c.usd_per_mtok_output,
        c.e2e_s,
        c.interactivity_tok_s,
        c.n_points,
        c.origin,
        c.source,
        c.e2e_basis,
    )
