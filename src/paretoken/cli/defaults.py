"""Defaults of options: from the environment, and from configuration files.

command line > environment > ./paretoken.toml > ~/.config/paretoken/config.toml > built-in

`--config FILE` reads that file alone, `--no-config` none. A table is named for a verb (`[bench]`, `[rent.show]`), its
keys for options (`isl`, `max-error-rate`); `[defaults]` holds for every verb that has the option. ./paretoken.toml
may state less than the others (`project_keys`). Confirmations such as `--force` are typed alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial, wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

import rich_click as click
from click.core import ParameterSource
from click.globals import get_current_context

from paretoken.cli.option_keys import WITHOUT, commands, dashed, is_confirmation, options_of
from paretoken.cli.output import echo
from paretoken.errors import nearest

if TYPE_CHECKING:
    from paretoken.cli.config_files import ConfigFile
    from paretoken.cli.default_values import Origin

PREFIX = "PARETOKEN"
_META = "paretoken.cli.defaults"
_OWN_VARIABLES = (f"{PREFIX}_API_KEY", f"{PREFIX}_CONFIG", f"{PREFIX}_DATA", f"{PREFIX}_SERVE_TOKEN")


def files_of_command() -> list[ConfigFile]:
    """The files that are read under the running command, after its `--config` and `--no-config`."""
    from paretoken.cli.config_files import files_in_force

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
    if words[0] not in WITHOUT:
        for key, option in options_of(command).items():
            if not is_confirmation(key):
                option.envvar = option.envvar or variable(words, key)
    command.params = [*config_options(partial(_load, words, command, root)), *command.params]
    if command.callback:
        command.callback = _announced(command.callback)


def variable(words: tuple[str, ...], key: str) -> str:
    """The environment variable of an option: PARETOKEN_BENCH_MAX_ERROR_RATE."""
    return "_".join((PREFIX, *words, key)).replace("-", "_").upper()


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
    if ctx.resilient_parsing or words[0] in WITHOUT:
        return
    if not (files := files_of_command()):
        return
    from paretoken.cli.default_values import of_file

    values, origins = dict[str, object](), dict[str, "Origin"]()
    for file in files:
        for name, (default, origin) in of_file(file, words, command, root).items():
            if name not in values:
                values[name], origins[name] = default, origin
    ctx.default_map = values
    ctx.meta[f"{_META}.origins"] = origins


def _announced(function: Any) -> Any:
    """The function of a command, which first says what the environment and the files have changed."""

    @wraps(function)
    def run(*args: Any, **values: Any) -> Any:
        context = get_current_context(silent=True)  # a function of a command may be called without its command line
        if context and (line := changes(context)):
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
            by_place.setdefault(str(origin.file.path), []).append(f"--{dashed(origin.key)}")
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
