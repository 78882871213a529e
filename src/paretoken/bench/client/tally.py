"""What the answers of OpenAI-compatible servers say: tokens per chunk, usage, how the answer ended.

Tokens of a chunk, by the best evidence it carries: the growth of a per-chunk `usage` (vLLM, SGLang),
else its token ids or log-probabilities, else one. Where one was a guess that the server's final `usage` shows to
be too low, the rest is shared out at the end; a count that rests on evidence, or is too high, is left as it
is, so that the two can be compared.
"""

from __future__ import annotations

from array import array
from collections.abc import Collection

from paretoken.bench.client.answer_json import (
    InBandError,
    Json,
    beside_content,
    error_text,
    json_object,
    number,
    weigh,
)
from paretoken.bench.client.http1 import size_line

DONE = b"[DONE]"
EVENT_END = b"\n\n\r\n"  # of an event that fills a chunk


class Tally:
    """Counts of one answer, fed one JSON document at a time with the time of its arrival."""

    __slots__ = (
        "_continuous",
        "_evident",
        "_sizes",
        "_usage_tokens",
        "chunk_ns",
        "chunk_tokens",
        "coalesced",
        "done",
        "finish_reason",
        "first_late",
        "in_one_piece",
        "late_merged_reads",
        "merged_reads",
        "prefix",
        "suffix",
        "token_reads",
        "tokens",
        "usage",
    )

    def __init__(self) -> None:
        self.chunk_ns = array("q")
        self.chunk_tokens = array("i")
        self._sizes = array("i")  # characters of each chunk, to share out tokens that no chunk claimed
        self.tokens = 0
        self.coalesced = self.token_reads = self.merged_reads = self.late_merged_reads = 0
        self.first_late = False
        self.in_one_piece = False  # not streamed: nobody saw when its first token came
        self.finish_reason = ""
        self.usage: Json = {}
        self.done = False
        # Bytes around the text of an event that is one token and nothing else; later ones of the same
        # stream that begin and end so need no JSON parser.
        self.prefix = self.suffix = b""
        self._continuous: bool | None = None
        self._evident = False  # chunks said how many tokens they hold
        self._usage_tokens = 0

    def event(self, payload: bytes, stamp_ns: int) -> bool:
        """Take one event of a stream; whether it carried tokens. Raises MalformedError, InBandError."""
        if payload == DONE:
            self.done = True
            return False
        event = json_object(payload)
        choices = event.get("choices")
        usage = event.get("usage")
        if event.get("error") is not None:
            raise InBandError(error_text(event))
        if not choices:
            if event.get("object") == "error":
                raise InBandError(error_text(event))
            if usage:
                self.usage = usage
            return False
        tokens = size = 0
        for choice in choices:
            reason = choice.get("finish_reason")
            if reason:
                self.finish_reason = str(reason)
            delta = choice.get("delta")
            n, chars = weigh(choice, choice if delta is None else delta)
            tokens += n
            size += chars
            self._evident = self._evident or bool(choice.get("token_ids") or choice.get("logprobs"))
        if usage:
            tokens = self._by_usage(usage, tokens)
        if not tokens:
            return False
        if tokens == 1 and not self.prefix and not usage and not self.finish_reason and len(choices) == 1:
            self._learn(payload, choices[0])
        self._add(stamp_ns, tokens, size)
        return True

    def take_alike(self, datas: list[bytes], stamps: list[int], at: int, late: Collection[int] = ()) -> int:
        """Take reads from index `at` on, as long as they are whole chunks holding events like a known one.

        Gives the index of the first that is not; an event is alike if it differs in its text only. Text
        with a quote, a backslash or beyond ASCII is left to the parser. This is most of every stream, hence
        the one flat loop. `late` holds the indices of the reads that came late.
        """
        prefix, suffix = b"\r\ndata: " + self.prefix, self.suffix + EVENT_END
        before, after = len(prefix), len(suffix)
        first, count, seen = at, len(datas), 0
        while at < count:
            data = datas[at]
            line = data.find(b"\r\n", 1, 8)
            if not data.startswith(prefix, line):
                self.prefix = b""  # another shape (a new second in `created`, say): to be learnt anew
                break
            text = data[line + before : -after]
            if not data.endswith(suffix) or b"\\" in text or not text.isascii():
                break
            if b'"' in text:
                sizes = _sizes_of_merged(data, prefix, suffix)
                if not sizes:
                    break
                self._sizes.extend(sizes)
                self.chunk_ns.extend([stamps[at]] * len(sizes))
                self.count_merged(len(sizes), at in late)
                seen += len(sizes)
                at += 1
                continue
            if not text or data[:line] != size_line(len(data) - line - 4):
                break
            self.chunk_ns.append(stamps[at])
            self._sizes.append(len(text))
            seen += 1
            at += 1
        self.token_reads += at - first
        self.tokens += seen
        self.chunk_tokens.extend([1] * seen)
        return at

    def count_merged(self, chunks: int, late: bool) -> None:
        """Note a read that held several chunks, all of which bear its one stamp."""
        self.coalesced += chunks - 1
        self.merged_reads += 1
        self.late_merged_reads += late
        if late and len(self.chunk_ns) == chunks:
            self.first_late = True  # the first token is among them, and bears the stamp of the last

    def whole(self, body: bytes, stamp_ns: int) -> None:
        """Take an answer that came in one piece: one arrival that carries every token."""
        answer = json_object(body)
        choices = answer.get("choices") or ()
        if answer.get("error") is not None or (not choices and answer.get("object") == "error"):
            raise InBandError(error_text(answer))
        tokens = size = 0
        for choice in choices:
            self.finish_reason = str(choice.get("finish_reason") or self.finish_reason)
            n, chars = weigh(choice, choice.get("message") or choice)
            tokens += n
            size += chars
        self.usage = answer.get("usage") or {}
        self.in_one_piece = True
        tokens = number(self.usage, "completion_tokens") if self.total >= 0 else tokens
        self.done = True
        if tokens:
            self._add(stamp_ns, tokens, size)

    @property
    def total(self) -> int:
        """Output tokens by the server's usage, -1 where it said nothing."""
        return number(self.usage, "completion_tokens")

    def settle(self) -> str:
        """Make the chunks agree with the server's total; a note on what that took, or nothing."""
        total, counted, events = self.total, self.tokens, len(self.chunk_tokens)
        if total < 0 or total == counted or not events:
            return ""
        note = f"{events} chunks counted as {counted} tokens, usage says {total}"
        if total < counted or self._evident or self._continuous:
            return note
        self._share_out(total - counted)
        self.tokens = total
        return f"{note}: the rest is shared out by text length"

    def _by_usage(self, usage: Json, tokens: int) -> int:
        self.usage = usage
        total = number(usage, "completion_tokens")
        if self._continuous is None:
            # A usage on the last chunk only is a total, not a count of that chunk.
            self._continuous = total >= 0 and not self.chunk_tokens
        if not self._continuous or total < 0:
            return tokens
        grown, self._usage_tokens = total - self._usage_tokens, total
        return max(grown, 0)

    def _learn(self, payload: bytes, choice: Json) -> None:
        if choice.get("token_ids") or choice.get("logprobs"):
            return
        delta = choice.get("delta")
        name = "text" if delta is None else "content"
        text = (choice if delta is None else delta).get(name)
        if not text or (delta is not None and beside_content(delta)):
            return
        for colon in (":", ": "):
            key = f'"{name}"{colon}"'.encode()
            at = payload.find(key) + len(key)
            plain = text.encode()
            # Inside a JSON string the quotes of the key would be escaped, so a single find is the key itself.
            if payload.count(key) == 1 and payload.startswith(plain + b'"', at):
                self.prefix, self.suffix = payload[:at], payload[at + len(plain) :]
                return

    def _add(self, stamp_ns: int, tokens: int, size: int) -> None:
        if self._continuous is None:
            self._continuous = False
        self.chunk_ns.append(stamp_ns)
        self.chunk_tokens.append(tokens)
        self._sizes.append(size)
        self.tokens += tokens

    def _share_out(self, missing: int) -> None:
        """Largest remainders over each chunk's share of the text, so that the total stays exact."""
        sizes = [max(size, 1) for size in self._sizes]
        whole = sum(sizes)
        total = self.tokens + missing
        ideal = [max(total * size / whole - n, 0.0) for size, n in zip(sizes, self.chunk_tokens, strict=True)]
        scale = missing / sum(ideal) if sum(ideal) else 0.0
        parts = [x * scale for x in ideal]
        for i, part in enumerate(parts):
            self.chunk_tokens[i] += int(part)
        left = missing - sum(int(part) for part in parts)
        order = sorted(range(len(parts)), key=lambda i: int(parts[i]) - parts[i])
        for k in range(left):
            self.chunk_tokens[order[k % len(order)]] += 1


def _sizes_of_merged(data: bytes, prefix: bytes, suffix: bytes) -> list[int]:
    """Characters of each event in a read of several chunks, each an event alike; empty where it is anything else."""
    sizes: list[int] = []
    end = len(EVENT_END)
    for piece in data[:-end].split(EVENT_END):
        line = piece.find(b"\r\n", 1, 8)
        text = piece[line + len(prefix) : end - len(suffix) or None]
        whole = piece[:line] == size_line(len(piece) + end - line - 4)
        if not whole or not text or b'"' in text or not piece.startswith(prefix, line):
            return []
        if not piece.endswith(suffix[:-end]):
            return []
        sizes.append(len(text))
    return sizes
