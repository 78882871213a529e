"""Source trees of engines, read by `paretoken parity scan`."""

from __future__ import annotations

from pathlib import Path

from paretoken.parity.measure import measure_coverage
from paretoken.parity.scan import scan
from tests.fuzz.reader import Files, FuzzedReader
from tests.support import trees
from tests.support.trees import DATE


def _read(engine: str, place: Path) -> None:
    scanned = scan(engine, place, date=DATE)
    measure_coverage(scanned, "subject")
    measure_coverage(scanned, "area")


def _tree(name: str, engine: str, files: dict[str, str]) -> FuzzedReader:
    def encoded() -> Files:
        return {path: text.encode() for path, text in files.items()}

    return FuzzedReader(f"tree of {name}", encoded, lambda place: _read(engine, place))


READERS = (
    _tree("vLLM", "vllm", trees.VLLM),
    _tree("old vLLM", "vllm", trees.OLD_VLLM),
    _tree("SGLang", "sglang", trees.SGLANG | trees.SGLANG_WORKFLOWS),
    _tree("old SGLang", "sglang", trees.OLD_SGLANG),
    _tree("TensorRT-LLM", "trtllm", trees.TRTLLM),
    _tree("PyTorch", "pytorch", trees.PYTORCH),
)
