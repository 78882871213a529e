"""The defaults that a configuration file has for a command: checked, and as the command line would state them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

import rich_click as click

from paretoken.cli.config_files import ConfigFile, refuse, user_file
from paretoken.cli.option_keys import commands, dashed, is_confirmation, keys_of, options_of, verbs_of
from paretoken.cli.project_keys import may_be_of_project, names_place
from paretoken.errors import ParetokenError, quoted

SHARED = "defaults"
_REFERENCE = re.compile(r"[\w-]+:\s*(\$\w+|\$\{\w+\}|@\S+)")
"""A header whose value stands elsewhere."""


@dataclass(frozen=True, slots=True)
class Origin:
    """Where the default of an option comes from: the table and key of a file."""

    file: ConfigFile
    table: str
    key: str

    def __str__(self) -> str:
        return f"{self.file.path}, {self.file.place(self.table, self.key)}"


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
    options = {key: option for option in options_of(command).values() for key in keys_of(option)}
    _refuse_unknown_shared(file, [key for key in shared if dashed(key) not in options], root)
    defaults = dict[str, tuple[object, Origin]]()
    for table, values in ((SHARED, shared), (".".join(words), own)):
        for key, value in values.items():
            _refuse_secret(file, table, key, value)
            option = options.get(dashed(key))
            if option is None and table != SHARED:
                refuse(file, table, key, list(options), f"option of paretoken {' '.join(words)}")
            if option is not None and option.name:
                typed = _as_typed(file, table, key, option, value)
                _refuse_of_project(file, table, key, option, value)
                defaults[option.name] = (typed, Origin(file, table, key))
    return defaults


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
    if unknown := [key for key in keys if dashed(key) not in shown]:
        every = {key for _, command in commands(root) for o in options_of(command).values() for key in keys_of(o)}
        for key in unknown:
            _refuse_secret(file, SHARED, key, file.table((SHARED,))[key])
            if dashed(key) not in every:
                refuse(file, SHARED, key, sorted(every), "option of any verb")


def mistakes(file: ConfigFile, root: click.Group) -> list[str]:
    """What is wrong with a file, for every verb that it names."""
    texts = []
    for words, command in commands(root):
        try:
            of_file(file, words, command, root)
        except ParetokenError as e:
            texts.append(str(e))
    return list(dict.fromkeys(texts))


def _refuse_secret(file: ConfigFile, table: str, key: str, value: object) -> None:
    from paretoken.secret_names import is_secret, secret_in_words

    words = [str(v) for v in (value if isinstance(value, list) else [value])]
    words = [word for word in words if not _REFERENCE.fullmatch(word)]
    if is_secret(key) or secret_in_words(words):
        raise file.error(
            table,
            key,
            "holds a secret, and files are copied and committed; set PARETOKEN_API_KEY, or use --api-key-file and "
            "$VARIABLE in --header",
        )


def _refuse_of_project(file: ConfigFile, table: str, key: str, option: click.Option, value: object) -> None:
    """BadConfig for what a project's file may not state, with the places where it may stand."""
    if not file.of_project:
        return
    allowed = may_be_of_project(option)
    if allowed and not names_place(value):
        return
    raise file.error(
        table,
        key,
        (f"= {quoted(value)} names a file or a server, which " if allowed else "")
        + f"may not stand in {file.path}, for a folder may come from others; put it into {user_file()} or into a file "
        "that you name with --config",
    )


def _as_typed(file: ConfigFile, table: str, key: str, option: click.Option, value: object) -> object:
    """The value as the option takes it from a command line: text, a list of texts, or whether a flag is set."""
    if is_confirmation(key):
        raise file.error(table, key, f"is a confirmation; give --{dashed(key)} on the command line")
    if option.is_flag:
        if not isinstance(value, bool):
            raise file.error(table, key, f"= {quoted(value)}: it is a flag; write true or false")
        return value
    many = option.multiple or option.nargs != 1
    values = value if isinstance(value, list) else [value]
    if len(values) != 1 and not many:
        raise file.error(table, key, f"is a list, and --{dashed(key)} takes one value")
    texts = [_text(v) for v in values]
    if any(text is None for text in texts):
        raise file.error(table, key, f"= {quoted(value)}: write what you would type after --{dashed(key)}")
    return texts if many else texts[0]


def _text(value: object) -> str | None:
    """A value of a file as a word of a command line; None for what has no such form."""
    if isinstance(value, str):
        return value
    return str(value) if isinstance(value, (int, float, date)) and not isinstance(value, bool) else None
