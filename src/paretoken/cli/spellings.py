"""Options by other names: each meaning has one name here, and others in older versions and in other tools.

`respelled` reads the words after a verb before Click does. Options of the verb stay. Another one is looked up: its
exact counterpart replaces it, with one note. Where there is none, the answer is an error that names the option here.
"""

from __future__ import annotations

import re
import shlex
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import rich_click as click

from paretoken.errors import BadConfig, quoted
from paretoken.plural import listed

if TYPE_CHECKING:
    from paretoken.cli.measure.habits import Habit

NAMES: dict[str, str] = {
    "--accelerator": "--hardware --gpu --gpu-type --gpu-name --accelerators --system",
    "--engine": "--engines --backend --framework",
    "--model": "--models --model-name --model-id",
    "--path": "--model-path --weights",
    "--precision": "--precisions --quantization --quant --weight-precision",
    "--gpus": "--n-gpus --num-gpus --ngpus --gpu-count",
    "--tp": "--tensor-parallel-size --tp-size",
    "--pp": "--pipeline-parallel-size --pp-size",
    "--ep": "--expert-parallel-size --ep-size",
    "--dp-attention": "--enable-dp-attention",
    "--isl": "--input-len --input-length --input-tokens --prompt-tokens --random-input-len",
    "--osl": "--output-len --output-length --output-tokens --random-output-len",
    "--concurrency": "--users --max-concurrency --num-users",
    "--rate": "--request-rate --qps --rps",
    "--slo": "--slos --goals",
    "--price": "--gpu-price",
    "--url": "--base-url --target --api-base",
    "--kv-cache-dtype": "--kv-dtype",
    "--max-num-batched-tokens": "--max-batched-tokens",
    "--max-model-len": "--context --context-length",
    "--acceptance": "--acceptance-length",
    "--speculative": "--speculation",
    "--day-curve": "--load-curve",
    "--out": "--output --output-path --output-file --output-dir",
}
"""Further names of options, in every verb that has the option and none of that name. They take the same values."""
CANONICAL = {other: name for name, others in NAMES.items() for other in others.split()}
LOAD_VERBS = ("bench", "quick", "fleet")
"""Verbs that measure a load, and take the options of other load tools."""
_PRIVATE = ("--extra-body", "--header", "--url")
"""Options whose values may hold a secret: notes leave them out."""
_FIELD = re.compile(r"(\w[\w.]*)=(.*)", re.DOTALL)
Parameters = Mapping[str, click.Parameter]


@dataclass(frozen=True, slots=True)
class Replaced:
    """One option of another tool or an older version: its name, as typed, and the words that stand for it here."""

    name: str
    typed: str
    words: tuple[str, ...]
    needs: str = ""
    why: str = ""


def respelled(verb: str, command: click.Command, words: Sequence[str]) -> tuple[list[str], str]:
    """The words in the names of the verb, and a note on those replaced; BadConfig for what has no counterpart.

    Words in which every option is one of the verb's come back as they are.
    """
    before: list[str] = []
    while isinstance(command, click.Group) and words and words[0] in command.commands:
        command, before, words = command.commands[words[0]], [*before, words[0]], words[1:]
    options = {name: param for param in command.params for name in (*param.opts, *param.secondary_opts)}
    if all(word.partition("=")[0] in options for word in words if word.startswith("-")):
        return [*before, *words], ""
    own, replaced, rest = list[str](), list[Replaced](), deque(words)
    while rest:
        word = rest.popleft()
        name, equals, value = word.partition("=")
        if word == "--":
            own += [word, *rest]
            break
        if not word.startswith("-") or name in options:
            own += [word, *(() if equals or name not in options else _values(options[name], rest))]
        elif counterparts := _counterparts(verb, name, value if equals else None, rest, command, options):
            replaced += counterparts
        else:
            own.append(word)
    if not replaced:
        return [*before, *own], ""
    new = _together(verb, own, replaced, command, options)
    return [*before, *new], _note(replaced)


def _note(replaced: Sequence[Replaced]) -> str:
    """What the options are called here; not what may hold a secret: URLs and bodies."""
    shown = [
        f"{one.name} is {one.words[0] if one.words[0] in _PRIVATE else shlex.join(one.words)}"
        for one in replaced
        if one.words
        and one.words[0].startswith("--")
        and one.words[0] != one.name
        and not one.words[-1].startswith("SD ")
    ]
    return f"here, {', '.join(dict.fromkeys(shown))}" if shown else ""


def _values(option: click.Parameter, rest: deque[str]) -> list[str]:
    """The words that an option of the verb takes as its values."""
    count = 0 if getattr(option, "is_flag", False) or getattr(option, "count", False) else option.nargs
    return [rest.popleft() for _ in range(min(count, len(rest)))]


def _counterparts(
    verb: str, name: str, value: str | None, rest: deque[str], command: click.Command, options: Parameters
) -> list[Replaced]:
    """What stands for an option that the verb does not have; empty if nothing is known of it."""
    from paretoken.cli.measure.habits import Habit, habit_of, has_fields

    candidate = value if value is not None else rest[0] if rest and not rest[0].startswith("--") else None
    one = CANONICAL.get(name, name)
    habit, takes_value = habit_of(name, candidate) if verb in LOAD_VERBS else (None, False)
    if habit is None and (one in options or one.removeprefix("--") in _arguments(command)):
        takes_value = not getattr(options.get(one), "is_flag", False)
        habit = Habit(name, "", (one, "{}") if takes_value else (one,))
    with_fields = candidate is not None and verb in LOAD_VERBS and has_fields(name) and _FIELD.fullmatch(candidate)
    if habit is None and not with_fields:
        return []
    if candidate is None and takes_value:
        raise BadConfig(f"{name} needs a value")
    if value is None and (takes_value or with_fields):
        rest.popleft()
    if with_fields:
        return [*_parts(name, candidate or "")]
    return [_one(name, habit, candidate if takes_value else "")] if habit else []


def _arguments(command: click.Command) -> list[str]:
    """The names of the words without an option that a verb takes, in order."""
    return [param.name for param in command.params if isinstance(param, click.Argument) and param.name]


def _parts(name: str, value: str) -> Iterator[Replaced]:
    """The fields of `kind=constant,rate=10`, each as an option of its own."""
    from paretoken.cli.measure.habits import habit_of

    for text in re.split(r",(?=\w[\w.]*=)", value):
        match = _FIELD.fullmatch(text.strip())
        habit = habit_of(f"{name}.{match[1]}", match[2])[0] if match else None
        if match is None or habit is None:
            raise BadConfig(f"{name} {quoted(text)} has no counterpart here; leave it out")
        yield _one(f"{name} {match[1]}", habit, match[2])


def _one(name: str, habit: Habit, value: str | None) -> Replaced:
    """The words that stand for one option; BadConfig with the option's answer if there are none."""
    typed = f"{name} {value or ''}".strip()
    if habit.refused or (habit.accepts and not re.fullmatch(habit.accepts, value or "")):
        raise BadConfig(f"{typed}: {habit.answer}")
    return Replaced(
        name, typed, tuple(word.replace("{}", value or "") for word in habit.words), habit.needs, habit.answer
    )


def _together(
    verb: str, own: Sequence[str], replaced: Sequence[Replaced], command: click.Command, options: Parameters
) -> list[str]:
    """All words in order: the verb's own, then those that stand for others, each option once."""
    from paretoken.cli.measure.merging import merged

    every = [(one.words[0], " ".join(one.words[1:])) for one in replaced if one.words]
    again = [pair for pair in every if getattr(options.get(pair[0]), "multiple", False)]
    words, once = merged(list(own), [pair for pair in every if pair not in again])
    _check(verb, words, once, replaced, {*options, *(f"--{name}" for name in _arguments(command))})
    for name, value in (*once, *again):
        argument = _argument_of(name, command, options)
        if argument is None:
            words += [name, value] if value else [name]
        else:
            words = [value, *words] if argument == 0 else [*words, value]
    return words


def _argument_of(name: str, command: click.Command, options: Parameters) -> int | None:
    """The place of a word without an option that a name stands for; None for an option."""
    from paretoken.cli.measure.merging import URLS

    arguments = _arguments(command)
    if name == URLS:
        return 0
    return arguments.index(name[2:]) if name not in options and name[2:] in arguments else None


def _check(
    verb: str, words: Sequence[str], pairs: Sequence[tuple[str, str]], replaced: Sequence[Replaced], names: set[str]
) -> None:
    """BadConfig for an option that the verb lacks or that is stated twice, and for one that needs another."""
    from paretoken.cli.measure.merging import URLS

    stated = [word.partition("=")[0] for word in words]
    for name, value in pairs:
        if name != URLS and name not in names:
            typed = next(one.typed for one in replaced if one.words[:1] == (name,))
            raise BadConfig(f"{typed}: {verb} chooses this itself; 'paretoken bench' has it as {name}")
        # The name that a server gives its model is the one to ask for, whatever --model says beside it.
        if name in stated and name != "--model":
            raise BadConfig(f"{name} is stated twice, once by another name as {value}; state it once")
    for one in replaced:
        if one.needs and one.needs not in (*stated, *(name for name, _ in pairs)):
            raise BadConfig(f"{one.typed}: {one.why}")


def unknown_option(name: str, near: Sequence[str], verbs: Mapping[str, click.Command]) -> str:
    """The sentence on an option that a verb does not have: the nearest it has, or the verbs that have it."""
    if meant := sorted(other for other in near if not other.startswith("--no-")):
        return f"No such option: {name}. Did you mean {' or '.join(meant)}?"
    one = CANONICAL.get(name, name)
    having = [verb for verb, command in verbs.items() if any(one in param.opts for param in command.params)]
    has = f" {listed(having)} {'has' if len(having) == 1 else 'have'} {one}." if 0 < len(having) < 9 else ""
    return f"No such option: {name}.{has}"
