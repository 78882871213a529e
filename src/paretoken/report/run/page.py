"""The page of one or several runs: answer, curve, latencies, timeline, the server's counters, the client's proof."""

from __future__ import annotations

from collections.abc import Sequence

from paretoken import __version__
from paretoken.report.page import assemble
from paretoken.report.run import about, answer, proof, tables
from paretoken.report.run.change import change
from paretoken.report.run.differences import differences, questions
from paretoken.report.run.grades import GRADES
from paretoken.report.run.payload import payload, styles
from paretoken.report.run.published import PublishedBeside, published_beside
from paretoken.report.run.reading import MeasuredRun
from paretoken.report.run.server_cache import server_cache_grid
from paretoken.report.run.session_table import session_notes, sessions_grid
from paretoken.report.run.warnings import by_grade, warnings_of

SHEETS = ("report.css", "run/run.css")


def render_runs(runs: Sequence[MeasuredRun]) -> str:
    """The whole page. It loads nothing from anywhere."""
    published = [published_beside(run) for run in runs]
    return assemble(
        "run/run.html.j2",
        SHEETS,
        "run/main.js",
        payload(runs, published),
        version=__version__,
        title=answer.title_of(runs),
        origins=answer.origins_of(runs),
        runs=[_section(run, beside) for run, beside in zip(runs, published, strict=True)],
        styles=styles(runs),
        questions=list(questions(runs)),
        differing=differences(runs),
        change=change(*runs) if len(runs) == 2 else None,
        warnings=by_grade(warnings_of(runs)),
        headings=GRADES,
        figures=proof.FIGURES,
        single=len(runs) == 1,
        proven=all(s.fidelity for run in runs for s in run.summaries),
    )


def _section(run: MeasuredRun, beside: PublishedBeside) -> dict[str, object]:
    """What the templates show of a run."""
    return {
        "name": run.name,
        "headline": answer.headline(run),
        "lengths": answer.lengths_of(run),
        "levels": tables.levels_grid(run),
        "repeats": tables.repeats_grid(run.summaries),
        "intervals": tables.intervals_grid(run),
        "beside": tables.beside_grid(run),
        "server": tables.server_grid(run),
        "server_cache": server_cache_grid(run),
        "sessions": sessions_grid(run),
        "session_notes": session_notes(run),
        "proof": [proof.proof_row(n, s.fidelity) for n, s in zip(run.names, run.summaries, strict=True)],
        "facts": about.facts(run),
        "errors": about.errors(run),
        "published": beside,
    }
