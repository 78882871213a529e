"""A server's command as text to run elsewhere: shell, `docker run`, `sbatch` or Kubernetes manifests."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path

from paretoken.engines.command import Command
from paretoken.engines.kubernetes.manifests import Scale, kubernetes_yaml
from paretoken.errors import BadConfig

FORMS = ("shell", "docker", "sbatch", "kubernetes")
_GPUS: Mapping[str, tuple[str, ...]] = {
    "NVIDIA": ("--gpus", "{gpus}"),
    "AMD": (
        "--device=/dev/kfd",
        "--device=/dev/dri",
        "--group-add=video",
        "--cap-add=SYS_PTRACE",
        "--security-opt=seccomp=unconfined",
    ),
}


def render(command: Command, form: str, *, job: Sequence[str] = (), scale: Scale | None = None) -> str:
    """The command in one of FORMS; `job` are further #SBATCH lines, `scale` the replicas on Kubernetes."""
    if form == "shell":
        return _files(command) + shell(command)
    if form == "docker":
        return _files(command) + shell_lines(docker(command))
    if form == "kubernetes":
        return kubernetes_yaml(command, scale)
    return sbatch(command, job)


def shell(command: Command) -> str:
    """Environment and arguments as one command of several lines."""
    env = [f"{k}={shlex.quote(v)}" for k, v in command.env.items() if v]
    return " \\\n  ".join([*([" ".join(env)] if env else []), *_grouped(command.arguments)]) + "\n"


def docker(command: Command, *, folder: Path = Path(), name: str = "") -> list[str]:
    """`docker run` of the engine's image; the files of the command are in `folder`. BadConfig if it has no image."""
    if not command.image:
        raise BadConfig(f"{command.name} has no image for {command.vendor}; set image = … or --image")
    gpus = [part.format(gpus=command.gpus) for part in _GPUS.get(command.vendor, ())]
    env = [word for k, v in command.env.items() for word in ("-e", f"{k}={v}" if v else k)]
    volumes = [word for v in _volumes(command, folder) for word in ("-v", v)]
    return [
        "docker",
        "run",
        "--rm",
        "--init",
        *(["--name", name] if name else []),
        *gpus,
        "--ipc=host",
        "--network=host",
        *env,
        *volumes,
        *(["-w", "/paretoken"] if command.files else []),
        "--entrypoint",
        command.arguments[0],
        command.image,
        *command.arguments[1:],
    ]


def sbatch(command: Command, job: Sequence[str] = ()) -> str:
    """A batch script that serves until cancelled."""
    gres = [f"--gres=gpu:{command.gpus}"] if command.gpus else []
    head = [f"--job-name={command.engine}", "--nodes=1", "--ntasks=1", *gres, *job]
    run = shell_lines(docker(command)) if command.container else "exec env " + shell(command)
    return "#!/bin/bash\n" + "".join(f"#SBATCH {line}\n" for line in head) + "\n" + _files(command) + run


def _volumes(command: Command, folder: Path) -> list[str]:
    """The user's volumes, the folder of our files, and the model's folder at its own path."""
    models = [a for a in command.arguments if a.startswith("/") and Path(a).exists()]
    ours = [f"{folder.resolve()}:/paretoken:ro"] if command.files else []
    for path in models:
        if ":" in path:
            raise BadConfig(f"docker cannot mount {path}: a colon ends the path; move the model to another folder")
    return [*command.volumes, *ours, *(f"{m}:{m}:ro" for m in models)]


def _files(command: Command) -> str:
    return "".join(f"cat > {shlex.quote(name)} <<'END'\n{text}END\n" for name, text in command.files.items())


def shell_lines(words: Sequence[str]) -> str:
    """Words as one command of several lines."""
    return " \\\n  ".join(_grouped(words)) + "\n"


def _grouped(words: Sequence[str]) -> list[str]:
    """Quoted words, each option on a line with its value; the program with its first words, or `-m` and a module."""
    lines: list[str] = []
    for word in map(shlex.quote, words):
        if lines and _same_line(lines, word):
            lines[-1] += f" {word}"
        else:
            lines.append(word)
    return lines


def _same_line(lines: Sequence[str], word: str) -> bool:
    """Whether a word belongs to the last line: an option's first value, a further number, or a part of the program."""
    last = lines[-1]
    if last.startswith("-"):
        return not word.startswith("-") and (" " not in last or word.isdigit())
    return len(lines) == 1 and (not word.startswith("-") or word == "-m" or last.endswith(" -m"))
