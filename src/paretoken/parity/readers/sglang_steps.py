"""A test file in one suite of SGLang's CI, as a step."""

from __future__ import annotations

import re
from dataclasses import dataclass

from paretoken.parity.devices import device
from paretoken.parity.release import Release
from paretoken.parity.rows import AMD, NVIDIA, StepRow

_VENDORS = {"cuda": NVIDIA, "amd": AMD, "cpu": "cpu"}
_GPUS = re.compile(r"(?<!\d)(\d{1,5})-gpu")
_MODEL = re.compile(r"\b(h\d{2,3}|b\d{3}|gb\d{3}|mi\d{2}x|5090|a10)\b")


@dataclass(frozen=True, slots=True, kw_only=True)
class SuiteEntry:
    """One test file in one suite."""

    path: str
    backend: str
    suite: str
    label: str
    area: str
    est_s: float | None
    trigger: str
    disabled_reason: str | None


def suite_step(release: Release, test: SuiteEntry) -> StepRow:
    vendor = _VENDORS.get(test.backend, "other")
    gpus = _GPUS.search(test.suite)
    return StepRow(
        engine="sglang",
        snapshot_commit=release.commit,
        snapshot_date=release.date,
        source_file=test.path,
        key=test.path,
        label=test.suite,
        area=test.area,
        vendor=vendor,
        device_label=test.label,
        gpu_model=_gpu_model(test.label, test.suite, vendor),
        gpus=0 if vendor == "cpu" else int(gpus[1]) if gpus else 1,
        shards=1,
        est_s=test.est_s,
        trigger=test.trigger,
        blocking="hard",
        disabled_reason=test.disabled_reason,
        files=(test.path,),
        unresolved=(),
    )


def _gpu_model(label: str, suite: str, vendor: str) -> str:
    for text in (label, suite):
        if matched := _MODEL.search(text.lower().replace("-", " ")):
            return device(matched[1]).gpu_model if vendor == NVIDIA else matched[1].upper()
    return {NVIDIA: "NVIDIA, model not said", AMD: "AMD, model not said", "cpu": "CPU"}.get(vendor, "other")
