"""Sessions of a file in the plain form: JSON lines of one session each."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from paretoken.errors import BadFile
from paretoken.sessions.arrange import BadSession, NamedStep, arranged
from paretoken.sessions.graph import BLOCK_TOKENS, Call, Session, SessionTrace, Step


def is_session_file(path: Path | str) -> bool:
    """Whether a file holds sessions."""
    try:
        with Path(path).open(encoding="utf-8") as file:
            row = json.loads(file.readline(1 << 20))
    except (OSError, ValueError):
        return False
    return isinstance(row, dict) and "session" in row and "steps" in row


def read_sessions(path: Path | str, *, keep_going: bool = False) -> SessionTrace:
    """The sessions of a file."""
    sessions, left_out = [], dict[str, int]()
    for line in Path(path).read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        try:
            steps = arranged([_step(step, n) for n, step in enumerate(row["steps"])])
        except BadSession as e:
            if not keep_going:
                raise BadFile(f"{path}: session {row['session']!r}: {e}") from None
            left_out["broken"] = left_out.get("broken", 0) + 1
            continue
        begin_s, block = row.get("begin_s"), row.get("block_tokens", BLOCK_TOKENS)
        sessions.append(Session(name=row["session"], steps=steps, begin_s=begin_s, block_tokens=block))
    return SessionTrace(
        file=str(path), form="plain sessions", rule="times in s", sessions=tuple(sessions), left_out=left_out
    )


def _step(row: dict[str, Any], number: int) -> NamedStep:
    known = dict(row.get("call") or {})
    continues = known.pop("continues", "")
    for name in ("blocks", "messages", "tools"):
        if name in known:
            known[name] = tuple(known[name])
    fields = {k: row[k] for k in ("name", "agent", "wait_s", "seconds") if k in row}
    step = Step(**fields, call=Call(**known) if "call" in row else None)
    return NamedStep(id=str(row.get("id", number)), step=step, after=tuple(row.get("after", ())), continues=continues)
