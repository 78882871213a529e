"""Completion in the shell: verbs, options, and the names of the catalog as values."""

from __future__ import annotations

import pytest
from click.shell_completion import BashComplete

from paretoken.cli.main import paretoken


def completions(line: str) -> list[str]:
    """What the last word of the line can become; "" after a space."""
    *words, incomplete = line.split(" ")
    items = BashComplete(paretoken, {}, "paretoken", "_PARETOKEN_COMPLETE").get_completions(words, incomplete)
    return [item.value for item in items]


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("comp", "compare"),
        ("compare --inter", "--interactivity"),
        ("compare --model gpt", "gpt-oss-120b"),
        ("compare --accelerator mi3", "MI355X"),
        ("compare --accelerator H200 --accelerator ", "B200"),
        ("frontier --engine ", "vllm"),
        ("frontier --workload ", "chat"),
        ("cost --tco 20", "2026-07"),
        ("breakeven --accelerator MI300X --against H", "H200"),
        ("predict --engine sg", "sglang"),
        ("emulate --model deep", "deepseek-r1"),
        ("history --accelerator MI3", "MI300X"),
        ("outlook --accelerator MI3", "MI355X"),
        ("rent H2", "H200"),
        ("bench --catalog-model llama-3", "llama-3-70b"),
        ("bench --accelerator H1", "H100"),
        ("launch vl", "vllm"),
        ("launch vllm deep", "deepseek-r1"),
        ("import --engine tr", "trtllm"),
        ("catalog mod", "models"),
        ("catalog engines sg", "sglang"),
        ("frontier --axis inter", "interactivity"),
        ("init camp", "campaign"),
        ("doc", "doctor"),
        ("--no-c", "--no-config"),
    ],
)
def test_a_value_is_completed(line, value):
    assert value in completions(line)


def test_only_names_with_the_typed_beginning():
    assert set(completions("compare --accelerator mi3")) == {"MI300X", "MI325X", "MI350X", "MI355X"}
    assert completions("compare --model no-such") == []


def test_entries_of_your_own_are_completed(tmp_path):
    (tmp_path / "workloads.toml").write_text(
        '[nightly]\nname = "Nightly"\nisl = 10\nosl = 20\ntask = "test"\nsource = "test"\ndate = "2026-01-01"\n'
    )
    assert completions(f"frontier --catalog {tmp_path} --workload ni") == ["nightly"]


def test_a_broken_catalog_folder_completes_nothing(tmp_path):
    assert completions(f"frontier --catalog {tmp_path / 'missing'} --workload ch") == []


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_of_a_shell(call, shell):
    code, out, _ = call(f"completion {shell}")
    assert code == 0
    assert f"_PARETOKEN_COMPLETE={shell}_complete" in out
