"""Ends a process group once the process that started it is gone, however that died: a program of its own.

    python -I -S guard.py PARENT GROUP [COMMAND …]

COMMAND runs last, for what does not belong to the group, such as a container.

It has its own session, so that neither Ctrl-C in the terminal nor the end of the group reaches it. It looks at its
parent twice a second (20 µs each) and not through a pipe, for a forked worker of the parent would hold that open,
nor through Linux's PR_SET_PDEATHSIG, which fires when only the starting thread ends and spares grandchildren.
"""

import os
import signal
import sys
import time
from contextlib import suppress

LOOK_S = 0.5
GRACE_S = 2.0


def main(parent: int, group: int, command: list[str]) -> None:
    """Wait until the parent is gone, then end the group, first gently, and run the command."""
    while os.getppid() == parent:
        time.sleep(LOOK_S)
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(group, signal.SIGTERM)
        time.sleep(GRACE_S)
        os.killpg(group, signal.SIGKILL)
    if command:
        os.execvp(command[0], command)  # noqa: S606, given by the program that started us


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3:])
