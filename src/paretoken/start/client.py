"""What the load client can measure on this machine: time stamps, clock, cores, connections, and a short self-test."""

from __future__ import annotations

import socket
from collections.abc import Iterator

from paretoken.bench.client.stamps import ask_kernel
from paretoken.bench.truth.selftest import SelfTest
from paretoken.errors import ParetokenError
from paretoken.plural import counted
from paretoken.start.machine import SHORT_STREAMS, Grade, Machine, MachineCheck

GROUP = "Client"
FEW_FILES, FEW_PORTS, FEW_CPUS = 4_096, 16_000, 2
FAST_CLOCKS = ("tsc", "kvm-clock", "arch_sys_counter", "hyperv_clocksource_tsc_page", "riscv_clocksource", "timebase")
"""Clocks that are read without a system call. Source: Documentation/timers of Linux."""
BUSY = 0.5


def client_checks(machine: Machine) -> Iterator[MachineCheck]:
    """One check after the other; the self-test comes first, before anything else has used the machine."""
    load = machine.load()[0]
    test: SelfTest | None = None
    try:
        test = machine.test()
        yield _streams(test)
    except (ParetokenError, OSError) as e:
        yield _check("self-test", "missing", f"failed: {e}", "run paretoken bench selftest and read its message")
    yield _stamps(test)
    yield from _clock(machine)
    yield _cores(machine, load)
    yield _files(machine)
    yield from _ports(machine)
    yield from _queue(machine)
    yield from _proxies(machine)


def _check(name: str, grade: Grade, text: str, fix: str = "", value: float | str | None = None) -> MachineCheck:
    return MachineCheck(group=GROUP, name=name, grade=grade, text=text, fix=fix, value=value)


def _streams(test: SelfTest) -> MachineCheck:
    last = test.readings[-1]
    errors = f"TTFT {last.ttft_error:+.2%}, ITL {last.itl_error:+.2%}"
    server = "" if test.compiled_server else "; the server is in Python, install a C compiler for a faster one"
    if not test.highest:
        return _check(
            "streams",
            "missing",
            f"not accurate to 1 % at {counted(last.concurrency, 'stream')} ({errors}{server})",
            "stop other programs, use more --workers, or measure from another machine; "
            "paretoken bench selftest finds the limit",
            value=0,
        )
    least = "at least " if test.highest == SHORT_STREAMS[-1] else ""
    return _check(
        "streams",
        "ok",
        f"accurate to 1 % up to {least}{counted(test.highest, 'stream')} at once with one worker "
        f"({errors} at {last.concurrency:,}{server})",
        value=test.highest,
    )


def _stamps(test: SelfTest | None) -> MachineCheck:
    """As the self-test received them: a sandbox may take the socket option and stamp nothing."""
    if test is None:
        with socket.socket() as sock:
            stamped = ask_kernel(sock)
    else:
        stamped = all(level.fidelity.kernel_stamps for level in test.readings)
    if stamped:
        return _check("kernel time stamps", "ok", "the kernel stamps received bytes (SO_TIMESTAMPNS)", value="on")
    return _check(
        "kernel time stamps",
        "missing",
        "none: tokens are timed when the client reads them, so a busy core adds to every latency",
        "measure from Linux on x86-64, arm64, POWER, Z or RISC-V, without gVisor or a similar sandbox",
        value="off",
    )


def _clock(machine: Machine) -> Iterator[MachineCheck]:
    source = machine.text("sys/devices/system/clocksource/clocksource0/current_clocksource")
    if source is None:
        return
    if source in FAST_CLOCKS:
        yield _check("clock source", "ok", source, value=source)
    else:
        yield _check(
            "clock source", "note", f"{source}, slow to read", "boot with clocksource=tsc if it is stable", source
        )


def _cores(machine: Machine, load: float) -> MachineCheck:
    cpus = machine.cpus()
    text = f"{cpus:g} usable by this process (affinity and cgroup quota); load average {load:.1f}"
    if cpus < FEW_CPUS:
        return _check("cores", "note", text, "give the client a core of its own beside the server", cpus)
    if load > BUSY * cpus:
        return _check("cores", "note", text, "stop other programs, or pin the client to an idle core", cpus)
    return _check("cores", "ok", text, value=cpus)


def _files(machine: Machine) -> MachineCheck:
    """The client raises the soft limit itself, up to the hard one; a stream needs up to two files."""
    hard = machine.open_files()[1]
    if hard < 0:
        return _check("open files", "ok", "unlimited")
    text = f"{hard:,} per process (hard limit), for about {hard // 2:,} streams of a worker"
    if hard < FEW_FILES:
        return _check("open files", "missing", text, "raise it, as in ulimit -Hn 65536, or use more --workers", hard)
    return _check("open files", "ok", text, value=hard)


def _ports(machine: Machine) -> Iterator[MachineCheck]:
    words = (machine.text("proc/sys/net/ipv4/ip_local_port_range") or "").split()
    if len(words) != 2 or not all(word.isdecimal() for word in words):
        return
    ports = int(words[1]) - int(words[0]) + 1
    text = f"{ports:,}: the most streams to one server address"
    if ports < FEW_PORTS:
        fix = 'sysctl -w net.ipv4.ip_local_port_range="1024 65535"'
        yield _check("local ports", "note", text, fix, ports)
    else:
        yield _check("local ports", "ok", text, value=ports)


def _queue(machine: Machine) -> Iterator[MachineCheck]:
    most = machine.text("proc/sys/net/core/somaxconn") or ""
    if not most.isdecimal():
        return
    text = f"{int(most):,} connections may wait for a server on this machine (somaxconn)"
    if int(most) < 1024:
        yield _check(
            "accept queue", "note", text, "sysctl -w net.core.somaxconn=4096 before a server starts", int(most)
        )
    else:
        yield _check("accept queue", "ok", text, value=int(most))


def _proxies(machine: Machine) -> Iterator[MachineCheck]:
    names = ("http_proxy", "https_proxy", "all_proxy")
    stated = [n for n in machine.environment if n.lower() in names and machine.environment[n]]
    if not stated:
        return
    no_proxy = machine.environment.get("no_proxy") or machine.environment.get("NO_PROXY") or ""
    local = any(host in no_proxy for host in ("127.0.0.1", "localhost"))
    yield _check(
        "proxies",
        "note",
        f"{', '.join(sorted(stated))} set; the load goes to the server directly, never through a proxy",
        "" if local else "add localhost,127.0.0.1 to NO_PROXY, for engines and other programs on this machine",
    )
