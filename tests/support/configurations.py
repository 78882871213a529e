"""A row of a CSV of configurations, and the refusal of a command line."""

from __future__ import annotations

from collections.abc import Callable

ROW = {
    "accelerator": "H200",
    "n_gpus": "4",
    "model": "llama-3-70b",
    "precision": "fp8",
    "engine": "vllm",
    "tp": "4",
    "ep": "1",
    "isl": "1024",
    "osl": "1024",
    "concurrency": "16",
}
"""Every required column, in a configuration that can be predicted."""


def assert_refused(call: Callable[[str], tuple[int, str, str]], line: str, words: str = "") -> None:
    """The command ends with code 2 and one sentence, which has the words."""
    code, _, err = call(line)
    assert code == 2
    assert err.startswith("error: ") and err.count("\n") == 1, err
    assert words in err
