"""A small language model behind HTTP with a fault on demand: the golden server of the accuracy gate's tests.

The model is a recurrent network with seeded weights over bytes, with a running mean of all tokens beside its state in
the role of a KV cache: whatever stands in the context moves every later logit. It also knows the gate's own tasks, and
gets every tenth item wrong. It speaks vLLM's completions and SGLang's /generate.
"""

from __future__ import annotations

import json
import math
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from zlib import crc32

import numpy as np

BOS, VOCAB, HIDDEN = 256, 257, 24
TOP_K = 20
CONTEXT_KEPT = 1500
STATES_KEPT = 64
FAULTS = (
    "logit-noise",
    "kv-scale",
    "batch-noise",
    "double-bos",
    "truncated",
    "temperature",
    "generated-only",
    "few-logprobs",
    "crossed",
    "stale-prefix",
)


class Model:
    """Logits of the next byte from all before it. `scale` multiplies one of its weight matrices."""

    def __init__(self, scale: float = 1.0, seed: int = 0) -> None:
        rng = np.random.default_rng(seed)
        self.embed = rng.normal(0, 1, (VOCAB, HIDDEN))
        self.embed[BOS] *= 12  # a first token that later ones look at, as in trained models
        self.step = rng.normal(0, 0.6 / math.sqrt(HIDDEN), (HIDDEN, HIDDEN))
        self.out = rng.normal(0, 0.8, (2 * HIDDEN, VOCAB)) * scale
        self._kept: dict[tuple[int, ...], np.ndarray] = {}

    def states(self, ids: list[int]) -> np.ndarray:
        """The state after each token, continued from the context without its last token where that is kept."""
        x = self.embed[ids]
        states = np.empty_like(x)
        before = self._kept.pop(tuple(ids[:-1]), states[:0])
        states[: len(before)] = before
        state = before[-1] if len(before) else np.zeros(HIDDEN)
        for i in range(len(before), len(x)):
            state = states[i] = np.tanh(x[i] + self.step @ state)
        if len(self._kept) > STATES_KEPT:
            self._kept.clear()
        self._kept[tuple(ids)] = states
        return states

    def logits(self, ids: list[int], cache_scale: float, mean: np.ndarray | None, rows: slice) -> np.ndarray:
        """(tokens, VOCAB): row i is for the token after ids[i]. `mean` stands in for half of the running mean."""
        x, states = self.embed[ids], self.states(ids)
        means = np.cumsum(x, axis=0) / np.arange(1, len(x) + 1)[:, None]
        if mean is not None:
            means = means * 0.5 + mean * 0.5
        return np.hstack([states, means * cache_scale])[rows] @ self.out


@dataclass
class State:
    model: Model
    fault: str
    engine: str = "vllm"
    name: str = "tiny"
    dies_after: int | None = None
    asked: int = 0
    inside: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)
    seen: dict = field(default_factory=dict)
    last_score: dict | None = None
    scores: int = 0


def log_softmax(logits: np.ndarray) -> np.ndarray:
    shifted = logits - logits.max(axis=-1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))


def logprobs_of(state: State, ids: list[int], *, decode: bool, together: bool, stale: bool = False) -> np.ndarray:
    """Log-probabilities of what may follow each token, in decode the last one, with whatever fault applies."""
    given = [BOS, *ids] if state.fault == "double-bos" else ids
    if state.fault == "truncated" and len(given) > CONTEXT_KEPT:
        given = given[-CONTEXT_KEPT:]
    rows = slice(len(given) - 1, None) if decode else slice(len(given) - len(ids), None)
    scale = 1.1 if state.fault == "kv-scale" and decode else 1.0
    logits = state.model.logits(given, scale, state.model.embed[:32].mean(axis=0) if stale else None, rows)
    if state.fault == "logit-noise":  # of the place and its token, so that it repeats
        seeds = list(enumerate(given))[rows]
        logits = logits + np.stack([np.random.default_rng(s).normal(0, 0.3, VOCAB) for s in seeds])
    if state.fault == "batch-noise" and together:
        logits = logits + np.random.default_rng(time.time_ns()).normal(0, 0.5, logits.shape)
    return log_softmax(logits)


def tops_of(row: np.ndarray) -> dict[int, float]:
    return all_tops(row[None])[0]


def all_tops(rows: np.ndarray) -> list[dict[int, float]]:
    """The most probable tokens of each row, the best first."""
    best = np.argsort(rows, axis=1)[:, ::-1][:, :TOP_K]
    values = np.take_along_axis(rows, best, axis=1)
    return [dict(zip(i, v, strict=True)) for i, v in zip(best.tolist(), values.tolist(), strict=True)]


def generate(state: State, ids: list[int], n: int, stop: str | None, together: bool) -> tuple[list, list, list]:
    """Ids, log-probabilities and tops of a continuation."""
    answer = solved(state, ids)
    if stop and answer is not None:
        out = list(answer.encode())
        return out, [-0.01] * len(out), [{i: -0.01} for i in out]
    out, values, tops = [], [], []
    rng = np.random.default_rng(time.time_ns())
    for _ in range(n):
        row = logprobs_of(state, [*ids, *out], decode=True, together=together)[-1]
        pick = int(rng.choice(VOCAB, p=np.exp(row))) if state.fault == "temperature" else int(row.argmax())
        out.append(pick)
        values.append(float(row[pick]))
        tops.append({**tops_of(row), pick: float(row[pick])})
    return out, values, tops


def solved(state: State, ids: list[int]) -> str | None:
    """The answer to one of the gate's tasks, as a model would find it in the context that it sees."""
    seen = ids[-CONTEXT_KEPT:] if state.fault == "truncated" else ids
    text = bytes(i for i in seen if i < 256).decode("utf-8", "replace")
    wrong = crc32(text.encode()) % 10 == 0
    if state.fault == "double-bos" and crc32(text.encode()) % 3:
        wrong = True
    if found := re.search(r"(\d+) \+ (\d+) =$", text):
        return f" {int(found[1]) + int(found[2]) + wrong}"
    if found := re.search(r"Word: (\w+)\nCopy:$", text):
        return f" {found[1]}{'x' * wrong}"
    if text.endswith("Answer:"):
        found = re.search(r"code of the depot is (\d+)", text)
        return f" {found[1]}" if found and not wrong else " 0"
    return None


def score(state: State, ids: list[int]) -> tuple[list, list]:
    """Log-probabilities and tops of given tokens; the first has none."""
    stale = state.fault == "stale-prefix" and tuple(ids[:64]) in state.seen
    rows = logprobs_of(state, ids, decode=False, together=state.inside > 1, stale=stale)
    values = [None, *(float(rows[i - 1][ids[i]]) for i in range(1, len(ids)))]
    tops = [{**top, i: v} for top, i, v in zip(all_tops(rows[:-1]), ids[1:], values[1:], strict=True)]
    if state.fault == "nan":
        values[len(ids) // 2] = math.nan
    return values, [None, *tops]


def answer(state: State, ids: list[int], n: int, stop: str | None, echo: bool) -> dict:
    """One request as plain values, before it is put into an engine's words."""
    if state.fault == "batch-noise":
        time.sleep(0.02)  # requests sent together then meet here, however slowly their client sends them
    given = (*score(state, ids),) if echo and state.fault != "generated-only" else ([], [])
    out = generate(state, ids, n, stop, together=state.inside > 1)
    found = {"ids": ids, "given": given, "out": out}
    if echo and state.fault == "crossed":
        with state.lock:
            before, state.last_score = state.last_score, found
            state.scores += 1
            if before is not None and state.scores % 3 == 0:
                return before
    if not echo:
        state.seen[tuple(ids[:64])] = True
    return found


def as_completion(state: State, found: dict, echo: bool, prompt_ids: list[int]) -> dict:
    values, tops = found["given"] if echo else ([], [])
    out, out_values, out_tops = found["out"]
    ids = [*(found["ids"] if values else []), *out]

    def named(place: dict | None) -> dict | None:
        return None if place is None else {f"token_id:{i}": v for i, v in place.items()}

    logprobs = {
        "tokens": [f"token_id:{i}" if state.fault != "text-only" else chr(i) for i in ids],
        "token_logprobs": [*values, *out_values],
        "top_logprobs": [named(t) for t in (*tops, *out_tops)],
    }
    text = bytes(i for i in out if i < 256).decode("utf-8", "replace")
    told = {} if state.fault == "text-only" else {"token_ids": out, "prompt_token_ids": prompt_ids}
    return {"choices": [{"index": 0, "text": text, "logprobs": logprobs, **told}]}


def as_sglang(found: dict) -> dict:
    def listed(ids, values):
        return [[v, i, None] for i, v in zip(ids, values, strict=True)]

    def top(places):
        return [None if p is None else [[v, i, None] for i, v in p.items()] for p in places]

    (values, tops), (out, out_values, out_tops) = found["given"], found["out"]
    meta = {
        "input_token_logprobs": listed(found["ids"], values),
        "input_top_logprobs": top(tops),
        "output_token_logprobs": listed(out, out_values),
        "output_top_logprobs": top(out_tops),
    }
    return {"text": bytes(i for i in out if i < 256).decode("utf-8", "replace"), "meta_info": meta}


def handler(state: State) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = 1 << 16  # head and body in one packet

        def log_message(self, *_: object) -> None:
            pass

        def do_GET(self) -> None:
            self.reply({"data": [{"id": state.name, "owned_by": state.engine}]})

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            with state.lock:
                state.asked += 1
                state.inside += 1
                dead = state.dies_after is not None and state.asked > state.dies_after
            try:
                if state.fault == "few-logprobs" and (body.get("logprobs") or body.get("top_logprobs_num") or 0) > 5:
                    self.reply({"error": "Requested sample logprobs of 20, which is greater than max allowed: 5"}, 400)
                    return
                if dead:
                    self.close_connection = True
                    self.connection.close()
                    return
                self.reply(self.sglang(body) if self.path == "/generate" else self.completion(body))
            finally:
                with state.lock:
                    state.inside -= 1

        def completion(self, body: dict) -> dict:
            ids = tokenized(body["prompt"])
            echo = bool(body.get("echo"))
            found = answer(state, ids, body["max_tokens"], (body.get("stop") or [None])[0], echo)
            return as_completion(state, found, echo, ids)

        def sglang(self, body: dict) -> dict:
            ids = tokenized(body.get("input_ids") or body["text"])
            sampling = body["sampling_params"]
            scored = bool(body.get("return_logprob"))
            return as_sglang(answer(state, ids, sampling["max_new_tokens"], sampling.get("stop", [None])[0], scored))

        def reply(self, document: dict, status: int = 200) -> None:
            data = json.dumps(document).encode()
            try:
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)
            except OSError:
                pass

    return Handler


def tokenized(prompt: str | list[int]) -> list[int]:
    return [BOS, *prompt.encode()] if isinstance(prompt, str) else list(prompt)


@contextmanager
def fault_server(fault: str = "", *, scale: float = 1.0, **settings: object) -> Iterator[str]:
    """The URL of a server with one fault, or with none."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler(State(Model(scale), fault, **settings)))
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/v1"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
