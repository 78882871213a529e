"""Write the table of printed and computed cache sizes in docs/memory.md: `python tools/kv_table.py`."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from paretoken.catalog.loader import Catalog, load_catalog
from paretoken.predict.deployment import Deployment
from paretoken.predict.memory import GIB, MemoryParts, memory_parts
from paretoken.predict.settings import EngineSettings

ROOT = Path(__file__).parents[1]
LINES = ROOT / "tests" / "predict" / "data" / "kv_lines.csv"
PAGE = ROOT / "docs" / "memory.md"
START, END = "<!-- lines -->\n", "<!-- end of lines -->"
HEAD = "| engine | GPUs | model | stated | printed | computed | difference | |\n|---|---|---|---|---:|---:|---:|---|\n"
WITHIN = 0.1
"""Relative difference beyond which a line is an outlier."""


@dataclass(frozen=True, kw_only=True)
class KvLine:
    """The cache size that a server printed: tokens of one engine, else GiB of one GPU."""

    deployment: Deployment
    version: str
    tokens: int | None
    cache_gib: float | None
    held_out: bool
    source: str

    def difference(self, parts: MemoryParts) -> float:
        """Relative difference of the computed size from the printed one."""
        if self.tokens:
            return parts.kv_tokens / self.tokens - 1
        return parts.cache_bytes / GIB / (self.cache_gib or 1) - 1


def kv_lines() -> list[KvLine]:
    """All lines of the data file."""
    with LINES.open(encoding="utf-8", newline="") as file:
        return [_line(row) for row in csv.DictReader(file)]


def _line(r: dict[str, str]) -> KvLine:
    def whole(name: str) -> int | None:
        return int(r[name]) if r[name] else None

    return KvLine(
        deployment=Deployment(
            **{name: r[name] for name in ("accelerator", "model", "precision", "engine", "date")},
            **{name: int(r[name]) for name in ("gpus", "tp", "pp", "ep")},
            settings=EngineSettings(
                kv_dtype=r["kv_dtype"] or None,
                memory_utilization=float(r["memory_utilization"]) if r["memory_utilization"] else None,
                max_num_seqs=whole("max_num_seqs"),
                max_batched_tokens=whole("max_batched_tokens"),
                max_model_len=whole("max_model_len"),
                context_parallel=int(r["context_parallel"]),
            ),
        ),
        version=r["version"],
        tokens=whole("tokens"),
        cache_gib=float(r["cache_gib"]) if r["cache_gib"] else None,
        held_out=r["split"] == "held out",
        source=r["source"],
    )


def table(lines: Iterable[KvLine], catalog: Catalog) -> str:
    """The lines as a Markdown table; held-out lines are marked."""
    return HEAD + "".join(_row(line, memory_parts(line.deployment, catalog), catalog) for line in lines)


def _row(line: KvLine, parts: MemoryParts, catalog: Catalog) -> str:
    d = line.deployment
    s = d.settings
    stated = {
        "KV": s.kv_dtype,
        "share": s.memory_utilization,
        "sequences": s.max_num_seqs,
        "tokens": s.max_batched_tokens,
        "context": s.max_model_len,
        "CP": s.context_parallel if s.context_parallel > 1 else None,
    }
    if line.tokens:
        printed, computed = f"{line.tokens:,}", f"{parts.kv_tokens:,}"
    else:
        printed, computed = f"{line.cache_gib:.2f} GiB", f"{parts.cache_bytes / GIB:.2f} GiB"
    cells = (
        f"[{catalog.engines[d.engine].name} {line.version or d.date}]({line.source})",
        f"{d.size} {d.accelerator}",
        f"{d.model} {d.precision}",
        ", ".join(f"{name} {value}" for name, value in stated.items() if value),
        printed,
        computed,
        f"{line.difference(parts):+.1%}",
        "held out" if line.held_out else "",
    )
    return f"| {' | '.join(cells)} |\n"


def summary(lines: list[KvLine], catalog: Catalog) -> str:
    """The differences of the tuning lines and of the held-out lines, a sentence each."""
    text = ""
    for name, chosen in (
        ("Tuning lines", [x for x in lines if not x.held_out]),
        ("Held-out lines", [x for x in lines if x.held_out]),
    ):
        differences = [abs(x.difference(memory_parts(x.deployment, catalog))) for x in chosen]
        near = sum(x <= WITHIN for x in differences)
        text += (
            f"{name}: {len(differences)}, median difference {median(differences):.1%}, {near} within {WITHIN:.0%}.\n"
        )
    return text


def section() -> str:
    """The text between the two markers of the page."""
    lines, catalog = kv_lines(), load_catalog()
    return f"{summary(lines, catalog)}\n{table(lines, catalog)}"


if __name__ == "__main__":
    page = PAGE.read_text(encoding="utf-8")
    PAGE.write_text(re.sub(f"(?<={START}).*(?={END})", lambda _: section(), page, flags=re.DOTALL), encoding="utf-8")
