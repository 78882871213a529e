"""Where the time of a step goes, as predicted."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain
from typing import Annotated

from pydantic import Field

from paretoken.answers.prediction import DeploymentQuestion, PredictionData, assumptions, network_assumptions, prepared
from paretoken.predict.configure import ladder
from paretoken.predict.explain import Explanation, explain_case
from paretoken.predict.memory import MemoryParts, memory_parts


@dataclass(frozen=True, kw_only=True)
class ExplainQuestion(DeploymentQuestion):
    """Which prediction to break down."""

    concurrency: Annotated[int, Field(description="Concurrent requests of a closed loop")] = 64


@dataclass(frozen=True, kw_only=True)
class ExplainAnswer:
    """One explanation for each deployment, and the memory of one of its GPUs.

    `assumed` lists what was assumed about the model, and of a network between nodes.
    """

    explanations: tuple[Explanation, ...]
    memory: tuple[MemoryParts, ...]
    assumed: tuple[str, ...]


def explain(question: ExplainQuestion, data: PredictionData | None = None) -> ExplainAnswer:
    """Break the predictions of a question down."""
    question, data = prepared(question, data)
    deployments = question.deployments(data.catalog)
    notes = (network_assumptions(d, data.catalog) for d, _ in deployments)
    cases = ladder(deployments, question.lengths, (question.concurrency,), data.catalog)
    explanations = tuple(explain_case(c, calibration=data.calibration, catalog=data.catalog) for c in cases)
    drafts = explanations[0].speculation
    return ExplainAnswer(
        explanations=explanations,
        memory=tuple(memory_parts(c.deployment, data.catalog) for c in cases),
        assumed=(
            *assumptions(data.catalog.models[question.model]),
            *(drafts.notes if drafts else ()),
            *dict.fromkeys(chain(*notes)),
        ),
    )
