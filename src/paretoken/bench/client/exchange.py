"""One request and its answer: from the moment it is due to the record that is kept of it."""

from __future__ import annotations

from collections.abc import Collection

from paretoken.bench.client.answer_json import (
    InBandError,
    error_text,
    json_object,
)
from paretoken.bench.client.http1 import MalformedError, Response
from paretoken.bench.client.journal import JournalRecord
from paretoken.bench.client.sse import EventStream, Opening
from paretoken.bench.client.tally import Tally
from paretoken.bench.plan import Prepared
from paretoken.foreign_text import one_line, without_tags

MAX_ERROR_BODY_BYTES = 65_536


class Exchange:
    """State of one request in flight; fed reads in batches, off the stamp path."""

    __slots__ = (
        "_body",
        "_events",
        "_opening",
        "attempts",
        "detail",
        "due_ns",
        "end_ns",
        "headers_ns",
        "pooled",
        "prepared",
        "response",
        "sent_ns",
        "status",
        "tally",
        "target",
        "user",
    )

    def __init__(self, prepared: Prepared, user: int, target: int, due_ns: int) -> None:
        self.prepared = prepared
        self.user = user
        self.target = target
        self.due_ns = due_ns
        self.sent_ns = self.headers_ns = self.end_ns = -1
        self.status = self.detail = ""
        self.attempts = 1
        self.pooled = False
        self.restart()

    def restart(self) -> None:
        """Forget what the last attempt read."""
        self.response = Response()
        self.tally = Tally()
        self._events: EventStream | None = None
        self._opening = Opening()
        self._body: list[bytes] = []

    def feed(self, datas: list[bytes], stamps: list[int], late: Collection[int] = ()) -> bool:
        """Take reads with the times they arrived; whether the answer has ended, `status` then set.

        `late` holds the indices of the reads that the client was late for.
        """
        if self.headers_ns < 0 and datas:
            self.headers_ns = stamps[0]
        response, tally, events = self.response, self.tally, self._events
        at, count = 0, len(datas)
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
                    if events is None:
                        self._before_events(body)
                        events = self._events
                    if events is not None:
                        carried = 0
                        for payload in events.feed(body):
                            carried += tally.event(payload, stamp)
                        if carried:
                            tally.token_reads += 1
                            if carried > 1:
                                tally.count_merged(carried, at - 1 in late)
                if response.done:
                    self._complete(stamp)
                    return True
        except InBandError as error:
            self.fail("in_band_error", str(error), stamp)
        except MalformedError as error:
            self.fail("malformed", str(error), stamp)
        except (AttributeError, TypeError, KeyError):
            self.fail("malformed", "JSON of an unknown shape", stamp)
        return bool(self.status)

    def closed(self, stamp_ns: int, error: OSError | None = None) -> None:
        """The connection ended under the answer: complete, truncated, or reset."""
        self.end_ns = stamp_ns
        if error is None and self.response.eof():
            self._settle_safely(stamp_ns)
        elif self.tally.done:
            self._judge()
        elif error is not None or not self.response.status:
            words = error.strerror or str(error) if error else "the server closed the connection without an answer"
            self.fail("reset", words, stamp_ns)
        elif self.response.status >= 300:
            self._refusal()
        else:
            self.fail("truncated", "the connection closed before the end of the answer", stamp_ns)

    def fail(self, status: str, detail: str, stamp_ns: int) -> None:
        """End the request as a failure, unless it has ended already."""
        if not self.status:
            self.status, self.detail, self.end_ns = status, detail, stamp_ns

    def progress_ns(self, last_byte_ns: int) -> int:
        """When the answer last got on: by a token or its headers, or by any byte where it comes in one piece.

        Comments keep a connection alive but do not count as progress.
        """
        if self._events is None:
            return last_byte_ns
        times = self.tally.chunk_ns
        return times[-1] if times else self.headers_ns

    @property
    def in_chunks(self) -> bool:
        """Whether this is known to be a stream of events in chunks, whose end shows in its last bytes."""
        return self._events is not None and self.response.in_chunks

    @property
    def retry_after_s(self) -> float:
        """Seconds that the server asked us to wait, 0 where it did not say."""
        text = self.response.headers.get(b"retry-after", b"")
        try:
            return max(0.0, float(text))
        except ValueError:
            return _seconds_until(text.decode("latin-1"))

    def _before_events(self, body: bytes) -> None:
        """Body bytes before it is known to be an event stream, or of one that is none."""
        response = self.response
        if 200 <= response.status < 300:
            start = self._opening.stream(response.headers.get(b"content-type", b""), body)
            if start is None:
                self._body.append(body)
            else:
                self._events, self._body = EventStream(start), []
        elif sum(map(len, self._body)) < MAX_ERROR_BODY_BYTES:
            self._body.append(body)

    def _settle_safely(self, stamp_ns: int) -> None:
        try:
            self._complete(stamp_ns)
        except InBandError as error:
            self.fail("in_band_error", str(error), stamp_ns)
        except MalformedError as error:
            self.fail("malformed", str(error), stamp_ns)
        except (AttributeError, TypeError, KeyError):
            self.fail("malformed", "JSON of an unknown shape", stamp_ns)

    def _complete(self, stamp_ns: int) -> None:
        """The answer is whole as far as HTTP goes."""
        self.end_ns = stamp_ns
        if not 200 <= self.response.status < 300:
            self._refusal()
            return
        if self._events is not None:
            for payload in self._events.flush():
                self.tally.event(payload, stamp_ns)
        elif self._body:
            self.tally.whole(b"".join(self._body), stamp_ns)
        self._judge()

    def _judge(self) -> None:
        tally, note = self.tally, self.tally.settle()
        if tally.broken_off:
            self.fail("in_band_error", f"the server aborted: finish_reason {tally.finish_reason!r}", self.end_ns)
        elif tally.tokens and not tally.ended:
            self.fail("truncated", "the stream ended without a finish reason", self.end_ns)
        elif not tally.tokens:
            self.fail("empty", tally.nothing, self.end_ns)
        else:
            self.status, self.detail = "ok", "; ".join(filter(None, [self.detail, note]))

    def _refusal(self) -> None:
        code = self.response.status
        status = "http_429" if code == 429 else "http_5xx" if code >= 500 else "http_4xx"
        body = b"".join(self._body)[:MAX_ERROR_BODY_BYTES]
        try:
            words = error_text(json_object(body))
        except (MalformedError, AttributeError, TypeError):
            words = without_tags(body.decode("utf-8", "replace"))
        wait = self.response.headers.get(b"retry-after")
        if wait:
            words += f" (Retry-After: {wait.decode('latin-1')})"
        if code < 400:
            words = f"redirect to {self.response.headers.get(b'location', b'?').decode('latin-1')}"
        self.fail(status, words, self.end_ns)

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


def _seconds_until(date: str) -> float:
    from datetime import UTC, datetime
    from email.utils import parsedate_to_datetime

    try:
        return max(0.0, (parsedate_to_datetime(date) - datetime.now(UTC)).total_seconds())
    except (ValueError, TypeError):
        return 0.0
