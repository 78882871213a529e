"""What `compare` prints of a workload of sessions: cost and time of a session, and what the prefix cache finds."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from paretoken.answers.compare import CompareAnswer

COLUMNS = (
    "accelerator",
    "engine",
    "GPUs",
    "TP",
    "sessions at once",
    "$/session",
    "sessions/GPU-h",
    "session p50 s",
    "session p90 s",
    "cached %",
    "possible %",
    "settings",
    "origin",
)
SPARE = ("settings", "TP", "origin", "possible %", "session p90 s", "sessions/GPU-h", "engine")


def print_sessions(answer: CompareAnswer) -> None:
    """The table of sessions; nothing for a workload of fixed lengths."""
    from paretoken.cli.output import echo, print_table
    from paretoken.frontier.compare import number_text

    if answer.workload is None or answer.tokens_per_session is None:
        return
    everyone = (*answer.candidates, *answer.other_engines)
    rows = [
        (
            c.accelerator,
            c.engine,
            s.gpus,
            s.tp,
            s.users,
            s.usd_per_session,
            s.sessions_per_gpu_hour,
            s.median_session_s,
            s.p90_session_s,
            None if s.cached_share is None else 100 * s.cached_share,
            None if s.possible_share is None else 100 * s.possible_share,
            ", ".join(f"{name} {value}" for name, value in s.settings.items()),
            c.origin,
        )
        for c in everyone
        if (s := c.session)
    ]
    note = (
        f"a session has {number_text(answer.tokens_per_session)} tokens, prompts counted whole; $/M counts "
        "cached prompt tokens like any other; every figure is that of a simulated run, none is interpolated; "
        "predicted with the settings of public recipes, often an fp8 KV cache; --wide shows them"
    )
    print_table(f"\nSessions of {answer.workload}", COLUMNS, rows, note, SPARE)
    if command := next((c.session.predict_command for c in everyone if c.session), None):
        echo("The first row again, to vary it; --json has the command of every row:")
        echo(f"  {command}")
