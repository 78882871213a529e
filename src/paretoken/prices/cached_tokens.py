"""What a prefix cache is worth: the price of a prompt token that it finds, and the most that a tier may cost.

A server without a prefix cache serves I input and O output tokens per second and GPU, and spends the share s of its
busy GPU time on prompts. With the cache, at the same limits, it computes C input tokens, finds H, and makes O' output
tokens per second and GPU. At R USD per GPU-hour, per million tokens:

    computed = s·R / (3600·I / 10⁶)                 output = (1 − s)·R / (3600·O / 10⁶)
    hit      = (R·10⁶ / 3600 − computed·C − output·O') / H

So the hour earns R with and without the cache, if both bill these three prices; and a hit below `computed` is what the
cache saves. With G GPU-seconds a session without the cache, G' with it, and F hits a session, it is
hit = computed − (G − G')/F · R·10⁶ / 3600. It is negative where the cache lets more load into the limits than the work
that it saves: then hits could be free.
"""

from __future__ import annotations

from dataclasses import dataclass

from paretoken.prices.cost import UNIT_TOK_S, break_even_rent, phase_usd_per_mtok
from paretoken.prices.finance import HOURS_PER_MONTH


@dataclass(frozen=True, slots=True, kw_only=True)
class PromptRates:
    """Tokens per second and GPU of a server: prompt tokens computed and found in the cache, and output tokens."""

    computed: float
    hits: float
    output: float


@dataclass(frozen=True, slots=True, kw_only=True)
class PromptPrices:
    """USD per million tokens: prompt tokens that are computed and found in the cache, and output tokens."""

    computed_usd: float
    hit_usd: float
    output_usd: float


def prompt_prices(
    usd_per_gpu_h: float, without: PromptRates, cached: PromptRates, prefill_share: float
) -> PromptPrices:
    """The three prices of the module; `prefill_share` is that of the server `without` a cache.

    7.20 USD/h; 1,000 input and 100 output tok/s, 80 % prefill; with the cache 500 computed, 2,000 found and 250 output:
    computed 1.6, output 4, hit 0.1.
    """
    computed, output = phase_usd_per_mtok(usd_per_gpu_h, without.computed, without.output, prefill_share)
    hour = usd_per_gpu_h * UNIT_TOK_S
    hit = (hour - computed * cached.computed - output * cached.output) / cached.hits
    return PromptPrices(computed_usd=computed, hit_usd=hit, output_usd=output)


def tier_usd_per_gpu_h(usd_per_gpu_h: float, tasks_without: float, tasks_with: float) -> float:
    """The most that a tier may cost for each GPU and hour: R · (tasks with it / tasks without it − 1).

    At that price a task costs the same with and without it. 4.00 USD/h, 25 % more tasks: 1.00.
    """
    return break_even_rent(usd_per_gpu_h, tasks_without, tasks_with) - usd_per_gpu_h


def tier_usd_per_gb_month(usd_per_gpu_h: float, gb_per_gpu: float) -> float:
    """What a tier's GB may cost a month, from what the tier may cost for each GPU and hour; 730 hours a month.

    1.00 USD per GPU-hour, 200 GB a GPU: 3.65.
    """
    return usd_per_gpu_h * HOURS_PER_MONTH / gb_per_gpu
