"""Workloads of sessions: how agents, conversations and retrieval call a model, as distributions with their sources."""

from __future__ import annotations

from functools import cached_property
from itertools import pairwise
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, NonNegativeFloat, PositiveFloat, PositiveInt, model_validator

from paretoken.catalog.entries import Entry

LEVELS = {"least": 0.0, "p10": 0.1, "p25": 0.25, "p50": 0.5, "p75": 0.75, "p90": 0.9, "p95": 0.95, "p99": 0.99}
"""Shares of the draws at or below a quantile of `StatedQuantiles`; `most` is that of all."""


class StatedQuantiles(BaseModel):
    """A distribution stated by its quantiles.

    Between two of them ln(1 + x) is linear in the share of draws below x. `mean` is what the source states, for a
    check; the draws do not use it.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    least: NonNegativeFloat
    p10: NonNegativeFloat | None = None
    p25: NonNegativeFloat | None = None
    p50: NonNegativeFloat | None = None
    p75: NonNegativeFloat | None = None
    p90: NonNegativeFloat | None = None
    p95: NonNegativeFloat | None = None
    p99: NonNegativeFloat | None = None
    most: NonNegativeFloat
    mean: NonNegativeFloat | None = None
    source: str = Field(min_length=1, description="where the figures are from, or that they are assumed")

    @cached_property
    def quantiles(self) -> dict[float, float]:
        """The stated quantiles by the share of draws at or below them."""
        stated = {share: getattr(self, name) for name, share in LEVELS.items()}
        return {**{share: x for share, x in stated.items() if x is not None}, 1.0: self.most}

    @model_validator(mode="after")
    def _never_falls(self) -> StatedQuantiles:
        for low, high in pairwise(self.quantiles.values()):
            if high < low:
                raise ValueError(f"{high:g} comes after {low:g}; a higher quantile is never lower")
        return self


class AgentShape(BaseModel):
    """The calls of one agent; tokens are those of a call that its context before lacks.

    A turn is what follows a message to the agent: `calls` calls, each but the last followed by tools. The first prompt
    of an agent is `opening_tokens` that all agents of the kind share, and `first_tokens` more.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    opening_tokens: Annotated[PositiveInt, Field(description="system prompt and tool definitions, tokens")]
    opening_source: str = Field(min_length=1)
    first_tokens: Annotated[StatedQuantiles, Field(description="the first message beyond the opening, tokens")]
    calls: Annotated[StatedQuantiles, Field(description="model calls of a turn")]
    output_tokens: Annotated[StatedQuantiles, Field(description="output of a call, tokens")]
    final_output_tokens: Annotated[
        StatedQuantiles | None, Field(description="output of a turn's last call, if other")
    ] = None
    tool_tokens: Annotated[StatedQuantiles | None, Field(description="what all tools after a call return, tokens")] = (
        None
    )
    tool_s: Annotated[
        StatedQuantiles | None, Field(description="from a call to the next one, which waits for tools, s")
    ] = None
    parallel_tools: Annotated[StatedQuantiles | None, Field(description="tools at once after a call; 1 by default")] = (
        None
    )

    @model_validator(mode="after")
    def _tools_are_whole(self) -> AgentShape:
        if self.calls.least < 1:
            raise ValueError(f"calls.least is {self.calls.least:g}; a turn has 1 call or more")
        if self.calls.most > 1 and not (self.tool_tokens and self.tool_s):
            raise ValueError("turns of several calls need tool_tokens and tool_s")
        return self


class SubAgents(AgentShape):
    """Sub-agents that take the place of the tools after a call; the next call waits for the last of them."""

    share: Annotated[float, Field(gt=0, le=1, description="share of the calls with tools that start sub-agents")]
    share_source: str = Field(min_length=1)
    agents: Annotated[StatedQuantiles, Field(description="sub-agents at once")]


class Compaction(BaseModel):
    """What an agent does at the end of its context: a call writes a summary, and the next prompt begins with that."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    above_tokens: Annotated[PositiveInt, Field(description="context that is not exceeded, tokens")]
    to_tokens: Annotated[PositiveInt, Field(description="the next prompt, its opening included, tokens")]
    summary_tokens: Annotated[PositiveInt, Field(description="output of the call that writes the summary")]
    source: str = Field(min_length=1)


class SessionWorkload(Entry, AgentShape):
    """Sessions of an agent or a conversation, from which `sessions.generate` draws.

    With the context `grows`, the prompts of later turns go on with the conversation; with `fresh` each turn has a
    prompt of its own, drawn from `first_tokens` again, as retrieval has. Waits and tools are cut to `idle_cap_s`.
    With `session_calls`, the calls of a session are drawn and shared out over its turns in proportion to draws of
    `calls`.
    """

    task: str
    context: Literal["grows", "fresh"] = "grows"
    turns: Annotated[StatedQuantiles, Field(description="messages of the user in a session")]
    session_calls: Annotated[
        StatedQuantiles | None, Field(description="model calls of a session, shared out by `calls`")
    ] = None
    session_calls_correlation: Annotated[
        float, Field(ge=0, lt=1, description="correlation of ln session_calls with ln turns")
    ] = 0.0
    turn_tokens: Annotated[StatedQuantiles | None, Field(description="a later message of the user, tokens")] = None
    think_s: Annotated[
        StatedQuantiles | None, Field(description="from an answer to the next message of the user, s")
    ] = None
    before_s: Annotated[
        StatedQuantiles | None, Field(description="a tool ahead of each turn, such as retrieval, s")
    ] = None
    idle_cap_s: Annotated[PositiveFloat | None, Field(description="no wait and no tool lasts longer, s")] = None
    idle_cap_source: str = ""
    sub_agents: SubAgents | None = None
    compaction: Compaction | None = None

    @model_validator(mode="after")
    def _turns_are_whole(self) -> SessionWorkload:
        if self.turns.least < 1:
            raise ValueError(f"turns.least is {self.turns.least:g}; a session has 1 turn or more")
        if self.turns.most > 1 and not self.think_s:
            raise ValueError("sessions of several turns need think_s")
        if self.turns.most > 1 and self.context == "grows" and not self.turn_tokens:
            raise ValueError("sessions of several turns whose context grows need turn_tokens")
        return self
