"""Result files of other tools, and what each leaves open."""

from __future__ import annotations

import json
from pathlib import Path

from paretoken.points.importers.document import parse

DATA = Path(__file__).parent.parent / "data" / "importers"
H100 = {"accelerator": "H100", "engine": "vllm", "n_gpus": 4}
GIVEN = {
    "vllm": H100,
    "vllm_2024": {"accelerator": "NVIDIA A100-SXM4-80GB", "n_gpus": 1},
    "sglang": {"accelerator": "H200", "n_gpus": 2},
    "sglang_2024": {"accelerator": "NVIDIA H100 80GB HBM3", "n_gpus": 1, "model": "llama-3.1-8b"},
    "sglang_servers": {"accelerator": "AMD Instinct MI300X"},
    "genaiperf": {"accelerator": "NVIDIA H100 PCIe", "n_gpus": 1},
    "genaiperf_old": {"accelerator": "NVIDIA H200", "n_gpus": 1},
    "aiperf": H100,
    "aiperf_old": H100,
    "guidellm_03": H100,
    "guidellm_08": H100,
}


def load(stem: str):
    return parse(next(DATA.glob(f"{stem}.json*")).read_text(encoding="utf-8"), stem).parsed


def save(folder: Path, content: object, name: str = "result.json") -> Path:
    path = folder / name
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def leaves(value: object, path: tuple = ()):
    """The path of every value in a document, branches first."""
    children = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, child in children:
        yield (*path, key)
        yield from leaves(child, (*path, key))


def replaced(document: object, path: tuple, value: object) -> object:
    """The document with another value at a path."""
    twin = json.loads(json.dumps(document))
    branch = twin
    for key in path[:-1]:
        branch = branch[key]
    branch[path[-1]] = value
    return twin
