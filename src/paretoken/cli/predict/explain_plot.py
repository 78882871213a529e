"""The plot of `paretoken explain`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import plotly.graph_objects as go

from paretoken.errors import CannotWrite
from paretoken.predict.explain import Explanation


def write_plot(explanations: Sequence[Explanation], path: Path) -> None:
    """One HTML file with a figure for each explanation."""
    pages = (figure(e).to_html(full_html=False, include_plotlyjs=i == 0) for i, e in enumerate(explanations))
    try:
        path.write_text("\n".join(pages), encoding="utf-8")
    except OSError as e:
        raise CannotWrite(f"{path} cannot be written: {e.strerror or e}") from e


def figure(explanation: Explanation) -> go.Figure:
    """The parts of a decode step, of a prompt and of the TTFT as stacked bars."""
    plot = go.Figure()
    for phase in ("decode", "prompt", "ttft"):
        for part in (x for x in explanation.parts if x.phase == phase):
            plot.add_bar(
                y=[phase],
                x=[part.share * 100],
                name=part.what,
                orientation="h",
                text=f"{part.name} {part.seconds * 1e3:.2f} ms",
                hovertemplate=f"{part.what}: %{{x:.1f}} %<extra></extra>",
            )
    d, users = explanation.case.deployment, explanation.case.concurrency
    plot.update_layout(
        barmode="relative",  # the part of a factor below 1 is negative
        title=f"{d.model} {d.precision} on {d.hardware}, {d.engine}, concurrency {users:g}",
        xaxis_title="share of the time, %",
    )
    return plot
