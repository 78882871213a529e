"""What options take as text, and files of numbers."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path

from paretoken.bench.adapters import parse_adapters
from paretoken.bench.keys import key_for
from paretoken.bench.workload.arrivals import parse_arrivals
from paretoken.bench.workload.bodies import parse_extra
from paretoken.bench.workload.images import parse_images
from paretoken.bench.workload.ladder import parse_fraction, parse_rates, parse_until, parse_users
from paretoken.bench.workload.length_text import parse_length, read_lengths
from paretoken.slo import parse_slos
from tests.fuzz.reader import FuzzedReader

LENGTHS = b"# tokens\n100\n1024\n\n2048\n"


def _text(name: str, examples: Sequence[str], read: Callable[[str], object]) -> FuzzedReader:
    def files() -> dict[str, bytes]:
        return {f"{n}.txt": example.encode() for n, example in enumerate(examples)}

    def read_all(place: Path) -> None:
        for n in range(len(examples)):
            # as the system gives arguments to a program
            text = os.fsdecode((place / f"{n}.txt").read_bytes())
            read(text.replace("\0", ""))

    return FuzzedReader(name, files, read_all)


READERS = (
    _text("--concurrency", ("1:256:x2", "1,2,4", "1:64:+8,100", "ramp:1:64:60s"), parse_users),
    _text("--rate", ("0.5:8:x2", "1,2.5", "ramp:1:10:60s"), parse_rates),
    _text("--until", ("60s", "1000 requests, 2m", "1e6 tokens,2%"), parse_until),
    _text("--isl", ("1024", "uniform:1024:0.8", "normal:1024:128", "lognormal:800:0.5:1:4096"), parse_length),
    _text("--slo", ("ttft_p99=2s,tpot_p50=50ms", "interactivity_p90=20"), parse_slos),
    _text("--arrivals", ("poisson", "gamma:0.5", "constant"), lambda text: parse_arrivals(text, 2.0)),
    _text("--extra-body", ('{"top_k": 1, "a": {"b": [1, null]}}',), parse_extra),
    _text("--images", ("2x512x512", "1x8192x1:shared"), parse_images),
    _text("--adapters", ("sql:3,law", "org/a:v2:0.5,b"), parse_adapters),
    _text("a fraction", ("2%", "0.5%"), parse_fraction),
    FuzzedReader("lengths", lambda: {"l.txt": LENGTHS}, lambda place: read_lengths(place / "l.txt")),
    FuzzedReader(
        "key file",
        lambda: {"k.txt": b"sk-key-0123456789\n"},
        lambda place: key_for(["http://127.0.0.1:1"], {}, place / "k.txt"),
    ),
)
