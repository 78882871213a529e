"""The server: one thread, one loop. Steps that are due come first, then timers, then sockets."""

from __future__ import annotations

import errno
import heapq
import itertools
import select
import selectors
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from math import inf

from paretoken.emulate.connection import ClientConnection, HttpRequest
from paretoken.emulate.reply import Reply
from paretoken.emulate.service import Service
from paretoken.emulate.settings import EmulatorSettings
from paretoken.errors import BadConfig

BACKLOG = 4096
SELECT_LIMIT = 1024  # select takes no higher file number
MOST_WAIT_S = 3600.0  # select and epoll overflow at times far beyond
REST_S, SWEEP_S = 0.1, 1.0
REQUEST_S = 30.0
"""Seconds in which a request must have come whole."""
SLOW_AT_LIMIT_S = 2.0
"""The same where no descriptor is left for others."""
Events = list[tuple[selectors.SelectorKey, int]]
READ, WRITE = selectors.EVENT_READ, selectors.EVENT_WRITE


class EmulatedServer:
    """Listens from the moment it is made; `run` serves until `stop` (of any thread) is called."""

    def __init__(
        self,
        settings: EmulatorSettings,
        host: str = "127.0.0.1",
        port: int = 0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.clock = clock
        self.service = Service(settings, clock)
        self.numbers = itertools.count()
        self.timers: list[tuple[float, int, ClientConnection, Callable[[], object]]] = []
        self.connections: set[ClientConnection] = set()
        self.most = int(next((f.value for f in settings.faults if f.kind == "refuse"), 0))
        self.selector = selectors.DefaultSelector()
        self.fine_wait = _fine_wait(self.selector)
        self.host, self.port = host, port
        self.listener: socket.socket | None = None
        self._listen()
        self.wake_in, self.wake_out = socket.socketpair()
        self.selector.register(self.wake_out, READ)
        self.running = True
        self.resting_until_s, self.next_sweep_s = inf, 0.0

    @property
    def base_url(self) -> str:
        return f"http://{f'[{self.host}]' if ':' in self.host else self.host}:{self.port}/v1"

    def stop(self) -> None:
        self.running = False
        with suppress(OSError):  # its thread may have ended already
            self.wake_in.send(b"x")

    def run(self) -> None:
        """Serve until `stop` is called; every socket is closed afterwards."""
        try:
            while self.running:
                self._turn()
        finally:
            self._close()

    def _turn(self) -> None:
        now = self.clock()
        self.service.pacer.run(now)
        while self.timers and self.timers[0][0] <= now:
            _, _, connection, action = heapq.heappop(self.timers)
            _guarded(connection, action)
        if now >= self.next_sweep_s:
            self.next_sweep_s = now + SWEEP_S
            self._drop_slow(REQUEST_S)
        if now >= self.resting_until_s:
            self.resting_until_s = inf
            if self.listener is not None:
                self.selector.register(self.listener, READ)
        self.service.pacer.start(self.clock())
        timer_s = self.timers[0][0] if self.timers else inf
        due = min(self.service.pacer.ends_s, timer_s, self.resting_until_s, self.next_sweep_s)
        for key, mask in self.fine_wait(due - self.clock()):
            if key.fileobj is self.listener:
                self._accept()
            elif key.fileobj is self.wake_out:
                self.wake_out.recv(16)
            elif mask & READ:
                _guarded(key.data, key.data.readable)
            if mask & WRITE and key.data is not None and key.data.open:
                _guarded(key.data, key.data.writable)
            if self.clock() >= self.service.pacer.ends_s:
                break  # tokens are due; whoever is left is still ready afterwards

    def handle(self, connection: ClientConnection, request: HttpRequest) -> None:
        """Answer a request at once, or let the connection wait."""
        self.service.handle(connection, request)

    def abandon(self, reply: Reply) -> None:
        """Nobody waits for a reply any more."""
        self.service.pacer.abandon(reply)

    def later(self, after_s: float, connection: ClientConnection, action: Callable[[], object]) -> None:
        """Call something after some seconds, on behalf of a connection."""
        heapq.heappush(self.timers, (self.clock() + after_s, next(self.numbers), connection, action))

    # ---- connections

    def _listen(self) -> None:
        family = socket.AF_INET6 if ":" in self.host else socket.AF_INET
        sock = socket.socket(family, socket.SOCK_STREAM)
        try:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.bind((self.host, self.port))
            sock.listen(BACKLOG)
        except OSError as error:
            sock.close()
            raise BadConfig(
                f"cannot listen on {self.host} port {self.port}: {error.strerror}; choose another port"
            ) from None
        sock.setblocking(False)
        self.port = sock.getsockname()[1]
        self.listener = sock
        self.selector.register(sock, READ)

    def _accept(self) -> None:
        while self.listener is not None:
            try:
                sock, _ = self.listener.accept()
            except OSError as error:
                if error.errno in (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM):
                    self._rest()
                return
            connection = ClientConnection(self, sock)
            self.connections.add(connection)
            self.selector.register(sock, READ, connection)
            if self.most and len(self.connections) >= self.most:
                self.selector.unregister(self.listener)
                self.listener.close()
                self.listener = None

    def _rest(self) -> None:
        """No descriptor is left: accept nobody for a moment, and drop the requests that come slowly."""
        if self.listener is not None:
            self.selector.unregister(self.listener)
        self.resting_until_s = self.clock() + REST_S
        self._drop_slow(SLOW_AT_LIMIT_S)

    def _drop_slow(self, allowed_s: float) -> None:
        """Close the connections whose request has been incomplete for that long."""
        before_s = self.clock() - allowed_s
        for connection in [c for c in self.connections if c.inbox and c.reply is None and c.began_s < before_s]:
            _guarded(connection, connection.too_slow)

    def watch(self, connection: ClientConnection) -> None:
        events = (0 if connection.full else READ) | (WRITE if connection.outbox else 0)
        if connection.sock in self.selector.get_map():
            self.selector.unregister(connection.sock)
        if events:
            self.selector.register(connection.sock, events, connection)

    def forget(self, connection: ClientConnection) -> None:
        if connection.sock in self.selector.get_map():
            self.selector.unregister(connection.sock)
        self.connections.discard(connection)
        if self.listener is None and self.running:
            self._listen()

    def _close(self) -> None:
        self.running = False
        for connection in list(self.connections):
            connection.reset() if connection.reply else connection.close()
        for sock in (self.listener, self.wake_in, self.wake_out):
            if sock is not None:
                sock.close()
        self.selector.close()


def _guarded(connection: ClientConnection, action: Callable[[], object]) -> None:
    """Do something for a connection: what goes wrong there ends that connection, not the server."""
    try:
        action()
    except Exception:
        connection.failed()


def _fine_wait(selector: selectors.BaseSelector) -> Callable[[float], Events]:
    """A wait with microseconds: `selectors` rounds up to a millisecond, `select` on the selector does not."""
    fileno = selector.fileno() if hasattr(selector, "fileno") else SELECT_LIMIT

    def wait(for_s: float) -> Events:
        if for_s > MOST_WAIT_S:
            return selector.select(None if for_s == inf else MOST_WAIT_S)
        if for_s <= 0 or fileno >= SELECT_LIMIT:
            return selector.select(max(for_s, 0))
        select.select([fileno], [], [], for_s)
        return selector.select(0)

    return wait
