"""Notes beside predictions: the settings in force, and what was assumed about a model."""

from __future__ import annotations

import re
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from paretoken.cli.output import echo, print_json

if TYPE_CHECKING:
    from paretoken.answers.prediction import SettingValue

_DEFAULT = re.compile(r"default of (.+?)(?: on \S+)? since (\S+?)(?: \((.+?)\))?(?:: |$)")
_NAMES = {
    "kv_dtype": "KV cache {}",
    "memory_utilization": "memory {}",
    "max_num_seqs": "{} sequences",
    "max_batched_tokens": "{} batched tokens",
    "max_model_len": "context {}",
    "prefix_hits": "prefix hits {}",
    "kv_tokens": "{} tokens of KV cache",
    "weights_gb": "{} GB of weights",
    "enforce_eager": "no graphs",
    "redundant_experts": "{} redundant experts",
    "two_batch_overlap": "two-batch overlap",
    "context_parallel": "context parallel {}",
    "receive_interval": "requests received every {} steps",
    "batch_wait": "batches wait {} steps",
}
_OF_A_RANK = ("max_num_seqs", "max_batched_tokens", "kv_tokens")
_MEMORY_ONLY = {"enforce_eager": "--enforce-eager", "weights_gb": "--weights-gb"}


def print_notes(lines: Sequence[str]) -> None:
    """Print each line as a note, to standard error."""
    for line in lines:
        echo(f"note: {line}", err=True)


def print_answer(answer: object, notes: Sequence[str], show: Callable[[], None], *, as_json: bool) -> None:
    """Print the notes, then the answer as JSON or as `show` does."""
    from paretoken.answers.seam import to_json

    print_notes(notes)
    if as_json:
        print_json(to_json(answer))
    else:
        show()


def settings_note(by_size: Iterable[tuple[str, Mapping[str, SettingValue]]], ranked: Container[str] = ()) -> str:
    """The settings in force with their origin; for each size, if sizes differ.

    The limits of `ranked` sizes are those of one rank of attention data parallelism.
    """
    sizes: dict[str, list[str]] = {}
    for size, settings in by_size:
        sizes.setdefault(_settings(settings, ranked=size in ranked), []).append(size)
    if len(sizes) == 1:
        return f"Settings: {next(iter(sizes))}."
    return "\n".join(f"Settings at {', '.join(names)}: {text}." for text, names in sizes.items())


def memory_only_note(settings: Container[str]) -> str:
    """A sentence naming the stated settings that change the memory only; "" if there are none."""
    options = [option for name, option in _MEMORY_ONLY.items() if name in settings]
    if not options:
        return ""
    one = len(options) == 1
    return (
        f"{' and '.join(options)} {'changes' if one else 'change'} the memory for the KV cache, not the time of a step."
    )


def _settings(settings: Mapping[str, SettingValue], *, ranked: bool) -> str:
    """Stated settings, then the engine's defaults with the newest version that set one of them."""
    stated, other, defaults, versions = [], [], [], set[tuple[str, str]]()
    for name, setting in settings.items():
        words = _NAMES[name].format(_figure(setting.value))
        if setting.value == "1":
            words = re.sub(r"(sequence|token|expert|step)s\b", r"\1", words)
        if ranked and name in _OF_A_RANK:
            words += " per rank"
        if default := _DEFAULT.match(setting.origin):
            defaults.append(words)
            versions.add((default[2], f"{default[1]} {default[3] or ''}".strip()))
        elif setting.origin == "stated":
            stated.append(words)
        elif name != "max_model_len":
            other.append(f"{words} ({setting.origin})")
    parts = [*([f"{', '.join(stated)} (stated)"] if stated else []), *other]
    if defaults:
        date, version = max(versions)
        parts.append(f"{', '.join(defaults)} (defaults of {version} since {date})")
    return "; ".join(parts)


def _figure(value: str) -> str:
    return f"{int(value):,}" if value.isdecimal() else value
