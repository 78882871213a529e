"""TraceLab's agentic coding sessions (uw-syfi/TraceLab): JSON lines of one LLM round each, with token counts and times.

A round is sent at the time of the last event that it answers: a message of the user or the result of a tool. The
`prefix_tokens` of its `input_tokens_total` were in the engine's prefix cache; as the corpus holds no text, they become
blocks that the session shares. Sessions of sub-agents are replayed as sessions of their own.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from itertools import count
from pathlib import Path

from paretoken.bench.workload.traces.request import TraceRequest
from paretoken.sessions.forms.tracelab import sent_s
from paretoken.trace_rows import Head, TraceRow, objects

NAME = "TraceLab"
BLOCK_TOKENS = 64
RULE = "times as recorded, cached prefixes as blocks of 64 tokens; sub-agents are sessions of their own"


def detects(head: Head) -> bool:
    """Rounds of sessions, with their input in total."""
    return {"session_id", "input_tokens_total", "output_tokens"} <= head.keys


def requests(path: Path) -> Iterator[tuple[TraceRow, TraceRequest]]:
    """Every round in the order of the file."""
    fresh, sessions = count(), defaultdict[str, list[int]](list)
    for row in objects(path):
        session, tokens = str(row.get("session_id")), row.tokens("input_tokens_total")
        prefix = row.tokens("prefix_tokens") if row.values.get("prefix_tokens") is not None else 0
        blocks = sessions[session]
        del blocks[prefix // BLOCK_TOKENS :]
        blocks += [next(fresh) for _ in range(min(-(-tokens // BLOCK_TOKENS), _MOST_BLOCKS) - len(blocks))]
        tools = row.values.get("tools")
        yield (
            row,
            TraceRequest(
                time_s=sent_s(row),
                input_tokens=tokens,
                output_tokens=row.tokens("output_tokens"),
                blocks=tuple(blocks),
                session=session,
                tools=len(tools) if isinstance(tools, list) else 0,
            ),
        )


_MOST_BLOCKS = 100_000
"""Six million tokens: more than any context."""
