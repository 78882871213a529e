"""What the list shows of a run, from its run.json and summary.json, read leniently: a run that is odd is still listed.

Opening a run reads it strictly. Files are bounded, values are cut; what is no text or number of its kind is absent.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path

from paretoken.bench.run_folder import RUN, SUMMARY
from paretoken.campaign.state import CAMPAIGN
from paretoken.emulated import EMULATED
from paretoken.errors import BadFile
from paretoken.foreign_text import visible
from paretoken.plain_files import read_json
from paretoken.report.run.grades import grade_of
from paretoken.serve.runs.files import RunPlace

MOST_RUN_BYTES, MOST_SUMMARY_BYTES = 4_000_000, 64_000_000
MOST_LEVELS = 10_000
LONGEST = 200
"""Characters of a text."""
JsonTable = Mapping[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRow:
    """One line of the list. Throughput is of output tokens, the best sound level's; times are those of that level.

    `wrong` and `careful` count kinds of warnings by their grade, `error` says why a place cannot be read.
    """

    path: str
    kind: str
    campaign: str = ""
    started: str = ""
    date: str = ""
    origin: str = ""
    model: str = ""
    accelerator: str = ""
    engine: str = ""
    engine_version: str = ""
    precision: str = ""
    workload: str = ""
    n_gpus: int | None = None
    levels: int = 0
    failed: int = 0
    output_tok_s_per_gpu: float | None = None
    ttft_p50_s: float | None = None
    tpot_p50_s: float | None = None
    e2e_p50_s: float | None = None
    wrong: int = 0
    careful: int = 0
    measuring: bool = False
    error: str = ""


NAMES = tuple(f.name for f in fields(RunRow))


def row_of(root: Path, place: RunPlace) -> RunRow:
    """The row of a place; one that cannot be read has the reason."""
    try:
        if place.kind == "run":
            return _run_row(root / place.path, place)
        if place.kind == "campaign":
            return _campaign_row(root / place.path, place)
        return RunRow(path=place.path, kind="points")
    except BadFile as e:
        # Only the part after the path: the list says which run it is.
        return RunRow(path=place.path, kind=place.kind, error=without_folder(str(e), root), measuring=place.measuring)


def without_folder(words: str, root: Path) -> str:
    """The words with paths as the folder's reader knows them."""
    return words.replace(f"{visible(str(root))}/", "")


def _run_row(folder: Path, place: RunPlace) -> RunRow:
    run = _table(_json(folder / RUN, MOST_RUN_BYTES))
    if run.get("schema") != "paretoken.run":
        raise BadFile(f"{folder / RUN} is not the metadata of a run; was it edited by hand?")
    has_summary = place.states[1] is not None
    summary = _table(_json(folder / SUMMARY, MOST_SUMMARY_BYTES)) if has_summary else {}
    levels = [_table(level) for level in _list(summary.get("levels"))[:MOST_LEVELS]]
    config, started = _table(run.get("config")), _text(_table(run.get("run")).get("started"))
    columns = _table(levels[0].get("columns")) if levels else {}
    best = _best_level(levels)
    grades = [grade for grade, _ in {(grade_of(code, text), code) for code, text in _warnings(levels)}]
    isl, osl = columns.get("isl") or config.get("isl"), columns.get("osl") or config.get("osl")
    engine = _text(columns.get("engine") or config.get("engine"))
    return RunRow(
        path=place.path,
        kind="run",
        campaign=place.path.split("/jobs/")[0] if "/jobs/" in place.path else "",
        started=started,
        date=_text(columns.get("date"))[:10] or started[:10],
        origin=EMULATED if EMULATED in (run.get("origin"), engine) else _text(run.get("origin")) or "measured",
        model=_text(columns.get("model") or config.get("catalog_model") or config.get("model")),
        accelerator=_text(columns.get("accelerator") or config.get("accelerator")),
        engine=engine,
        engine_version=_text(columns.get("engine_version")),
        precision=_text(columns.get("precision") or config.get("precision")),
        workload=_text(columns.get("workload")) or (f"{_text(isl)}/{_text(osl)}" if isl and osl else _text(isl)),
        n_gpus=_count(levels[0].get("n_gpus") if levels else config.get("gpus")),
        levels=len(levels),
        failed=sum(1 for level in levels if level.get("failed")),
        output_tok_s_per_gpu=_number(_at(best, "throughput", "window", "output_tok_s_per_gpu")),
        ttft_p50_s=_number(_at(best, "latency", "ttft_s", "p50")),
        tpot_p50_s=_number(_at(best, "latency", "tpot_s", "p50")),
        e2e_p50_s=_number(_at(best, "latency", "e2e_s", "p50")),
        wrong=grades.count("wrong"),
        careful=grades.count("careful"),
        measuring=place.measuring,
    )


def _campaign_row(folder: Path, place: RunPlace) -> RunRow:
    record = _table(_json(folder / CAMPAIGN, MOST_SUMMARY_BYTES))
    if record.get("schema") != "paretoken.campaign":
        raise BadFile(f"{folder / CAMPAIGN} is not a campaign; was it edited by hand?")
    jobs = _list(record.get("jobs"))
    return RunRow(path=place.path, kind="campaign", levels=len(jobs))


def _warnings(levels: list[JsonTable]) -> Iterator[tuple[str, str]]:
    """Code and sentence of every warning that the levels have; what failed is one, too."""
    for level in levels:
        if level.get("failed"):
            yield "failed", ""
        for warning in map(_table, _list(level.get("warnings"))[:100]):
            code = _text(warning.get("code"))
            short = code == "no_steady_state" and _at(level, "window", "enough") is False
            yield "too_short" if short else code, _text(warning.get("text"))


def _best_level(levels: Sequence[JsonTable]) -> JsonTable:
    """The highest output throughput among sound levels, else among those that did not fail; as the report has it."""
    counted = [level for level in levels if not level.get("failed")]
    sound = [
        level
        for level in counted
        if _at(level, "window", "steady") is True and _at(level, "fidelity", "client_limited") is not True
    ]
    return max(sound or counted, key=_output, default={})


def _output(level: JsonTable) -> float:
    return _number(_at(level, "throughput", "window", "output_tok_s_per_gpu")) or -1.0


def _json(file: Path, most_bytes: int) -> object:
    """The content of a file of bounded size; BadFile."""
    try:
        size = file.lstat().st_size
    except OSError as e:
        raise BadFile(f"{file} cannot be read: {e.strerror}") from e
    if size > most_bytes:
        raise BadFile(f"{file} is larger than {most_bytes // 1_000_000} MB; check that it is the right file")
    return read_json(file)


def _at(table: JsonTable, *keys: str) -> object:
    value: object = table
    for key in keys:
        value = _table(value).get(key)
    return value


def _table(value: object) -> JsonTable:
    return value if isinstance(value, dict) else {}


def _list(value: object) -> list[object]:
    return value if isinstance(value, list) else []


def _text(value: object) -> str:
    if isinstance(value, str):
        return visible(value[:LONGEST])
    return str(value) if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 1 << 53 else ""


def _number(value: object) -> float | None:
    sound = isinstance(value, (int, float)) and not isinstance(value, bool)
    return float(value) if sound and math.isfinite(value) else None  # type: ignore[arg-type]


def _count(value: object) -> int | None:
    number = _number(value)
    return int(number) if number is not None and 0 <= number < 1 << 31 else None
