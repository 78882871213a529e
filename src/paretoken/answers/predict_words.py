"""Sentences beside predictions: that nothing was measured, what is new to the calibration, how lengths are drawn."""

from __future__ import annotations

from collections.abc import Sequence

from paretoken.answers.deployment_row import DeploymentRow
from paretoken.answers.predict import PredictedRow
from paretoken.predict.rows import kinds_text

NOT_MEASURED = "Predicted, not measured."

WHOLE_RUN = (
    "Mean TTFT covers a whole run with the burst at its start; it may exceed p99, which covers the steady part only."
)


def novelty_words(rows: Sequence[PredictedRow]) -> str:
    """What is new to the calibration, in a sentence; for each size, if sizes differ."""
    by_size = {r.size: kinds_text(r.new_to_calibration) for r in rows}
    if not any(by_size.values()):
        return "The calibration has data for this configuration."
    if len(set(by_size.values())) == 1:
        return f"New to the calibration: {next(iter(by_size.values()))}."
    by_size_text = "; ".join(f"{size_heading(rows[0])} {size}: {kinds or 'nothing'}" for size, kinds in by_size.items())
    return f"New to the calibration: {by_size_text}."


def lengths_note(ratio: float) -> str:
    """How lengths are drawn, in a sentence."""
    return "Lengths equal." if ratio == 1 else f"Lengths uniform in {ratio * 100:g}–100 % of nominal."


def size_heading(row: DeploymentRow) -> str:
    return "TP" if row.pp == 1 else "TP x PP"
