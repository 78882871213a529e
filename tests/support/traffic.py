"""Traffic for tests: one request a second, unless times are given."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from paretoken.traffic.traffic import PrefixBlocks, Traffic


def traffic(
    *,
    input_tokens: Sequence[int] | npt.NDArray[np.int64] = (100,),
    output_tokens: Sequence[int] | npt.NDArray[np.int64] | None = None,
    session: Sequence[int] | npt.NDArray[np.int64] | None = None,
    time_s: Sequence[float] | npt.NDArray[np.float64] | None = None,
    span_s: float | None = None,
    prefixes: PrefixBlocks | None = None,
    day_start_s: float | None = None,
) -> Traffic:
    """Requests of these lengths; answers of 10 tokens, no sessions."""
    n = len(input_tokens)
    times = np.arange(n, dtype=np.float64) if time_s is None else np.asarray(time_s, np.float64)
    return Traffic(
        time_s=times,
        input_tokens=np.asarray(input_tokens, np.int64),
        output_tokens=np.full(n, 10) if output_tokens is None else np.asarray(output_tokens, np.int64),
        session=np.full(n, -1) if session is None else np.asarray(session, np.int64),
        span_s=span_s or float(times[-1]) + 1.0,
        source="made for a test",
        prefixes=prefixes,
        day_start_s=day_start_s,
    )
