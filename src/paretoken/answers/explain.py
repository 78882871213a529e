"""Where the time of a step goes, as predicted."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain
from typing import Annotated, ClassVar

from pydantic import Field

from paretoken.answers.prediction import DeploymentQuestion, PredictionData, assumptions, network_assumptions, prepared
from paretoken.answers.rows import Row, flat_rows
from paretoken.answers.takes import takes
from paretoken.answers.typed_answer import TypedAnswer
from paretoken.predict.configure import ladder
from paretoken.predict.deployment import Case
from paretoken.predict.explain import Explanation, explain_case
from paretoken.predict.memory import MemoryParts, memory_parts
from paretoken.predict.rows import SOURCE


@dataclass(frozen=True, kw_only=True)
class ExplainQuestion(DeploymentQuestion):
    """Where does the predicted time of a deployment go, by prefill and decode, kernel, memory and network?

    `accelerator`, `model`, `engine`, `tp` and `concurrency` say which deployment; `isl` and `osl` its requests.
    """

    concurrency: Annotated[int, Field(description="Concurrent requests of a closed loop")] = 64


@dataclass(frozen=True, kw_only=True)
class ExplainAnswer(TypedAnswer):
    """One explanation for each deployment, and the memory of one of its GPUs.

    `assumed` lists what was assumed about the model, and of a network between nodes.
    """

    TABLE: ClassVar[str] = "explanations"
    STATED: ClassVar[Row] = {"origin": "predicted", "source": SOURCE}
    explanations: tuple[Explanation, ...]
    memory: tuple[MemoryParts, ...]
    assumed: tuple[str, ...]

    def rows_of_table(self) -> list[Row]:
        """One row a part of the time, of each deployment."""
        return [
            {**_configuration(e.case), **part} for e in self.explanations for part in flat_rows(e.parts, self.STATED)
        ]


def _configuration(case: Case) -> Row:
    d = case.deployment
    stated = {"accelerator": d.accelerator, "model": d.model, "precision": d.precision, "engine": d.engine}
    return {**stated, "tp": d.tp, "n_gpus": case.gpus, "concurrency": case.concurrency}


@takes(ExplainQuestion)
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
