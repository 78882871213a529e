"""The chunks of one answer that carried tokens: arrival times, tokens and characters.

Most events of a stream differ in their text alone. After one was parsed, those like it need no JSON parser.
"""

from __future__ import annotations

from array import array
from collections.abc import Collection, Sequence

from paretoken.bench.client.alike import EVENT_END, sizes_of_merged
from paretoken.bench.client.http1 import size_line


class ArrivedChunks:
    """Arrays by chunk: arrival times `chunk_ns` and `chunk_tokens`; `tokens` is the sum of the latter."""

    __slots__ = (
        "_sizes",
        "chunk_ns",
        "chunk_tokens",
        "coalesced",
        "first_late",
        "late_merged_reads",
        "lead",
        "merged_reads",
        "prefix",
        "suffix",
        "token_reads",
        "tokens",
        "unlike",
    )

    def __init__(self) -> None:
        self.chunk_ns = array("q")
        self.chunk_tokens = array("i")
        self._sizes = array("i")  # characters of each chunk, to share out tokens that no chunk claimed
        self.tokens = 0
        self.coalesced = self.token_reads = self.merged_reads = self.late_merged_reads = 0
        self.first_late = False
        # Bytes around the text of an event that is one token and nothing else; later ones of the same
        # stream that begin and end so need no JSON parser.
        self.prefix = self.suffix = b""
        self.lead = b"data: "  # what comes before such an event in its chunk
        self.unlike = 0  # how often the next chunk began otherwise

    def take_alike(self, datas: list[bytes], stamps: list[int], at: int, late: Collection[int] = ()) -> int:
        """Take reads from index `at` on, as long as they are whole chunks holding events like a known one.

        Gives the index of the first that is not; an event is alike if it differs in its text only. Text
        with a quote, a backslash or beyond ASCII is left to the parser. This is most of every stream, hence
        the one flat loop. `late` holds the indices of the reads that came late.
        """
        prefix, suffix = b"\r\n" + self.lead + self.prefix, self.suffix + EVENT_END
        before, after = len(prefix), len(suffix)
        first, count, tokens = at, len(datas), 0
        while at < count:
            data = datas[at]
            line = data.find(b"\r\n", 1, 8)
            if not data.startswith(prefix, line):
                self.prefix = b""  # another shape (a new second in `created`, say): to be learnt anew
                self.unlike += 1
                break
            text = data[line + before : -after]
            if not data.endswith(suffix) or b"\\" in text or not text.isascii():
                break
            if b'"' in text:
                sizes = sizes_of_merged(data, prefix, suffix)
                if not sizes:
                    break
                self._sizes.extend(sizes)
                self.chunk_ns.extend([stamps[at]] * len(sizes))
                self.count_merged(len(sizes), at in late)
                tokens += len(sizes)
                at += 1
                continue
            if not text or data[:line] != size_line(len(data) - line - 4):
                break
            self.chunk_ns.append(stamps[at])
            self._sizes.append(len(text))
            tokens += 1
            at += 1
        self.token_reads += at - first
        self.tokens += tokens
        self.chunk_tokens.extend([1] * tokens)
        return at

    def count_merged(self, chunks: int, late: bool) -> None:
        """Note a read that held several chunks, all of which bear its one stamp."""
        self.coalesced += chunks - 1
        self.merged_reads += 1
        self.late_merged_reads += late
        if late and len(self.chunk_ns) == chunks:
            self.first_late = True  # the first token is among them, and bears the stamp of the last

    def keep(self, tokens: Sequence[int]) -> None:
        """Take these as the tokens of the chunks, and leave out those without any."""
        kept = [i for i, n in enumerate(tokens) if n]
        self.chunk_tokens = array("i", [tokens[i] for i in kept])
        self.chunk_ns = array("q", [self.chunk_ns[i] for i in kept])
        self._sizes = array("i", [self._sizes[i] for i in kept])
        self.tokens = sum(self.chunk_tokens)

    def _add(self, stamp_ns: int, tokens: int, size: int) -> None:
        self.chunk_ns.append(stamp_ns)
        self.chunk_tokens.append(tokens)
        self._sizes.append(size)
        self.tokens += tokens
