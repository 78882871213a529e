"""The requests of a trace, ready to send: recorded prompts as they are, lengths as synthetic prompts."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from paretoken.bench.plan import Prepared
from paretoken.bench.workload.bodies import Ahead, Bodies
from paretoken.bench.workload.makers import Ints
from paretoken.bench.workload.prompts import BLOCK, REQUEST, PromptPlan
from paretoken.bench.workload.traces.request import Trace, TraceRequest
from paretoken.errors import BadConfig


@dataclass(frozen=True, eq=False, kw_only=True)
class Replayed:
    """A source that gives request k of a trace as its k-th, so that it belongs to the k-th recorded time.

    Prompts that share block ids share those tokens. `repeat` begins again at the end, with other blocks and
    prompts, for a closed loop that outlasts the trace. Lengths must be known: see `Trace.counted`.
    """

    plan: PromptPlan
    trace: Trace
    bodies: Bodies
    repeat: bool = False
    ahead: int = 1000
    budget_bytes: int = 32 * 2**20

    def __post_init__(self) -> None:
        if any(r.output_tokens is None for r in self.trace.requests):
            raise BadConfig(
                f"{self.trace.file} does not give all output lengths; give --tokenizer to count them, or --osl"
            )

    def request(self, k: int) -> Prepared | None:
        """Request k; None past the end."""
        if not self.repeat and k >= len(self.trace.requests):
            return None
        recorded = self.trace.requests[k % len(self.trace.requests)]
        body, isl = self._body(recorded, k)
        return Prepared(body, isl, recorded.output_tokens or 1)

    def _body(self, recorded: TraceRequest, k: int) -> tuple[bytes, int]:
        """The body of a request and its input tokens, -1 where only the server can count."""
        osl = recorded.output_tokens or 1
        if recorded.messages is not None or recorded.prompt is not None:
            return self._recorded(recorded, osl), self._input_tokens(recorded)
        isl = recorded.input_tokens or 1
        atoms = self._atoms(recorded, k, self.plan.correction.ours(isl))
        made = self.plan.maker.prompt(atoms)
        return self.bodies.of(made.content, osl), isl if made.tokens >= 0 else -1

    def requests(self, worker: int, workers: int) -> Ahead:
        """Requests worker, worker + workers, …: the worker's part of `ahead` is built when this returns."""
        return Ahead(self.request, worker, workers, -(-self.ahead // workers), self.budget_bytes)

    def _atoms(self, recorded: TraceRequest, k: int, tokens: int) -> Ints:
        """Blocks by their ids, then tokens of the request's own where the ids do not reach the end."""
        if not recorded.blocks:
            return self.plan.atoms(k, tokens)
        wanted = recorded.blocks[: -(-tokens // self.trace.block_tokens)]
        # Ids may be 64-bit hashes of either sign; a repetition is another conversation, so other blocks.
        turn = k // len(self.trace.requests)
        parts = [
            self.plan.maker.atoms(self.plan.rng(BLOCK, (block % 2**64) + (turn << 64)), self.trace.block_tokens)
            for block in wanted
        ]
        rest = tokens - len(wanted) * self.trace.block_tokens
        if rest > 0:
            parts.append(self.plan.maker.atoms(self.plan.rng(REQUEST, k), rest))
        return np.concatenate(parts)[:tokens]

    def _recorded(self, recorded: TraceRequest, osl: int) -> bytes:
        if recorded.messages is None:
            return self.bodies.of(recorded.prompt or "", osl)
        if self.bodies.takes_messages:
            return self.bodies.chat(recorded.messages, osl)
        return self.bodies.completion("\n".join(str(m.get("content", "")) for m in recorded.messages), osl)

    def _input_tokens(self, recorded: TraceRequest) -> int:
        if recorded.input_tokens is None:
            return -1
        turns = sum(m["role"] == "user" for m in recorded.messages or ())
        return recorded.input_tokens + self.plan.correction.of(max(1, turns))
