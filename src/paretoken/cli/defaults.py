"""Defaults of options: from the environment, and from configuration files.

command line > environment > ./paretoken.toml > ~/.config/paretoken/config.toml > built-in

`--config FILE` reads that file alone, `--no-config` none. A table is named for a verb (`[bench]`, `[rent.show]`), its
keys for options (`isl`, `max-error-rate`); `[defaults]` holds for every verb that has the option.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from functools import partial, wraps
from pathlib import Path
from typing import Any

import rich_click as click
from click.core import ParameterSource
from click.globals import get_current_context

from paretoken.cli.config_files import ConfigFile, refuse
from paretoken.cli.output import echo
from paretoken.errors import ParetokenError, nearest
from paretoken.user_folders import config_home

PREFIX = "PARETOKEN"
PROJECT = Path("paretoken.toml")
SHARED = "defaults"
_META = "paretoken.cli.defaults"
_OWN_VARIABLES = (f"{PREFIX}_API_KEY", f"{PREFIX}_CONFIG", f"{PREFIX}_DATA")
_WITHOUT = ("doctor", "init", "completion")
"""Verbs that take no defaults: they must run where a file is wrong."""
_ONLY_TYPED = ("force", "yes")
"""Confirmations: what a file could say for ever is to be said each time."""


@dataclass(frozen=True, slots=True)
class Origin:
    """Where the default of an option comes from: the table and key of a file."""

    file: ConfigFile
    table: str
    key: str

    def __str__(self) -> str:
        return f"{self.file.path}, {self.file.place(self.table, self.key)}"


def user_file() -> Path:
    """The user's own file: `$XDG_CONFIG_HOME/paretoken/config.toml`, else `~/.config/paretoken/config.toml`."""
    return config_home() / "paretoken" / "config.toml"


def files_in_force(stated: Path | None = None) -> list[ConfigFile]:
    """The files that are read, the nearest first; BadFile for one that cannot be read.

    A project file of another user is left out, for any folder may hold one.
    """
    if stated is not None:
        return [ConfigFile.read(stated)]
    places = [p for p in (PROJECT, user_file()) if p.is_file()]
    if PROJECT in places and _is_of_another(PROJECT):
        places.remove(PROJECT)
        echo(f"{PROJECT} belongs to another user and is not read; to use it: --config {PROJECT}", err=True)
    return [ConfigFile.read(path) for path in places]


def _is_of_another(path: Path) -> bool:
    return path.stat().st_uid not in (os.getuid(), 0)


def files_of_command() -> list[ConfigFile]:
    """The files that are read under the running command, after its `--config` and `--no-config`."""
    meta = get_current_context().meta
    return [] if meta.get(f"{_META}.no_config") else files_in_force(meta.get(f"{_META}.config"))


def variables_set(environment: Mapping[str, str], root: click.Group) -> Iterator[tuple[str, str]]:
    """Each variable of ours that is set, without its value, and the nearest one where nothing reads it."""
    of_options = {o.envvar for _, command in commands(root) for o in options_of(command).values()}
    read = [*_OWN_VARIABLES, *sorted(v for v in of_options if isinstance(v, str))]
    for name in sorted(n for n in environment if n.startswith(f"{PREFIX}_")):
        near = [] if name in read else nearest(name, read, 1)
        yield name if name in read else f"{name} is read by nothing", f"did you mean {near[0]}?" if near else ""


def add_defaults(words: tuple[str, ...], command: click.Command, root: click.Group) -> None:
    """Let a command, or the subcommands of a group, take defaults; `words` are its names after `paretoken`, the root.

    A command under two names takes those of the first.
    """
    if isinstance(command, click.Group):
        for name, subcommand in command.commands.items():
            add_defaults((*words, name), subcommand, root)
        return
    if any(param.name == "no_config" for param in command.params):
        return
    if words[0] not in _WITHOUT:
        for key, option in options_of(command).items():
            option.envvar = option.envvar or variable(words, key)
    command.params = [*config_options(partial(_load, words, command, root)), *command.params]
    if command.callback:
        command.callback = _announced(command.callback)


def variable(words: tuple[str, ...], key: str) -> str:
    """The environment variable of an option: PARETOKEN_BENCH_MAX_ERROR_RATE."""
    return "_".join((PREFIX, *words, key)).replace("-", "_").upper()


def options_of(command: click.Command) -> dict[str, click.Option]:
    """The options that may have a default, by the key in a file: the first long spelling without its dashes."""
    own = [p for p in command.params if isinstance(p, click.Option) and p.name not in ("config", "no_config", "help")]
    return {key: p for p in own for key in _keys(p)[:1]}


def _keys(option: click.Option) -> list[str]:
    return [spelling[2:] for spelling in option.opts if spelling.startswith("--")]


def config_options(load: Callable[..., None] | None = None) -> list[click.Parameter]:
    """`--config` and `--no-config`: in the help of `paretoken`, and taken after the verb too, which has `load`."""
    common: dict[str, Any] = {"is_eager": True, "expose_value": False, "hidden": load is not None}
    return [
        click.RichOption(
            ["--no-config"],
            is_flag=True,
            callback=_keep,
            help="Read no configuration file.",
            **common,
        ),
        click.RichOption(
            ["--config"],
            type=click.Path(path_type=Path),
            metavar="FILE",
            callback=load or _keep,
            envvar=None if load else f"{PREFIX}_CONFIG",
            help="Read defaults of options from this TOML file alone.",
            **common,
        ),
    ]


def _keep(ctx: click.Context, param: click.Parameter, value: object) -> None:
    """Remember the option for the verb, which reads the file; `--no-config` drops what was read.

    It counts as no option of the verb, some of which refuse others beside them.
    """
    ctx.set_parameter_source(str(param.name), ParameterSource.DEFAULT)
    if value:
        ctx.meta[f"{_META}.{param.name}"] = value
        if param.name == "no_config":
            ctx.default_map = None


def _load(
    words: tuple[str, ...],
    command: click.Command,
    root: click.Group,
    ctx: click.Context,
    param: click.Parameter,
    value: Path | None,
) -> None:
    """Lay the files in force under the options of a verb."""
    _keep(ctx, param, value)
    if ctx.resilient_parsing or words[0] in _WITHOUT:
        return
    values, origins = dict[str, object](), dict[str, Origin]()
    for file in files_of_command():
        for name, (default, origin) in of_file(file, words, command, root).items():
            if name not in values:
                values[name], origins[name] = default, origin
    ctx.default_map = values
    ctx.meta[f"{_META}.origins"] = origins


def of_file(
    file: ConfigFile, words: tuple[str, ...], command: click.Command, root: click.Group
) -> dict[str, tuple[object, Origin]]:
    """The defaults that a file has for a command, by the name of the parameter; BadConfig for what cannot be one."""
    verbs = verbs_of(root)
    for name, value in file.tables.items():
        if name != SHARED and name not in verbs:
            refuse(file, "", name, [SHARED, *verbs], "verb or table")
        if not isinstance(value, Mapping):
            raise file.error("", name, f"is not a table; write [{name}], then a line for each option")
    _refuse_options_of_a_group(file, words, root)
    shared, own = file.table((SHARED,)), file.table(words)
    options = {key: option for option in options_of(command).values() for key in _keys(option)}
    _refuse_unknown_shared(file, [key for key in shared if _dashed(key) not in options], root)
    found = dict[str, tuple[object, Origin]]()
    for table, values in ((SHARED, shared), (".".join(words), own)):
        for key, value in values.items():
            _refuse_secret(file, table, key, value)
            option = options.get(_dashed(key))
            if option is None and table != SHARED:
                refuse(file, table, key, list(options), f"option of paretoken {' '.join(words)}")
            if option is not None and option.name:
                found[option.name] = (_as_typed(file, table, key, option, value), Origin(file, table, key))
    return found


def _refuse_options_of_a_group(file: ConfigFile, words: tuple[str, ...], root: click.Group) -> None:
    """BadConfig for a key in the table of a group that is none of its subcommands."""
    group = root.get_command(click.Context(root), words[0])
    for i in range(1, len(words)):
        names = list(group.commands) if isinstance(group, click.Group) else []
        for key in file.table(words[:i]):
            if key not in names:
                refuse(file, ".".join(words[:i]), key, names, f"subcommand of paretoken {' '.join(words[:i])}")
        group = group.commands.get(words[i]) if isinstance(group, click.Group) else None


def _refuse_unknown_shared(file: ConfigFile, keys: list[str], root: click.Group) -> None:
    """BadConfig for a key of [defaults] that no verb has. The panels name most options without an import of a verb."""
    from paretoken.cli.panels import PANELS

    shown = {o[2:] for panels in PANELS.values() for options in panels.values() for o in options.split()}
    if unknown := [key for key in keys if _dashed(key) not in shown]:
        every = {key for _, command in commands(root) for o in options_of(command).values() for key in _keys(o)}
        for key in unknown:
            _refuse_secret(file, SHARED, key, file.table((SHARED,))[key])
            if _dashed(key) not in every:
                refuse(file, SHARED, key, sorted(every), "option of any verb")


def verbs_of(root: click.Group) -> list[str]:
    """The verbs that take defaults."""
    return [verb for verb in root.list_commands(click.Context(root)) if verb not in _WITHOUT]


def commands(root: click.Group) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """Every command with its words, subcommands for groups; imports them all."""

    def below(words: tuple[str, ...], command: click.Command) -> Iterator[tuple[tuple[str, ...], click.Command]]:
        if not isinstance(command, click.Group):
            yield words, command
            return
        for name, subcommand in command.commands.items():
            if not subcommand.hidden:
                yield from below((*words, name), subcommand)

    for verb in verbs_of(root):
        if command := root.get_command(click.Context(root), verb):
            yield from below((verb,), command)


def mistakes(file: ConfigFile, root: click.Group) -> list[str]:
    """What is wrong with a file, for every verb that it names."""
    texts = []
    for words, command in commands(root):
        try:
            of_file(file, words, command, root)
        except ParetokenError as e:
            texts.append(str(e))
    return list(dict.fromkeys(texts))


def is_confirmation(key: str) -> bool:
    """Whether an option confirms one run, and so has no default."""
    return _dashed(key) in _ONLY_TYPED


def _dashed(key: str) -> str:
    return key.replace("_", "-")


def _refuse_secret(file: ConfigFile, table: str, key: str, value: object) -> None:
    from paretoken.secret_names import is_secret, secret_in_words

    words = [str(v) for v in (value if isinstance(value, list) else [value])]
    if is_secret(key) or secret_in_words(words):
        raise file.error(
            table,
            key,
            "holds a secret, and files are copied and committed; set PARETOKEN_API_KEY, or use --api-key-file and "
            "$VARIABLE in --header",
        )


def _as_typed(file: ConfigFile, table: str, key: str, option: click.Option, value: object) -> object:
    """The value as the option takes it from a command line: text, a list of texts, or whether a flag is set."""
    if is_confirmation(key):
        raise file.error(table, key, f"is a confirmation; give --{_dashed(key)} on the command line")
    if option.is_flag:
        if not isinstance(value, bool):
            raise file.error(table, key, f"= {value!r}: it is a flag; write true or false")
        return value
    many = option.multiple or option.nargs != 1
    values = value if isinstance(value, list) else [value]
    if len(values) != 1 and not many:
        raise file.error(table, key, f"is a list, and --{_dashed(key)} takes one value")
    texts = [_text(v) for v in values]
    if any(text is None for text in texts):
        raise file.error(table, key, f"= {value!r}: write what you would type after --{_dashed(key)}")
    return texts if many else texts[0]


def _text(value: object) -> str | None:
    """A value of a file as a word of a command line; None for what has no such form."""
    if isinstance(value, str):
        return value
    return str(value) if isinstance(value, (int, float, date)) and not isinstance(value, bool) else None


def _announced(function: Any) -> Any:
    """The function of a command, which first says what the environment and the files have changed."""

    @wraps(function)
    def run(*args: Any, **values: Any) -> Any:
        if line := changes(get_current_context()):
            echo(f"defaults: {line}", err=True)
        return function(*args, **values)

    return run


def changes(ctx: click.Context) -> str:
    """The options of the running command that are not typed nor built in, by where they come from; "" without any."""
    origins: dict[str, Origin] = ctx.meta.get(f"{_META}.origins", {})
    by_place: dict[str, list[str]] = {}
    for option in ctx.command.params:
        source = ctx.get_parameter_source(option.name or "")
        if source is ParameterSource.DEFAULT_MAP and option.name in origins:
            origin = origins[option.name]
            by_place.setdefault(str(origin.file.path), []).append(f"--{_dashed(origin.key)}")
        elif source is ParameterSource.ENVIRONMENT and isinstance(option.envvar, str):
            by_place.setdefault("the environment", []).append(option.envvar)
    return "; ".join(f"{', '.join(names)} from {place}" for place, names in by_place.items())


def origin_of(error: click.BadParameter) -> str:
    """Where a value comes from that an option refused: a file or a variable; "" for what was typed."""
    ctx, param = error.ctx, error.param
    if ctx is None or param is None or not param.name:
        return ""
    source = ctx.get_parameter_source(param.name)
    if source is ParameterSource.ENVIRONMENT:
        return f"the environment variable {param.envvar}"
    origin = ctx.meta.get(f"{_META}.origins", {}).get(param.name)
    return str(origin) if source is ParameterSource.DEFAULT_MAP and origin else ""
