"""What servers and clients send: responses, event streams, metrics, and requests to the emulator."""

from __future__ import annotations

import json
import random
from pathlib import Path

import orjson

from paretoken.bench.client.exchange import Exchange
from paretoken.bench.client.http1 import MalformedError, Response
from paretoken.bench.client.sse import EventStream
from paretoken.bench.plan import Prepared
from paretoken.bench.stats.prometheus import merge, parse
from paretoken.bench.stats.scrape import delta, summed
from paretoken.emulate.request import ApiError, read
from paretoken.emulate.surfaces.chat import Chat
from paretoken.emulate.surfaces.completions import Completions
from paretoken.emulate.surfaces.messages import Messages
from paretoken.emulate.surfaces.responses import Responses
from paretoken.points.server_config import sglang_config, vllm_config, vllm_metrics
from tests.fuzz.reader import Files, FuzzedReader

DATA = Path(__file__).parents[2] / "data"
COMPLETION = {
    "model": "m",
    "prompt": "some words",
    "max_tokens": 8,
    "min_tokens": 2,
    "stream": True,
    "stream_options": {"include_usage": True},
    "ignore_eos": True,
    "stop": ["\n"],
    "n": 1,
    "temperature": 0.0,
}
CHAT = {
    "model": "m",
    "messages": [{"role": "user", "content": "hello"}, {"role": "user", "content": [{"type": "text", "text": "x"}]}],
    "max_completion_tokens": 8,
}
SERVER_INFO = {
    "vllm_config": {
        "cache_config": {"cache_dtype": "fp8"},
        "scheduler_config": {"enable_chunked_prefill": True},
        "speculative_config": {"method": "eagle", "num_speculative_tokens": 3, "model": "x"},
        "model_config": {"model": "m"},
    },
    "kv_cache_dtype": "auto",
    "chunked_prefill_size": 8192,
    "speculative_algorithm": "EAGLE",
    "speculative_num_steps": 3,
    "model_path": "m",
}
EMULATED = {
    Completions: COMPLETION,
    Chat: CHAT,
    Messages: {"model": "m", "max_tokens": 8, "system": "Be brief.", "messages": [{"role": "user", "content": "Hi"}]},
    Responses: {"model": "m", "max_output_tokens": 8, "instructions": "Be brief.", "input": "Hi"},
}


def recordings() -> Files:
    """The bytes that engines answered with."""
    files = {}
    for path in sorted((DATA / "engine_traces").glob("*/*.jsonl")):
        reads = [json.loads(line).get("data", "") for line in path.read_text(encoding="utf-8").splitlines()]
        files[f"{path.parent.name}-{path.stem}.http"] = "".join(reads).encode()
    return dict(list(files.items())[::3])


def pieces(data: bytes) -> list[bytes]:
    """The bytes, cut where the bytes themselves decide."""
    rng, out, at = random.Random(data), [], 0
    while at < len(data):
        size = rng.choice((1, 7, 100, 1_000, 16_384))
        out.append(data[at : at + size])
        at += size
    return out


def exchanged(place: Path) -> None:
    """A whole exchange: any answer ends as a record, and as a message where it succeeded."""
    for path in place.iterdir():
        exchange = Exchange(Prepared(b"{}", -1, -1), 0, 0, 0, keep_answer=True)
        for at, data in enumerate(pieces(path.read_bytes())):
            if exchange.feed([data], [at]):
                break
        else:
            exchange.closed(at + 1)
        exchange.record(0)
        exchange.answer()


def responded(place: Path) -> None:
    for path in place.iterdir():
        response = Response()
        for data in pieces(path.read_bytes()):
            response.feed(data)


def events(place: Path) -> None:
    for path in place.iterdir():
        stream = EventStream()
        for data in pieces(path.read_bytes()):
            stream.feed(data)
        stream.flush()


def metrics_files() -> Files:
    return {p.name: p.read_bytes() for p in (DATA / "metrics").glob("*.txt")}


def metrics(place: Path) -> None:
    texts = [p.read_text(encoding="utf-8", errors="replace") for p in sorted(place.iterdir())]
    readings = [parse(text, at_s=float(n)) for n, text in enumerate(texts)]
    merge(readings, 1.0)
    delta(readings[0], readings[-1])
    summed(readings)
    for text in texts:
        vllm_metrics(text)


def server_info(place: Path) -> None:
    try:
        info = orjson.loads((place / "info.json").read_bytes())
    except orjson.JSONDecodeError:
        return
    vllm_config(info)
    sglang_config(info)


def emulated(place: Path) -> None:
    for surface in EMULATED:
        read((place / f"{surface.__name__}.json").read_bytes(), surface=surface, model="m", context=4096)


READERS = (
    FuzzedReader("answer of a server", recordings, exchanged),
    FuzzedReader("HTTP response", recordings, responded, refusals=(MalformedError,)),
    FuzzedReader("event stream", recordings, events, refusals=(MalformedError,)),
    FuzzedReader("/metrics", metrics_files, metrics),
    FuzzedReader("/server_info", lambda: {"info.json": orjson.dumps(SERVER_INFO)}, server_info),
    FuzzedReader(
        "request to the emulator",
        lambda: {f"{surface.__name__}.json": orjson.dumps(body) for surface, body in EMULATED.items()},
        emulated,
        refusals=(ApiError,),
    ),
)
