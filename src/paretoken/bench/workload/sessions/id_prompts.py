"""Prompts of a session as token ids: they share exactly the tokens that the trace says."""

from __future__ import annotations

from collections.abc import Mapping

import orjson

from paretoken.bench.workload.bodies import Bodies
from paretoken.bench.workload.prompts import PromptPlan
from paretoken.bench.workload.sessions.context import Contexts, block_pieces, kept_pieces, opening_pieces
from paretoken.bench.workload.sessions.pieces import Piece, Pieces
from paretoken.sessions.graph import NO_STEP, Call, Session


class IdPrompts:
    """The prompts of one session, number `number` of a level, as token ids."""

    def __init__(
        self, session: Session, number: int, again: int, *, plan: PromptPlan, bodies: Bodies, pieces: Pieces
    ) -> None:
        self._session, self._number, self._again = session, number, again
        self._plan, self._bodies, self._pieces = plan, bodies, pieces
        self._contexts: Contexts[Piece] = Contexts(session)

    def body(self, step: int, call: Call) -> tuple[bytes, int]:
        """The body of a call and its input tokens."""
        tokens = call.input_tokens or 1
        prompt = self._prompt(step, call, self._plan.correction.ours(tokens))
        if self._contexts.wanted(step):
            answer = self._pieces.answer(self._number, step, call.output_tokens or 1)
            self._contexts.keep(step, [*prompt, answer])
        ids = orjson.Fragment(b"[" + b",".join(piece.json for piece in prompt if piece.tokens) + b"]")
        return self._bodies.of_model(call.model).completion(ids, call.output_tokens or 1), tokens

    def answered(self, step: int, call: Call, answer: Mapping[str, object] | None) -> None:
        """Do nothing: the ids of the server's tokens are not known."""

    def _prompt(self, step: int, call: Call, tokens: int) -> list[Piece]:
        if call.blocks:
            prompt = block_pieces(call.blocks, self._session.block_tokens, self._again, tokens, self._pieces)
        elif call.continues != NO_STEP:
            prompt = kept_pieces(self._contexts.take(call.continues), call.kept_tokens, tokens)
        else:
            prompt = opening_pieces(call, self._again, tokens, self._pieces)
        missing = tokens - sum(piece.tokens for piece in prompt)
        return [*prompt, self._pieces.fresh(self._number, step, missing)] if missing > 0 else prompt
