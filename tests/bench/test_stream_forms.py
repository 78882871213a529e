"""Every form of a streamed answer: the figures, the failure and the words that must come of it, however it is cut."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from paretoken.bench.client.exchange import Exchange
from paretoken.bench.client.journal import _NUMBERS, _TEXTS
from paretoken.bench.plan import Prepared
from paretoken.bench.stats.metrics import sample
from tests.support.levels import MS, table
from tests.support.stream_forms import FORMS
from tests.support.stream_forms.writing import Form, N


def test_there_are_many_forms():
    assert len(FORMS) >= 110


def head(form: Form) -> bytes:
    kind = f"Content-Type: {form.content_type}\r\n" if form.content_type else ""
    return f"HTTP/1.1 200 OK\r\n{kind}Transfer-Encoding: chunked\r\n\r\n".encode()


def framed(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


def play(reads: list[tuple[int, bytes]], together: int = 1) -> Exchange:
    """An exchange fed these reads with their times in ms, some at once."""
    exchange = Exchange(Prepared(b"{}", -1, N), 0, 0, 0)
    for i in range(0, len(reads), together):
        some = reads[i : i + together]
        if exchange.feed([data for _, data in some], [at * MS for at, _ in some]):
            break
    return exchange


def reads_of(form: Form) -> list[tuple[int, bytes]]:
    return [(1, head(form)), *[(at, framed(data)) for at, data in form.pieces], (form.pieces[-1][0], b"0\r\n\r\n")]


def requests_of(exchange: Exchange) -> pl.DataFrame:
    numbers, texts, times, tokens = exchange.record(0)
    row = dict(zip(_NUMBERS, numbers, strict=True)) | dict(zip(_TEXTS, texts, strict=True))
    return table([row | {"chunk_ns": list(times), "chunk_tokens": list(tokens)}])


def ms(seconds: float) -> float | None:
    return None if np.isnan(seconds) else round(seconds * 1000, 6)


@pytest.mark.parametrize("together", [1, 7, 1000])
@pytest.mark.parametrize("name", FORMS)
def test_a_form_gives_its_figures(name, together):
    form = FORMS[name]
    truth = form.truth
    exchange = play(reads_of(form), together)
    requests = requests_of(exchange)
    row, figures = requests.row(0, named=True), sample(requests)
    assert row["status"] == truth.status, row["detail"]
    assert truth.words in row["detail"]
    if truth.status != "ok":
        assert ms(figures.ttft_s[0]) is ms(figures.tpot_s[0]) is None
        return
    assert row["input_tokens"] == truth.isl
    assert (row["output_tokens"] >= 0) == truth.usage
    assert (None if np.isnan(figures.osl[0]) else figures.osl[0]) == truth.osl
    assert figures.hidden[0] == truth.hidden
    assert ms(figures.ttft_s[0]) == truth.ttft_ms
    assert ms(figures.tpot_s[0]) == (None if truth.tpot_ms is None else pytest.approx(truth.tpot_ms))


def cut(data: bytes, at: Sequence[int]) -> list[bytes]:
    """The bytes in pieces, cut at these places."""
    edges = [0, *sorted(set(at)), len(data)]
    return [data[a:b] for a, b in pairwise(edges) if a < b]


def outcome(exchange: Exchange) -> tuple[object, ...]:
    numbers, texts, _, tokens = exchange.record(0)
    return numbers[11:18], texts, sum(tokens), len(tokens)


@pytest.mark.parametrize("name", FORMS)
def test_any_cut_of_a_form_gives_the_same(name):
    form = FORMS[name]
    expected = outcome(play(reads_of(form)))
    body = b"".join(data for _, data in form.pieces)
    wire = head(form) + framed(body) + b"0\r\n\r\n"

    @settings(max_examples=6)
    @given(st.lists(st.integers(0, len(wire)), max_size=30))
    def any_cut(at):
        assert outcome(play([(0, piece) for piece in cut(wire, at)])) == expected

    any_cut()
    if len(wire) < 20_000:
        assert outcome(play([(0, wire[i : i + 1]) for i in range(len(wire))])) == expected
        assert (
            outcome(
                play(
                    [(0, framed(body[i : i + 1])) if i >= 0 else (0, head(form)) for i in range(-1, len(body))]
                    + [(0, b"0\r\n\r\n")]
                )
            )
            == expected
        )
