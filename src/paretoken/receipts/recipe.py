"""How to repeat a run, a level of one, or an operating point: what is on record, and what is not."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from paretoken.engines.render import shell_lines
from paretoken.foreign_text import visible

LaunchBasis = Literal["as started", "from the catalog's recipe", "unknown"]
"""Whether the command is on record, or is the one that `paretoken launch` makes for these labels."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerLaunch:
    """The command of a server. `digest` names the very image; `files` are written beside it first."""

    basis: LaunchBasis
    words: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)
    image: str | None = None
    digest: str | None = None
    version: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReproductionRecipe:
    """What to run to repeat figures. `stated` are facts of the source, `unknown` what nobody recorded.

    `bench_recorded` is whether the line is the one that was run, or one that makes the same load.
    """

    of: str
    kind: Literal["run", "level", "point"]
    stated: Mapping[str, object]
    launch: ServerLaunch
    bench: tuple[str, ...]
    bench_recorded: bool
    clients: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()

    @property
    def bench_line(self) -> str:
        """The command line of the benchmark."""
        return shlex.join(self.bench)


def script(recipe: ReproductionRecipe) -> str:
    """The recipe as a shell script. It starts the server and waits for it where the benchmark is of that very server;
    else it shows the command as a comment."""
    facts = [f"{name}: {value}" for name, value in recipe.stated.items()]
    comments = [recipe.of, *facts, *(f"unknown: {line}" for line in recipe.unknown)]
    if recipe.launch.basis == "as started":
        comments.append("The commands below are those that the run states; read them before you run them.")
    lines = ["#!/bin/sh", *(f"# {visible(line)}" for line in comments), "set -eu", ""]
    return "\n".join(lines) + "\n" + _server(recipe) + "\n" + shell_lines(recipe.bench)


def start_words(launch: ServerLaunch) -> list[str]:
    """The words of the command with its environment."""
    env = [f"{name}={value}" for name, value in launch.env.items() if value]
    return ["env", *env, *launch.words] if env else list(launch.words)


def file_lines(launch: ServerLaunch) -> str:
    """Lines that write the files which the command reads."""
    return "".join(f"printf '%s' {shlex.quote(text)} > {shlex.quote(name)}\n" for name, text in launch.files.items())


def _server(recipe: ReproductionRecipe) -> str:
    launch = recipe.launch
    if not launch.words:
        return "# Start the server here.\n"
    image = launch.digest or launch.image
    head = f"# The server, {launch.basis}" + (f"; image {visible(image)}" if image else "") + "\n"
    start = shell_lines(start_words(launch)).rstrip("\n")
    if recipe.kind != "point" and launch.basis != "as started":
        return head + "".join(f"#   {visible(line)}\n" for line in start.splitlines())
    url = next((word for word in recipe.bench[2:] if "://" in word), "")
    ready = f"until curl --silent --fail --output /dev/null {shlex.quote(url + '/models')}; do\n"
    wait = f'{ready}  kill -0 "$server"\n  sleep 2\ndone\n' if url else ""
    return f"{head}{file_lines(launch)}{start} &\nserver=$!\ntrap 'kill \"$server\"' EXIT\n{wait}"
