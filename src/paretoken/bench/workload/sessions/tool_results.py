"""Answers in later prompts, and the results of tools that belong to the calls in them.

Chat templates refuse a result without its call and a call without its result. The server calls other tools than the
recorded model did, so results go to its calls in order; what is left over of either is made plain.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from paretoken.bench.workload.bodies import Message
from paretoken.bench.workload.message_forms import calls_of

TOOL, USER, ASSISTANT = "tool", "user", "assistant"


def answer_message(answer: Mapping[str, object]) -> Message:
    """The server's answer as a later prompt holds it: without its reasoning, which templates leave out."""
    calls = answer.get("tool_calls")
    message: dict[str, object] = {"role": ASSISTANT, "content": answer.get("content") or ("" if not calls else None)}
    return message | ({"tool_calls": calls} if calls else {})


def fitted(answer: Message, messages: Sequence[Message], *, recorded: bool) -> list[Message]:
    """An answer and the messages after it, with each call of a tool before its result.

    A recorded answer without the calls that recorded results belong to gets them.
    """
    results = _results(messages)
    calls = calls_of(answer)
    if recorded and not calls:
        calls = [_call_of(result, n) for n, result in enumerate(results)]
    pairs = list(zip(calls, results, strict=False))
    if recorded and {c.get("id") for c in calls} == {r.get("tool_call_id") for r in results}:
        pairs = [(call, next(r for r in results if r.get("tool_call_id") == call.get("id"))) for call in calls]
    plain = {k: v for k, v in answer.items() if k != "tool_calls"}
    if not pairs:
        plain["content"] = plain.get("content") or ""
    with_calls = plain | ({"tool_calls": [call for call, _ in pairs]} if pairs else {})
    paired = [{**result, "tool_call_id": call.get("id")} for call, result in pairs]
    surplus = [{"role": USER, "content": text_of(result)} for result in results[len(pairs) :]]
    return [with_calls, *paired, *surplus, *messages[len(results) :]]


def text_of(message: Message) -> str:
    """The text of a message, whose content may be a list of parts."""
    content = message.get("content")
    if isinstance(content, str):
        return content
    parts = content if isinstance(content, list) else ()
    return "\n".join(str(p["text"]) for p in parts if isinstance(p, Mapping) and isinstance(p.get("text"), str))


def _results(messages: Sequence[Message]) -> list[Message]:
    """The results of tools with which new messages begin."""
    count = next((n for n, m in enumerate(messages) if m.get("role") != TOOL), len(messages))
    return list(messages[:count])


def _call_of(result: Message, number: int) -> Message:
    """A call that the result can belong to."""
    name = result.get("name")
    function = {"name": name if isinstance(name, str) and name else TOOL, "arguments": "{}"}
    return {"id": result.get("tool_call_id") or f"call_{number}", "type": "function", "function": function}
