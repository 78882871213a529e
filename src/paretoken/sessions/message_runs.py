"""Messages that prompts begin with alike, and how many tokens each has.

A prompt that continues no other is its definitions of tools and then its messages. Two prompts share all of these up
to the first that differs; where a trace names an opening, they share that and no more. Traces state the length of a
whole prompt, so the tokens that are new in it are spread over its new messages by their share of the characters. A
message that several prompts begin with is as long as in the prompt with the fewest characters, where its share is most
exact. Text that begins alike within a message is not shared, nor what the chat template of a server adds.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import blake2b

import orjson

from paretoken.sessions.graph import NO_STEP, Call, Session
from paretoken.sessions.tree_builder import TreeBuilder

Chain = bytes
"""The digest of a text from the start of a prompt; equal texts have equal digests."""
START: Chain = b""


@dataclass(slots=True)
class MessageRuns:
    """The texts so far, each with the segment of a tree that it ends in.

    `lengths` are the tokens of the messages that prompts begin with, by the chain up to the end of each.
    """

    lengths: Mapping[Chain, int]
    _ends: dict[Chain, int] = field(default_factory=dict)
    _others: int = 0

    @classmethod
    def of(cls, sessions: Iterable[Session]) -> MessageRuns:
        """For these sessions, which say how long their messages are."""
        shortest: dict[Chain, tuple[int, int]] = {}  # characters of the prompt, tokens of the message
        for session in sessions:
            for call in session.calls.values():
                if call.continues == NO_STEP and call.messages and not call.blocks and not call.opening:
                    for chain, tokens, characters in _openings(call):
                        shortest[chain] = min(shortest.get(chain, (characters, tokens)), (characters, tokens))
        return cls({chain: tokens for chain, (_, tokens) in shortest.items()})

    def unlike(self) -> Chain:
        """The chain of a text that no other is equal to."""
        self._others += 1
        return b"%d" % self._others

    def prompt(self, builder: TreeBuilder, base: int, chain: Chain, call: Call, tokens: int) -> tuple[int, Chain]:
        """The segment in which a prompt of `tokens` ends whose messages follow those of `chain`, and its own chain."""
        shares = list(_spread(call, chain, tokens - builder.reach(base)))
        for place, (after, share) in enumerate(shares):
            left = tokens - builder.reach(base)
            last = place == len(shares) - 1
            base = self.placed(builder, base, after, left if last else min(self.lengths.get(after, share), left))
            chain = after
        return base, chain

    def placed(self, builder: TreeBuilder, below: int, chain: Chain, tokens: int) -> int:
        """The segment of `tokens` below another: that of an equal text before it, as far as this one reaches."""
        if tokens <= 0:
            return below
        if chain not in self._ends:
            self._ends[chain] = builder.add(below, tokens)
            return self._ends[chain]
        equal, end = self._ends[chain], builder.reach(below) + tokens
        return builder.at(equal, end) if builder.reach(equal) >= end else builder.add(equal, end - builder.reach(equal))


def chained(chain: Chain, value: object) -> Chain:
    """The chain with one more value."""
    try:
        text = orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
    except orjson.JSONEncodeError:  # such as a lone surrogate
        text = repr(value).encode("utf-8", "backslashreplace")
    return blake2b(len(chain).to_bytes(1, "little") + chain + text, digest_size=16).digest()


def _openings(call: Call) -> Iterator[tuple[Chain, int, int]]:
    """The chain and the tokens of each message of a prompt, and the characters of all of them."""
    spread = list(_spread(call, START, call.input_tokens or 1))
    characters = sum(_characters(piece) for piece in _pieces(call))
    return ((chain, tokens, characters) for chain, tokens in spread)


def _spread(call: Call, chain: Chain, tokens: int) -> Iterator[tuple[Chain, int]]:
    """The chain after each message of a call, and its part of the tokens by its share of the characters."""
    pieces = list(_pieces(call))
    sizes = [_characters(piece) for piece in pieces]
    total, so_far, before = sum(sizes), 0, 0
    for piece, size in zip(pieces, sizes, strict=True):
        chain = chained(chain, piece)
        so_far += size
        end = round(tokens * so_far / total)
        yield chain, end - before
        before = end


def _pieces(call: Call) -> Iterator[object]:
    """What is new in a prompt, in its order."""
    if call.continues == NO_STEP and call.tools:
        yield list(call.tools)
    yield from map(dict, call.messages)


def _characters(piece: object) -> int:
    """The characters of all texts in a message or in definitions, but for images; at least 1."""
    total, values = 0, [piece]
    while values:
        value = values.pop()
        if isinstance(value, Mapping):
            values += value.values()
        elif isinstance(value, list | tuple):
            values += value
        elif isinstance(value, str) and not value.startswith("data:"):
            total += len(value)
    return max(total, 1)
