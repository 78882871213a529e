"""The jobs of the workers that open, compare and follow runs: bytes of JSON in, bytes of JSON or a page out.

They work in the served folder, so that paths are relative to it, and read runs strictly. A run of strangers may end or
hold up a worker; it does not end the server. Tables of points are read by the index, in the server itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import cast

import orjson

from paretoken.answers.check import CheckAnswer, CheckQuestion, check
from paretoken.answers.history import HistoryQuestion, history
from paretoken.answers.points import Data
from paretoken.answers.seam import to_json
from paretoken.bench.run_folder import LEVELS, SUMMARY, LevelOnDisk, RunFolder, run_folders
from paretoken.bench.stats.level_summary import LevelSummary
from paretoken.campaign.collect import status
from paretoken.campaign.state import CampaignFolder
from paretoken.catalog.loader import load_catalog
from paretoken.errors import BadFile, NoData
from paretoken.history.series import FEWEST_DATES
from paretoken.plural import counted
from paretoken.report.run import about, answer, proof, tables
from paretoken.report.run.change import RunChange, change, change_of
from paretoken.report.run.differences import differences, questions
from paretoken.report.run.figures import interactivity, per_gpu
from paretoken.report.run.grades import GRADES
from paretoken.report.run.page import render_runs
from paretoken.report.run.reading import MeasuredRun, read_runs
from paretoken.report.run.warnings import by_grade, warnings_of
from paretoken.serve.runs.files import measured_size, require_no_links

LEVELS_SHOWN = 50
"""Levels of a page."""
MOST_SUMMARY_BYTES = 16_000_000
MOST_REPORTED, MOST_REPORTED_BYTES = 200, 500_000_000
"""Levels and bytes of requests that a report made here may have."""
Table = Mapping[str, object]


def opened(payload: bytes) -> bytes:
    """One run: its levels a page at a time, its warnings by grade, and how it was made."""
    question = _payload_table(payload)
    folder, page = Path(str(question["path"])), int(str(question.get("page", 1)))
    run, total = part_of(folder, page)
    grades = by_grade(warnings_of([run]))
    headline = answer.headline(run)
    return orjson.dumps(
        {
            "name": run.name,
            "headline": list(headline.sentences),
            "about": [headline.model, headline.engine, headline.where, answer.lengths_of(run), headline.date],
            "emulated": run.emulated,
            "levels": to_json(tables.levels_grid(run)),
            "total": total,
            "pages": -(-total // LEVELS_SHOWN),
            "page": page,
            "warnings": [
                {"heading": GRADES[grade], "grade": grade, "kinds": [to_json(one) for one in group]}
                for grade, group in grades.items()
                if group
            ],
            "proof": {
                "heads": [f.name for f in proof.FIGURES],
                "rows": [
                    to_json(proof.proof_row(n, s.fidelity)) for n, s in zip(run.names, run.summaries, strict=True)
                ],
            },
            "facts": about.facts(run),
            "points": [_chart_point(n, s) for n, s in zip(run.names, run.summaries, strict=True)],
        },
        option=orjson.OPT_SERIALIZE_NUMPY,
    )


def part_of(folder: Path, page: int) -> tuple[MeasuredRun, int]:
    """A run with the levels of one page, and how many it has; NoData before the first is finished."""
    require_no_links(folder)
    places = sorted(p.parent for p in folder.glob(f"{LEVELS}/[0-9]*/{SUMMARY}"))
    if not places:
        raise NoData(f"{folder} has no finished level yet; watch it while it runs")
    chosen = places[LEVELS_SHOWN * (page - 1) : LEVELS_SHOWN * page] or places[:LEVELS_SHOWN]
    run = RunFolder(folder)
    levels = tuple(LevelOnDisk(place, _summary(place / SUMMARY)) for place in chosen)
    return MeasuredRun(name=folder.name, metadata=run.metadata(), levels=levels), len(places)


def load(payload: bytes) -> bytes:
    """Load what opens runs, which this module imports."""
    return b""


def report(payload: bytes) -> bytes:
    """The page of `paretoken report` of runs, or of a campaign."""
    paths = [Path(str(path)) for path in cast("Sequence[object]", _payload_table(payload)["paths"])]
    folders = [folder for path in paths for folder in run_folders(path)]
    if len(folders) > len(paths):  # of a campaign: cells without results yet are fine
        folders = [f for f in folders if any(f.glob(f"{LEVELS}/*/{SUMMARY}"))]
    for folder in folders:
        require_no_links(folder)
    levels, size_bytes = measured_size(folders)
    if levels > MOST_REPORTED or size_bytes > MOST_REPORTED_BYTES:
        raise NoData(
            f"{counted(levels, 'level')}, {size_bytes / 1e6:,.0f} MB of requests, are too much for a page here; run: "
            f"paretoken report {' '.join(map(str, paths))}"
        )
    return render_runs(read_runs(folders)).encode()


def compared(payload: bytes) -> bytes:
    """Two runs: what differs, the verdict of `paretoken check`, and the figures at equal load where they are wanted."""
    question = _payload_table(payload)
    a, b = (Path(str(question[side])) for side in ("a", "b"))
    for folder in (a, b):
        require_no_links(folder)
    runs = read_runs([a, b])
    checked, absent = _checked(a, b)
    side_by_side = _side_by_side(runs, checked, wanted=bool(question.get("at_load")))
    return orjson.dumps(
        {
            "questions": list(questions(runs)),
            "differences": [asdict(row) for row in differences(runs)],
            "absent": absent,
            "verdict": checked.conclusion if checked else "",
            "regressed": bool(checked and checked.regressions),
            "regressions": list(checked.regressions) if checked else [],
            "why_at_load": checked.why_at_load if checked else None,
            "at_latency": [str(one) for one in checked.changes] if checked else [],
            "at_load": None if side_by_side is None else to_json(side_by_side),
        }
    )


def _side_by_side(runs: Sequence[MeasuredRun], checked: CheckAnswer | None, *, wanted: bool) -> RunChange | None:
    """The figures at equal load: those of the verdict where it compares at equal load, else computed if wanted."""
    if checked is not None and checked.comparison is not None:
        return change_of(checked)
    return change(*runs) if wanted else None


def _checked(a: Path, b: Path) -> tuple[CheckAnswer | None, str]:
    """What `paretoken check B --baseline A` answers, or why it has no answer."""
    try:
        return check(CheckQuestion(baselines=(a,), runs=(b,), force=True)), ""
    except (NoData, BadFile) as e:
        return None, str(e)


def followed(payload: bytes) -> bytes:
    """Points of one configuration as `paretoken history` follows them: its series and their steps."""
    import polars as pl

    from paretoken.points.published import prepare
    from paretoken.points.schema import conform

    rows = cast("list[dict[str, object]]", _payload_table(payload)["points"])
    points = prepare(conform(pl.DataFrame(rows, infer_schema_length=None)))
    origins = tuple(points["origin"].unique().sort())
    data = Data(catalog=load_catalog(), points=points)
    try:
        answer = history(HistoryQuestion(published=False, origins=origins), data)
    except NoData:
        why = f"a step shows from {FEWEST_DATES} different days of one load on"
        return orjson.dumps({"history": None, "absent": why})
    return orjson.dumps({"history": to_json(answer), "absent": ""})


def cells(payload: bytes) -> bytes:
    """The cells of a campaign with their progress, as `paretoken campaign status` lists them."""
    place = Path(str(_payload_table(payload)["path"]))
    require_no_links(place, deep=3)
    folder = CampaignFolder(place)
    rows = [to_json(cell) for cell in status(folder)]
    return orjson.dumps({"cells": rows, "infeasible": folder.record()["infeasible"]})


def _chart_point(name: str, s: LevelSummary) -> dict[str, object]:
    """A level in the chart of throughput against latency."""
    return {
        "name": name,
        "e2e_s": s.latency.e2e_s.p50,
        "interactivity_tok_s": interactivity(s),
        "output_tok_s_per_gpu": per_gpu(s, "output"),
        "sound": s.window.steady and not s.client_limited and not s.failed,
    }


def _summary(file: Path) -> LevelSummary:
    if file.stat().st_size > MOST_SUMMARY_BYTES:
        raise BadFile(f"{file} is larger than {MOST_SUMMARY_BYTES // 1_000_000} MB; check that it is the right file")
    return LevelSummary.read(file)


def _payload_table(payload: bytes) -> Table:
    return cast("Table", orjson.loads(payload))
