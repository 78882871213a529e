"""What the prompts of requests share, as chains of units: blocks of a prompt, or tokens of a conversation.

A unit is reached only through all before it, so that equal units are equal prompts up to their end.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from paretoken.sessions.prefixes import ROOT, nodes_of, tree_of_sessions
from paretoken.traffic.traffic import NO_SESSION, Ints, PrefixBlocks, SessionGraphs, Traffic

UNIT_TOKENS = 64
"""Tokens of a unit of a call's context, where a trace of sessions has no blocks."""
GROWING_SHARE = 0.9
"""Share of later turns that must hold the turn before for a log of sessions to show what prompts share."""


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Chains:
    """Chains of n requests. `units` (n,) are their lengths, each unit of `tokens` tokens.

    `touches` (total,) names each unit, chain by chain. Turns of conversations have a `parent` (n,) instead: the turn
    before, all of whose units they share; -1 without one.
    """

    units: Ints
    tokens: int
    touches: Ints = field(default_factory=lambda: np.empty(0, np.int64))
    parent: Ints | None = None
    note: str = ""


def chains_of(traffic: Traffic) -> Chains | None:
    """The chains of a traffic: by its blocks, by the calls that go on with others, or by turns that grow; else None."""
    if traffic.prefixes is not None:
        return _of_blocks(traffic.prefixes)
    if traffic.graphs is not None:
        return _of_calls(traffic, traffic.graphs)
    return _of_turns(traffic)


def _of_blocks(blocks: PrefixBlocks) -> Chains:
    units = np.array([len(ids) for ids in blocks.ids], np.int64)
    numbers: dict[int, int] = {}  # ids may be hashes of more than 64 bits
    flat = (numbers.setdefault(b, len(numbers)) for ids in blocks.ids for b in ids)
    touches = nodes_of(np.fromiter(flat, np.int64, int(units.sum())), units, len(numbers))
    return Chains(units=units, tokens=blocks.tokens, touches=touches)


def _of_turns(traffic: Traffic) -> Chains | None:
    parent = previous_turn(traffic.session)
    later = np.flatnonzero(parent >= 0)
    if not len(later):
        return None
    context = traffic.input_tokens + traffic.output_tokens
    grows = traffic.input_tokens[later] >= context[parent[later]]
    if grows.mean() < GROWING_SHARE:
        return None
    parent[later[~grows]] = NO_SESSION
    note = (
        f"shared prefixes are derived from sessions: {grows.mean():.0%} of later turns are at least as long as the turn"
        " before with its answer; prompts that sessions share with each other are not counted"
    )
    return Chains(units=context, tokens=1, parent=parent, note=note)


def _of_calls(traffic: Traffic, graphs: SessionGraphs) -> Chains | None:
    """Calls by the contexts that they go on with and the openings that sessions share, in units of `UNIT_TOKENS`."""
    _, rows, unit = np.unique(traffic.session, return_index=True, return_inverse=True)
    sessions = [graphs.sessions[graph] for graph in graphs.graph[rows].tolist()]
    first = np.cumsum([0, *(len(session.calls) for session in sessions)])
    number = [{step: i for i, step in enumerate(session.calls)} for session in sessions]
    calls = [int(first[s]) + number[s][step] for s, step in zip(unit.tolist(), graphs.step.tolist(), strict=True)]
    tree = tree_of_sessions(sessions)
    count = tree.end // UNIT_TOKENS - tree.start // UNIT_TOKENS
    begin = (np.cumsum(count) - count).tolist()
    parent, counts = tree.parent.tolist(), count.tolist()
    chains = [_path(leaf, parent, begin, counts) for leaf in tree.whole[calls].tolist()]
    units = np.array([len(chain) for chain in chains], np.int64)
    if not units.any():
        return None
    return Chains(units=units, tokens=UNIT_TOKENS, touches=np.concatenate(chains))


def _path(leaf: int, parent: list[int], begin: list[int], count: list[int]) -> Ints:
    """The units from the root of the tree to the end of a segment; segment s has `count[s]` from `begin[s]` on."""
    parts = []
    while leaf != ROOT:
        parts.append(np.arange(begin[leaf], begin[leaf] + count[leaf]))
        leaf = parent[leaf]
    return np.concatenate(parts[::-1]) if parts else np.empty(0, np.int64)


def previous_turn(session: Ints) -> Ints:
    """The request before each in its session (n,), -1 for the first of a session and for requests without one."""
    order = np.argsort(session, kind="stable")
    same = (session[order][1:] == session[order][:-1]) & (session[order][1:] != NO_SESSION)
    previous = np.full(len(session), NO_SESSION, np.int64)
    previous[order[1:][same]] = order[:-1][same]
    return previous
