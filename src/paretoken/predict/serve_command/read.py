"""From the text of a serve command to the deployment that it starts."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from paretoken.catalog.engine_files import engine_files
from paretoken.catalog.loader import Catalog, load_catalog
from paretoken.catalog.recipe import Recipe
from paretoken.errors import BadConfig, UnknownName, shown
from paretoken.plain_files import load_yaml, read_bytes
from paretoken.predict.serve_command.flags import (
    CONFIG,
    CommandFlags,
    known_flags,
    read_flags,
    reading_of,
    require_set,
    spelled,
)
from paretoken.predict.serve_command.meaning import (
    ENGINES,
    Stated,
    notices,
    pool_of,
    stated_fields,
    worker_kind_of,
)
from paretoken.predict.serve_command.shell import statements

_SHELLS = ("bash", "sh", "zsh")


@dataclass(frozen=True, slots=True, kw_only=True)
class ServedDeployment:
    """What a serve command starts: the fields that it states or implies, by the names in `request.FIELDS`.

    `notices` are sentences about the parts of the command that are not predicted.
    """

    fields: Mapping[str, Stated]
    notices: tuple[str, ...]


def read_serve_command(
    text: str, catalog: Catalog | None = None, *, ignore_unknown_flags: bool = False
) -> ServedDeployment:
    """The deployment of a command, or of the one command in a file (`@serve.sh`, or its path).

    BadConfig if there is no such command, or if it has unknown flags that are not to be ignored.
    """
    text = _text(text)
    recipe, words = _only_command(text)
    command = _with_config(recipe, words, ignore_unknown_flags)
    catalog = catalog or load_catalog()
    if pool := pool_of(command):
        raise BadConfig(_one_pool(recipe, command, pool, catalog))
    if command.unknown and not ignore_unknown_flags:
        raise BadConfig(_unknown(recipe, command.unknown))
    if not command.model:
        raise BadConfig(f"the serve command of {recipe.name} names no model; write it after its program")
    lines = [*notices(command), *_version_notice(recipe, text)]
    if command.unknown:
        lines.append(f"the serve command has unknown flags, which are ignored: {', '.join(command.unknown)}")
    fields = stated_fields(recipe.engine, command, moe=_moe(command.model, catalog))
    if path := str(fields.pop("draft_model", "")):
        fields |= _draft_model(path, catalog)
    return ServedDeployment(fields=fields, notices=tuple(lines))


def _one_pool(recipe: Recipe, command: CommandFlags, pool: str, catalog: Catalog) -> str:
    """The sentence on a command that starts a worker of one pool."""
    kind = worker_kind_of(stated_fields(recipe.engine, command, moe=_moe(command.model, catalog)))
    return (
        f"the serve command starts a {pool} worker of separate pools, {kind}, and a command of one pool cannot be "
        f"predicted; leave it out and predict both pools, as in --disaggregated 1x{kind}+1x{kind}"
    )


def _draft_model(path: str, catalog: Catalog) -> dict[str, Stated]:
    """The draft model of a path by the catalog's name, or the size in its name; nothing where neither is there."""
    try:
        return {"draft_model": catalog.models.id_of(path)}
    except UnknownName:
        size = re.search(r"(?<![\w.])(\d{1,3}(?:\.\d{1,3})?)[bB](?![a-zA-Z])", path.rsplit("/", 1)[-1])
        return {"draft_model": f"{size[1]}b"} if size else {}


def _version_notice(recipe: Recipe, text: str) -> list[str]:
    """A sentence on the version in the image's tag, which is not used: an engine's defaults depend on a date."""
    images = "|".join(map(re.escape, reading_of(recipe).images))
    tag = re.search(rf"(?:{images})[\w-]*:v?(\d+\.\d[\w.]*)", text) if images else None
    if tag is None:
        return []
    return [f"the serve command runs {recipe.name} {tag[1]}; give the day of its release with --date for its defaults"]


def _text(text: str) -> str:
    """The text of a command, or of the file that it names."""
    name = text.strip().removeprefix("@")
    if text.strip().startswith("@") or (len(name.split()) == 1 and Path(name).is_file()):
        return read_bytes(Path(name), "serve command").decode("utf-8", "replace")
    return text


def _recipes() -> list[Recipe]:
    return [recipe for key in ENGINES if (recipe := engine_files()[key].recipe)]


def _only_command(text: str) -> tuple[Recipe, list[str]]:
    """The recipe of the one server that a text starts, and the words after its program."""
    commands = _commands(text, {})
    if not commands:
        programs = ", ".join(" ".join(reading_of(r).programs[0]) for r in _recipes())
        raise BadConfig(f"{shown(text.strip())!r} starts no server that can be read; give a command of {programs}")
    if len(commands) > 1:
        raise BadConfig(f"the text starts {len(commands)} servers; give the command of one")
    return commands[0]


def _commands(text: str, variables: dict[str, str]) -> list[tuple[Recipe, list[str]]]:
    commands = []
    for words in statements(text, variables):
        inner = _inner(words)
        if inner is not None:
            commands += _commands(inner, dict(variables))
        elif (command := _command(words)) is not None:
            commands.append(command)
    return commands


def _inner(words: list[str]) -> str | None:
    """The text that `bash -c` runs."""
    for at, word in enumerate(words[:-2]):
        flag = words[at + 1]
        if Path(word).name in _SHELLS and flag.startswith("-") and not flag.startswith("--") and flag.endswith("c"):
            return words[at + 2]
    return None


def _command(words: list[str]) -> tuple[Recipe, list[str]] | None:
    """The engine that words start, and what follows its program or its image."""
    for recipe in _recipes():
        for program in reading_of(recipe).programs:
            for at in range(len(words) - len(program) + 1):
                if [Path(words[at]).name, *words[at + 1 : at + len(program)]] == program:
                    return recipe, words[at + len(program) :]
    for recipe in _recipes():
        for at, word in enumerate(words):
            if any(image in word.split(":")[0] for image in reading_of(recipe).images):
                return recipe, words[at + 1 :]
    return None


def _with_config(recipe: Recipe, words: list[str], ignore: bool) -> CommandFlags:
    """The flags of a command with those of the YAML file that it names.

    The command takes precedence; for an engine whose recipe has a document (TensorRT-LLM), the file does.
    """
    command = read_flags(recipe, words)
    name = command.parameters.pop("config", None)
    if name is None:
        return command
    path = Path(require_set(name, CONFIG))
    if ignore and not path.is_file():
        command.unknown.append(f"{CONFIG} {path}")
        return command
    keys = load_yaml(read_bytes(path, f"{CONFIG} of the serve command").decode("utf-8", "replace"), str(path))
    if not isinstance(keys, dict):
        raise BadConfig(f"{path} holds no keys; {CONFIG} of the serve command names a YAML file of settings")
    if recipe.document is None:
        return read_flags(recipe, [*_as_words(keys), *words])
    _overwrite(command, recipe, keys)
    return command


def _as_words(keys: Mapping[str, Any]) -> list[str]:
    """The flags that the keys of a file stand for."""
    words: list[str] = []
    for key, value in keys.items():
        if value is True:
            words.append(f"--{key}")
        elif isinstance(value, dict):
            words.append(f"--{key}={json.dumps(value)}")
        elif isinstance(value, list):
            words += [f"--{key}", *map(str, value)]
        elif value is not False and value is not None:
            words.append(f"--{key}={value}")
    return words


def _overwrite(command: CommandFlags, recipe: Recipe, keys: Mapping[str, Any]) -> None:
    """Set the parameters that the keys of a document stand for."""
    flags = known_flags(recipe)
    paths = {path: name for name, path in recipe.document.keys.items()} if recipe.document else {}
    for key, value in keys.items():
        inner = {f"{key}.{name}": v for name, v in value.items()} if isinstance(value, dict) else {key: value}
        used = False
        for path, v in inner.items():
            flag = flags.get(spelled(f"--{path.removeprefix('kv_cache_config.')}"))
            parameter = paths.get(path) or (flag.parameter if flag else "")
            used = used or bool(parameter) or bool(flag and flag.use == "no effect")
            if parameter:
                command.parameters[parameter] = str(v).lower() if isinstance(v, bool) else str(v)
                command.spellings[parameter] = path
        if not used:
            command.not_modelled.append(key)


def _moe(model: str, catalog: Catalog) -> bool | None:
    try:
        return catalog.models[catalog.models.id_of(model)].moe is not None
    except UnknownName:
        return None


def _unknown(recipe: Recipe, flags: list[str]) -> str:
    """The sentence on unknown flags, with the known one nearest to the first."""
    near = get_close_matches(spelled(flags[0]), known_flags(recipe), n=1, cutoff=0.8)
    hint = f"; did you mean {near[0]}?" if near else ";"
    kind = "unknown flags" if len(flags) > 1 else "an unknown flag"
    named = ", ".join(shown(flag) for flag in flags)
    return f"the serve command of {recipe.name} has {kind}: {named}{hint} --ignore-unknown-flags leaves them out"
