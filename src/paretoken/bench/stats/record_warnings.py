"""The warnings that the requests of a load level give rise to."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from paretoken.bench.stats.arrays import Floats, Mask
from paretoken.bench.stats.metrics import Samples
from paretoken.bench.stats.steady import Window
from paretoken.bench.stats.warnings import LevelWarning, WarningThresholds
from paretoken.plural import counted
from paretoken.significant import significant


def record_warnings(
    samples: Samples,
    chosen: Mask,
    window: Window,
    errors: Mapping[str, int],
    thresholds: WarningThresholds,
    ignore_eos: bool = True,
    stream: bool = True,
) -> Iterator[LevelWarning]:
    """Warnings in order of what they concern: window, failures, lengths, reads, pace. `chosen` are those of the window.

    `ignore_eos` is whether full lengths were requested, `stream` whether streamed answers were.
    """
    ok = samples.ok & chosen
    if not window.steady:
        yield LevelWarning("no_steady_state", window.reason)
    failed = sum(n for status, n in errors.items() if status != "cancelled")
    total = int(samples.ok.sum()) + failed
    if failed > thresholds.errors * total:
        kinds = ", ".join(f"{n} {status}" for status, n in errors.items() if status != "cancelled")
        yield LevelWarning(
            "errors", f"{failed} of {counted(total, 'ended request')} failed ({failed / total:.1%}): {kinds}"
        )
    ran = (samples.due_ns <= window.end_ns) & (samples.end_ns > window.start_ns)
    cut = int((ran & (samples.status == "cancelled")).sum())
    if cut:
        yield LevelWarning(
            "cut",
            f"the end of the window cut off {counted(cut, 'request')}, so latencies are too low",
        )
    yield from _output_lengths(samples, ok, thresholds, ignore_eos)
    yield from _output_counts(samples, ok, thresholds)
    yield from _input_lengths(samples, ok, thresholds)
    paced = ok & ~samples.unpaced  # an answer in one piece has no gaps to lose
    merged, chunks = int(samples.coalesced[paced].sum()), int(samples.chunks.lengths[paced].sum())
    if chunks and merged > thresholds.coalesced * chunks:
        yield LevelWarning(
            "coalesced",
            f"{merged / chunks:.1%} of chunks were read together with a later one, so their ITL is unknown (excluded)",
        )
    yield from _late_firsts(samples, ok, thresholds)
    yield from _hidden(samples, ok, thresholds)
    if stream:
        yield from _in_one_piece(samples, ok, thresholds)


def _hidden(samples: Samples, ok: Mask, thresholds: WarningThresholds) -> Iterator[LevelWarning]:
    """Reasoning that the server counts but does not send."""
    hidden, output = samples.hidden[ok], samples.osl[ok]
    if hidden.sum() > thresholds.hidden * np.nansum(output):
        yield LevelWarning(
            "hidden_reasoning",
            f"{hidden.mean():.1f} of {np.nanmean(output):.1f} output tokens on average are reasoning that the server "
            "does not send: TTFT is the time to the first visible token, reasoning included; TPOT and ITL are those of "
            "visible tokens; throughput counts all tokens",
        )


def _in_one_piece(samples: Samples, ok: Mask, thresholds: WarningThresholds) -> Iterator[LevelWarning]:
    """Answers whose pace nobody saw although streams were requested."""
    answers, whole = int(ok.sum()), int((samples.unpaced & ok).sum())
    plain = int((ok & ~samples.streamed).sum())
    if whole <= thresholds.partly_buffered * answers:
        return
    unknown = "TTFT, TPOT and ITL of these answers are unknown"
    share = f"{whole} of {counted(answers, 'request')}"
    if plain > thresholds.not_streamed * answers:
        why = f"the server does not stream although streaming was requested ({share}): {unknown}"
        yield LevelWarning("buffered", why)
    elif whole > thresholds.buffered * answers:
        why = f"the stream arrives in one piece ({share}), because the server or a proxy holds it back: {unknown}"
        yield LevelWarning("buffered", f"{why}; measure the server directly")
    else:
        yield LevelWarning("partly_buffered", f"some answers arrive in one piece ({share}): {unknown}")


def _late_firsts(samples: Samples, ok: Mask, thresholds: WarningThresholds) -> Iterator[LevelWarning]:
    """First tokens that were read together with later ones, and so carry their time stamp."""
    late, mean = samples.ttft_late_s[ok], _mean(samples.ttft_s[ok])
    if mean > 0 and late.mean() > thresholds.late_ttft * mean:
        yield LevelWarning(
            "ttft_merged",
            f"the first token of {int((late > 0).sum())} of {counted(len(late), 'request')} was read together with "
            f"later ones, so the mean TTFT is up to {significant(late.mean() * 1000, 2)} ms "
            f"({late.mean() / mean:.1%}) too high",
        )


def _output_lengths(
    samples: Samples, ok: Mask, thresholds: WarningThresholds, ignore_eos: bool
) -> Iterator[LevelWarning]:
    """Output shorter or longer than planned."""
    planned, got = samples.planned_osl[ok], samples.osl[ok]
    both = (planned > 0) & ~np.isnan(got)
    if not both.any():
        return
    short = 1 - got[both].sum() / planned[both].sum()
    if short > thresholds.short_output:
        hint = "" if ignore_eos else "; try --ignore-eos"
        if np.isnan(samples.server_osl[ok][both]).any():
            hint = "; the server sent no usage, so chunks, not tokens, were counted"
        yield LevelWarning(
            "short_output",
            f"outputs are {short:.1%} shorter than planned ({got[both].mean():.1f} of {planned[both].mean():.1f} "
            f"tokens on average){hint}",
        )
    over = np.clip(got[both] - planned[both], 0, None)
    if over.sum() > thresholds.mismatch * planned[both].sum():
        yield LevelWarning(
            "long_output",
            f"more output tokens than max_tokens allows in {counted((over > 0).sum(), 'request')} "
            f"({got[both].mean():.1f} of {planned[both].mean():.1f} on average): either the server's usage is "
            "wrong or it ignores max_tokens",
        )


def _output_counts(samples: Samples, ok: Mask, thresholds: WarningThresholds) -> Iterator[LevelWarning]:
    """Output tokens that the server did not count, and the client's count against the server's."""
    server, client = samples.server_osl[ok] - samples.hidden[ok], samples.client_osl[ok]
    if len(server) and np.isnan(server).any():
        share = np.isnan(server).mean()
        lost = int((samples.uncounted & ok).sum())
        beside = (
            f", and none exists for {counted(lost, 'answer')} in one piece: output throughput is unknown"
            if lost
            else ""
        )
        yield LevelWarning(
            "no_usage",
            f"the server sent no usage, or one that cannot be true, for {share:.1%} of requests; the client's count is "
            f"used there{beside}",
        )
    both = ~np.isnan(server) & ~np.isnan(client)
    if not both.any():
        return
    off = np.abs(server[both] - client[both]).sum() / max(server[both].sum(), 1)
    if off > thresholds.mismatch:
        yield LevelWarning(
            "count_mismatch",
            f"client and server disagree on {off:.1%} of output tokens ({client[both].sum():.0f} counted by the "
            f"client, {server[both].sum():.0f} by the server); the server's usage is used",
        )


def _input_lengths(samples: Samples, ok: Mask, thresholds: WarningThresholds) -> Iterator[LevelWarning]:
    """The server's count of input tokens against the plan."""
    read, plan = samples.isl[ok], samples.planned_isl[ok]
    both = ~np.isnan(read) & (plan > 0)
    if not both.any():
        return
    off = read[both].sum() / plan[both].sum() - 1
    if abs(off) > thresholds.mismatch:
        yield LevelWarning("input_mismatch", f"the server counted {off:+.1%} input tokens relative to the plan")


def _mean(values: Floats) -> float:
    values = values[~np.isnan(values)]
    return float(values.mean()) if len(values) else 0.0
