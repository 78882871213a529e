"""Level 3: the results of two test runs, from their JUnit XML, with CUDA's as the baseline."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from xml.parsers import expat

from paretoken.errors import BadFile

LARGEST_BYTES = 500_000_000
PASSED, SKIPPED, FAILED = "passed", "skipped", "failed"
_WORSE = {PASSED: 0, SKIPPED: 1, FAILED: 2}
_OUTCOMES = {"skipped": SKIPPED, "failure": FAILED, "error": FAILED}


@dataclass(frozen=True, slots=True, kw_only=True)
class Area:
    """The tests that pass on CUDA, and their results on ROCm; `amd_only` are not in CUDA's file."""

    area: str
    cuda_passed: int
    passed: int
    skipped: int
    failed: int
    missed: int
    amd_only: int

    @property
    def share(self) -> float | None:
        return self.passed / self.cuda_passed if self.cuda_passed else None


@dataclass(frozen=True, slots=True)
class Results:
    """Areas, the whole, and the tests that CUDA passes and ROCm does not, each with what it did."""

    areas: tuple[Area, ...]
    total: Area
    not_passed: tuple[tuple[str, str], ...]


def results(cuda: Path, rocm: Path) -> Results:
    """Compare ROCm's results with the tests that pass on CUDA, one by one."""
    base, other = read_junit(cuda), read_junit(rocm)
    names = sorted({_area(t) for t in base | other})
    lost = tuple((t, other.get(t, "missed")) for t in sorted(base) if base[t] == PASSED and other.get(t) != PASSED)
    return Results(tuple(_measure(n, base, other) for n in names), _measure("", base, other), lost)


def read_junit(path: Path) -> dict[str, str]:
    """Outcome of each test by `class::name`. A test that appears twice keeps its worse outcome."""
    reader = _Reader()
    parser = expat.ParserCreate()
    # Without a document type there are no entities, so none that grow.
    parser.StartElementHandler, parser.EndElementHandler = reader.start, reader.end
    parser.StartDoctypeDeclHandler = reader.refuse
    try:
        if path.stat().st_size > LARGEST_BYTES:
            raise BadFile(f"{path} is larger than {LARGEST_BYTES:,} bytes; give the JUnit file of one run")
        with path.open("rb") as file:
            parser.ParseFile(file)
    except OSError as e:
        raise BadFile(f"{path} cannot be read: {e.strerror}") from e
    except expat.ExpatError as e:
        if reader.doctype:
            raise BadFile(f"{path} has a document type declaration, which JUnit files never have; refused") from e
        raise BadFile(f"{path} is not valid XML: {e}") from e
    if not reader.suites:
        raise BadFile(f"{path} is not a JUnit file: it has no testsuite; run pytest with --junitxml")
    return reader.outcomes


class _Reader:
    def __init__(self) -> None:
        self.outcomes: dict[str, str] = {}
        self.suites = 0
        self.doctype = False
        self._test = ""

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        self.suites += tag == "testsuite"
        if tag == "testcase":
            self._test = f"{attributes.get('classname', '')}::{attributes.get('name', '')}"
            self.outcomes.setdefault(self._test, PASSED)
        elif self._test and tag in _OUTCOMES:
            self.outcomes[self._test] = max(self.outcomes[self._test], _OUTCOMES[tag], key=_WORSE.__getitem__)

    def end(self, tag: str) -> None:
        if tag == "testcase":
            self._test = ""

    def refuse(self, *_: object) -> None:
        self.doctype = True
        raise expat.ExpatError("document types are not allowed")


def _area(test: str) -> str:
    """The first two folders of a test's class, as pytest writes it: tests.kernels.test_x.TestY."""
    parts = [p for p in test.partition("::")[0].split(".") if p]
    folders = [p for p in parts if not p.startswith(("test_", "Test"))]
    return ".".join(folders[:2]) or "."


def _measure(area: str, cuda: dict[str, str], rocm: dict[str, str]) -> Area:
    mine = [t for t, o in cuda.items() if o == PASSED and (not area or _area(t) == area)]
    on_rocm = Counter(rocm.get(t, "missed") for t in mine)
    extra = sum(t not in cuda and (not area or _area(t) == area) for t in rocm)
    return Area(
        area=area or "all",
        cuda_passed=len(mine),
        passed=on_rocm[PASSED],
        skipped=on_rocm[SKIPPED],
        failed=on_rocm[FAILED],
        missed=on_rocm["missed"],
        amd_only=extra,
    )
