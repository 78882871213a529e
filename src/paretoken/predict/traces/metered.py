"""Seconds that prompts add to the steps of engines, counted while a simulation runs."""

from __future__ import annotations

from dataclasses import dataclass, field

from paretoken.predict.simulation.result import SimulationResult
from paretoken.predict.steptime import StepTime


@dataclass(slots=True)
class MeteredStep:
    """A step time that counts what prompts add: a step with prompts less its decodes alone, in `prompt_s`."""

    step_time: StepTime
    prompt_s: float = field(default=0.0)

    def decode(self, batch: int) -> tuple[float, float]:
        return self.step_time.decode(batch)

    def prefill(self, tokens: int, pairs: float) -> float:
        return self.step_time.prefill(tokens, pairs)

    def step(self, batch: int, context: float, tokens: int, pairs: float) -> float:
        whole_s = self.step_time.step(batch, context, tokens, pairs)
        if batch:
            fixed_s, per_token_s = self.step_time.decode(batch)
            self.prompt_s += whole_s - fixed_s - per_token_s * context
        else:
            self.prompt_s += whole_s
        return whole_s


def busy_s(run: SimulationResult) -> float:
    """Seconds in which engines run a step, all of them together."""
    return sum(
        first_s * max(moves, 1) + more_s * (moves * (moves - 1) // 2)
        for engine in run.engines
        for _, moves, first_s, more_s, *_ in engine.segments
    )
