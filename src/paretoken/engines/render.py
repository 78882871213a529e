"""A server's command as text to run elsewhere: shell, `docker run`, `sbatch` or Kubernetes manifests."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path

from paretoken.engines.command import Command
from paretoken.engines.container import Expanded, docker
from paretoken.engines.kubernetes.manifests import Scale, kubernetes_yaml
from paretoken.foreign_text import visible

FORMS = ("shell", "docker", "sbatch", "kubernetes")
CPUS = 8
"""Cores for each GPU: with Slurm's default of one, the engine's processes wait for each other."""


def render(command: Command, form: str, *, job: Sequence[str] = (), scale: Scale | None = None) -> str:
    """The command in one of FORMS, its notes first. `job` are further #SBATCH lines, `scale` is for Kubernetes."""
    if form == "shell":
        return _comments(command) + _files(command) + shell(command)
    if form == "docker":
        return _comments(command) + _files(command) + shell_lines(docker(command))
    if form == "kubernetes":
        return kubernetes_yaml(command, scale)
    return sbatch(command, job)


def words(command: Command, form: str) -> list[str]:
    """The words of the command in a form, for a program that starts it on this machine."""
    return docker(command, folder=Path()) if form == "docker" else list(command.arguments)


def shell(command: Command) -> str:
    """Environment and arguments as one command of several lines."""
    env = [f"{k}={shlex.quote(v)}" for k, v in command.env.items() if v]
    return " \\\n  ".join([*([" ".join(env)] if env else []), *_grouped(command.arguments)]) + "\n"


def sbatch(command: Command, job: Sequence[str] = ()) -> str:
    """A batch script that serves until cancelled."""
    gres = [f"--gres=gpu:{command.all_gpus}", f"--cpus-per-task={CPUS * command.all_gpus}"] if command.gpus else []
    head = [f"--job-name={command.engine}", "--nodes=1", "--ntasks=1", *gres, *job]
    run = shell_lines(docker(command)) if command.container else "exec env " + shell(command)
    lines = "".join(f"#SBATCH {line}\n" for line in head)
    return "#!/bin/bash\n" + lines + _comments(command) + "\n" + _files(command) + run


def _comments(command: Command) -> str:
    return "".join(f"# {visible(note)}\n" for note in command.notes)


def _files(command: Command) -> str:
    return "".join(f"cat > {shlex.quote(name)} <<'END'\n{text}END\n" for name, text in command.files.items())


def shell_lines(words: Sequence[str]) -> str:
    """Words as one command of several lines."""
    return " \\\n  ".join(_grouped(words)) + "\n"


def _grouped(words: Sequence[str]) -> list[str]:
    """Quoted words, each option on a line with its value; the program with its first words, or `-m` and a module."""
    lines: list[str] = []
    for word in map(_quoted, words):
        if lines and _same_line(lines, word):
            lines[-1] += f" {word}"
        else:
            lines.append(word)
    return lines


def _quoted(word: str) -> str:
    return f'"{word}"' if isinstance(word, Expanded) else shlex.quote(word)


def _same_line(lines: Sequence[str], word: str) -> bool:
    """Whether a word belongs to the last line: an option's first value, a further number, or a part of the program."""
    last = lines[-1]
    if last.startswith("-"):
        return not word.startswith("-") and (" " not in last or word.isdigit())
    return len(lines) == 1 and (not word.startswith("-") or word == "-m" or last.endswith(" -m"))
