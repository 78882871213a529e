"""How exactly `paretoken emulate` keeps its schedule: `python benchmarks/emulate.py [--streams 1000] [--seconds 20]`.

`--realtime` is passed on to the server.

The server runs on one core with steps of exactly 20 ms (50 tok/s a stream), a bare reader on another takes
kernel receive stamps. The error of a gap is what it differs from 20 ms. The reader checks that every answer has
all its tokens. Where others use the machine, `chrt -f 1` in front keeps them off the two cores.
"""

from __future__ import annotations

import argparse
import gc
import os
import resource
import select
import socket
import struct
import subprocess
import sys
import time
from urllib.request import urlopen

import numpy as np

SERVER_CPU, CLIENT_CPU = 1, 0
STEP_MS, TOKENS = 20.0, 128
STAMPS = 35  # SO_TIMESTAMPNS
BODY = b'{"model":"emulated","prompt":[1,2,3,4],"max_tokens":%d,"ignore_eos":true,"stream":true}' % TOKENS
REQUEST = b"POST /v1/completions HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%b" % (len(BODY), BODY)


class Stream:
    def __init__(self, port: int) -> None:
        self.sock = socket.create_connection(("127.0.0.1", port))
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sock.setsockopt(socket.SOL_SOCKET, STAMPS, 1)
        self.times: list[int] = []

    def begin(self) -> None:
        self.times = []
        self.sock.send(REQUEST)

    def read(self) -> bool:
        """Take what came; whether the answer is over."""
        data, control, _, _ = self.sock.recvmsg(65536, 64)
        seconds, ns = struct.unpack("ll", control[0][2])
        events = data.count(b'"text"')
        self.times += [seconds * 1_000_000_000 + ns] * events
        return b"[DONE]" in data


def measure(port: int, streams: int, seconds: float) -> np.ndarray:
    """Gaps of all streams after a ramp of 3 s, in ms."""
    all_streams = {s.sock.fileno(): s for s in (Stream(port) for _ in range(streams))}
    poller = select.epoll()
    for fd in all_streams:
        poller.register(fd, select.EPOLLIN)
    for s in all_streams.values():
        s.begin()
        time.sleep(2.5 / streams)  # so that their ends are spread
    gaps, left, end = [], streams, time.monotonic() + seconds
    measured_from = time.time_ns() + 500_000_000
    while left:
        for fd, _ in poller.poll(1):
            stream = all_streams[fd]
            if stream.read():
                if len(stream.times) != TOKENS:
                    sys.exit(f"an answer had {len(stream.times)} tokens instead of {TOKENS}")
                if stream.times[0] > measured_from:
                    gaps.append(np.diff(stream.times))
                if time.monotonic() < end:
                    stream.begin()
                else:
                    left -= 1
    return np.concatenate(gaps) / 1e6


def sleep_lateness_ms(seconds: float = 4.0) -> np.ndarray:
    """How late a sleep until every 20 ms wakes on the server's core, in ms."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {SERVER_CPU})
    due, late = time.monotonic(), []
    for _ in range(round(seconds * 1000 / STEP_MS)):
        due += STEP_MS / 1000
        time.sleep(max(due - time.monotonic(), 0))
        late.append((time.monotonic() - due) * 1000)
    os.sched_setaffinity(0, before)
    return np.array(late)


def main() -> None:
    ask = argparse.ArgumentParser()
    ask.add_argument("--streams", type=int, default=1000)
    ask.add_argument("--seconds", type=float, default=20.0)
    ask.add_argument("--realtime", action="store_true")
    options = ask.parse_args()
    command = [
        sys.executable,
        "-m",
        "paretoken",
        "emulate",
        "--decode-ms",
        str(STEP_MS),
        "--prefill-tok-s",
        "1e12",
        "--max-num-seqs",
        "4096",
        "--kv-tokens",
        "10000000",
        "--port",
        "0",
        *(["--realtime"] if options.realtime else []),
    ]
    asleep = [sleep_lateness_ms()]
    server = subprocess.Popen(["taskset", "-c", str(SERVER_CPU), *command], stderr=subprocess.PIPE, text=True)
    try:
        os.sched_setaffinity(0, {CLIENT_CPU})
        port = int(server.stderr.readline().split("/v1")[0].rsplit(":", 1)[1])
        gc.freeze()
        gc.disable()
        gaps = measure(port, options.streams, options.seconds)
        error = np.abs(gaps - STEP_MS)
        with urlopen(f"http://127.0.0.1:{port}/metrics") as page:
            counters = [line for line in page.read().decode().splitlines() if line.startswith("paretoken:")]
    finally:
        server.terminate()
        server.wait()
    asleep.append(sleep_lateness_ms())
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    print(f"{options.streams} streams at {1000 / STEP_MS:.0f} tok/s, {len(gaps):,} gaps, {options.seconds:g} s")
    print(
        f"gap mean {gaps.mean():.4f} ms, error p50 {np.median(error):.3f}, p99 {np.quantile(error, 0.99):.3f}, "
        f"p99.9 {np.quantile(error, 0.999):.3f}, max {error.max():.2f} ms"
    )
    late = " and ".join(f"p50 {np.median(a):.3f}, p99 {np.quantile(a, 0.99):.3f}" for a in asleep)
    print(f"sleep wakes late by {late} ms, before and after")
    print(f"server CPU {used.ru_utime + used.ru_stime:.1f} s;", "; ".join(counters))


if __name__ == "__main__":
    main()
