"""Which messages a call adds to the context of an earlier one."""

from __future__ import annotations

from collections.abc import Sequence

from paretoken.sessions.graph import Message


def common_messages(earlier: Sequence[Message], messages: Sequence[Message]) -> int | None:
    """How many messages are those of the earlier call and its answer; None if they do not begin with those.

    The answer is the message of the assistant behind them, which forms write in more than one way.
    """
    count = len(earlier)
    if not count or list(messages[:count]) != list(earlier):
        return None
    answered = count < len(messages) and messages[count].get("role") == "assistant"
    return count + 1 if answered else None
