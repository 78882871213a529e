"""Tokens and requests per second over a span of a load level, each kind counted on its own.

Output tokens count when their chunk arrives; input tokens when the first token of their request arrives,
which is when the server has read them; requests when they end. A span is (start, end]: what arrives at its
end is inside, so that two spans that touch share nothing.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from paretoken.bench.stats.arrays import Floats, Ints, Mask
from paretoken.bench.stats.chunks import NS
from paretoken.bench.stats.metrics import Samples

_BLOCK = 1 << 17


@dataclass(frozen=True, slots=True, kw_only=True)
class SpanThroughput:
    """What arrived within a span: amounts and rates of the whole deployment, and the token rates of one GPU.

    Rates are None where the span is empty, those of output too where tokens arrived that nobody could count.
    """

    seconds: float
    input_tokens: float
    output_tokens: float
    requests: int
    input_tok_s: float | None
    output_tok_s: float | None
    total_tok_s: float | None
    requests_s: float | None
    input_tok_s_per_gpu: float | None
    output_tok_s_per_gpu: float | None
    total_tok_s_per_gpu: float | None

    @classmethod
    def of(
        cls,
        *,
        seconds: float,
        input_tokens: float,
        output_tokens: float,
        requests: int,
        n_gpus: int,
        counted: bool = True,
    ) -> SpanThroughput:
        """The rates that follow from the amounts; `counted` is whether the output tokens are all there are."""

        def rate(amount: float, over: int = 1) -> float | None:
            return amount / seconds / over if seconds > 0 else None

        output = output_tokens if counted else math.nan
        out, out_per_gpu, total, total_per_gpu = (
            None if value is None or math.isnan(value) else value
            for value in (
                rate(output),
                rate(output, n_gpus),
                rate(input_tokens + output),
                rate(input_tokens + output, n_gpus),
            )
        )
        return cls(
            seconds=seconds,
            input_tokens=input_tokens,
            output_tokens=output_tokens,
            requests=requests,
            input_tok_s=rate(input_tokens),
            output_tok_s=out,
            total_tok_s=total,
            requests_s=rate(requests),
            input_tok_s_per_gpu=rate(input_tokens, n_gpus),
            output_tok_s_per_gpu=out_per_gpu,
            total_tok_s_per_gpu=total_per_gpu,
        )


def inside(at_ns: Ints, start_ns: int, end_ns: int) -> Mask:
    """Which of the times lie in (start, end]."""
    return (at_ns > start_ns) & (at_ns <= end_ns)


def throughput(samples: Samples, start_ns: int, end_ns: int, n_gpus: int = 1) -> SpanThroughput:
    """What arrived within (start, end], of complete answers and of those cut by us at the end."""
    chunks = samples.chunks
    read = samples.counted & (samples.first_ns >= 0) & inside(samples.first_ns, start_ns, end_ns)
    return SpanThroughput.of(
        seconds=max(end_ns - start_ns, 0) * NS,
        input_tokens=float(np.nansum(samples.isl[read])),
        output_tokens=float(chunks.tokens[inside(chunks.at_ns, start_ns, end_ns)].sum()),
        requests=int((samples.ok & inside(samples.last_ns, start_ns, end_ns)).sum()),
        n_gpus=n_gpus,
        counted=not (samples.uncounted & inside(samples.last_ns, start_ns, end_ns)).any(),
    )


def whole_run(samples: Samples, n_gpus: int = 1) -> SpanThroughput:
    """The value other tools report: complete answers only, first start to last end, ramp and tail included."""
    ok = samples.ok
    if not ok.any():
        return SpanThroughput.of(seconds=0.0, input_tokens=0.0, output_tokens=0.0, requests=0, n_gpus=n_gpus)
    started = np.where(samples.sent_ns >= 0, samples.sent_ns, samples.due_ns)
    return SpanThroughput.of(
        seconds=float(samples.last_ns[ok].max() - started.min()) * NS,
        input_tokens=float(np.nansum(samples.isl[ok])),
        output_tokens=float(np.nansum(samples.osl[ok])),
        requests=int(ok.sum()),
        n_gpus=n_gpus,
        counted=not samples.uncounted[ok].any(),
    )


def binned(
    at_ns: Ints, weights_of: Callable[[slice], Floats | Ints] | None, start_ns: int, end_ns: int, bins: int
) -> Floats:
    """Amounts per second in equal bins of (start, end], shape (bins,): the weights of the times, or else their number.

    `weights_of` gives those of a slice. Arrivals are counted some at a time: millions at once would be copied several
    times over.
    """
    amounts = np.zeros(bins)
    for k in range(0, len(at_ns), _BLOCK):
        block = slice(k, min(k + _BLOCK, len(at_ns)))
        at = at_ns[block]
        chosen = inside(at, start_ns, end_ns)
        number = np.minimum((at[chosen] - start_ns - 1) * bins // max(end_ns - start_ns, 1), bins - 1)
        weights = weights_of(block)[chosen] if weights_of else None
        amounts += np.bincount(number, weights=weights, minlength=bins)
    return amounts / ((end_ns - start_ns) * NS / bins)


def output_rates(samples: Samples, start_ns: int, end_ns: int, bins: int) -> Floats:
    """Output tokens per second in equal bins."""
    return binned(samples.chunks.at_ns, samples.chunks.tokens.__getitem__, start_ns, end_ns, bins)


def input_rates(samples: Samples, start_ns: int, end_ns: int, bins: int) -> Floats:
    """Input tokens per second in equal bins, at first tokens."""
    read = samples.counted & (samples.first_ns >= 0)
    return binned(samples.first_ns[read], np.nan_to_num(samples.isl[read]).__getitem__, start_ns, end_ns, bins)


def smooth_input_rates(samples: Samples, start_ns: int, end_ns: int, bins: int) -> Floats:
    """Input tokens per second in equal bins, with the mean of `input_rates` and the course of the output.

    Prompts counted at first tokens come in lumps, whose noise is that of the bins and not that of the rate. Here the
    prompt of a request is spread over its output tokens, so that with one ratio of input to output the series is as
    smooth as that of the output. Without output tokens it is that of `input_rates`.
    """
    lumps, chunks = input_rates(samples, start_ns, end_ns, bins), samples.chunks
    osl, isl = np.nan_to_num(samples.osl), np.nan_to_num(samples.isl)  # the chunks of a request sum up to its OSL
    per_token, ends = np.divide(isl, osl, out=np.zeros(len(isl)), where=osl > 0), np.cumsum(chunks.lengths)

    def prompt_tokens(block: slice) -> Floats:
        """Of each chunk of a block: the share of its request's prompt."""
        first, last = np.searchsorted(ends, (block.start, block.stop), side="right")
        requests = slice(first, last + 1)
        begun, ended = (np.clip(at[requests], block.start, block.stop) for at in (ends - chunks.lengths, ends))
        shares: Floats = chunks.tokens[block] * np.repeat(per_token[requests], ended - begun)
        return shares

    smooth = binned(chunks.at_ns, prompt_tokens, start_ns, end_ns, bins)
    return smooth * (lumps.mean() / smooth.mean()) if smooth.any() else lumps


def in_flight(samples: Samples, at_ns: Ints) -> Ints:
    """Requests due and not yet ended at each of the times, shape of `at_ns`."""
    begun = np.searchsorted(np.sort(samples.due_ns), at_ns, side="right")
    ended = np.searchsorted(np.sort(samples.end_ns), at_ns, side="right")
    return begun - ended


def mean_in_flight(samples: Samples, start_ns: int, end_ns: int) -> float:
    """Mean number of requests in flight over the span: their time inside it over its length."""
    if end_ns <= start_ns:
        return 0.0
    spent = np.clip(samples.end_ns, start_ns, end_ns) - np.clip(samples.due_ns, start_ns, end_ns)
    return float(spent.sum()) / (end_ns - start_ns)
