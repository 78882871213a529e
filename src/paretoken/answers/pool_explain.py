"""Where the time and the GPUs of a disaggregated deployment go, as predicted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

from pydantic import Field

from paretoken.answers.pools import EXAMPLE, PooledQuestion, pools_in_force
from paretoken.answers.prediction import PredictionData, SettingValue, prepared
from paretoken.answers.rows import Row, flat_rows
from paretoken.answers.takes import takes
from paretoken.answers.typed_answer import TypedAnswer
from paretoken.predict.acceptance import SpeculationInForce
from paretoken.predict.memory import MemoryParts, memory_parts
from paretoken.predict.pools.explain import PoolExplanation, explain_pools
from paretoken.predict.pools.layout import pooled_case
from paretoken.predict.rows import SOURCE


@dataclass(frozen=True, kw_only=True)
class ExplainPoolsQuestion(PooledQuestion):
    """Where does the predicted time of disaggregated serving go, in the prefill pool, the transfer and the decode pool?

    `layout` states the workers of both pools, `concurrency` the load.
    """

    layout: Annotated[str, Field(description=f"Workers of the prefill and the decode pool: {EXAMPLE}")]
    concurrency: Annotated[int, Field(description="Concurrent requests of a closed loop")] = 64


@dataclass(frozen=True, kw_only=True)
class ExplainPoolsAnswer(TypedAnswer):
    """The explanation, and the memory of one GPU of each pool.

    `prefill_settings` and `decode_settings` are those of one worker in force. `speculation` says how the workers draft,
    None if they do not. `notes` say how the engine was chosen, and what was assumed about the model and the network.
    """

    STATED: ClassVar[Row] = {"origin": "predicted", "source": SOURCE}
    explanation: PoolExplanation
    prefill_memory: MemoryParts
    decode_memory: MemoryParts
    prefill_settings: dict[str, SettingValue]
    decode_settings: dict[str, SettingValue]
    speculation: SpeculationInForce | None
    notes: tuple[str, ...]

    def rows_of_table(self) -> list[Row]:
        """One row a part of the time."""
        return flat_rows(self.explanation.parts, self.STATED)


@takes(ExplainPoolsQuestion)
def explain_disaggregated(question: ExplainPoolsQuestion, data: PredictionData | None = None) -> ExplainPoolsAnswer:
    """Break the prediction of a disaggregated layout down."""
    question, data = prepared(question, data)
    pools, note = question.pools(question.layout, data.catalog)
    case = pooled_case(pools, question.lengths, question.concurrency, catalog=data.catalog)
    return ExplainPoolsAnswer(
        explanation=explain_pools(case, calibration=data.calibration, catalog=data.catalog),
        prefill_memory=memory_parts(case.pools.prefill, data.catalog),
        decode_memory=memory_parts(case.pools.decode, data.catalog),
        **pools_in_force(case.pools, note, question.settings, data),
    )
