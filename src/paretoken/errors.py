"""Every error a user can cause, in one tree.

ParetokenError            one sentence: what is wrong, where, what to do; exit code 2
├── UnknownName           a name the catalog does not hold, with the nearest ones
├── BadFile               a file that is missing, empty, truncated or of the wrong form
│   ├── BadRows           rows that break the schema: file, row, column, value
│   └── BadTree           a source tree that is not of that engine, or not safe to read
├── BadConfig             a study, catalog or option value that cannot be used
├── NoData                a question that no point answers
├── EngineFailed          a server that we started ended, hangs, or was not ready in time
├── EndpointFailed        a server that stopped answering, refused, or gave what cannot be used
└── CannotWrite           an output place that is a file, missing or not writable
"""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches
from typing import ClassVar

from paretoken.foreign_text import visible

EXIT_USER_ERROR = 2
SHOWN = 80
"""Characters of a value that an error repeats."""
LISTED = 20
"""Known names that an error lists where none resembles."""
ENTRY, FILE = "entry", "file"
"""The columns of an error that concerns a whole entry, or a whole file, which its words then name."""
_COMPARED = 200
"""Characters of a name that are compared with the known ones."""


class ParetokenError(Exception):
    """A mistake that the user can mend; its text is one clear sentence, cut in the middle where it is very long.

    `on_command_line` is the same sentence with options of the command line, where the text names fields of a question.
    """

    LONGEST: ClassVar[int] = 1_500

    def __init__(self, message: str = "") -> None:
        over = len(message) > self.LONGEST
        text = f"{message[: self.LONGEST - 300]} … {message[-290:]}" if over else message
        self.on_command_line = "\n".join(visible(line.replace("\t", " ")) for line in text.split("\n"))
        super().__init__(self.on_command_line)

    def reword(self, sentence: str) -> None:
        """Give the text other words; `on_command_line` keeps its own."""
        self.args = (sentence,)


class UnknownName(ParetokenError):
    """A name that is not in the catalog; the message lists the nearest known names, or says `why` it names none.

    `other` is what may be given instead of a known name, `like` the part of the name that is compared with them.
    """

    def __init__(self, kind: str, name: str, names: list[str], why: str = "", other: str = "", like: str = "") -> None:
        self.kind, self.name, self.nearest = kind, name, [] if why else nearest(like or name, names)
        near = f"did you mean {' or '.join(self.nearest)}?" if self.nearest else ""
        self.reason = why or "; ".join(words for words in ("is not in the catalog", near) if words)
        more = f" and {len(names) - LISTED} more" if len(names) > LISTED else ""
        words = why or near or f"known: {', '.join(names[:LISTED])}{more}"
        also = f" {other[:1].upper()}{other[1:]}" if words.endswith("?") else f"; {other}"
        super().__init__(f"unknown {kind} {quoted(name)}: {words}{other and also}")


class BadFile(ParetokenError):
    """A file that cannot be read as what it is meant to be."""


@dataclass(frozen=True, slots=True)
class RowError:
    """One value that breaks the schema. `row` counts data rows from 1; 0 is the header."""

    file: str
    row: int
    column: str
    value: str
    why: str

    def __str__(self) -> str:
        if self.column == FILE:
            return self.why
        if self.column == ENTRY:
            return f"{self.file}: entry {self.row}: {self.why}"
        return f"{self.file}: row {self.row}, column {self.column}: {quoted(self.value)} {self.why}"


class BadRows(BadFile):
    """Rows that break the schema; `errors` holds every one of them, `remedy` says what to do."""

    def __init__(
        self,
        errors: list[RowError],
        remedy: str = "fix it, or keep the good rows with 'paretoken import --keep-going'",
    ) -> None:
        self.errors = errors
        more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
        super().__init__(f"{errors[0]}{more}; {remedy}")


class BadTree(BadFile):
    """A source tree that is not of the engine named, has a layout newer than known, or is not safe to read."""


class BadConfig(ParetokenError):
    """A configuration value that cannot be used."""


class NoData(ParetokenError):
    """No operating point answers the question asked."""


class CannotWrite(ParetokenError):
    """The output place cannot be written to."""


class EngineFailed(ParetokenError):
    """A server that we started ended, hangs, or was not ready in time; the message ends with the last log lines.

    `kind` says what happened, in one word of `engines.diagnose.KINDS`.
    """

    LONGEST = 20_000

    def __init__(self, message: str, kind: str = "crash") -> None:
        self.kind = kind
        super().__init__(message)


class EndpointFailed(ParetokenError):
    """A server under test stopped answering, refused a request, or gave an answer that cannot be used."""


def quoted(value: object) -> str:
    """The value as a message quotes it: on one line, cut after 80 characters, escapes shown."""
    if isinstance(value, int) and value.bit_length() > 1_000:  # Python refuses to print 4,301 digits
        return f"a number of {value.bit_length():,} bits"
    try:
        words = repr(value[: SHOWN + 1] if isinstance(value, (str, bytes)) else value)
    except (ValueError, RecursionError):
        words = f"a {type(value).__name__}"
    return words if len(words) <= SHOWN + 2 else f"{words[:SHOWN]}…"


def shown(value: str) -> str:
    """The start of a value, where it is long."""
    return value if len(value) <= SHOWN else f"{value[:SHOWN]}…"


def nearest(name: str, names: list[str], n: int = 3) -> list[str]:
    """Up to n of the names that resemble `name`, best first, whatever their case."""
    name = name[:_COMPARED]
    by_fold = {k.casefold(): k for k in reversed(names)}
    close = get_close_matches(name.casefold(), list(by_fold), n=n, cutoff=0.5)
    inside = [k for k in by_fold if len(name) > 2 and name.casefold() in k and k not in close]
    return [by_fold[k] for k in (close + inside)[:n]]
