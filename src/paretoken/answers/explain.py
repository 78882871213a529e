"""Where the time of a step goes, as predicted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from paretoken.answers.prediction import DeploymentQuestion, PredictionData, assumptions, prepared
from paretoken.predict.configure import ladder
from paretoken.predict.explain import Explanation, explain_case


@dataclass(frozen=True, kw_only=True)
class ExplainQuestion(DeploymentQuestion):
    """Which prediction to take apart."""

    concurrency: Annotated[int, Field(description="Concurrent requests of a closed loop")] = 64


@dataclass(frozen=True, kw_only=True)
class ExplainAnswer:
    """One explanation for each deployment; `assumed` is what was assumed of the model."""

    explanations: tuple[Explanation, ...]
    assumed: tuple[str, ...]


def explain(question: ExplainQuestion, data: PredictionData | None = None) -> ExplainAnswer:
    """Take the predictions of a question apart."""
    question, data = prepared(question, data)
    deployments = question.deployments(data.catalog)
    cases = ladder(deployments, question.lengths, (question.concurrency,), data.catalog)
    explanations = (explain_case(c, calibration=data.calibration, catalog=data.catalog) for c in cases)
    return ExplainAnswer(explanations=tuple(explanations), assumed=assumptions(data.catalog.models[question.model]))
