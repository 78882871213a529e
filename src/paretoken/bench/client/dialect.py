"""What the answers of OpenAI-compatible servers say: tokens per chunk, usage, how the answer ended.

Tokens of a chunk, by the best evidence it carries: the growth of a per-chunk `usage` (vLLM, SGLang),
else its token ids or log-probabilities, else one. Where one was a guess that the server's final `usage` shows to
be too low, the rest is shared out at the end; a count that rests on evidence, or is too high, is left as it
is, so that the two can be held against each other.
"""

from __future__ import annotations

from array import array
from typing import Any

import orjson

from paretoken.bench.client.http1 import MalformedError, excerpt, size_line

DONE = b"[DONE]"
EVENT_END = b"\n\n\r\n"  # of an event that fills a chunk
_TEXT_FIELDS = ("content", "reasoning_content", "reasoning", "refusal")


class InBandError(Exception):
    """An error object inside an answer that began as a success; the text is the server's."""


class Tally:
    """Counts of one answer, fed one JSON document at a time with the time of its arrival."""

    __slots__ = (
        "_continuous",
        "_evident",
        "_said",
        "_sizes",
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
        self.usage: dict[str, Any] = {}
        self.done = False
        # Bytes around the text of an event that is one token and nothing else; later ones of the same
        # stream that begin and end so need no JSON parser.
        self.prefix = self.suffix = b""
        self._continuous: bool | None = None
        self._evident = False  # chunks said how many tokens they hold
        self._said = 0

    def event(self, payload: bytes, stamp_ns: int) -> bool:
        """Take one event of a stream; whether it carried tokens. Raises MalformedError, InBandError."""
        if payload == DONE:
            self.done = True
            return False
        event = document(payload)
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

    def take_alike(self, datas: list[bytes], stamps: list[int], at: int) -> int:
        """Take reads from index `at` on, as long as they are whole chunks holding events like a known one.

        Gives the index of the first that is not; an event is alike if it differs in its text only. Text
        with a quote, a backslash or beyond ASCII is left to the parser. This is most of every stream, hence
        the one flat loop.
        """
        prefix, suffix = b"\r\ndata: " + self.prefix, self.suffix + EVENT_END
        before, after = len(prefix), len(suffix)
        first, count, seen = at, len(datas), 0
        while at < count:
            data, stamp = datas[at], stamps[at]
            line = data.find(b"\r\n", 1, 8)
            if not data.startswith(prefix, line):
                self.prefix = b""  # another shape (a new second in `created`, say): to be learnt anew
                break
            text = data[line + before : -after]
            if not data.endswith(suffix) or b"\\" in text or not text.isascii():
                break
            if b'"' in text:
                taken = self._take_merged(data, prefix, suffix, stamp)
                if not taken:
                    break
                seen += taken
                at += 1
                continue
            if not text or data[:line] != size_line(len(data) - line - 4):
                break
            self.chunk_ns.append(stamp if stamp >= 0 else ~stamp)
            self._sizes.append(len(text))
            seen += 1
            at += 1
        self.token_reads += at - first
        self.tokens += seen
        self.chunk_tokens.extend([1] * seen)
        return at

    def _take_merged(self, data: bytes, prefix: bytes, suffix: bytes, stamp: int) -> int:
        """Take a read of several chunks, each an event alike; how many, 0 where it is anything else."""
        sizes, end = [], len(EVENT_END)
        for piece in data[:-end].split(EVENT_END):
            line = piece.find(b"\r\n", 1, 8)
            text = piece[line + len(prefix) : end - len(suffix) or None]
            whole = piece[:line] == size_line(len(piece) + end - line - 4)
            if not whole or not text or b'"' in text or not piece.startswith(prefix, line):
                return 0
            if not piece.endswith(suffix[:-end]):
                return 0
            sizes.append(len(text))
        self._sizes.extend(sizes)
        self.chunk_ns.extend([max(stamp, ~stamp)] * len(sizes))
        self.count_merged(len(sizes), stamp < 0)
        return len(sizes)

    def count_merged(self, chunks: int, late: bool) -> None:
        """Note a read that held several chunks, all of which bear its one stamp."""
        self.coalesced += chunks - 1
        self.merged_reads += 1
        self.late_merged_reads += late
        if late and len(self.chunk_ns) == chunks:
            self.first_late = True  # the first token is among them, and bears the stamp of the last

    def whole(self, body: bytes, stamp_ns: int) -> None:
        """Take an answer that came in one piece: one arrival that carries every token."""
        answer = document(body)
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
        """Hold the chunks to the server's total; what had to be done, in words, or nothing."""
        total, counted, events = self.total, self.tokens, len(self.chunk_tokens)
        if total < 0 or total == counted or not events:
            return ""
        said = f"{events} chunks counted as {counted} tokens, usage says {total}"
        if total < counted or self._evident or self._continuous:
            return said
        self._share_out(total - counted)
        self.tokens = total
        return f"{said}: the rest is shared out by text length"

    def _by_usage(self, usage: dict[str, Any], tokens: int) -> int:
        self.usage = usage
        said = number(usage, "completion_tokens")
        if self._continuous is None:
            # A usage on the last chunk only is a total, not a count of that chunk.
            self._continuous = said >= 0 and not self.chunk_tokens
        if not self._continuous or said < 0:
            return tokens
        grown, self._said = said - self._said, said
        return max(grown, 0)

    def _learn(self, payload: bytes, choice: dict[str, Any]) -> None:
        if choice.get("token_ids") or choice.get("logprobs"):
            return
        delta = choice.get("delta")
        name = "text" if delta is None else "content"
        text = (choice if delta is None else delta).get(name)
        if not text or (delta is not None and _beside_content(delta)):
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


def weigh(choice: dict[str, Any], delta: dict[str, Any]) -> tuple[int, int]:
    """Tokens of one choice of one chunk and the characters they make: ids, log-probabilities, else one."""
    text = delta.get("text")
    if text is None:
        text = delta.get("content")
    size = len(text) if text else _other_size(delta)
    ids = choice.get("token_ids")
    if ids:
        return len(ids), size
    logprobs = choice.get("logprobs")
    if logprobs:
        listed = logprobs.get("content") or logprobs.get("tokens") or ()
        if listed:
            return len(listed), size
    return (1 if size else 0), size


def _beside_content(delta: dict[str, Any]) -> bool:
    return any(delta.get(f) for f in (*_TEXT_FIELDS[1:], "tool_calls", "function_call"))


def _other_size(delta: dict[str, Any]) -> int:
    """Characters of what a model emits beside plain text: reasoning, refusals, tool calls."""
    size = 0
    for field in _TEXT_FIELDS:
        text = delta.get(field)
        if text:
            size += len(text)
    calls = delta.get("tool_calls") or ()
    for call in [*calls, {"function": delta.get("function_call")}]:
        function = call.get("function") or {}
        size += len(function.get("name") or "") + len(function.get("arguments") or "")
    return size


def document(payload: bytes) -> dict[str, Any]:
    """The JSON object in these bytes. Raises MalformedError."""
    try:
        event = orjson.loads(payload)
    except ValueError:
        raise MalformedError(f"no JSON: {excerpt(payload)}") from None
    if type(event) is not dict:
        raise MalformedError(f"no JSON object: {excerpt(payload)}")
    return event


def number(of: dict[str, Any] | None, *path: str) -> int:
    """The integer at a path of nested objects, -1 where there is none."""
    for name in path:
        if not isinstance(of, dict):
            return -1
        of = of.get(name)
    return of if type(of) is int else -1


def cached_tokens(usage: dict[str, Any]) -> int:
    """Prompt tokens that the server took from its prefix cache, -1 where it did not say."""
    return number(usage, "prompt_tokens_details", "cached_tokens")


def reasoning_tokens(usage: dict[str, Any]) -> int:
    """Output tokens spent on reasoning: OpenAI's nested place, else SGLang's flat one."""
    nested = number(usage, "completion_tokens_details", "reasoning_tokens")
    return nested if nested >= 0 else number(usage, "reasoning_tokens")


def error_text(document: dict[str, Any]) -> str:
    """The message in an error document, in the forms of OpenAI, FastAPI, SGLang and llama.cpp."""
    error = document.get("error", document)
    for name in ("message", "detail", "error", "msg"):
        if isinstance(error, dict) and error.get(name):
            error = error[name]
    if isinstance(error, list) and error:
        error = error[0]
    if isinstance(error, dict):
        error = error.get("msg") or error.get("message") or orjson.dumps(error).decode()
    return str(error)
