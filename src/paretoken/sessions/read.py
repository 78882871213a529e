"""Sessions of a trace file in any form, which its content shows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Protocol

from paretoken.errors import BadConfig, BadFile
from paretoken.plural import counted
from paretoken.sessions.arrange import MOST_STEPS, BadSession, arranged
from paretoken.sessions.drafts import Faults, SessionDraft
from paretoken.sessions.forms import dag, mooncake, otel, plain, tracelab, weka
from paretoken.sessions.graph import Session, SessionTrace
from paretoken.sessions.memory import session_bytes
from paretoken.trace_rows import FROM_ZERO, HEAD_LINES, TraceRow, objects

__all__ = ["FORMS", "SessionForm", "files_of", "form_of", "is_session_file", "read_sessions"]


class SessionForm(Protocol):
    """What the module of a form provides."""

    NAME: str
    RULE: str

    def detects(self, row: TraceRow) -> bool:
        """Whether a file whose first object is this one is of this form."""
        ...

    def drafts(self, rows: Iterator[TraceRow], faults: Faults, most_sessions: int | None) -> Iterator[SessionDraft]:
        """Every session of the rows; those that `faults` spoiled are left out.

        A form whose rows mix sessions need not keep those beyond the first `most_sessions`.
        """
        ...


ENDINGS = (".json", ".jsonl", ".json.gz", ".jsonl.gz")
FORMS: tuple[SessionForm, ...] = (weka, tracelab, otel, mooncake, dag, plain)


def is_session_file(path: Path | str) -> bool:
    """Whether a file holds sessions; False also for one that cannot be read, which another reader refuses.

    Broken first lines are skipped, up to `HEAD_LINES`.
    """
    try:
        return _form_of(Path(path)) is not None
    except BadFile:
        return False


def form_of(path: Path | str) -> SessionForm:
    """The form of a file; BadFile if it holds no sessions."""
    form = _form_of(Path(path))
    if form is None:
        names = ", ".join(f.NAME for f in FORMS)
        raise BadFile(f"{path} holds no sessions in a known form; known forms: {names}")
    return form


def _form_of(path: Path) -> SessionForm | None:
    broken: list[BadFile] = []

    def skip(error: BadFile) -> None:
        broken.append(error)
        if len(broken) > HEAD_LINES:
            raise error

    row = next(objects(files_of(path)[0], skip), None)
    form = None if row is None else next((f for f in FORMS if f.detects(row)), None)
    if broken and form is None:
        raise broken[0]
    return form


def files_of(path: Path) -> Sequence[Path]:
    """The file, or the files of a folder in the order of their names, as some corpora have a file for each session."""
    if not path.is_dir():
        return (path,)
    try:
        files = sorted(file for file in path.iterdir() if file.name.endswith(ENDINGS))
    except OSError as e:
        raise BadFile(f"{path} cannot be read: {e.strerror}") from e
    if not files:
        raise BadFile(f"{path} holds no file that ends in {', '.join(ENDINGS)}")
    return files


def _rows(path: Path, form: SessionForm, faults: Faults) -> Iterator[TraceRow]:
    """The rows of a file, or of all files of a folder with the names of these."""
    if not path.is_dir():
        yield from objects(path, faults.broken)
        return
    for file in files_of(path):
        for number, row in enumerate(objects(file, faults.broken)):
            if not number and not form.detects(row):
                raise BadFile(f"{file} is no trace in the form of the first file of {path}, {form.NAME}; move it away")
            yield replace(row, file=str(path), place=f"{file.name}: {row.place}")


def read_sessions(
    path: Path | str,
    *,
    keep_going: bool = False,
    most_sessions: int | None = None,
) -> SessionTrace:
    """The sessions of a file or a folder of files, in the order of their start, counted from the first. Raises BadFile.

    Rows are read one at a time, and memory holds the sessions that are kept, the first `most_sessions`. They may take
    `MOST_KEPT` bytes. `keep_going` leaves broken sessions out; all that are left out are counted.
    """
    if most_sessions is not None and most_sessions < 1:
        raise BadConfig(f"most_sessions is {most_sessions}; it must be 1 or more")
    path, form = Path(path), form_of(path)
    faults = Faults(file=str(path), keep_going=keep_going)
    drafts = form.drafts(_rows(path, form, faults), faults, most_sessions)
    sessions = list(islice(_sessions(drafts, faults), most_sessions))
    if not sessions:
        why = ", ".join(f"{reason}: {count:,}" for reason, count in faults.left_out.items())
        raise BadFile(f"{path} holds no usable session; {f'left out: {why}' if why else 'check the file'}")
    cut = most_sessions is not None and len(sessions) == most_sessions
    zero_s = _first_s(path, sessions)
    return SessionTrace(
        file=str(path),
        form=form.NAME,
        rule=form.RULE + (f", only the first {counted(len(sessions), 'session')}" if cut else ""),
        sessions=_from_zero(sessions, zero_s),
        left_out=dict(faults.left_out),
        begin_unix_s=zero_s if zero_s is not None and zero_s > FROM_ZERO else None,
    )


def _sessions(drafts: Iterator[SessionDraft], faults: Faults) -> Iterator[Session]:
    """The sessions of the drafts, without those that `faults` leaves out."""
    names = set[str]()
    for draft in drafts:
        with faults.of(draft.name, draft.place):
            if draft.name in names:
                raise BadSession("occurs twice; give every session a name of its own", "two sessions with one name")
            session = _session(draft)
            faults.keep(session_bytes(session, draft.distinct_ids), draft.place)
            names.add(draft.name)
            yield session


def _session(draft: SessionDraft) -> Session:
    if len(draft.steps) > MOST_STEPS:
        raise BadSession(f"has more than {MOST_STEPS:,} steps", "too many steps")
    steps = arranged(draft.steps)
    if all(step.call is None for step in steps):
        raise BadSession("has no model call", "no model call")
    return Session(name=draft.name, steps=steps, begin_s=draft.begin_s, block_tokens=draft.block_tokens)


def _first_s(path: Path, sessions: Sequence[Session]) -> float | None:
    """The recorded time of the first start, None without any."""
    begins = [session.begin_s for session in sessions if session.begin_s is not None]
    if begins and len(begins) < len(sessions):
        raise BadFile(
            f"{path}: some sessions have a start time and some have none; give one to all of them, or to none"
        )
    return min(begins, default=None)


def _from_zero(sessions: Sequence[Session], zero_s: float | None) -> tuple[Session, ...]:
    if zero_s is None:
        return tuple(sessions)
    timed = [replace(session, begin_s=(session.begin_s or 0.0) - zero_s) for session in sessions]
    return tuple(sorted(timed, key=lambda session: session.begin_s or 0.0))
