"""What llama.cpp's tools say of the machine, the model and the build, as columns of operating points."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace

from paretoken.catalog.names import PRECISIONS
from paretoken.points.importers import gguf
from paretoken.points.importers.reading import LevelReading

Columns = dict[str, object]
_GPUS = re.compile(r",\s+|/(?=\S)")
_DEVICE = re.compile(r"^\s*Device \d+: (.+?), (?:compute capability|gfx)", re.MULTILINE)
_BUILD = re.compile(r"^build: \S+ \((\d+)\)", re.MULTILINE)
_PLACEHOLDER = re.compile(r"^(ggml-)?model\b", re.IGNORECASE)
_CACHE = {"f16": "fp16", "f32": "fp32"}
_TENSOR_SPLITS = ("row", "tensor")


def with_machine(reading: LevelReading, settings: Mapping[str, str], printed: Columns) -> LevelReading:
    """The reading with the columns of the settings, and those of the lines printed around a table.

    A word for quantised blocks that the schema lacks gives way to the precision that the user states.
    """
    columns = printed | _model(settings) | _gpus(settings) | _cache(settings)
    if build := settings.get("build_number"):
        columns["engine_version"] = f"b{build}"
    columns["engine"] = "llamacpp"
    precision = columns.pop("precision", None)
    exact = {"precision": precision} if precision in PRECISIONS else {}
    otherwise = {} if exact or precision is None else {"precision": precision}
    return replace(reading, stated={**columns, **exact, **reading.stated}, otherwise=otherwise)


def printed_columns(text: str) -> Columns:
    """The build and the devices in the lines around a Markdown table."""
    columns = _accelerator(_DEVICE.findall(text))
    if build := _BUILD.search(text):
        columns["engine_version"] = f"b{build[1]}"
    return columns


def _model(settings: Mapping[str, str]) -> Columns:
    file, words = settings.get("model_filename", ""), settings.get("model_type") or settings.get("model", "")
    model, variant, precision = gguf.of_file(file)
    if not model or _PLACEHOLDER.match(model):
        model, _, by_type = gguf.of_type(words)
        variant, precision = variant or words, by_type or precision
    return {k: v for k, v in (("model", model), ("model_variant", variant), ("precision", precision)) if v}


def _gpus(settings: Mapping[str, str]) -> Columns:
    """The accelerators in use; the CPU where no layer is on any."""
    names = [name.strip() for name in _GPUS.split(settings.get("gpu_info", "")) if name.strip()]
    if settings.get("n_gpu_layers") == "0" or not names:
        cpu = settings.get("cpu_info", "")
        return {"accelerator": cpu} if cpu and "gpu_info" in settings else {}
    devices = settings.get("devices", "auto")
    if settings.get("split_mode") == "none":
        names = names[:1]
    elif devices not in ("auto", "none", ""):
        names = names[: len(devices.split("/"))]
    columns = _accelerator(names)
    if settings.get("split_mode") in _TENSOR_SPLITS or len(names) == 1:
        columns["tp"] = len(names)
    return columns


def _accelerator(names: list[str]) -> Columns:
    return {"accelerator": " + ".join(dict.fromkeys(names)), "n_gpus": len(names)} if names else {}


def _cache(settings: Mapping[str, str]) -> Columns:
    keys, values = settings.get("type_k", ""), settings.get("type_v", "")
    return {"kv_cache_dtype": _CACHE.get(keys, keys)} if keys and keys == values else {}
