"""What a server states of an answer's tokens, and how that is made to agree with the chunks that came.

Tokens of a chunk, by the best evidence it carries: the growth of a per-chunk `usage` (vLLM, SGLang),
else its token ids or log-probabilities, else one. Where one was a guess that the server's final `usage` shows to
be too low, the rest is shared out at the end; a count that rests on evidence, or is too high, is left as it
is, so that the two can be compared. Tokens of reasoning that was never sent are in no chunk.
"""

from __future__ import annotations

from dataclasses import replace

from paretoken.bench.client.answer_json import Json
from paretoken.bench.client.arrived import ArrivedChunks
from paretoken.bench.client.sharing import share_out
from paretoken.bench.client.usage import UNKNOWN, TokenUsage, most_tokens, nowhere_else, usage_of

NEAR = 0.1
"""Largest relative difference between the tokens counted and a total that includes reasoning."""
LONGEST_TOKEN = 64
"""Characters that one token may have; a text beyond is more than one."""


class StatedTokens(ArrivedChunks):
    """The chunks of one answer and the counts that its usage states."""

    __slots__ = (
        "_closed",
        "_continuous",
        "_doubted",
        "_evident",
        "_in_messages",
        "_most",
        "_planned",
        "_reasoning",
        "_stated",
        "_texts",
        "_unbelieved",
        "_unread",
        "_usage_at",
        "_usage_at_first",
        "_usage_tokens",
        "_waiting",
        "in_one_piece",
    )

    def __init__(self, planned: int) -> None:
        super().__init__()
        self._planned = planned
        self._most = most_tokens(planned)
        self._unbelieved = 0  # output tokens of a usage beyond that
        self.in_one_piece = False  # not streamed: nobody saw when its first token came
        self._stated = TokenUsage()
        self._unread: Json | None = None  # the latest event with a usage, not yet in `_stated`
        self._usage_at = 0  # chunks when the latest usage came
        # Whether each chunk bears a usage that counts the tokens so far; known with the first text.
        self._continuous: bool | None = None
        self._usage_tokens = self._texts = 0
        self._usage_at_first = UNKNOWN
        self._doubted = False  # the usage of chunks contradicts their text
        self._waiting: list[tuple[int, int]] = []  # time and tokens of chunks without text before the first text
        self._evident = False  # chunks said how many tokens they hold
        self._reasoning = False  # text of reasoning came
        self._closed = False  # a usage came in a chunk of its own
        self._in_messages = False  # text came as `message`, not as `delta`

    @property
    def usage(self) -> TokenUsage:
        """What the server stated of its tokens so far."""
        if self._unread is not None:
            self._stated = self._stated.updated(self._believed(usage_of(self._unread) or TokenUsage()))
            self._unread = None
        return self._stated

    @property
    def total(self) -> int:
        """Output tokens by the server's usage, -1 where it stated none, or none after the last text."""
        total = self.usage.output
        if self._usage_at < len(self.chunk_ns) or (self.tokens and not total):
            return UNKNOWN
        if self._doubted and total < self.tokens and total <= self._usage_at_first:
            return UNKNOWN  # the same number in every chunk
        return total

    def settle(self) -> str:
        """Make the chunks agree with the server's total; a note on what that took, or nothing."""
        self._settle_chunks()
        self._take_beyond()
        note = self._agree()
        if not self._unbelieved:
            return note
        doubt = f"usage says {self._unbelieved:,} output tokens, more than any answer to max_tokens {self._planned:,}"
        return "; ".join(filter(None, (note, f"{doubt}: not believed")))

    def _agree(self) -> str:
        total, counted, events, hidden = self.total, self.tokens, len(self.chunk_tokens), self._hidden()
        if events == 1 and (self._in_messages or (total < 0 and not self._evident and self._sizes[0] > LONGEST_TOKEN)):
            self.in_one_piece = True
        visible = total - hidden
        if events == 1 and visible > 1:
            self.in_one_piece = True
        if total < 0 or visible == counted or not events:
            return f"{hidden} reasoning tokens were not sent" if hidden else ""
        note = f"{events} chunks counted as {counted} tokens, usage says {total}"
        note += f" of which {hidden} were not sent" if hidden else ""
        if visible < counted or self._evident or self._continuous:
            return note
        share_out(self.chunk_tokens, self._sizes, visible - counted)
        self.tokens = visible
        return f"{note}: the rest is shared out by text length"

    def _usage(self, event: Json) -> int:
        """Note the usage of an event; its output tokens, -1 without one."""
        if not event.get("usage") and nowhere_else(event):
            return UNKNOWN
        stated = usage_of(event)
        if stated is None:
            return UNKNOWN
        stated = self._believed(stated)
        self._stated = self.usage.updated(stated)
        return stated.output

    def _believed(self, stated: TokenUsage) -> TokenUsage:
        """The usage; without output counts if they exceed the most that an answer to this request can have."""
        if stated.output <= self._most:
            return stated
        self._unbelieved = stated.output
        return replace(stated, output=UNKNOWN, reasoning=UNKNOWN, beyond=UNKNOWN)

    def _by_usage(self, event: Json, own: int, size: int, output: int, stamp_ns: int) -> int:
        """Take a chunk of a stream whose chunks may bear a usage; its tokens by the growth of that."""
        if own:
            self._texts += 1
            if self._continuous is None:
                self._begin_text(output)
        elif self._continuous is None:
            if output > self._usage_tokens and not _opens(event):
                self._waiting.append((stamp_ns, output - self._usage_tokens))
                self._usage_tokens = output
            return 0
        if output < 0 or not self._continuous:
            tokens = own
            self._usage_tokens += own
        else:
            tokens = output - self._usage_tokens if output > self._usage_tokens else 0
            self._usage_tokens = output
            if output < self._texts:
                self._doubted = True
        if own or tokens:
            self._add(stamp_ns, tokens, size)
        return tokens

    def _begin_text(self, output: int) -> None:
        """The first text tells whether the usage of chunks counts their tokens."""
        self._continuous, self._usage_at_first = output >= 1, output
        if not self._continuous or output <= self._usage_tokens:
            self._usage_tokens = 0  # what came before counts this chunk, or nothing
            self._waiting.clear()
        self._take_waiting()

    def _take_waiting(self) -> None:
        for stamp_ns, tokens in self._waiting:
            self._add(stamp_ns, tokens, 0)
        self._waiting.clear()

    def _settle_chunks(self) -> None:
        """Decide between what usage and what text says of the chunks, and leave out those without tokens."""
        if self._continuous is None and self._waiting and self.usage.reasoning < self.usage.output:
            self._take_waiting()  # tokens without any text, such as special ones
            self._usage_at = len(self.chunk_ns)
        if not self._continuous:
            return
        zeros = self.chunk_tokens.count(0)
        self._doubted = self._doubted or zeros * 2 > len(self.chunk_tokens)
        if not (zeros or self._doubted):
            return
        self.keep([size > 0 for size in self._sizes] if self._doubted else self.chunk_tokens)
        self._continuous = not self._doubted

    def _take_beyond(self) -> None:
        """Count the tokens of a total beyond its output as reasoning, if the chunks carried about as many."""
        usage, counted = self.usage, self.tokens
        beyond, output = usage.beyond, usage.output
        if not 0 <= output < counted or abs(counted - beyond) > beyond * NEAR or 0 < self._planned < beyond:
            return
        self._stated = replace(usage, output=beyond, reasoning=beyond - output, beyond=UNKNOWN)

    def _hidden(self) -> int:
        """Tokens of reasoning that no chunk holds; the first chunk gives up those that only its usage counted."""
        hidden = self.usage.reasoning
        if self._reasoning or self.in_one_piece or not 0 < hidden < self.total or not self.chunk_tokens:
            return 0
        if self._continuous and self.chunk_tokens[0] > hidden:
            self.chunk_tokens[0] -= hidden
            self.tokens -= hidden
        return hidden if self.tokens <= self.total - hidden else 0


def _opens(event: Json) -> bool:
    """Whether a chunk only says who speaks."""
    return any((choice.get("delta") or {}).get("role") for choice in event["choices"])
