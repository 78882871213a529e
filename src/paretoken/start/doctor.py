"""All checks of this machine, in the order of the answer."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from paretoken.start.client import client_checks
from paretoken.start.hardware import hardware_checks
from paretoken.start.machine import Machine, MachineCheck
from paretoken.start.software import software_checks


def machine_checks(
    machine: Machine | None = None, on_progress: Callable[[str], object] = lambda text: None
) -> Iterator[MachineCheck]:
    """What this machine can measure, what it is, what is installed; in about three seconds."""
    machine = machine or Machine()
    on_progress("the client against a server with known timing")
    yield from client_checks(machine)
    on_progress("hardware and software")
    yield from hardware_checks(machine)
    yield from software_checks(machine)
