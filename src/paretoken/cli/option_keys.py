"""The options that may have a default, and their keys in a file: the long spelling without its dashes."""

from __future__ import annotations

from collections.abc import Iterator

import rich_click as click

WITHOUT = ("doctor", "init", "completion")
"""Verbs that take no defaults: they must run where a file is wrong."""
_ONLY_TYPED = ("force", "yes")
"""Confirmations of one run, which a file would give for all."""


def options_of(command: click.Command) -> dict[str, click.Option]:
    """The options that may have a default, by the key in a file: the first long spelling without its dashes."""
    own = [p for p in command.params if isinstance(p, click.Option) and p.name not in ("config", "no_config", "help")]
    return {key: p for p in own for key in keys_of(p)[:1]}


def keys_of(option: click.Option) -> list[str]:
    return [spelling[2:] for spelling in option.opts if spelling.startswith("--")]


def verbs_of(root: click.Group) -> list[str]:
    """The verbs that take defaults."""
    return [verb for verb in root.list_commands(click.Context(root)) if verb not in WITHOUT]


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


def is_confirmation(key: str) -> bool:
    """Whether an option confirms one run, and so has no default."""
    return dashed(key) in _ONLY_TYPED


def dashed(key: str) -> str:
    return key.replace("_", "-")
