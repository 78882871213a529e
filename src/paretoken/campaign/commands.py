"""Commands of a cluster as processes: kubectl, sbatch, squeue."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence

from paretoken.errors import ParetokenError
from paretoken.foreign_text import one_line

ANSWER_S = 120.0


def output_of(command: Sequence[str], name: str, text: str | None = None) -> str:
    """What a command prints. ParetokenError with its own message where it fails, or does not end within ANSWER_S.

    `name` is what errors call it; `text` is its input.
    """
    try:
        done = subprocess.run(  # noqa: S603, the command is ours
            command,
            input=text,
            capture_output=True,
            encoding="utf-8",
            errors="replace",  # logs of engines have any bytes
            timeout=ANSWER_S,
            check=False,
            start_new_session=True,  # Ctrl-C is for us: what runs on the cluster must still be deleted
        )
    except subprocess.TimeoutExpired as e:
        raise ParetokenError(f"{name} did not answer within {ANSWER_S:g} s; check the cluster") from e
    if done.returncode:
        why = one_line(done.stderr.strip() or done.stdout.strip()) or f"exit status {done.returncode}"
        raise ParetokenError(f"{name} failed: {why}")
    return done.stdout
