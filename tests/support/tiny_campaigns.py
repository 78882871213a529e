"""A campaign of two small models on llama.cpp, one of which cannot be loaded."""

from __future__ import annotations

from pathlib import Path

TINY = """
name = "tiny"
[matrix]
engine = ["llamacpp"]
model = ["random-llama-4m", "broken"]
precision = ["fp32"]
workload = ["16/8", "32/16"]
concurrency = "1,2,3"
exclude = [{ model = "broken", workload = "16/8" }]
[models.random-llama-4m]
random = "tiny"
[models.broken]
path = "no-model.gguf"
[bench]
until = "12 requests"
warmup_per_user = 1
[run]
order = "interleaved"
warmup_requests = 2
"""


def write(folder: Path, text: str = TINY) -> Path:
    (folder / "no-model.gguf").write_bytes(b"not a model")
    file = folder / "tiny.toml"
    file.write_text(text)
    return file
