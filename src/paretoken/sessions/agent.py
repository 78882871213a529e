"""One agent of a generated session: the steps of its turns, and the context that its next call goes on with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from paretoken.catalog.session_workload import AgentShape, Compaction, SubAgents
from paretoken.sessions.draws import drawn, drawn_whole
from paretoken.sessions.graph import NO_STEP, Call, Step

USER, TOOLS, COMPACTION = "user", "tools", "compaction"
"""Names of calls: for what they answer, or for writing the summary of a context."""


@dataclass(frozen=True, slots=True)
class AgentLimits:
    """Tokens that no prompt with its output exceeds, and seconds that no wait and no tool exceeds."""

    context_tokens: int
    idle_cap_s: float


@dataclass(slots=True, kw_only=True)
class Agent:
    """An agent that adds its steps to `steps`. `after` are the steps that its next one waits for.

    `context_tokens` are those of its last prompt and answer, or what a prompt begins with that continues none.
    """

    shape: AgentShape
    opening: str
    limits: AgentLimits
    rng: np.random.Generator
    steps: list[Step]
    name: str = ""
    sub_agents: SubAgents | None = None
    compaction: Compaction | None = None
    after: tuple[int, ...] = ()
    last: int = NO_STEP
    context_tokens: int = 0
    delegated: int = 0

    def forget(self) -> None:
        """Drop the context, so that the next prompt begins with the opening."""
        self.last, self.context_tokens = NO_STEP, self.shape.opening_tokens

    def turn(self, message_tokens: int, wait_s: float = 0.0, calls: int | None = None) -> bool:
        """Add the calls that answer a message, by default a drawn number; False if the context has no room for one."""
        shape, rng = self.shape, self.rng
        calls = calls or max(int(drawn_whole(shape.calls, rng, 1)[0]), 1)
        outputs = np.maximum(drawn_whole(shape.output_tokens, rng, calls), 1)
        if shape.final_output_tokens:
            outputs[-1] = max(int(drawn_whole(shape.final_output_tokens, rng, 1)[0]), 1)
        if not self.call(USER, message_tokens, int(outputs[0]), wait_s):
            return False
        if calls == 1 or not shape.tool_tokens or not shape.tool_s:
            return True
        results = drawn_whole(shape.tool_tokens, rng, calls - 1)
        gaps_s = drawn(shape.tool_s, rng, calls - 1)
        for tokens, gap_s, output in zip(results, gaps_s, outputs[1:], strict=True):
            if self.sub_agents and rng.random() < self.sub_agents.share:
                self.delegate(self.sub_agents)
            else:
                self.use_tools(float(gap_s))
            if not self.call(TOOLS, int(tokens), int(output)):
                return False
        return True

    def use_tools(self, gap_s: float) -> None:
        """Tools at once; the slowest of them takes `gap_s`."""
        spread = self.shape.parallel_tools
        count = int(drawn_whole(spread, self.rng, 1)[0]) if spread else 1
        self.wait_for_tools([gap_s, *(gap_s * self.rng.random(count - 1))])

    def wait_for_tools(self, seconds: Sequence[float], wait_s: float = 0.0, name: str = "tool") -> None:
        """Tools that begin together, which the next step waits for."""
        begin, cap_s = len(self.steps), self.limits.idle_cap_s
        for s in seconds:
            step = Step(
                name=name, after=self.after, wait_s=min(wait_s, cap_s), seconds=min(float(s), cap_s), agent=self.name
            )
            self.steps.append(step)
        self.after = tuple(range(begin, len(self.steps)))

    def delegate(self, of: SubAgents) -> None:
        """Sub-agents at once, each with one turn, which the next step waits for."""
        ends = list[int]()
        for _ in range(max(int(drawn_whole(of.agents, self.rng, 1)[0]), 1)):
            self.delegated += 1
            sub = Agent(
                shape=of,
                opening=f"{self.opening}, sub-agent",
                limits=self.limits,
                rng=self.rng,
                steps=self.steps,
                name=f"sub-agent {self.delegated}",
                after=self.after,
            )
            sub.forget()
            sub.turn(int(drawn_whole(of.first_tokens, self.rng, 1)[0]))
            ends.append(sub.last)
        self.after = tuple(ends)

    def call(self, name: str, new_tokens: int, output_tokens: int, wait_s: float = 0.0) -> bool:
        """Add a model call. A context without room is compacted; without `compaction`, False and no call."""
        new_tokens, output_tokens = max(new_tokens, 1), min(output_tokens, self._room // 4)
        if self.last != NO_STEP and self.context_tokens + new_tokens + output_tokens > self._room:
            if self.compaction is None:
                return False
            self._compact(self.compaction, wait_s)
            wait_s = 0.0
        new_tokens = max(min(new_tokens, self._room - self.context_tokens - output_tokens), 1)
        self._add(name, self.context_tokens + new_tokens, output_tokens, wait_s)
        return True

    @property
    def _room(self) -> int:
        """Most tokens of a prompt with its output, after which a summary can still be written."""
        most, compaction = self.limits.context_tokens, self.compaction
        return min(most, compaction.above_tokens) - compaction.summary_tokens if compaction else most

    def _compact(self, compaction: Compaction, wait_s: float) -> None:
        """A call that writes the summary, and a context that begins with it."""
        self._add(COMPACTION, self.context_tokens, compaction.summary_tokens, wait_s)
        self.last = NO_STEP
        self.context_tokens = max(min(compaction.to_tokens, self._room // 2), self.shape.opening_tokens)

    def _add(self, name: str, input_tokens: int, output_tokens: int, wait_s: float) -> None:
        goes_on = self.last != NO_STEP
        call = Call(
            input_tokens=input_tokens,
            output_tokens=output_tokens,
            continues=self.last,
            opening="" if goes_on else self.opening,
            opening_tokens=0 if goes_on else self.shape.opening_tokens,
        )
        wait_s = min(wait_s, self.limits.idle_cap_s)
        self.steps.append(Step(name=name, after=self.after, wait_s=wait_s, agent=self.name, call=call))
        self.last = len(self.steps) - 1
        self.after, self.context_tokens = (self.last,), input_tokens + output_tokens
