"""The page of one or several runs: answer, curve, latencies, timeline, the server's counters, the client's proof."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from paretoken import __version__
from paretoken.errors import CannotWrite
from paretoken.report.page import assemble
from paretoken.report.run import about, answer, proof, tables
from paretoken.report.run.payload import payload, styles
from paretoken.report.run.reading import MeasuredRun
from paretoken.report.run.warnings import warnings_of

SHEETS = ("report.css", "run/run.css")
SCRIPTS = (
    "common.js",
    "run/state.js",
    "run/curve.js",
    "run/latency.js",
    "run/timeline.js",
    "run/server.js",
    "frame.js",
    "run/main.js",
)


def render_runs(runs: Sequence[MeasuredRun]) -> str:
    """The whole page. It loads nothing from anywhere."""
    return assemble(
        "run/run.html.j2",
        SHEETS,
        SCRIPTS,
        payload(runs),
        version=__version__,
        title=answer.title_of(runs),
        origins=answer.origins_of(runs),
        runs=[_section(run) for run in runs],
        styles=styles(runs),
        warnings=warnings_of(runs),
        minor=warnings_of(runs, minor=True),
        figures=proof.FIGURES,
        single=len(runs) == 1,
        proven=all(s.fidelity for run in runs for s in run.summaries),
    )


def _section(run: MeasuredRun) -> dict[str, object]:
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
        "proof": [proof.proof_row(n, s.fidelity) for n, s in zip(run.names, run.summaries, strict=True)],
        "facts": about.facts(run),
        "errors": about.errors(run),
    }


def write_page(page: str, path: Path) -> None:
    """Write the page beside its place, then move it there."""
    partial = path.with_name(f".{path.name}.part")
    try:
        partial.write_text(page, encoding="utf-8")
        partial.replace(path)
    except OSError as e:
        partial.unlink(missing_ok=True)
        raise CannotWrite(f"{path} cannot be written: {e.strerror}; choose another --out") from e
