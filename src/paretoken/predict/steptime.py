"""How long one engine step takes: the seam between the performance model and the simulation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


class StepTime(Protocol):
    """Seconds of engine steps. `step` with no prompt tokens equals `a_s + b_s * context` of `decode`."""

    def decode(self, batch: int) -> tuple[float, float]:
        """(a_s, b_s): a step that decodes `batch` sequences whose contexts sum to S tokens takes a_s + b_s * S s."""
        ...

    def prefill(self, tokens: int, pairs: float) -> float:
        """Seconds that prompt tokens add to a step without decodes: `tokens` that attend to `pairs` (query, key)."""
        ...

    def step(self, batch: int, context: float, tokens: int, pairs: float) -> float:
        """Seconds of one step: `batch` decoding sequences over `context` tokens, and `tokens` prompt tokens."""
        ...


@dataclass(frozen=True, slots=True)
class AffineStepTime:
    """Step time as a sum of constants: a described server, or a queue in a textbook."""

    per_step_s: float
    per_sequence_s: float = 0.0
    per_context_token_s: float = 0.0
    per_prompt_token_s: float = 0.0
    per_pair_s: float = 0.0

    def decode(self, batch: int) -> tuple[float, float]:
        return self.per_step_s + self.per_sequence_s * batch, self.per_context_token_s

    def prefill(self, tokens: int, pairs: float) -> float:
        return self.per_prompt_token_s * tokens + self.per_pair_s * pairs

    def step(self, batch: int, context: float, tokens: int, pairs: float) -> float:
        fixed_s, per_token_s = self.decode(batch)
        return fixed_s + per_token_s * context + self.prefill(tokens, pairs)
