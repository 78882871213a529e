"""What a CI device label means: whose GPU, which model, how many, and whether it is only a slice of one."""

from __future__ import annotations

import re
from dataclasses import dataclass

from paretoken.parity.rows import AMD, NVIDIA

_AMD = re.compile(r"(?:amd_|linux\.rocm\.gpu\.)?(mi\d{2,3}x?)(?:[_-](\w+))?")
_NVIDIA = re.compile(r"\b(gb\d{3}|gb10|gh200|h\d{2,3}|b\d{3}|a\d{2,3}g?|l\d{1,2}s?|v100|t4|\d{4})\b")
_SLICE_GB = re.compile(r"_(\d+)gb\b")


MOST_DIGITS = 6


@dataclass(frozen=True, slots=True)
class Device:
    """`gpus` is the number in the label, None without one."""

    vendor: str
    gpu_model: str
    gpus: int | None = None


def device(label: str, default: str = "") -> Device:
    """The device of a label such as h200_18gb, b200-k8s, mi300_4 or mi355_dpx; `default` where it is empty."""
    name = (label or default).strip().lower()
    if matched := _AMD.fullmatch(name.replace("x_", "_")) or _AMD.match(name):
        return _amd(matched)
    if "cpu" in name:
        return Device("cpu", "CPU", 0)
    if name.startswith(("amd", "linux.rocm")):
        return Device(AMD, "AMD, model not said")
    if name in ("dgx-spark", "dgx_spark"):
        return Device(NVIDIA, "GB10")
    if matched := _NVIDIA.search(name.replace("_", " ").replace("-", " ")):
        model = matched[1].upper()
        cut = _SLICE_GB.search(name)
        return Device(NVIDIA, f"{model} {cut[1]} GB slice" if cut else model)
    return Device("other", label or "unknown")


def _amd(matched: re.Match[str]) -> Device:
    model, rest = matched[1].upper().removesuffix("X"), matched[2] or ""
    if rest.isascii() and rest.isdecimal() and len(rest) < MOST_DIGITS:
        return Device(AMD, model, int(rest))
    # DPX splits one MI300-class package into two partitions, CPX into eight.
    return Device(AMD, f"{model} {rest.upper()} slice" if rest in ("dpx", "qpx", "cpx") else model)
