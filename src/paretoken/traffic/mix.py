"""A day of traffic by hand: a rate, lengths, the day's curve and its peaks, sessions and shared prefixes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from paretoken.bench.workload.arrivals import Renewal
from paretoken.bench.workload.gaps import GammaGaps
from paretoken.bench.workload.lengths import Length
from paretoken.bench.workload.prompts import Prefixes
from paretoken.errors import BadConfig
from paretoken.traffic.day_curves import ASSUMED, DAY_CURVES, DayRate
from paretoken.traffic.size import require_few
from paretoken.traffic.traffic import DAY_S, HOUR_S, NO_SESSION, Floats, Ints, PrefixBlocks, Traffic

BLOCK_TOKENS = 16
"""Of the smallest prompt blocks, as of engines."""
_BLOCKS = 1_000_000
"""More than the blocks of the longest prompt."""
_FEW_IDS, _MOST_IDS = 2_000_000, 20_000_000
"""Prompt blocks of a day that are few, and that take too much memory."""
_ARRIVALS, _LENGTHS, _SESSIONS, _PREFIXES = range(4)
"""What each stream of randomness is for, so that a longer session or prefix moves no arrival."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrafficMix:
    """What a day is drawn from. `burstiness` is the shape of gamma gaps, 1 for Poisson arrivals."""

    rate: DayRate
    isl: Length
    osl: Length
    burstiness: float = 1.0
    requests_per_session: float | None = None
    prefixes: Prefixes | None = None

    def __post_init__(self) -> None:
        if self.requests_per_session is not None and not 1 <= self.requests_per_session <= 1e6:
            raise BadConfig(
                f"requests per session are {self.requests_per_session:g}; give 1 or more, at most a million"
            )


def draw_day(mix: TrafficMix, seed: int, source: str) -> Traffic:
    """A day of requests, the same for the same seed. BadConfig for none, or for more than a plan takes."""
    expected = mix.rate.expected(DAY_S)
    require_few(expected, "of the mix", "lower --rate to a share and multiply the fleet, which grows in proportion")
    due_s = Renewal(GammaGaps(mix.burstiness), mix.rate).due_s(_rng(seed, _ARRIVALS), seconds=DAY_S)
    if not len(due_s):
        raise BadConfig(f"a day at this rate has {expected:.2g} requests on average, and none was drawn; raise --rate")
    n = len(due_s)
    lengths = _rng(seed, _LENGTHS)
    inputs, outputs = mix.isl.draw(lengths, n), mix.osl.draw(lengths, n)
    session = _sessions(due_s, mix.requests_per_session, _rng(seed, _SESSIONS))
    return Traffic(
        time_s=due_s,
        input_tokens=inputs,
        output_tokens=outputs,
        session=session,
        span_s=DAY_S,
        day_start_s=0.0,
        prefixes=_blocks(mix.prefixes, inputs, session, _rng(seed, _PREFIXES)) if mix.prefixes else None,
        source=source,
        notes=tuple(_notes(mix)),
    )


def _rng(seed: int, stream: int) -> np.random.Generator:
    return np.random.default_rng([seed, stream])


def _sessions(due_s: Floats, per_session: float | None, rng: np.random.Generator) -> Ints:
    """Sessions of the requests: those of one hour in random order, cut into runs of that mean length."""
    if per_session is None:
        return np.full(len(due_s), NO_SESSION, dtype=np.int64)
    hour = (due_s // HOUR_S).astype(np.int64)
    order = np.lexsort((rng.random(len(due_s)), hour))
    first = np.searchsorted(hour[order], hour[order])
    run = np.floor((np.arange(len(due_s)) - first) / per_session).astype(np.int64)
    session = np.empty(len(due_s), dtype=np.int64)
    session[order] = np.cumsum((np.diff(run, prepend=-1) != 0) | (np.diff(hour[order], prepend=-1) != 0)) - 1
    return session


def _blocks(prefixes: Prefixes, inputs: Ints, session: Ints, rng: np.random.Generator) -> PrefixBlocks:
    """The blocks of each prompt: first those of its shared prefix, then its own. A session keeps its prefix.

    Of more than `_MOST_IDS` blocks, those of single prompts are left out.
    """
    keys = session if session[0] != NO_SESSION else np.arange(len(inputs))
    of = rng.integers(prefixes.distinct, size=int(keys.max()) + 1)[keys]
    tokens = _block_tokens(prefixes, inputs)
    whole = inputs // tokens
    shared = np.minimum(np.rint(prefixes.share * inputs / tokens).astype(np.int64), (inputs - 1) // tokens)
    own = whole - shared if whole.sum() <= _MOST_IDS else np.zeros_like(whole)
    start = prefixes.distinct * _BLOCKS + np.cumsum(own) - own
    made: dict[tuple[int, int], tuple[int, ...]] = {}
    ids = []
    for prefix, count, first, more in zip(of.tolist(), shared.tolist(), start.tolist(), own.tolist(), strict=True):
        begin = made.get((prefix, count))
        if begin is None:
            begin = made[prefix, count] = tuple(range(prefix * _BLOCKS, prefix * _BLOCKS + count))
        ids.append(begin + tuple(range(first, first + more)) if more else begin)
    return PrefixBlocks(tuple(ids), tokens)


def _block_tokens(prefixes: Prefixes, inputs: Ints) -> int:
    """A power of 2 of tokens: large enough for few blocks, but at least two of them in the mean prefix."""
    wanted = 2.0 ** np.ceil(np.log2(max(inputs.sum() / _FEW_IDS, 1.0)))
    most = 2.0 ** np.floor(np.log2(max(prefixes.share * inputs.mean() / 2, 1.0)))
    return int(max(min(wanted, most), BLOCK_TOKENS))


def _notes(mix: TrafficMix) -> list[str]:
    notes = []
    name = next((name for name, weights in DAY_CURVES.items() if weights == mix.rate.weights), "")
    if name == "flat":
        notes.append("the rate is the same in every hour; give the day's curve with --day-curve")
    else:
        kind = "assumed, not measured" if name in ASSUMED else "published" if name else "as given"
        weights = " ".join(f"{w:g}" for w in mix.rate.weights)
        notes.append(f"day curve {name}".rstrip() + f" ({kind}), relative rates of the hours 0 to 23: {weights}")
    if mix.rate.peaks:
        more = mix.rate.expected(DAY_S) / (mix.rate.rate_s * DAY_S) - 1
        peaks = ", ".join(map(str, mix.rate.peaks))
        notes.append(f"peaks on top of the mean rate: {peaks}; they change the requests of the day by {more:+.1%}")
    if mix.requests_per_session is not None:
        notes.append("requests of a session fall within one hour, in no order")
    if mix.prefixes:
        notes.append(
            f"{mix.prefixes.share:.0%} of each prompt is one of {mix.prefixes.distinct} shared prefixes, in blocks"
        )
    notes.append("input and output lengths are independent of each other")
    return notes
