"""AIPerf's branching conversations: one conversation in each JSON line. Those that no other one names are roots.

The form is that of AIPerf 0.13 (`dataset/loader/dag_jsonl_models.py`, docs/benchmark-modes/dag.md). A conversation has
a `session_id` and `turns` with `messages` (what the turn adds), `max_tokens`, `tools` and a `delay` (ms). After a turn
its `forks` begin with its context, and its `spawns` with an empty one; a turn waits for what was spawned to join there,
by default at the next turn. `pre_session_spawns` begin with their conversation. An orchestrator sends nothing itself:
it runs `rounds` of `spawns`, each after the last one and a `think_time_ms`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from paretoken.errors import quoted
from paretoken.sessions.arrange import MOST_STEPS, BadSession, NamedStep, StepList
from paretoken.sessions.drafts import Faults, SessionDraft
from paretoken.sessions.fields import (
    id_of,
    ids_of,
    list_of,
    messages_of,
    require_known,
    rows_of,
    seconds_of,
    text_of,
    tokens_of,
    tools_of,
)
from paretoken.sessions.graph import Call, Step
from paretoken.sessions.memory import SESSION_BYTES, STEP_BYTES, call_bytes
from paretoken.sessions.recorded import DEEPEST, too_deep
from paretoken.trace_rows import TraceRow

NAME = "AIPerf DAG"
RULE = "delays in ms, max_tokens as the length of answers, think times that are drawn as their median"
_CONVERSATION = (
    "session_id",
    "turns",
    "orchestrator",
    "spawns",
    "rounds",
    "think_time_ms",
    "think_time_sigma",
    "think_time_min_ms",
    "think_time_max_ms",
    "context_mode",
    "pre_session_spawns",
)
_TURN = ("messages", "model", "max_tokens", "tools", "extra", "forks", "spawns", "delay")
_OWN_PROMPTS = "message_array_with_responses"
"""The context mode in which each turn has its whole prompt."""


def detects(row: TraceRow) -> bool:
    """Turns with messages; turns with text are linear conversations of requests."""
    turns = row.values.get("turns")
    first = turns[0] if isinstance(turns, list) and turns else None
    messages = isinstance(first, dict) and "messages" in first
    return "session_id" in row.values and (messages or "orchestrator" in row.values)


@dataclass(frozen=True, slots=True, kw_only=True)
class Branch:
    """A child conversation. It `inherits` the context or not; its parent waits for it before turn `join`, or never."""

    child: str
    inherits: bool = False
    join: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DagTurn:
    """A turn; an orchestrator's turns have no call."""

    call: Call | None
    wait_s: float
    branches: tuple[Branch, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class DagConversation:
    """A line of the file."""

    place: str
    turns: tuple[DagTurn, ...]
    before: tuple[Branch, ...]
    accumulates: bool

    @property
    def size(self) -> int:
        """Bytes of memory."""
        turns = sum(call_bytes(turn.call) if turn.call else 0 for turn in self.turns)
        return SESSION_BYTES + STEP_BYTES * (len(self.turns) + sum(1 for _ in self.children)) + turns

    @property
    def children(self) -> Iterator[str]:
        """The names of all conversations that it begins."""
        yield from (branch.child for branch in self.before)
        yield from (branch.child for turn in self.turns for branch in turn.branches)


def drafts(rows: Iterator[TraceRow], faults: Faults, most_sessions: int | None) -> Iterator[SessionDraft]:
    """A session for each root with all that it begins, once all conversations are read."""
    conversations: dict[str, DagConversation] = {}
    for row in rows:
        name = faults.session_of(row, "session_id")
        if not name:
            continue
        with faults.of(name, row.place):
            if name in conversations:
                raise BadSession("occurs twice; give every session a name of its own", "two sessions with one name")
            conversations[name] = _conversation(row)
            faults.keep(conversations[name].size, row.place)
    children = {child for conversation in conversations.values() for child in conversation.children}
    began = set[str]()
    for name in (name for name in conversations if name not in children):
        place = conversations[name].place
        with faults.of(name, place):
            expansion = _Expansion(conversations, began)
            yield SessionDraft(name=name, place=place, steps=expansion.steps_of(name))
    for name in (name for name in conversations if name not in began):
        # No root begins it, so it is part of a cycle, or begun by one.
        with faults.of(name, conversations[name].place):
            _Expansion(conversations, began).steps_of(name)


def _conversation(row: TraceRow) -> DagConversation:
    require_known(row, _CONVERSATION)
    if row.values.get("orchestrator"):
        turns = _rounds(row)
    else:
        turns = tuple(_turn(turn, place) for place, turn in enumerate(rows_of(row, "turns", "turn")))
        if not turns:
            raise row.bad("turns must be a list of one turn or more")
    before = tuple(Branch(child=child) for child in ids_of(row, "pre_session_spawns"))
    mode = text_of(row, "context_mode")
    return DagConversation(place=row.place, turns=turns, before=before, accumulates=mode != _OWN_PROMPTS)


def _turn(row: TraceRow, place: int) -> DagTurn:
    require_known(row, _TURN)
    messages = messages_of(row, "messages")
    if not messages:
        raise row.bad("messages must be a list of one message or more")
    call = Call(
        output_tokens=tokens_of(row, "max_tokens"),
        messages=messages,
        tools=tools_of(row, "tools"),
        model=text_of(row, "model"),
    )
    branches = (*_forks(row), *_spawns(row, place))
    return DagTurn(call=call, wait_s=seconds_of(row, "delay", 1e-3) or 0.0, branches=branches)


def _forks(row: TraceRow) -> Iterator[Branch]:
    for value in list_of(row, "forks"):
        child = value.get("child") if isinstance(value, dict) else value
        yield Branch(child=id_of(row, "forks", child), inherits=True)


def _spawns(row: TraceRow, place: int) -> Iterator[Branch]:
    for value in list_of(row, "spawns"):
        if not isinstance(value, dict):
            yield Branch(child=id_of(row, "spawns", value), join=place + 1)
            continue
        entry = TraceRow(value, row.file, f"{row.place}, spawns")
        require_known(entry, ("children", "join_at"))
        join = tokens_of(entry, "join_at")
        if join is not None and join <= place:
            raise entry.bad(f"join_at is {join}; it must be a turn behind the one that spawns, {place}")
        yield from (Branch(child=child, join=join or place + 1) for child in ids_of(entry, "children"))


def _rounds(row: TraceRow) -> tuple[DagTurn, ...]:
    """The turns of an orchestrator, which send nothing."""
    rounds, spawns = row.values.get("rounds"), ids_of(row, "spawns")
    think_s = seconds_of(row, "think_time_ms", 1e-3) or 0.0
    plan: Sequence[tuple[Sequence[str], float]] = [(spawns, think_s)]
    if isinstance(rounds, list):
        own = rows_of(row, "rounds", "round")
        thinks = [seconds_of(entry, "think_time_ms", 1e-3) for entry in own]
        plan = [(ids_of(e, "spawns"), think_s if t is None else t) for e, t in zip(own, thinks, strict=True)]
    elif rounds is not None:
        plan = [*plan] * min(row.tokens("rounds"), MOST_STEPS)
    if not plan or not all(children for children, _ in plan):
        raise row.bad("an orchestrator needs spawns in each of its rounds")
    gated = rounds is not None
    turns = [
        DagTurn(call=None, wait_s=wait_s, branches=tuple(Branch(child=c, join=n + 1 if gated else None) for c in own))
        for n, (own, wait_s) in enumerate(plan)
    ]
    return tuple(turns)


Tools = tuple[Mapping[str, object], ...]


@dataclass(slots=True)
class _Expansion:
    """The steps of one session: each conversation as often as it is begun. `began` gets the names of all."""

    conversations: Mapping[str, DagConversation]
    began: set[str]
    steps: StepList = field(default_factory=StepList)
    _count: int = 0

    def steps_of(self, root: str) -> list[NamedStep]:
        """The steps of a root and all that it begins."""
        self._run(root, (), "", (), 0.0, ())
        return self.steps.steps

    def _run(
        self,
        name: str,
        after: tuple[str, ...],
        context: str,
        above: tuple[str, ...],
        wait_s: float,
        tools: Tools,
    ) -> tuple[str, ...]:
        """Append the steps of a conversation that begins `wait_s` after these; what its end waits for.

        One that goes on with a `context` has its `tools` until a turn defines others: with them its prompts begin.
        """
        conversation = self._conversation(name, above)
        self.began.add(name)
        self._count += 1
        prefix, above = f"{name}#{self._count}", (*above, name)
        agent = name if len(above) > 1 else ""
        joins: dict[int, list[str]] = {}
        for branch in conversation.before:
            self._run(branch.child, after, "", above, wait_s, ())
        for number, turn in enumerate(conversation.turns):
            after = tuple(dict.fromkeys((*after, *joins.pop(number, ()))))
            wait_s += turn.wait_s
            if turn.call is not None:
                tools = turn.call.tools or tools
                step = Step(wait_s=wait_s, agent=agent, call=replace(turn.call, tools=tools))
                continues = context if conversation.accumulates else ""
                named = NamedStep(id=f"{prefix}/{number}", step=step, after=after, continues=continues)
                self.steps.append(named)
                after, wait_s, context = (named.id,), 0.0, named.id
            for branch in turn.branches:
                inherited = context if branch.inherits else ""
                last = self._run(branch.child, after, inherited, above, wait_s, tools if inherited else ())
                if branch.join is not None:
                    joins.setdefault(branch.join, []).extend(last)
            if turn.call is None and joins.get(number + 1):
                # The next round waits for this one, not for what was before it.
                after, wait_s = (), 0.0
        return tuple(dict.fromkeys((*after, *(id_ for ids in joins.values() for id_ in ids))))

    def _conversation(self, name: str, above: tuple[str, ...]) -> DagConversation:
        if name in above:
            raise BadSession(
                f"conversation {quoted(name)} begins itself, directly or through others", "a cycle of steps"
            )
        if name not in self.conversations:
            why = f"conversation {quoted(name)} is begun and not in the file"
            raise BadSession(why, "a step that waits for a missing one")
        if len(above) > DEEPEST:
            raise too_deep("conversation", name)
        return self.conversations[name]
