"""The sessions of a level: their turns over time, TTFT and cache hits of each turn, and some sessions in full."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl

from paretoken.bench.stats.arrays import Floats, Ints, Mask
from paretoken.bench.stats.chunks import NS
from paretoken.bench.stats.level_summary import LevelSummary
from paretoken.bench.stats.metrics import Samples
from paretoken.bench.stats.sessions.measured import measured_sessions
from paretoken.bench.stats.sessions.summary import LevelSessions
from paretoken.bench.stats.sessions.table import TracedSession
from paretoken.report.numbers import column, rounded
from paretoken.report.run.distributions import in_window
from paretoken.report.run.gantt import gantts

SESSIONS, TURNS = 40, 60
"""Most sessions whose turns are drawn one by one, and most turns that the figures by turn cover."""
FEWEST = 5
"""Requests from which a turn's p10 and p90 are given."""


def sessions(
    requests: pl.DataFrame, samples: Samples, summary: LevelSummary, traced: Sequence[TracedSession] = ()
) -> dict[str, object] | None:
    """The sessions of a level; None where no session has a second turn or a graph. Seconds.

    `requests` are in the order of `samples`, by due time. `traced` are the sessions of the trace that the run plays.
    """
    session, turn = requests["session"].fill_null(-1).to_numpy(), requests["turn"].fill_null(0).to_numpy()
    if not traced and not ((session >= 0) & (turn > 0)).any():
        return None
    median_s = summary.sessions.time_s.p50 if summary.sessions else None
    return {
        "bars": _bars(session, turn, samples),
        "turns": _by_turn(session, turn, samples, summary),
        "graphs": gantts(samples, measured_sessions(samples, traced), median_s) if traced else None,
        "hits": hits(summary.sessions) if summary.sessions else None,
    }


def hits(of: LevelSessions) -> dict[str, object]:
    """Shares of the prompt tokens of each turn that the server found in its cache, and that it could have."""
    turns = [
        {
            "turn": t.turn,
            "n": t.reuse.requests,
            "prompt": rounded(t.reuse.prompt, 9),
            "found": rounded(t.reuse.found, 9),
            "possible": rounded(t.reuse.possible, 9),
            "foundShare": rounded(t.reuse.found_share, 4),
            "possibleShare": rounded(t.reuse.possible_share, 4),
        }
        for t in of.turns
    ]
    return {"turns": turns, "ofPossible": rounded(of.reuse.found_of_possible, 4), "why": of.why_unknown}


def _bars(session: Ints, turn: Ints, samples: Samples) -> dict[str, object]:
    """The turns of some sessions, evenly picked, in order of their first turn."""
    ids, first_at = np.unique(session[session >= 0], return_index=True)
    ids = ids[np.argsort(first_at, kind="stable")]
    kept = ids[np.unique(np.linspace(0, len(ids) - 1, min(len(ids), SESSIONS)).round().astype(int))]
    row_of = {int(one): row for row, one in enumerate(kept)}
    picked = np.flatnonzero(np.isin(session, kept))
    first = samples.first_ns[picked]
    return {
        "of": len(ids),
        "rows": len(kept),
        "row": [row_of[int(one)] for one in session[picked]],
        "session": session[picked].tolist(),
        "turn": (turn[picked] + 1).tolist(),
        "isl": column(samples.isl[picked].tolist(), 6),
        "due": column((samples.due_ns[picked] * NS).tolist(), 6),
        "first": column(np.where(first >= 0, first * NS, np.nan).tolist(), 6),
        "end": column((samples.end_ns[picked] * NS).tolist(), 6),
        "status": samples.status[picked].tolist(),
    }


def _by_turn(session: Ints, turn: Ints, samples: Samples, summary: LevelSummary) -> list[dict[str, object]]:
    """TTFT and input length of each turn, of the window's requests."""
    chosen = in_window(samples, summary) & samples.ok & (session >= 0)
    rows = []
    for place in np.unique(turn[chosen])[:TURNS].tolist():
        of_turn = chosen & (turn == place)
        ttft = samples.ttft_s[of_turn]
        ttft = ttft[~np.isnan(ttft)]
        if len(ttft):
            rows.append({"turn": place + 1, "n": len(ttft), **_spread(ttft), **_lengths(samples, of_turn)})
    return rows


def _spread(ttft: Floats) -> dict[str, object]:
    low, middle, high = (rounded(float(v) * 1000, 4) for v in np.quantile(ttft, (0.1, 0.5, 0.9)))
    return {"p50": middle, **({"p10": low, "p90": high} if len(ttft) >= FEWEST else {})}


def _lengths(samples: Samples, of_turn: Mask) -> dict[str, object]:
    """Mean input tokens, and of them the share that the server read from its cache where it says so."""
    isl, cached = samples.isl[of_turn], samples.cached[of_turn]
    mean = float(np.nanmean(isl)) if (~np.isnan(isl)).any() else None
    stated = ~np.isnan(cached) & ~np.isnan(isl)
    share = float(cached[stated].sum() / isl[stated].sum()) if stated.any() and isl[stated].sum() else None
    return {"isl": rounded(mean, 5), "cached": rounded(share, 3)}
