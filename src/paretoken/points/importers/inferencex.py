"""InferenceX (InferenceMAX) `agg_*.json`: one object for each run, or a list of them.

Latencies are in seconds under names without a unit. Other carriers of the same rows head columns `_ms`
and may hold seconds in them: the unit is therefore read off the figures (`_unit`), not off the heading.
On disaggregated rows the three throughputs have three denominators; `inferencex_pools` brings them to one.
"""

from __future__ import annotations

from paretoken.catalog.names import precision_id
from paretoken.emulated import unmarked
from paretoken.points.importers.inferencex_pools import pools, throughput
from paretoken.points.importers.reading import LevelReading, Parsed, entries, first, joined, latencies
from paretoken.points.values import number

NAME = "InferenceX"
ORIGIN = "published"
_LATENCIES = {"ttft": "ttft", "tpot": "tpot", "itl": "itl", "e2el": "e2e"}
_MODELS = {
    "dsr1": "deepseek-r1",
    "dsv4": "deepseek-v4-pro",
    "glm5": "glm-5",
    "glm5.1": "glm-5",
    "gptoss": "gpt-oss-120b",
    "gptoss120b": "gpt-oss-120b",
    "kimik2.5": "kimi-k2.5",
    "llama70b": "llama-3-70b",
    "minimaxm2.5": "minimax-m2.5",
    "minimaxm3": "minimax-m3",
    "qwen3.5": "qwen3.5-397b-a17b",
}
_SIDES = {"total": "", "output": "output_", "input": "input_"}
_ENGINES = {"sglang-disagg": "mori-sglang"}
_THROUGHPUT = {f"{side}_tput_per_gpu_tok_s": f"{key}tput_per_gpu" for side, key in _SIDES.items()}


def detects(parsed: Parsed) -> bool:
    """Hardware and framework beside a throughput per GPU, which no client knows."""
    row = first(parsed)
    figures = ("tput_per_gpu", "metrics", "request_metrics")
    return {"hw", "framework"} <= row.keys() and any(key in row for key in figures)


def rows(parsed: Parsed, file: str) -> list[LevelReading]:
    """One reading for each run."""
    return [reading(at, row) for at, row in enumerate(entries(parsed), start=1)]


def reading(at: int, row: dict[str, object]) -> LevelReading:
    """The reading of one row; figures may stand in the row or under `metrics`."""
    metrics = row.get("metrics")
    if isinstance(metrics, dict):
        row = {**row, **metrics}
    refused = _refused(row)
    if refused:
        return LevelReading(at, refused=refused)
    pooled = _pooled(row)
    layout = pools(row) if pooled else None
    gpus = layout.gpus if layout else _gpus(row)
    rates, unclear = (
        throughput(row, layout) if layout else ({name: row.get(key) for name, key in _THROUGHPUT.items()}, None)
    )
    times, headed = _times(row, gpus)
    stated = {
        **_identity(row),
        **_parallelism(row, pooled),
        **(layout.columns(row) if layout else {}),
        **rates,
        **times,
        **_energy(row, pooled),
        "n_gpus": gpus,
        "isl": row.get("isl"),
        "osl": row.get("osl"),
        "load_kind": "closed",
        "concurrency": row.get("conc"),
        "notes": joined(unclear, headed),
    }
    return LevelReading(at, {key: value for key, value in stated.items() if value is not None})


def _refused(row: dict[str, object]) -> str:
    """Why a row is not an operating point: its run failed, or it replays traces and has no nominal lengths."""
    outcome = row.get("benchmark_outcome")
    if row.get("error") or (isinstance(outcome, dict) and outcome.get("status") == "failed"):
        return f"is a failed run ({row.get('error') or 'benchmark_outcome'}) and holds no figures"
    kind = str(row.get("scenario_type") or row.get("benchmark_type") or "")
    return f"is a run of type {kind}, without nominal lengths" if kind.startswith("agentic") else ""


def _identity(row: dict[str, object]) -> dict[str, object]:
    framework = str(row.get("framework") or "").lower()
    return {
        # `cluster:b300-nv_3` is a B300 of some cluster: what follows the model of GPU names the runner.
        "accelerator": str(row.get("hw") or "").split(":")[-1].split("-")[0].split("_")[0],
        "model": _model(row),
        "model_variant": row.get("model"),
        "precision": precision_id(str(row.get("precision") or "")) or None,
        "engine": _ENGINES.get(framework, framework),
        "engine_version": str(row["image"]).replace("#", "/") if row.get("image") else None,
        "speculative": _speculative(row),
        "date": str(row.get("date") or "")[:10] or None,
    }


def _model(row: dict[str, object]) -> str | None:
    """The catalog's name of InferenceX's short key, else the model as the row has it."""
    keys = [unmarked(str(row[key]).lower()) for key in ("infmax_model_prefix", "model") if row.get(key)]
    stated = row.get("model")
    return next((_MODELS[key] for key in keys if key in _MODELS), None if stated is None else str(stated))


def _speculative(row: dict[str, object]) -> str | None:
    """The method; the first version wrote `mtp: on`. Null if the row does not say."""
    if row.get("spec_decoding"):
        return str(row["spec_decoding"]).lower()
    return {"on": "mtp", "true": "mtp", "off": "none", "false": "none"}.get(str(row.get("mtp")).lower())


def _pooled(row: dict[str, object]) -> bool:
    """Whether prefill and decode have GPUs of their own, as several nodes with decode workers have."""
    decode = all(number(row.get(key)) for key in ("num_decode_gpu", "decode_num_workers"))
    return _true(row.get("disagg")) or (_true(row.get("is_multinode")) and decode)


def _true(value: object) -> bool:
    return str(value).lower() == "true"


def _gpus(row: dict[str, object]) -> float | None:
    """The GPUs that `tput_per_gpu` of one pool was divided by: all GPUs stated, else TP.

    Expert parallelism and DP attention reuse the GPUs of TP on a node, though the database of InferenceX
    counts them as TP × EP in its older rows.
    """
    prefill, decode = (number(row.get(f"num_{pool}_gpu")) for pool in ("prefill", "decode"))
    if number(row.get("num_gpus")):
        return number(row["num_gpus"])
    tp, ep = (number(_single(row, side)) for side in ("tp", "ep"))
    counted = prefill or decode
    if _true(row.get("is_multinode")) or not tp:
        return counted
    return tp if counted is None or counted == tp * (ep or 1) else counted


def _single(row: dict[str, object], name: str) -> object:
    """The one pool's value, which the database writes twice, under each pool's name."""
    return next((row[key] for key in (name, f"decode_{name}", f"prefill_{name}") if row.get(key)), None)


def _parallelism(row: dict[str, object], pooled: bool) -> dict[str, object]:
    shape = {
        "disaggregated": pooled if pooled or "disagg" in row else None,
        "multinode": row.get("is_multinode"),
    }
    if not pooled:
        return shape | {name: _single(row, name) for name in ("tp", "ep")} | {"dp_attention": _attention(row)}
    for name in ("tp", "ep", "dp_attention"):
        shape |= {name: row.get(f"decode_{name}"), f"prefill_{name}": row.get(f"prefill_{name}")}
    return shape


def _attention(row: dict[str, object]) -> object:
    return row.get("dp_attention", row.get("decode_dp_attention"))


def _times(row: dict[str, object], gpus: float | None) -> tuple[dict[str, object], str | None]:
    """Latencies in seconds, from names without a unit first, then from those headed `_ms`."""
    headed = _unit(row, gpus, "_ms", 1e-3)
    under_ms = latencies(row, _LATENCIES, "_ms", headed)
    plain = latencies(row, _LATENCIES, "", _unit(row, gpus, "", 1.0))
    note = "columns headed ms hold seconds" if under_ms and headed == 1.0 else None
    return under_ms | plain, note


def _unit(row: dict[str, object], gpus: float | None, suffix: str, default: float) -> float:
    """Seconds per unit of the latencies, by two witnesses that hold no time unit of their own.

    TPOT × interactivity is 1 in seconds and 1,000 in milliseconds; so is, by Little's law,
    E2E × throughput × GPUs / (concurrency × tokens). The heading decides only where both are silent.
    """
    witnesses: list[tuple[object, object, float]] = [
        (row.get(f"{s}_tpot{suffix}"), row.get(f"{s}_intvty"), 1) for s in ("median", "mean")
    ]
    users, isl, osl = (number(row.get(key)) for key in ("conc", "isl", "osl"))
    if gpus and users is not None and isl is not None and osl is not None:
        load = users * (isl + osl) / gpus
        witnesses.append((row.get(f"median_e2el{suffix}"), row.get("tput_per_gpu"), load))
    for time, rate, load in witnesses:
        product = (number(time) or 0) * (number(rate) or 0) / (load or 1)
        if 0.1 < product < 10:
            return 1.0
        if 100 < product < 10_000:
            return 1e-3
    return default


def _energy(row: dict[str, object], pooled: bool) -> dict[str, object]:
    """Measured power, unless the row disowns it; on pools, older rows count only the decode GPUs' joules."""
    if number(row.get("power_valid")) == 0:
        return {}
    energy = {"avg_power_w": row.get("avg_power_w")}
    if not pooled or (number(row.get("power_metric_schema_version")) or 0) >= 2:
        energy["joules_per_output_token"] = row.get("joules_per_output_token")
    return energy
