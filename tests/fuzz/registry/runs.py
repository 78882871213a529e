"""What `paretoken bench` leaves: its documents, request records, journals, and the reports made of them."""

from __future__ import annotations

import tempfile
import zlib
from array import array
from functools import cache
from pathlib import Path

import orjson

from paretoken.bench.client.fidelity import WorkerTally, judge
from paretoken.bench.client.journal import JournalWriter, merge_journals
from paretoken.bench.config import BenchConfig
from paretoken.bench.metadata import RunMetadata
from paretoken.bench.run_folder import RunFolder
from paretoken.bench.stats.metrics import sample
from paretoken.history.compare_runs import compare_runs
from paretoken.plain_files import read_json
from paretoken.report.run.page import render_runs
from paretoken.report.run.reading import read_runs
from paretoken.report.run.share import share
from tests.fuzz.reader import Files, FuzzedReader
from tests.support.runs import ladder as run_of

LEVEL = r"levels/\d+/summary\.json"
OLD = Path(__file__).parents[2] / "data" / "run-0.1"


def files_below(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


@cache
def run_files() -> Files:
    """A run of two small levels."""
    with tempfile.TemporaryDirectory() as place:
        return files_below(run_of(Path(place) / "run", (1, 2)))


def report(place: Path) -> None:
    """All that is made of a run on its own."""
    runs = read_runs([place])
    render_runs(runs)
    for run in runs:
        share(run)


def compared(place: Path) -> None:
    compare_runs([place], [place], force=True)


def resumed(place: Path) -> None:
    """What is read of a run before its servers are asked."""
    folder = RunFolder(place)
    metadata = RunMetadata.read(place / "run.json")
    BenchConfig.of_dict({"urls": ("http://127.0.0.1:1",), **metadata.config}, place)
    folder.sweep()
    folder.search_answer()
    folder.refresh()


def old_files() -> Files:
    """A run as the first release wrote it, with the records of a new one."""
    new = run_files()
    requests = {f"levels/{n:04d}/requests.parquet": new["levels/0001/requests.parquet"] for n in (1, 2, 3)}
    levels = ("level-steady", "level-open", "level-failed")
    summaries = {
        f"levels/{n:04d}/summary.json": (OLD / f"{name}.json").read_bytes() for n, name in enumerate(levels, 1)
    }
    return {
        "run.json": (OLD / "run.json").read_bytes(),
        "summary.json": (OLD / "sweep.json").read_bytes(),
        **requests,
        **summaries,
    }


def journal_files() -> Files:
    """A journal of three requests; of one the tokens are written out."""
    with tempfile.TemporaryDirectory() as place:
        path = Path(place) / "requests-0.journal"
        writer = JournalWriter(path, {"worker": 0})
        for n in range(3):
            numbers = [0, n, 0, -1, 0, *(1000 * n + k for k in range(6)), 200, 8, 3, 8, 3, -1, -1, 0]
            writer.append(numbers, ("ok", "", "stop"), array("q", range(3)), array("i", [1, 1, 1 + n]))
        writer.close()
        return files_below(Path(place))


def journal(place: Path) -> None:
    sample(merge_journals([place / "requests-0.journal"]))


def journal_of_true_checksums(place: Path) -> None:
    """The journal with the checksum of each frame made true, so that the damage is in what the frames hold."""
    path = place / "requests-0.journal"
    data = bytearray(path.read_bytes())
    at = 8 + int.from_bytes(data[6:8], "little")
    while at + 8 <= len(data):
        size = int.from_bytes(data[at : at + 4], "little")
        data[at + 4 : at + 8] = zlib.crc32(data[at + 8 : at + 8 + size]).to_bytes(4, "little")
        at += 8 + size
    path.write_bytes(data)
    journal(place)


def tally_files() -> Files:
    tally = WorkerTally(
        reads=10, stamped_reads=10, token_reads=9, wall_s=1.0, cpu_s=0.5, due=1.0, user_s=1.0, started=3
    )
    tally.lag.add(50_000)
    return {"requests-0.worker.json": orjson.dumps(tally.to_json())}


def tally(place: Path) -> None:
    judge([WorkerTally.from_json(read_json(place / "requests-0.worker.json"))], closed=True, steal=0.0).to_dict()


READERS = (
    FuzzedReader("level summary", run_files, report, (LEVEL,), cost=6),
    FuzzedReader("level summary, compared", run_files, compared, (LEVEL,), cost=6),
    FuzzedReader("level summary, resumed", run_files, resumed, (LEVEL,), cost=6),
    FuzzedReader("run.json", run_files, report, ("^run.json",), cost=6),
    FuzzedReader("run.json, resumed", run_files, resumed, ("^run.json",), cost=6),
    FuzzedReader("run summary", run_files, report, ("^summary.json",), cost=6),
    FuzzedReader("run summary, resumed", run_files, resumed, ("^summary.json",), cost=6),
    FuzzedReader("request records", run_files, report, (r"requests\.parquet",), cost=6),
    FuzzedReader("run of 0.1", old_files, report, (r"\.json$",), cost=6),
    FuzzedReader("request journal", journal_files, journal),
    FuzzedReader("request journal with true checksums", journal_files, journal_of_true_checksums),
    FuzzedReader("worker tally", tally_files, tally),
)
