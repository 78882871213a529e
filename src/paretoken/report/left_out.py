"""What the verdicts leave out: pairs of accelerators out of the order of their hardware, and newer releases."""

from __future__ import annotations

from collections.abc import Mapping

from paretoken.answers.study.result import StudyResult
from paretoken.frontier.compare import from_axis, limit_text
from paretoken.frontier.consistency import Inconsistency
from paretoken.frontier.curve import CurvePoint
from paretoken.points.selection import Axis
from paretoken.report.numbers import shown
from paretoken.report.payload import styles
from paretoken.report.point_words import load, software_words
from paretoken.report.summary import engine_name
from paretoken.report.text import AXIS_UNITS, BOUNDS, panel_title


def withheld(result: StudyResult) -> Mapping[str, object]:
    """Every pair out of order of every panel, with both points."""
    rows = [
        {
            "panel": panel_title(panel),
            "serving": BOUNDS[panel.scenario.name],
            "pair": pair,
            "better": _point(pair.better_point, pair.axis),
            "worse": _point(pair.worse_point, pair.axis),
            "at": _at(pair),
            "range": _range(pair),
        }
        for panel in result.panels
        for pair in panel.inconsistencies
    ]
    return {"rows": rows, "styles": styles(result)}


def newer(result: StudyResult) -> Mapping[str, object]:
    """Every release that is newer than that of a curve, but not ranked."""
    rows = [
        {
            "panel": panel_title(panel),
            "serving": BOUNDS[panel.scenario.name],
            "newer": n,
            "engine": engine_name(result, n.engine),
            "software": software_words(n.software, n.origin),
            "instead_of": software_words(n.instead_of, n.origin),
            "best": _point(max(n.points, key=lambda p: p["tput_per_gpu"]), "e2e"),
        }
        for panel in result.panels
        for n in panel.newer
    ]
    return {"rows": rows, "styles": styles(result)}


def _point(point: CurvePoint, axis: Axis) -> str:
    """`TP8 on 8 GPUs, 64 users: 812 tok/s/GPU at 24.1 s end to end`."""
    latency_s = point["e2e_s"] if axis == "e2e" else _tpot_s(point)
    at = "" if latency_s is None else f" at {limit_text(latency_s, axis)}"
    return f"{load(point)}: {shown(point['tput_per_gpu'], 4)} tok/s/GPU{at}"


def _tpot_s(point: CurvePoint) -> float | None:
    interactivity = point["interactivity_tok_s"]
    return 1 / interactivity if interactivity else None


def _at(pair: Inconsistency) -> str:
    """The throughputs that the check compares, interpolated at one limit."""
    one, other = shown(pair.better_tput_per_gpu), shown(pair.worse_tput_per_gpu)
    return f"≈ {one} against {other} tok/s/GPU at {limit_text(pair.latency_s, pair.axis)}"


def _range(pair: Inconsistency) -> str:
    low, high = sorted(from_axis(x, pair.axis) for x in pair.range_s)
    return f"{shown(low)} to {shown(high)} {AXIS_UNITS[pair.axis]}"
