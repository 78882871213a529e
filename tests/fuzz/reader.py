"""What a fuzzed reader is, and what counts as a fault of one input."""

from __future__ import annotations

import random
import re
import resource
import shutil
import signal
import traceback
import unicodedata
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from paretoken.errors import ParetokenError
from tests.fuzz.mutations import mutated

CPU_S = 2.0
MOST_MB = 512
LONGEST = 1_600
"""Characters of an error message."""
Files = Mapping[str, bytes]
"""Contents by path inside a folder."""


@dataclass(frozen=True)
class FuzzedReader:
    """A reader of a folder of files. `files` makes a small valid one, of which those in `damages` are damaged.

    `cost` divides the number of inputs where many are tried in a short time.
    `refusals` are the exceptions, besides ParetokenError, with which it refuses its input.
    """

    name: str
    files: Callable[[], Files]
    read: Callable[[Path], object]
    damages: tuple[str, ...] = ()
    refusals: tuple[type[BaseException], ...] = ()
    cost: int = 1

    @cached_property
    def valid(self) -> Files:
        return self.files()

    @cached_property
    def targets(self) -> list[str]:
        return [n for n in self.valid if not self.damages or any(re.search(d, n) for d in self.damages)]

    def damage(self, number: int) -> tuple[str, bytes]:
        """The path of the file that input `number` damages, and what it then holds."""
        rng = random.Random(f"{self.name}/{number}")
        path = rng.choice(self.targets)
        return path, mutated(path, self.valid[path], rng)


class TooSlowError(BaseException):
    """An input took more than CPU_S; no reader catches it."""


def fault(reader: FuzzedReader, path: str, content: bytes, place: Path) -> str | None:
    """What goes wrong when one file of the valid ones holds `content`; None if it is read, or refused rightly."""
    for name, data in {**reader.valid, path: content}.items():
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / name).write_bytes(data)
    before = _peak_mb()
    try:
        with _cpu_limit():
            why = _why(reader, place)
    except TooSlowError:
        why = f"takes more than {CPU_S:g} s: {_where()}"
    finally:
        shutil.rmtree(place, ignore_errors=True)
    grown = _peak_mb() - before
    return why or (f"takes {grown:,.0f} MB" if grown > MOST_MB else None)


def _why(reader: FuzzedReader, place: Path) -> str | None:
    try:
        reader.read(place)
    except (ParetokenError, *reader.refusals) as e:
        return _bad_sentence(str(e).replace(str(place), "DIR"))
    except TooSlowError:
        raise
    except BaseException as e:
        lines = [
            f"{f.filename.split('/src/')[-1].split('site-packages/')[-1]}:{f.lineno}"
            for f in traceback.extract_tb(e.__traceback__)
        ]
        return f"{type(e).__name__}: {str(e)[:200]} at {' < '.join(reversed(lines[-4:]))}"
    return None


def _bad_sentence(text: str) -> str | None:
    if not text.strip():
        return "refuses it without a word"
    if len(text) > LONGEST:
        return f"says {len(text):,} characters: {text[:150]}…"
    odd = next((c for c in text if unicodedata.category(c) in ("Cc", "Cf", "Cs", "Zl", "Zp")), None)
    return None if odd is None else f"says the character {odd!r}: {text[:300]!r}"


@contextmanager
def _cpu_limit() -> Iterator[None]:
    def stop(*_: object) -> None:
        raise TooSlowError

    signal.signal(signal.SIGPROF, stop)
    signal.setitimer(signal.ITIMER_PROF, CPU_S)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)


def _where() -> str:
    return traceback.format_exc().strip().splitlines()[-3].strip()


def _peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
