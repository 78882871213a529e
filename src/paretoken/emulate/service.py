"""The response to each path: pages at once, completions when the engine has made them."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable
from math import ceil, log

import numpy as np
import orjson

from paretoken.emulate.api_errors import ApiError
from paretoken.emulate.caching import CachingPacer
from paretoken.emulate.connection import ClientConnection, HttpRequest
from paretoken.emulate.faults import Fault, parse_fault
from paretoken.emulate.pacer import Pacer
from paretoken.emulate.pools import PoolPacer
from paretoken.emulate.prometheus import EmulatorMetrics
from paretoken.emulate.reply import STREAM_HEAD, Reply
from paretoken.emulate.request import CompletionRequest, read
from paretoken.emulate.settings import EmulatorSettings
from paretoken.emulate.surfaces.registry import SURFACES
from paretoken.emulate.tools import tool_calls
from paretoken.emulate.words import WORDS, Script, find_stop
from paretoken.emulated import EMULATED, marked, unmarked
from paretoken.errors import ParetokenError
from paretoken.exposition import TEXT_FORMAT
from paretoken.predict.simulation.scheduler import Sequence
from paretoken.version import __version__

VOCABULARY = 32_000
"""Token ids that clients may send; any are taken, only their number counts."""
FAULT_HEADER = "x-paretoken-fault"


class Service:
    """The API over a paced engine; `clock` gives seconds."""

    def __init__(self, settings: EmulatorSettings, clock: Callable[[], float]) -> None:
        self.settings, self.clock = settings, clock
        self.model = marked(settings.model)
        block, caches = settings.first.limits.block_tokens, settings.cache is not None
        self.counters = EmulatorMetrics({"block_size": block, "enable_prefix_caching": caches})
        self.pacer = _pacer(settings, self.counters)
        self.rng = np.random.default_rng(settings.seed)
        self.numbers = itertools.count()

    def handle(self, connection: ClientConnection, request: HttpRequest) -> None:
        """Answer at once, or let the connection wait for a reply."""
        try:
            if request.path in SURFACES:
                if request.method != "POST":
                    raise ApiError(405, f"{request.path} needs POST")
                self._begin(connection, request)
            else:
                connection.send(self._page(connection, request))
        except ApiError as error:
            surface = SURFACES.get(request.path)
            connection.refuse(surface.error(error.status, str(error), error.param, error.kind) if surface else error)

    def _page(self, connection: ClientConnection, request: HttpRequest) -> bytes:
        pages: dict[str, Callable[[], tuple[bytes, str]]] = {
            "/health": lambda: (b"", "text/plain"),
            "/ping": lambda: (b"", "text/plain"),
            "/version": lambda: (orjson.dumps({"version": __version__, EMULATED: True}), "application/json"),
            "/server_info": self._server_info,
            "/get_server_info": self._server_info,
            "/v1/models": lambda: (orjson.dumps(self._models()), "application/json"),
            "/metrics": lambda: (self._metrics().encode(), TEXT_FORMAT),
        }
        if request.path not in pages:
            raise ApiError(404, f"unknown path {request.path}; use one of {', '.join([*SURFACES, *pages])}")
        if request.method not in ("GET", "HEAD"):
            raise ApiError(405, f"{request.path} needs GET")
        body, kind = pages[request.path]()
        data = connection.respond(200, body, kind)
        return data[: len(data) - len(body)] if request.method == "HEAD" else data

    def _server_info(self) -> tuple[bytes, str]:
        """What SGLang's client asks for and keeps in its result file: the only place of the model's id there.

        A disaggregated server names its workers as SGLang's load balancer does: lists of `prefill` and `decode`.
        """
        info: dict[str, object] = {"model_path": self.model, "version": __version__, EMULATED: True}
        info["page_size"] = self.settings.first.limits.block_tokens
        if pools := self.settings.pools:
            for role, workers in (("prefill", pools.prefill), ("decode", pools.decode)):
                worker = {"model_path": self.model, "version": __version__, "disaggregation_mode": role}
                info[role] = [worker | {"max_running_requests": w.limits.max_num_seqs} for w in workers]
        info["internal_states"] = [{}]
        return orjson.dumps(info), "application/json"

    def _models(self) -> dict[str, object]:
        model: dict[str, object] = {"id": self.model, "object": "model", "created": 0, "owned_by": "paretoken"}
        model["root"] = unmarked(self.model)
        model |= {"max_model_len": self.settings.most_tokens, "meta": {"n_vocab": VOCABULARY}}
        return {"object": "list", "data": [model]}

    def _metrics(self) -> str:
        return self.counters.text(self.model, self.pacer.loads())

    def _begin(self, connection: ClientConnection, http: HttpRequest) -> None:
        received_s = self.clock()
        faults = self._faults(http.headers.get(FAULT_HEADER))
        status = next((int(kind) for kind in faults if kind.isdigit()), 0)
        if status:
            raise ApiError(status, f"HTTP {status} (injected fault)")
        settings = self.settings
        request = read(
            http.body,
            surface=SURFACES[http.path],
            model=self.model,
            context=settings.most_tokens,
            texts=settings.texts,
            with_ids=settings.cache is not None,
        )
        script = self._script(request, int(faults.get("chunk", settings.tokens_per_chunk)))
        cached = min(int(request.prompt_tokens * settings.serving.prefix_hit_rate), request.prompt_tokens - 1)
        reply = Reply(
            connection,
            request,
            Sequence(request.prompt_tokens, script.tokens, cached),
            script,
            name=f"{request.surface.prefix}-{next(self.numbers):08x}",
            created=int(time.time()),
            received_s=received_s,
            faults=faults,
        )
        reply.sequence.owner = connection.reply = reply
        if isinstance(self.pacer, CachingPacer):
            self.pacer.place(reply)
        if request.stream:
            connection.send(STREAM_HEAD)
        serving = settings.serving
        first = settings.first
        before_s = serving.before_queue_s(first.step_time, first.limits, request.prompt_tokens, cached)
        self._submit(reply, connection, before_s / settings.time_scale + faults.get("slow", 0.0))

    def _submit(self, reply: Reply, connection: ClientConnection, after_s: float) -> None:
        def submit() -> None:
            if reply.sequence.owner is not None:
                self.pacer.submit(reply)

        if after_s <= 0:
            self.pacer.submit(reply)
        else:
            connection.later(after_s, submit)

    def _script(self, request: CompletionRequest, per_event: int) -> Script:
        """The reply that a request will get."""
        start, tokens, reason = int(self.rng.integers(len(WORDS))), request.max_tokens, "length"
        if not request.ignore_eos:
            natural = max(_geometric(self.settings.natural_tokens, float(self.rng.random())), request.min_tokens, 1)
            if natural <= tokens:
                tokens, reason = natural, "stop"
        if calls := tool_calls(request.ask.tools, tokens):
            # A call that the limit cuts off is still a call with whole arguments.
            return Script(start, tokens, "tool_calls", per_event=per_event, calls=calls)
        stops = request.ask.stops
        stopped = find_stop(start, tokens, stops, request.min_tokens) if stops else None
        if stopped:
            return Script(start, stopped[0], "stop", stopped[1], per_event=per_event)
        return Script(start, tokens, reason, per_event=per_event)

    def _faults(self, header: str | None) -> dict[str, float]:
        """The faults that this request meets: those of its own header, or its draw of the server's."""
        try:
            chosen: tuple[Fault, ...] = tuple(map(parse_fault, header.split(","))) if header else self.settings.faults
        except ParetokenError as error:
            raise ApiError(400, str(error), FAULT_HEADER) from None
        return {f.kind: f.value for f in chosen if f.kind != "refuse" and self.rng.random() < f.share}


def _pacer(settings: EmulatorSettings, counters: EmulatorMetrics) -> Pacer | PoolPacer:
    if settings.cache:
        return CachingPacer(settings, settings.cache, counters)
    return PoolPacer(settings, counters) if settings.pools else Pacer(settings, counters)


def _geometric(mean: float, draw: float) -> int:
    """A length of 1 or more with the given mean, from a uniform draw."""
    return 1 if mean <= 1 else max(ceil(log(1 - draw) / log(1 - 1 / mean)), 1)
