"""The sessions that a replay draws from a workload of the catalog, instead of a trace."""

from __future__ import annotations

from paretoken.answers.prediction import PredictionData
from paretoken.answers.trace_question import ReplayQuestion
from paretoken.errors import BadConfig
from paretoken.predict.session_ladder import SampledWorkload, sampled
from paretoken.sessions.graph import SessionTrace
from paretoken.sessions.label import SAMPLE_SESSIONS


def workload_sample(question: ReplayQuestion, data: PredictionData) -> SampledWorkload | None:
    """The sample of the question's workload within the context of its model; None for a trace.

    BadConfig for a workload of fixed lengths.
    """
    if question.workload is None:
        return None
    workload = data.catalog.session_workload(question.workload)
    if workload is None:
        fixed = data.catalog.workload(question.workload)
        raise BadConfig(
            f"{question.workload} is a workload of fixed lengths, not of sessions; ask predict with isl "
            f"{fixed.isl:g} and osl {fixed.osl:g}"
        )
    stated, of_model = question.settings.max_model_len, data.catalog.models[question.model].max_context
    context = min((tokens for tokens in (stated, of_model) if tokens), default=None)
    return sampled(workload, context, question.seed)


def trace_of(sample: SampledWorkload, question: ReplayQuestion) -> SessionTrace:
    """The sessions that give the workload its mean lengths, as a trace whose notes say how they are drawn."""
    within = f" within a context of {sample.context_tokens:,} tokens" if sample.context_tokens else ""
    count = "as many as a load needs" if question.sessions is None else f"{question.sessions:,} of them"
    return SessionTrace(
        file=question.load_name,
        form="workload of the catalog",
        rule=f"sessions drawn with seed {sample.seed}{within}, {count}; those below give the mean lengths",
        sessions=tuple(sample.sessions(SAMPLE_SESSIONS)),
    )
