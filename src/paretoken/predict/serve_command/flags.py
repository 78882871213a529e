"""The flags of one engine's command, read by its launch recipe backwards."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

from paretoken.catalog.recipe import CommandReading, Flag, FlagNames, Recipe
from paretoken.errors import BadConfig, shown
from paretoken.predict.serve_command.shell import UNSET

Kind = Literal["switch", "value", "list"]
CONFIG = "--config"
"""Names a YAML file with further settings, for all three engines."""
_NO_READING = CommandReading(programs=[], model=[])
_FALSE = ("false", "0", "no")
_NUMBER = re.compile(r"-\d[\d.]*")


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownFlag:
    """What one flag takes and means: the parameter of the recipe that it sets, or `use`, how it is treated.

    `words` maps literal values to those of the parameter; a switch sets the parameter to `sets`.
    """

    kind: Kind
    parameter: str = ""
    use: Literal["", "no effect", "not modelled", "model"] = ""
    sets: str = "true"
    words: dict[str, str] = field(default_factory=dict)


@dataclass(slots=True, kw_only=True)
class CommandFlags:
    """What a command states: parameters with their text, keys of JSON flags apart, and the model.

    `spellings` are the flags that set the parameters, as written.
    """

    parameters: dict[str, str] = field(default_factory=dict)
    spellings: dict[str, str] = field(default_factory=dict)
    keys: dict[str, dict[str, str]] = field(default_factory=dict)
    model: str = ""
    not_modelled: list[str] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)


def spelled(flag: str) -> str:
    """A flag with dashes for underscores: engines take both."""
    return flag.replace("_", "-")


def reading_of(recipe: Recipe) -> CommandReading:
    """How commands of an engine are read; empty for a recipe that does not say."""
    return recipe.reading or _NO_READING


def known_flags(recipe: Recipe) -> dict[str, KnownFlag]:
    """Every flag of an engine's command, by its spelling with dashes."""
    reading = reading_of(recipe)
    flags = {CONFIG: KnownFlag(kind="value", parameter="config")}
    for parameter, written in recipe.flags.items():
        for name, flag in _flags_of_parameter(parameter, written):
            flags.setdefault(spelled(name), flag)
    flags |= {spelled(name): KnownFlag(kind="value", use="model") for name in reading.model}
    flags |= {spelled(name): flag for name, flag in _flags_without_parameter(reading.no_effect, "no effect")}
    flags |= {spelled(name): flag for name, flag in _flags_without_parameter(reading.not_modelled, "not modelled")}
    for other, name in reading.spellings.items():
        if spelled(name) in flags:
            flags.setdefault(spelled(other), flags[spelled(name)])
    return flags


def _flags_of_parameter(parameter: str, written: Flag) -> Iterator[tuple[str, KnownFlag]]:
    """The flags that set a parameter; those whose value is the number of GPUs are left out."""
    forms = {"true": written} if isinstance(written, list) else written
    words: dict[str, dict[str, str]] = {}
    for value, parts in forms.items():
        for name, after in zip(parts, [*parts, "--"][1:], strict=True):
            if not name.startswith("--") or after == "{gpus}":
                continue
            if after.startswith("--"):
                yield name, KnownFlag(kind="switch", parameter=parameter, sets=value)
            else:
                words.setdefault(name, {}).update({} if after == "{}" else {after: value})
    for name, literals in words.items():
        yield name, KnownFlag(kind="value", parameter=parameter, words=literals)


def _flags_without_parameter(
    names: FlagNames, use: Literal["no effect", "not modelled"]
) -> Iterator[tuple[str, KnownFlag]]:
    kinds: tuple[tuple[Kind, list[str]], ...] = (
        ("switch", names.switches),
        ("value", names.values),
        ("list", names.lists),
    )
    return ((name, KnownFlag(kind=kind, use=use)) for kind, group in kinds for name in group)


@dataclass(slots=True)
class _Words:
    """The words of a command after its program."""

    recipe: Recipe
    flags: dict[str, KnownFlag]
    words: list[str]
    at: int = 0

    def more(self) -> bool:
        return self.at < len(self.words) and not _is_flag(self.words[self.at])

    def take(self) -> str:
        self.at += 1
        return self.words[self.at - 1]


def read_flags(recipe: Recipe, words: list[str]) -> CommandFlags:
    """The flags of a command by its engine's recipe; BadConfig for one without its value, or that is refused."""
    command, rest = CommandFlags(), _Words(recipe, known_flags(recipe), words)
    while rest.at < len(words):
        word = rest.take()
        if _is_flag(word):
            _read_flag(command, rest, word)
        elif not command.model:
            command.model = word
        else:
            command.unknown.append(require_set(word, "a word"))
    return command


def _read_flag(command: CommandFlags, rest: _Words, word: str) -> None:
    written, equals, attached = word.partition("=")
    name, key = _name_and_key(written, rest)
    flag = rest.flags.get(name)
    if reason := _refusal(rest.recipe, name):
        value = attached if equals else rest.take() if rest.more() else "true"
        if value.lower() in ("null", "none", *_FALSE):
            return
        raise BadConfig(f"{written} {value} in the serve command cannot be predicted: {reason}")
    if flag is None and not equals and (short := rest.flags.get(name[:2])) and not name.startswith("--"):
        flag, written, name, equals, attached = short, name[:2], name[:2], "=", written[2:]
    if flag is None:
        command.unknown.append(written)
        while rest.more():
            rest.take()
        return
    negated = name.startswith("--no-") and flag.kind == "switch" and flag.sets == "true"
    value = _value(written, flag, rest, attached if equals else None)
    if flag.use == "model":
        command.model = value
    elif flag.use == "not modelled":
        command.not_modelled.append(written if flag.kind == "switch" else f"{written} {value}")
    elif flag.parameter and key:
        command.keys.setdefault(flag.parameter, {})[key] = value
    elif flag.parameter:
        command.parameters[flag.parameter] = "false" if negated else value
        command.spellings[flag.parameter] = written


def _value(written: str, flag: KnownFlag, rest: _Words, attached: str | None) -> str:
    """The value of a flag in the words of its parameter."""
    if flag.kind == "switch":
        switch = attached if attached is not None else _boolean(rest)
        if switch is None or switch.lower() not in _FALSE:
            return flag.sets
        return "false" if flag.sets == "true" else "true"
    if flag.kind == "list":
        parts = [attached] if attached is not None else []
        while rest.more():
            parts.append(rest.take())
        return " ".join(parts)
    if attached is None and not rest.more():
        raise BadConfig(f"{written} in the serve command has no value; add it")
    value = rest.take() if attached is None else attached
    return flag.words.get(value, value)


def _boolean(rest: _Words) -> str | None:
    """The word true or false after a switch, which older releases accepted as its value."""
    if rest.more() and rest.words[rest.at].lower() in ("true", "false"):
        return rest.take()
    return None


def _name_and_key(written: str, rest: _Words) -> tuple[str, str]:
    """The spelling of a flag in the table, and the key of its JSON value, which follows the first dot."""
    base, _, key = written.partition(".")
    name = spelled(base)
    if name in rest.flags or not name.startswith("--"):
        return name, key
    positive = "--" + name.removeprefix("--no-")
    if name.startswith("--no-") and (flag := rest.flags.get(positive)) and flag.kind == "switch":
        rest.flags[name] = flag
        return name, key
    longer = [f for f in rest.flags if f.startswith(name)] if reading_of(rest.recipe).abbreviations else []
    same = {id(rest.flags[f]) for f in longer}
    return (longer[0], key) if len(same) == 1 else (name, key)


def _refusal(recipe: Recipe, name: str) -> str:
    return next((reason for flag, reason in reading_of(recipe).refused.items() if spelled(flag) == name), "")


def _is_flag(word: str) -> bool:
    return word.startswith("-") and len(word) > 1 and not _NUMBER.fullmatch(word)


def require_set(text: str, what: str) -> str:
    """A value of the command; BadConfig if it uses a variable that the command does not set."""
    if UNSET in text:
        raise BadConfig(
            f"{what} in the serve command is {shown(text.replace(UNSET, ''))}, which the command does not set; "
            "write its value, or set it before the command"
        )
    return text
