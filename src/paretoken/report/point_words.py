"""A point that was run, and its software, in words."""

from __future__ import annotations

import re
from collections.abc import Mapping

from paretoken.frontier.compare import tp_label
from paretoken.frontier.curve import CurvePoint
from paretoken.plural import counted
from paretoken.points.acceptance import acceptance_of
from paretoken.points.software import UNDATED
from paretoken.points.unstated import UNKNOWN


def load(point: CurvePoint) -> str:
    """`TP8 on 8 GPUs, 64 users, MTP K=3, 2.9 tokens a step`, or `TP P4/D8 on 24 GPUs, …`: what was run."""
    gpus = counted(point["n_gpus"], "GPU") if point["n_gpus"] else "GPUs not stated"
    users = "load not stated" if point["concurrency"] is None else counted(point["concurrency"], "user")
    drafting = acceptance_of(point)
    unknown = ", speculation not stated" if point["speculation"] == UNKNOWN else ""
    spec = f", {drafting.text}" if drafting else unknown
    size = f"TP {tp_label(point)}" if point["disaggregated"] else f"TP{tp_label(point)}"
    return f"{size} on {gpus}, {users}{spec}"


def drafting(point: Mapping[str, object]) -> str:
    """`MTP K=3, 2.9 tokens a step`, `none` or `unknown`."""
    stated = acceptance_of(point)
    return stated.text if stated else str(point["speculation"])


def software_words(state: str, origin: str) -> str:
    """A software state for a reader: a release or month as it is, of medians the period."""
    if origin == "predicted":
        return "predicted"
    if state == UNDATED:
        return "software not stated"
    first, period, last = state.partition("..")
    return f"median over {first[:7]} to {last[:7]}" if period else state


_ADDRESS = re.compile(r"https://[^\s\"'<>]+")
COLLECTIONS = {
    "inferencex-2026-07": "https://github.com/SemiAnalysisAI/InferenceX",
    "inferencex-runs-dsr1": "https://github.com/SemiAnalysisAI/InferenceX",
    "atom-nightly": "https://github.com/ROCm/ATOM/tree/gh-pages/benchmark-dashboard",
    "aiconfigurator-silicon": "https://github.com/ai-dynamo/aiconfigurator",
    "trtllm-perf-overview": "https://github.com/NVIDIA/TensorRT-LLM/blob/main/docs/source/developer-guide/perf-overview.md",
}
"""Where the shipped sources are, for rows that name no address of their own."""


def source_address(source: str, source_ref: str | None) -> str | None:
    """The https address of a point's run, else of its collection; None where neither is public."""
    stated = _ADDRESS.search(source_ref or "")
    return stated[0].rstrip(".,;)") if stated else COLLECTIONS.get(source)
