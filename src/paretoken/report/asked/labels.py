"""Names of fields as labels for a reader: `usd_per_gpu_h` is `USD per GPU-hour`, `median_ttft_ms` `Median TTFT, ms`."""

from __future__ import annotations

import re

_WORDS = {
    **{word: word.upper() for word in ("ttft", "tpot", "itl", "e2e", "slo", "tco", "gpu", "isl", "osl", "api", "id")},
    **{word: word.upper() for word in ("tp", "pp", "ep", "dp", "kv", "ssd", "mtp", "usd", "p50", "p90", "p95", "p99")},
    "e2el": "E2E",
    "gpus": "GPUs",
    "apis": "APIs",
    "mtok": "M tokens",
    "mw": "MW",
    "kw": "kW",
    "n": "number of",
    "lo": "low",
    "hi": "high",
    "tok": "tok",
    "tput": "throughput",
    "gco2": "g CO2",
}
_WHOLE = {
    "isl": "Input length",
    "osl": "Output length",
    "tp": "Tensor-parallel size",
    "pp": "Pipeline stages",
    "ep": "Expert-parallel size",
    "slo": "SLO",
    "mw": "Power limit",
    "at": "Market of the day",
    "as_of": "Points as of",
    "rate": "Request rate",
    "tco": "TCO set",
    "e2e_s": "End-to-end latency",
    "rent_usd": "Rent",
    "interactivity": "Interactivity",
    "interactivity_tok_s": "Interactivity",
    "price_usd_per_gpu_h": "Your own prices",
    "published": "Published points",
    "points": "Your own points",
    "catalog": "Catalog folders",
    "force": "Compare despite different settings",
    "grid_gco2_per_kwh": "Carbon of the grid",
    "n_gpus": "GPUs",
    "n_points": "Points",
    "hours": "Hours of use",
    "tput_per_gpu": "Throughput",
}
_UNITS = {
    "isl": "tokens",
    "osl": "tokens",
    "interactivity": "tok/s per user",
    "interactivity_tok_s": "tok/s per user",
    "mw": "MW",
    "rate": "requests/s",
    "grid_gco2_per_kwh": "g CO2/kWh",
    "concurrency": "requests",
    "price_usd_per_gpu_h": "USD per GPU-hour",
    "rent_usd": "USD per GPU-hour",
    "input_price": "USD per M tokens",
    "output_price": "USD per M tokens",
    "cached_price": "USD per M tokens",
    "hours": "h",
    "tput_per_gpu": "tok/s/GPU",
}
_ENDS = (
    (r"_tok_s_per_mw$|^tok_s_per_mw$", "tok/s/MW"),
    (r"_tput_per_gpu_tok_s", "tok/s/GPU"),
    (r"_?usd_per_gpu_hour$|_?usd_per_gpu_h$", "USD per GPU-hour"),
    (r"_?usd_per_gpu_day$", "USD per GPU-day"),
    (r"_?usd_per_mtok", "USD per M tokens"),
    (r"_?usd_per_day", "USD a day"),
    (r"_?gco2_per_mtok$", "g CO2 per M tokens"),
    (r"_?usd$", "USD"),
    (r"_?tok_s$", "tok/s"),
    (r"_ms(?=_lo$|_hi$|$)", "ms"),
    (r"_s$", "s"),
    (r"_kw$", "kW"),
    (r"_gb$", "GB"),
    (r"_gib$", "GiB"),
    (r"_days$", "days"),
    (r"_tokens$", "tokens"),
)


def label_and_unit(name: str) -> tuple[str, str]:
    """The label of a field without its unit, and the unit; "" where it has none."""
    stem, unit = name, _UNITS.get(name, "")
    for pattern, of_end in _ENDS:
        if not unit and re.search(pattern, name):
            stem, unit = re.sub(pattern, "", name) or name, of_end
            break
    if name in _WHOLE:
        return _WHOLE[name], unit
    if stem == name and unit:  # the unit is all of the name
        return _sentence(name), ""
    return _sentence(stem), unit


def head(name: str) -> str:
    """The label with its unit, for the head of a column."""
    label, unit = label_and_unit(name)
    return f"{label}, {unit}" if unit else label


def _sentence(name: str) -> str:
    words = " ".join(_WORDS.get(word, word) for word in re.split(r"[_\-. ]+", name) if word)
    return words[:1].upper() + words[1:]
