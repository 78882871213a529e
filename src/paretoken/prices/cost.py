"""Every money formula on tokens: cost per million tokens, break-even rent, margin, energy.

    $/M tokens = ($/GPU-h) / (tok/s/GPU × 3600 / 10⁶) / serving load

The views total, output and input each attribute the whole cost to one class of tokens, so they do
not add up. Throughput is interpolated first and cost derived from it, never the reverse. The page's
copy of these formulas is `report/assets/money.js`; a test holds the two together.
"""

from __future__ import annotations

from math import inf
from typing import overload

from paretoken.prices.numbers import FloatArray, Number

SECONDS_PER_HOUR = 3600
HOURS_PER_DAY = 24
OUTPUT_TO_INPUT_PRICE = 4.0
UNIT_TOK_S = 1e6 / SECONDS_PER_HOUR
"""At this throughput a million tokens cost what the hour does."""


@overload
def usd_per_mtok(usd_per_gpu_h: float, tok_s_per_gpu: float, serving_load: float = 1.0) -> float: ...
@overload
def usd_per_mtok(usd_per_gpu_h: FloatArray, tok_s_per_gpu: FloatArray, serving_load: float = 1.0) -> FloatArray: ...
def usd_per_mtok(usd_per_gpu_h: Number, tok_s_per_gpu: Number, serving_load: float = 1.0) -> Number:
    """Cost of a million tokens, USD.

    `serving_load` is the share of hours in which the GPU serves at that throughput.
    H200 at 2.00 USD/h, 442 tok/s/GPU, 75 %: 1.6759.
    """
    return usd_per_gpu_h / (tok_s_per_gpu * SECONDS_PER_HOUR / 1e6) / serving_load


def split_usd_per_mtok(
    usd_per_gpu_h: float,
    input_tok_s_per_gpu: float,
    output_tok_s_per_gpu: float,
    ratio: float = OUTPUT_TO_INPUT_PRICE,
    serving_load: float = 1.0,
) -> tuple[float, float]:
    """(USD per million input tokens, per million output tokens), one hourly cost split at a price ratio.

    An output token costs `ratio` times an input token; together they pay for the hour exactly.
    """
    output_usd = usd_per_mtok(usd_per_gpu_h, output_tok_s_per_gpu + input_tok_s_per_gpu / ratio, serving_load)
    return output_usd / ratio, output_usd


def phase_usd_per_mtok(
    usd_per_gpu_h: float,
    input_tok_s_per_gpu: float,
    output_tok_s_per_gpu: float,
    prefill_share: float,
    serving_load: float = 1.0,
) -> tuple[float, float]:
    """(USD per million input tokens, per million output tokens), one hourly cost split by GPU time.

    Input tokens pay the share of the hour that prefill takes, output tokens the rest: together the hour exactly.
    2.00 USD/h, 1,000 input and 250 output tok/s/GPU, 30 % prefill: 0.1667 and 1.5556.
    """
    return (
        usd_per_mtok(usd_per_gpu_h * prefill_share, input_tok_s_per_gpu, serving_load),
        usd_per_mtok(usd_per_gpu_h * (1 - prefill_share), output_tok_s_per_gpu, serving_load),
    )


def usd_per_session(usd_per_gpu_h: float, sessions_per_gpu_h: float) -> float:
    """Cost of one session of an agent, USD: GPUs · price / sessions per hour, of GPUs that serve nothing else.

    Eight GPUs at 2.00 USD/h with 80 sessions an hour: 0.20. A task of one session costs the same.
    """
    return usd_per_gpu_h / sessions_per_gpu_h


def cached_usd_per_mtok(output_usd_per_mtok: float, kv_share: float, isl: float, osl: float) -> float:
    """What a million input tokens read from the cache still cost, USD: their KV entries, read at every decode step.

    output cost · osl · kv_share / (isl + osl / 2): the part of a request's decode that reads the KV cache
    (`kv_share`), divided by the tokens that it holds on average. No prefill. Output tokens have paid for it, so it
    comes out of their cost, not on top. 1.5556 USD, 20 %, 4096/1024: 0.0691.
    """
    return output_usd_per_mtok * osl * kv_share / (isl + osl / 2)


def idle_usd_per_gpu_day(usd_per_gpu_h: float, serving_load: float) -> float:
    """What a GPU costs a day in the hours in which it serves nothing, USD: 24 · price · (1 − load).

    2.00 USD/h at a load of 60 %: 19.20.
    """
    return usd_per_gpu_h * HOURS_PER_DAY * (1 - serving_load)


@overload
def break_even_rent(
    rent_a_usd: float, tput_a: float, tput_b: float, switching_usd: float = 0.0, hours: float = inf
) -> float: ...
@overload
def break_even_rent(
    rent_a_usd: Number, tput_a: FloatArray, tput_b: FloatArray, switching_usd: float = 0.0, hours: float = inf
) -> FloatArray: ...
def break_even_rent(
    rent_a_usd: Number, tput_a: Number, tput_b: Number, switching_usd: float = 0.0, hours: float = inf
) -> Number:
    """The rent per GPU-hour at which B's tokens cost what A's do, at equal latency.

    rent_A × tput_B / tput_A, less a one-off switching cost per GPU spread over the hours of use.
    """
    return rent_a_usd * tput_b / tput_a - switching_usd / hours


def owner_margin(rent_usd: float, cost_usd: float) -> float:
    """What an owner keeps of a rent, as a share of it: (rent − cost) / rent."""
    return (rent_usd - cost_usd) / rent_usd


def tok_s_per_mw(tok_s_per_gpu: float, kw_per_gpu: float) -> float:
    """Tokens per second per megawatt of the power that `kw_per_gpu` counts (chip, server or all-in: say which)."""
    return tok_s_per_gpu * 1000 / kw_per_gpu


def joules_per_token(tok_s_per_gpu: float, kw_per_gpu: float) -> float:
    """Energy per token, J, of the power that `kw_per_gpu` counts."""
    return kw_per_gpu * 1000 / tok_s_per_gpu


def gco2_per_mtok(joules_per_token: float, grid_gco2_per_kwh: float) -> float:
    """Carbon of a million tokens, g CO₂, at a grid's intensity: J/token · 10⁶ / 3.6·10⁶ · g/kWh.

    Use the energy at the utility's meter. 4.1844 J/token at 400 g/kWh: 464.9.
    """
    return joules_per_token / 3.6 * grid_gco2_per_kwh
