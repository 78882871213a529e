"""The text of an answer: words of one length, so that every event of a stream is as long as the next.

Token i of an answer that begins at word `start` is word start + i of an endless round.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

_LIST = """
able also area away back base best blue body book both call case city come cost data dear door down draw each early
east easy edge even ever face fact fall farm fast feel fire five food form four free full game gave gift give glad
goes gold good gray grow half hand hard head hear heat help here high hill hold home hope hour idea inch into item
join just keep kind king know lake land last late lead left less life like line list live long look lost made main
make many mark mean mind more most move much must name near need next nine note once only open over page part past
path plan play poor rain read real rest rich ride ring rise road rock room rule safe same save seat seem seen self
send ship show side sign sing snow soft some song soon sort stay step stop such sure take talk tall team tell then
there they thin this tide time told tone took town tree trip true turn unit upon very view wait walk wall want warm
wash week well went west what when wide wild will wind wise with wood word work year
"""
_FOUR = {f" {w}" for w in _LIST.split() if len(w) == 4}
WORDS = tuple(sorted(_FOUR, key=lambda w: w[::-1]))  # by their ends, so that neighbours are no alphabet
WORD_CHARS = 5
_BYTES = tuple(w.encode() for w in WORDS)
ROUND = _BYTES * 2
_PLACES = {word: i for i, word in enumerate(WORDS)}
_ROUND_TEXT = "".join(WORDS)


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A tool call in an answer: `tokens` words between `head` and `tail`, which make its arguments valid JSON."""

    name: str
    head: str
    tail: str
    tokens: int


@dataclass(frozen=True, slots=True)
class AnswerPart:
    """Text of an answer: of its tool call number `call`, -1 for none; `begins` and `ends` of that call."""

    text: str
    call: int = -1
    begins: bool = False
    ends: bool = False


@dataclass(frozen=True, slots=True)
class Script:
    """The answer to a request: words from `start` on, its tokens, why it ends, and the length of its text."""

    start: int
    tokens: int
    reason: str
    chars: int | None = None  # all if None; a stop string cuts the rest
    per_event: int = 1  # tokens in each event
    calls: tuple[ToolCall, ...] = ()

    def parts(self, first: int, last: int) -> list[AnswerPart]:
        """Tokens first … last − 1, a part for each tool call; without calls one part, perhaps empty."""
        if not self.calls:
            return [AnswerPart(self.text(first, last))]
        parts, before = [], 0
        for i, call in enumerate(self.calls):
            begin, end = max(first, before), min(last, before + call.tokens)
            if begin < end:
                begins, ends = begin == before, end == before + call.tokens
                text = text_of(self.start, begin, end)
                parts.append(AnswerPart(call.head * begins + text + call.tail * ends, i, begins, ends))
            before += call.tokens
        return parts

    def text(self, first: int, last: int) -> str:
        """Tokens first … last − 1, less what a stop string cuts."""
        text = text_of(self.start, first, last)
        return text if self.chars is None else text[: max(self.chars - first * WORD_CHARS, 0)]


def text_of(start: int, first: int, last: int) -> str:
    """Tokens first … last − 1 of an answer."""
    n = len(WORDS)
    begin, chars = (start + first) % n * WORD_CHARS, max(last - first, 0) * WORD_CHARS
    return (_ROUND_TEXT * (1 + (begin + chars) // len(_ROUND_TEXT)))[begin : begin + chars]


def word_at(word: str) -> int | None:
    """The place of a word in the round; None for any other text."""
    return _PLACES.get(word)


def find_stop(start: int, tokens: int, stops: Sequence[str], min_tokens: int) -> tuple[int, int] | None:
    """(tokens, characters) of an answer that ends at the first of the stop strings, None where none comes.

    The characters are those before the string. Strings that end within the first `min_tokens` do not count.
    """
    text, earliest = text_of(start, 0, tokens), None
    for stop in stops:
        at = text.find(stop)
        while at >= 0 and at + len(stop) <= min_tokens * WORD_CHARS:
            at = text.find(stop, at + 1)
        if at >= 0 and (earliest is None or at + len(stop) < sum(earliest)):
            earliest = (at, len(stop))
    if earliest is None:
        return None
    return -(-sum(earliest) // WORD_CHARS), earliest[0]
