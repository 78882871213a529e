"""Readiness of sockets: epoll where the system has it, else `selectors`, behind one interface."""

from __future__ import annotations

import select
import selectors

READ, WRITE = 1, 4  # the bits of EPOLLIN and EPOLLOUT; anything else set means an error or a hang-up
COARSE_NS = 3_000_000
_SELECT_FD_LIMIT = 1024


class EpollPoller:
    """Level-triggered epoll with waits finer than its millisecond."""

    def __init__(self) -> None:
        self._epoll = select.epoll()
        self._fine = self._epoll.fileno() < _SELECT_FD_LIMIT
        self.register, self.modify, self.poll = self._epoll.register, self._epoll.modify, self._epoll.poll

    def unregister(self, fd: int) -> None:
        self._epoll.unregister(fd)

    def wait(self, for_ns: int, most: int) -> list[tuple[int, int]]:
        """Sockets that are ready, after at most `for_ns`; a long wait may end up to 2 ms early, never late."""
        if for_ns >= COARSE_NS or not self._fine:
            return self.poll(max(for_ns // 1_000_000 - 1, 0) / 1000, most)
        ready = self.poll(0, most)
        if ready or for_ns <= 0:
            return ready
        # epoll counts in milliseconds, select in microseconds, and an epoll is itself selectable.
        select.select([self._epoll], [], [], for_ns / 1e9)
        return self.poll(0, most)

    def close(self) -> None:
        self._epoll.close()


class SelectorPoller:
    """The same over `selectors`, for systems without epoll."""

    def __init__(self) -> None:
        self._selector = selectors.DefaultSelector()

    def register(self, fd: int, mask: int) -> None:
        self._selector.register(fd, _events(mask))

    def modify(self, fd: int, mask: int) -> None:
        self._selector.modify(fd, _events(mask))

    def unregister(self, fd: int) -> None:
        self._selector.unregister(fd)

    def wait(self, for_ns: int, most: int) -> list[tuple[int, int]]:
        """Sockets that are ready, after at most `for_ns`."""
        ready = self._selector.select(max(for_ns, 0) / 1e9)[:most]
        return [
            (key.fd, (READ if events & selectors.EVENT_READ else 0) | (WRITE if events & selectors.EVENT_WRITE else 0))
            for key, events in ready
        ]

    def close(self) -> None:
        self._selector.close()


def _events(mask: int) -> int:
    read = selectors.EVENT_READ if mask & READ else 0
    return read | (selectors.EVENT_WRITE if mask & WRITE else 0)


Poller = EpollPoller | SelectorPoller


def make_poller() -> Poller:
    """The best that this system has."""
    return EpollPoller() if hasattr(select, "epoll") else SelectorPoller()
