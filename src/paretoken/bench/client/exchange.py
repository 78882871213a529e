"""One request and its answer: from the moment it is due to the record that is kept of it."""

from __future__ import annotations

from collections.abc import Collection

from paretoken.bench.client.answer_json import InBandError, Json
from paretoken.bench.client.body import AnswerBody, declares_events
from paretoken.bench.client.faults import break_failure
from paretoken.bench.client.http1 import MalformedError, Response
from paretoken.bench.client.journal import JournalRecord
from paretoken.bench.client.kept_answer import KeptAnswer
from paretoken.bench.client.refusal import refusal
from paretoken.bench.client.sse import EventStream
from paretoken.bench.client.tally import Tally
from paretoken.bench.client.usage import most_tokens
from paretoken.bench.plan import Prepared
from paretoken.foreign_text import one_line


class Exchange:
    """State of one request in flight; fed reads in batches, off the stamp path.

    With `keep_answer`, what the assistant said is kept beside the figures.
    """

    __slots__ = (
        "_body",
        "_events",
        "_keep_answer",
        "_kept",
        "_packed",
        "attempts",
        "begun_ns",
        "detail",
        "due_ns",
        "end_ns",
        "headers_ns",
        "most_chunks",
        "pooled",
        "prepared",
        "response",
        "sent_ns",
        "status",
        "tally",
        "target",
        "user",
    )

    def __init__(self, prepared: Prepared, user: int, target: int, due_ns: int, keep_answer: bool = False) -> None:
        self.prepared = prepared
        self.user = user
        self.target = target
        self.due_ns = due_ns
        self.begun_ns = self.sent_ns = self.headers_ns = self.end_ns = -1
        self.status = self.detail = ""
        self.attempts = 1
        self.pooled = False
        self.most_chunks = most_tokens(prepared.output_tokens)
        self._keep_answer = keep_answer
        self.restart()

    def restart(self) -> None:
        """Forget what the last attempt read."""
        self.response = Response()
        self.tally = Tally(self.prepared.output_tokens)
        self._events: EventStream | None = None
        self._body: AnswerBody | None = None
        self._packed = False
        self._kept = KeptAnswer(self.prepared.output_tokens) if self._keep_answer else None

    def feed(self, datas: list[bytes], stamps: list[int], late: Collection[int] = ()) -> bool:
        """Take reads with the times they arrived; whether the answer has ended, `status` then set.

        `late` holds the indices of the reads that the client was late for.
        """
        if self.headers_ns < 0 and datas:
            self.headers_ns = stamps[0]
        if self._kept is not None:
            self._kept.take(datas)
        response, tally, events = self.response, self.tally, self._events
        at, count = 0, len(datas)
        unusual = events is None or self._packed
        try:
            while at < count:
                if events is not None and tally.prefix and response.between_chunks and events.clean:
                    at = tally.take_alike(datas, stamps, at, late)
                    if at == count:
                        break
                data, stamp = datas[at], stamps[at]
                at += 1
                body = response.feed(data)
                if body:
                    carried = 0
                    if unusual:
                        carried = self._other_body(body, stamp)
                        events = self._events
                        unusual = events is None or self._packed
                        if self.status:
                            return True
                    elif events is not None:
                        for payload in events.feed(body):
                            carried += tally.event(payload, stamp)
                    if carried:
                        tally.token_reads += 1
                        if carried > 1:
                            tally.count_merged(carried, at - 1 in late)
                if response.done:
                    self._complete(stamp)
                    return True
        except Exception as error:
            self._unreadable(error, stamps[at - 1 if at else 0])
        if len(tally.chunk_ns) > self.most_chunks:
            self._overrun(stamps[-1])
        return bool(self.status)

    def answer(self) -> Json | None:
        """What the assistant said, as a chat message: `content`, `tool_calls`, and `reasoning_content` apart.

        None where answers are not kept, the request failed, or the answer holds embeddings or is too long to be kept.
        """
        if self._kept is None or self.status != "ok" or self.tally.vectors:
            return None
        message, self._kept = self._kept.message(), None
        return message

    def closed(self, stamp_ns: int, error: OSError | None = None) -> None:
        """The connection ended under the answer: complete, truncated, or reset."""
        self.end_ns = stamp_ns
        try:
            self._ended(stamp_ns, error)
        except Exception as fault:
            self._unreadable(fault, stamp_ns)

    def broken_attempt(self, stamp_ns: int, words: str) -> Exchange:
        """This attempt as a request of its own that was reset; the request itself may then be sent again."""
        attempt = Exchange(self.prepared, self.user, self.target, self.due_ns)
        attempt.sent_ns = self.sent_ns
        attempt.fail("reset", words, stamp_ns)
        return attempt

    def send_again(self) -> None:
        """Forget the attempt that the server cannot have read."""
        self.attempts, self.pooled, self.sent_ns = 2, False, -1
        self.detail = "sent again on a fresh connection: the server had closed the kept one"
        self.restart()

    def fail(self, status: str, detail: str, stamp_ns: int) -> None:
        """End the request as a failure, unless it has ended already."""
        if not self.status:
            self.status, self.detail, self.end_ns = status, detail, stamp_ns

    def disown(self) -> None:
        """Discard the numbers of the answer, since no record can hold them."""
        self.tally = Tally(self.prepared.output_tokens)
        self.status, self.detail = "malformed", "the answer states numbers beyond what can be recorded"

    @property
    def streams(self) -> bool:
        """Whether the answer is an event stream, or says that it will be one."""
        return self._events is not None or declares_events(self.response)

    @property
    def in_chunks(self) -> bool:
        """Whether this is known to be a stream of events in chunks, whose end shows in its last bytes."""
        return self._events is not None and self.response.in_chunks

    def _other_body(self, data: bytes, stamp_ns: int) -> int:
        """Take body bytes that are packed, or not known to be events; how many events among them carried tokens."""
        if self._body is None:
            self._body = AnswerBody(self.response, self.prepared.output_tokens)
        body, carried = self._body, 0
        for payload in body.feed(data):
            carried += self.tally.event(payload, stamp_ns)
        self._events, self._packed = body.events, body.packed
        if self._packed:
            self.tally.prefix = b""  # no event can be read without unpacking it
        if body.long_enough:
            self._refuse(stamp_ns)
        return carried

    def _unreadable(self, error: Exception, stamp_ns: int) -> None:
        """End the request by what its answer could not be read for; whatever that is, the run goes on."""
        if isinstance(error, InBandError):
            self.fail("in_band_error", str(error), stamp_ns)
        elif isinstance(error, MalformedError):
            self.fail("malformed", str(error), stamp_ns)
        elif isinstance(error, MemoryError):
            self.fail("client_error", "no memory to read the answer", stamp_ns)
        else:
            self.fail("malformed", f"JSON of an unknown shape ({type(error).__name__})", stamp_ns)

    def _overrun(self, stamp_ns: int) -> None:
        planned = self.prepared.output_tokens
        words = f"more than {self.most_chunks:,} chunks with tokens for max_tokens {planned:,}"
        self.fail("malformed", f"the server ignores the limit: {words}", stamp_ns)

    def _ended(self, stamp_ns: int, error: OSError | None) -> None:
        response = self.response
        if error is None and response.eof():
            self._complete(stamp_ns)
        elif self.tally.done:
            self._judge()
        elif error is not None:
            self.fail(break_failure(error), error.strerror or str(error), stamp_ns)
        elif not response.status:
            where = "within the headers" if self.headers_ns >= 0 else "without an answer"
            self.fail("reset", f"the server closed the connection {where}", stamp_ns)
        elif response.status >= 300:
            self._refuse(stamp_ns)
        else:
            self.fail("truncated", "the connection closed before the end of the answer", stamp_ns)

    def _complete(self, stamp_ns: int) -> None:
        """The answer is whole as far as HTTP goes."""
        self.end_ns = stamp_ns
        if self.response.status >= 300:
            self._refuse(stamp_ns)
            return
        cut_off = self._body is not None and self._body.cut_off
        if self._events is not None:
            for payload in self._events.flush():
                self.tally.event(payload, stamp_ns)
        elif body := self._take_unstreamed():
            self.tally.whole(body, stamp_ns)
        if cut_off and not self.tally.tokens:
            self.fail("truncated", "the packed answer ends early", stamp_ns)
        self._judge()

    def _judge(self) -> None:
        tally, note = self.tally, self.tally.settle()
        if len(tally.chunk_ns) > self.most_chunks:
            self._overrun(self.end_ns)
        elif tally.broken_off:
            self.fail("in_band_error", f"the server aborted: finish_reason {tally.finish_reason!r}", self.end_ns)
        elif tally.tokens and not tally.ended:
            self.fail("truncated", "the stream ended without a finish reason", self.end_ns)
        elif not (tally.tokens or tally.vectors):
            self.fail("empty", tally.nothing, self.end_ns)
        else:
            self.status, self.detail = "ok", "; ".join(filter(None, [self.detail, note]))

    def _refuse(self, stamp_ns: int) -> None:
        """End the request by an HTTP status that is no success, with the server's words."""
        self.fail(*refusal(self.response.status, self.response.headers, self._take_unstreamed()), stamp_ns)

    def _take_unstreamed(self) -> bytes:
        """What the body holds beside events, for the one time that it is read."""
        body, self._body = self._body, None
        return bytes(body.unstreamed) if body is not None else b""

    def record(self, worker: int, secret: str = "") -> JournalRecord:
        """What the journal keeps of the request, without the secret."""
        tally, plan = self.tally, self.prepared
        times, usage = tally.chunk_ns, tally.usage
        numbers = (
            worker,
            self.user,
            self.target,
            plan.session,
            plan.turn,
            self.due_ns,
            self.sent_ns,
            self.headers_ns,
            times[0] if times and not tally.in_one_piece else -1,
            times[-1] if times else -1,
            self.end_ns,
            self.response.status or -1,
            plan.input_tokens,
            plan.output_tokens,
            usage.prompt,
            tally.total,
            usage.cached,
            usage.reasoning,
            tally.coalesced,
        )
        texts = (self.status, one_line(self.detail, secret), one_line(tally.finish_reason, secret))
        return JournalRecord(numbers, texts, times, tally.chunk_tokens)
