"""Prompts of a session as text: recorded messages, or words by their lengths in the roles of a chat."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from paretoken.bench.workload.bodies import Bodies, Message
from paretoken.bench.workload.prompts import PromptPlan
from paretoken.bench.workload.sessions.context import Contexts, block_pieces, opening_pieces
from paretoken.bench.workload.sessions.pieces import Piece, Pieces, joined
from paretoken.bench.workload.sessions.tool_results import ASSISTANT, TOOL, USER, answer_message, fitted, text_of
from paretoken.sessions.graph import NO_STEP, Call, Session

FIRST_LEVEL = 1
"""The number of the level of a run that plays a trace first."""


@dataclass(frozen=True, slots=True, eq=False)
class PromptPart:
    """A part of a context: a recorded or a real message, or a piece of synthetic text in a role."""

    content: Message | Piece
    role: str
    tokens: int = 0
    tool_call_id: str = ""


class TextPrompts:
    """The prompts of one session, number `number` of a level, as a chat or as one text.

    With `own_answers`, later prompts hold what the server answered.
    """

    def __init__(
        self,
        session: Session,
        number: int,
        again: int,
        *,
        plan: PromptPlan,
        bodies: Bodies,
        pieces: Pieces,
        own_answers: bool,
    ) -> None:
        self._session, self._number, self._again = session, number, again
        self._plan, self._bodies, self._pieces, self._own = plan, bodies, pieces, own_answers
        self._calls = session.calls
        self._contexts: Contexts[PromptPart] = Contexts(session)

    def body(self, step: int, call: Call) -> tuple[bytes, int]:
        """The body of a call and its input tokens, -1 where only the server can count."""
        parts = self._messages(call) if call.messages else self._words(step, call)
        if self._contexts.wanted(step):
            self._contexts.keep(step, parts if self._own else [*parts, self._stand_in(step, call)])
        exact = not self._own and all(isinstance(p.content, Piece) and p.content.counted for p in parts)
        return self._body(parts, call), (call.input_tokens or 1) if exact else -1

    def answered(self, step: int, call: Call, answer: Mapping[str, object] | None) -> None:
        """Put the answer of the server into the context of a call; without one, text of its length."""
        if not self._own or not self._contexts.wanted(step):
            return
        part = self._stand_in(step, call)
        if answer is not None:
            part = PromptPart(answer_message(answer), ASSISTANT, call.output_tokens or 1)
        self._contexts.add(step, part)

    def _stand_in(self, step: int, call: Call) -> PromptPart:
        """The recorded answer, or text of its length."""
        tokens = call.output_tokens or 1
        if call.answer is not None:
            return PromptPart({"role": ASSISTANT, **call.answer}, ASSISTANT, tokens)
        return PromptPart(self._pieces.answer(self._number, step, tokens), ASSISTANT, tokens)

    def _messages(self, call: Call) -> list[PromptPart]:
        """A prompt of recorded messages, after the context that they follow."""
        before = self._contexts.take(call.continues) if self._continues(call) else []
        if call.kept_tokens is not None and before:
            before = _kept_messages(before, call.kept_tokens, self._calls[call.continues])
        new: list[Message] = list(call.messages)
        if not before:
            new[0] = _marked(new[0], self._played_again())
        if before and before[-1].role == ASSISTANT:
            last = before[-1].content
            answer: Message = {"role": ASSISTANT, "content": last.text} if isinstance(last, Piece) else last
            answer, *new = fitted(answer, new, recorded=not self._own)
            before = [*before[:-1], PromptPart(answer, ASSISTANT, before[-1].tokens)]
        return [*before, *(PromptPart(m, str(m.get("role", USER))) for m in new)]

    def _played_again(self) -> str:
        """A line unlike that of any other level or pass, so that no cache holds their prompts; "" where all is new."""
        level, again = self._plan.point, self._again
        return f"[level {level}, pass {again + 1}]" if level > FIRST_LEVEL or again else ""

    def _words(self, step: int, call: Call) -> list[PromptPart]:
        """A prompt by its lengths or its blocks."""
        wanted = call.input_tokens or 1
        if call.blocks:
            tokens = self._ours(wanted, 1)
            pieces = block_pieces(call.blocks, self._session.block_tokens, self._again, tokens, self._pieces)
            before = [PromptPart(piece, USER, piece.tokens) for piece in pieces]
        elif self._continues(call):
            before = _kept(self._contexts.take(call.continues), call.kept_tokens, wanted)
        else:
            opening = opening_pieces(call, self._again, self._ours(wanted, 1), self._pieces)
            before = [PromptPart(piece, USER, piece.tokens) for piece in opening]
        turns = 1 + sum(part.role == ASSISTANT for part in before)
        missing = self._ours(wanted, turns) - sum(part.tokens for part in before)
        if missing <= 0 and before and before[-1].role != ASSISTANT:
            return before
        return self._followed(before, self._pieces.fresh(self._number, step, max(missing, 1)))

    def _followed(self, before: list[PromptPart], new: Piece) -> list[PromptPart]:
        """The context and new text: of the user, or as the result of the tool that the last answer called."""
        if not before or isinstance(last := before[-1].content, Piece) or before[-1].role != ASSISTANT:
            return [*before, PromptPart(new, USER, new.tokens)]
        answer, *results = fitted(last, [{"role": TOOL, "content": ""}], recorded=False)
        tool_call_id = str(results[0].get("tool_call_id") or "")
        part = PromptPart(new, TOOL if tool_call_id else USER, new.tokens, tool_call_id)
        return [*before[:-1], PromptPart(answer, ASSISTANT, before[-1].tokens), part]

    def _continues(self, call: Call) -> bool:
        return call.continues != NO_STEP and not call.blocks

    def _ours(self, tokens: int, turns: int) -> int:
        """Tokens to make for a prompt that the server counts as `tokens`."""
        return self._plan.correction.ours(tokens, turns if self._bodies.takes_messages else 1)

    def _body(self, parts: Sequence[PromptPart], call: Call) -> bytes:
        osl, bodies = call.output_tokens or 1, self._bodies.of_model(call.model)
        if bodies.takes_messages:
            return bodies.chat(_as_messages(parts), osl, tools=call.tools)
        if all(isinstance(part.content, Piece) for part in parts):
            return bodies.completion(joined([p.content for p in parts if isinstance(p.content, Piece)]), osl)
        return bodies.completion("\n".join(text_of(m) for m in _as_messages(parts)), osl)


def _as_messages(parts: Sequence[PromptPart]) -> list[Message]:
    """The messages of a chat; synthetic text of one role in a row is one of them."""
    messages: list[Message] = []
    for (is_piece, role, tool_call_id), run in groupby(parts, _kind):
        if not is_piece:
            messages += [part.content for part in run if not isinstance(part.content, Piece)]
            continue
        text = joined([part.content for part in run if isinstance(part.content, Piece)])
        messages.append({"role": role, "content": text} | ({"tool_call_id": tool_call_id} if tool_call_id else {}))
    return messages


def _marked(message: Message, line: str) -> Message:
    """The message with a line in front of its text."""
    if not line:
        return message
    content = message.get("content")
    if isinstance(content, (list, tuple)):
        return {**message, "content": [{"type": "text", "text": line}, *content]}
    return {**message, "content": f"{line}\n{content}" if content else line}


def _kind(part: PromptPart) -> tuple[bool, str, str]:
    return isinstance(part.content, Piece), part.role, part.tool_call_id


def _kept(context: Sequence[PromptPart], kept_tokens: int | None, tokens: int) -> list[PromptPart]:
    """The first tokens of a context; a message that does not fit is left out, for it cannot be cut."""
    left = tokens if kept_tokens is None else min(kept_tokens, tokens)
    kept: list[PromptPart] = []
    for part in context:
        if left <= 0 or (part.tokens > left and not isinstance(part.content, Piece)):
            break
        piece = part.content
        cut = piece.cut(left) if isinstance(piece, Piece) else piece
        kept.append(PromptPart(cut, part.role, min(part.tokens, left), part.tool_call_id))
        left -= part.tokens
    return kept


def _kept_messages(context: Sequence[PromptPart], kept_tokens: int, continued: Call) -> list[PromptPart]:
    """The first messages of a context, whose tokens are unknown: by their share of its text."""
    whole = (continued.input_tokens or 1) + (continued.output_tokens or 1)
    sizes = [len(p.content.text if isinstance(p.content, Piece) else text_of(p.content)) for p in context]
    most = sum(sizes) * min(kept_tokens / whole, 1.0)
    kept, so_far = [], 0
    for part, size in zip(context, sizes, strict=True):
        so_far += size
        if so_far > most:
            break
        kept.append(part)
    return kept
