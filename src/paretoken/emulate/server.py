"""The server: one thread, one loop. Steps that are due come first, then timers, then sockets."""

from __future__ import annotations

import heapq
import itertools
import select
import selectors
import socket
import time
from collections.abc import Callable
from math import inf

from paretoken.emulate.connection import ClientConnection, HttpRequest
from paretoken.emulate.reply import Reply
from paretoken.emulate.service import Service
from paretoken.emulate.settings import EmulatorSettings
from paretoken.errors import BadConfig

BACKLOG = 4096
SELECT_LIMIT = 1024  # select takes no higher file number
MOST_WAIT_S = 3600.0  # select and epoll overflow at times far beyond
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

    @property
    def base_url(self) -> str:
        return f"http://{f'[{self.host}]' if ':' in self.host else self.host}:{self.port}/v1"

    def stop(self) -> None:
        self.running = False
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
        self.service.pacer.start(self.clock())
        due = min(self.service.pacer.ends_s, self.timers[0][0] if self.timers else inf)
        for key, mask in self.fine_wait(due - self.clock()):
            if key.fileobj is self.listener:
                self._accept()
            elif key.fileobj is self.wake_out:
                self.wake_out.recv(16)
            elif mask & READ:
                _guarded(key.data, key.data.readable)
            if mask & WRITE and key.data is not None and key.data.open:
                _guarded(key.data, key.data.writable)

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
            except OSError:
                return
            connection = ClientConnection(self, sock)
            self.connections.add(connection)
            self.selector.register(sock, READ, connection)
            if self.most and len(self.connections) >= self.most:
                self.selector.unregister(self.listener)
                self.listener.close()
                self.listener = None

    def watch(self, connection: ClientConnection, *, writing: bool) -> None:
        self.selector.modify(connection.sock, READ | WRITE if writing else READ, connection)

    def forget(self, connection: ClientConnection) -> None:
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
