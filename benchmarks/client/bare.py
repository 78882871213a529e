"""The floor in Python, to read ours against in the same run: add_reader, recvmsg with kernel stamps, orjson.

No HTTP checks, no records on disk, no proof: what any honest client adds comes on top of this.
"""

from __future__ import annotations

import asyncio
import gc
import json
import resource
import socket
import struct
import sys
import time

import orjson

BODY = (
    b'{"model":"truth","prompt":"one two three four","max_tokens":128,"stream":true,'
    b'"stream_options":{"include_usage":true}}'
)
REQUEST = b"POST /v1/completions HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%b" % (len(BODY), BODY)


class Stream:
    def __init__(self, port: int, loop: asyncio.AbstractEventLoop, out: dict) -> None:
        self.sock = socket.create_connection(("127.0.0.1", port))
        self.sock.setblocking(False)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sock.setsockopt(socket.SOL_SOCKET, 35, 1)
        self.out, self.loop = out, loop
        loop.add_reader(self.sock.fileno(), self.read)

    def begin(self) -> None:
        self.sent, self.times = time.time_ns(), []
        self.sock.send(REQUEST)

    def read(self) -> None:
        data, control, _, _ = self.sock.recvmsg(65536, 64)
        s, ns = struct.unpack("ll", control[0][2])
        stamp = s * 1_000_000_000 + ns
        for part in data.split(b"data: ")[1:]:
            if part.startswith(b"[DONE]"):
                self.out["ttft"].append(self.times[0] - self.sent)
                self.out["itl"] += [b - a for a, b in zip(self.times, self.times[1:], strict=False)]
                self.out["tokens"] += len(self.times)
                if self.loop.time() < self.out["until"]:
                    self.begin()
                else:
                    self.out["left"] -= 1
                    if not self.out["left"]:
                        self.loop.stop()
                return
            event = orjson.loads(part[: part.index(b"\n\n")])
            if event["choices"] and event["choices"][0]["text"]:
                self.times.append(stamp)


def main() -> None:
    port, users, seconds = int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])
    loop = asyncio.new_event_loop()
    out = {"ttft": [], "itl": [], "tokens": 0, "left": users}
    streams = [Stream(port, loop, out) for _ in range(users)]
    gc.freeze()
    gc.disable()
    out["until"] = loop.time() + seconds
    for stream in streams:
        stream.begin()
    loop.run_forever()
    used = resource.getrusage(resource.RUSAGE_SELF)
    out["ttft"].sort()
    out["itl"].sort()
    report = {
        "ttft_mean_s": sum(out["ttft"]) / len(out["ttft"]) / 1e9,
        "ttft_p99_s": out["ttft"][int(0.99 * len(out["ttft"]))] / 1e9,
        "itl_p50_s": out["itl"][len(out["itl"]) // 2] / 1e9,
        "itl_p99_s": out["itl"][int(0.99 * len(out["itl"]))] / 1e9,
        "tpot_mean_s": sum(out["itl"]) / len(out["itl"]) / 1e9,
        "tokens": out["tokens"],
        "cpu_s": used.ru_utime + used.ru_stime,
    }
    json.dump(report, sys.stdout)


if __name__ == "__main__":
    main()
