"""A session as a graph: model calls and tool calls, each after the steps that it waits for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

Message = Mapping[str, object]
NO_STEP = -1
BLOCK_TOKENS = 64
"""Tokens of a prompt that one block id stands for, where a form does not say."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """What a model call sends and asks for. None is what the trace does not say.

    `input_tokens` counts the whole prompt. The prompt begins with `kept_tokens` of the context of step `continues`, its
    prompt and its answer; None keeps all of it. A call that continues no step begins with the `opening_tokens` that all
    calls with the same `opening` share, such as a system prompt.

    `blocks` are ids of the blocks of the whole prompt; equal ids are equal prompts up to the end of that block, and
    they come before `continues`. `messages` are those that the context of `continues` lacks, all of them where there
    is none. `answer` is the recorded answer, `model` the recorded model or adapter. `tools` are definitions of tools.
    """

    input_tokens: int | None = None
    output_tokens: int | None = None
    continues: int = NO_STEP
    kept_tokens: int | None = None
    opening: str = ""
    opening_tokens: int = 0
    blocks: tuple[int, ...] = ()
    messages: tuple[Message, ...] = ()
    answer: Message | None = None
    tools: tuple[Mapping[str, object], ...] = ()
    model: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A model call, which has a `call`, or a tool call.

    It begins `wait_s` after the last of the steps `after` has ended; without any, `wait_s` after its session. `seconds`
    is how long a tool runs; of a model call it is the recorded duration, None if unknown. `agent` is "" for the main
    agent, else the name of a sub-agent.
    """

    name: str = ""
    after: tuple[int, ...] = ()
    wait_s: float = 0.0
    seconds: float | None = None
    agent: str = ""
    call: Call | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """The steps of one task, each behind those that it waits for. `begin_s` counts from the first session of a trace.

    `block_tokens` are the prompt tokens of a block id.
    """

    name: str
    steps: tuple[Step, ...]
    begin_s: float | None = None
    block_tokens: int = BLOCK_TOKENS

    @property
    def calls(self) -> dict[int, Call]:
        """The model calls by their index among the steps."""
        return {i: step.call for i, step in enumerate(self.steps) if step.call is not None}


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionTrace:
    """The sessions of a file, in the order of their begin, and what was left out.

    `rule` says how the form was read. `left_out` counts sessions by reason.
    """

    file: str
    form: str
    rule: str
    sessions: tuple[Session, ...]
    left_out: Mapping[str, int] = field(default_factory=dict)

    @property
    def timed(self) -> bool:
        """Whether every session has a time of its own."""
        return all(session.begin_s is not None for session in self.sessions)
