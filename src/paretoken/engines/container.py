"""A server in a container: `docker run` with the devices, limits, mounts and variables that it needs."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath

from paretoken.engines.command import Command
from paretoken.errors import BadConfig

FILES_AT, CACHE_AT, TOKEN = "/paretoken", "/model-cache", "HF_TOKEN"
"""In the container: our files, the cache of the hub; and the variable with the hub's token."""
_DEVICES: Mapping[str, tuple[str, ...]] = {
    "NVIDIA": ("--gpus", "{gpus}"),
    "AMD": (
        "--device=/dev/kfd",
        "--device=/dev/dri",
        "--group-add=video",
        "--cap-add=SYS_PTRACE",
        "--security-opt=seccomp=unconfined",
    ),
}
_LIMITS = ("--ulimit", "memlock=-1", "--ulimit", "stack=67108864", "--ulimit", "nofile=65536")
"""Pinned memory and the stacks of NCCL and RCCL; connections, of which Docker may allow 1,024 by default."""

_CACHE_OF_READER = "${HF_HOME:-$HOME/.cache/huggingface}"


class Expanded(str):
    """A word in which a shell replaces variables."""

    __slots__ = ()


def docker(command: Command, *, folder: Path | None = None, name: str = "") -> list[str]:
    """`docker run` of the engine's image on this machine; the files of the command are in `folder`.

    Without a folder it is for whoever runs the printed words in a shell: the files are where they run it. Weights of
    the hub are kept in the hub's cache, and the token for them is passed on by name. BadConfig if there is no image.
    """
    if not command.image:
        raise BadConfig(f"{command.name} has no image for {command.vendor}; set image = … or --image")
    devices = [part.format(gpus=command.all_gpus) for part in _DEVICES.get(command.vendor, ())]
    env = {"HF_HOME": CACHE_AT, TOKEN: "", **command.env} if command.hub else command.env
    passed = [word for k, v in env.items() for word in ("-e", f"{k}={v}" if v else k)]
    volumes = [word for v in _volumes(command, folder, env) for word in ("-v", v)]
    return [
        "docker",
        "run",
        "--rm",
        "--init",
        *(["--name", name] if name else []),
        *devices,
        "--ipc=host",
        *(_LIMITS if devices else ()),
        "--network=host",
        *passed,
        *volumes,
        *(["-w", FILES_AT] if command.files else []),
        "--entrypoint",
        command.arguments[0],
        command.image,
        *command.arguments[1:],
    ]


def _volumes(command: Command, folder: Path | None, env: Mapping[str, str]) -> list[str]:
    """The user's volumes, the folder of our files, the hub's cache, and each path at its own place."""
    cache_at, ours = env.get("HF_HOME") or CACHE_AT, list[str]()
    if command.files:
        ours.append(f"{folder.resolve()}:{FILES_AT}:ro" if folder else Expanded(f"$PWD:{FILES_AT}:ro"))
    if command.hub and not _covered(cache_at, command):
        ours.append(f"{_cache_here()}:{cache_at}" if folder else Expanded(f"{_CACHE_OF_READER}:{cache_at}"))
    return [*command.volumes, *ours, *(f"{path}:{path}:ro" for path in dict.fromkeys(_paths(command)))]


def _cache_here() -> str:
    return os.environ.get("HF_HOME") or str(Path.home() / ".cache" / "huggingface")


def _paths(command: Command) -> Iterator[str]:
    """Paths to mount: the weights, here or not, and other words that are paths on this machine."""
    weights = [command.model_path] if command.model_path.startswith("/") else []
    others = [a for a in command.arguments[1:] if a.startswith("/") and a not in weights and Path(a).exists()]
    for path in (*weights, *others):
        if _covered(path, command):
            continue
        if ":" in path:
            raise BadConfig(f"docker cannot mount {path}: a colon ends the path; move the model to another folder")
        yield _with_targets(path)


def _covered(path: str, command: Command) -> bool:
    """Whether a volume of the user has the path in the container."""
    places = (volume.split(":")[1].rstrip("/") for volume in command.volumes if ":" in volume)
    return any(path == place or path.startswith(f"{place}/") for place in places)


def _with_targets(path: str) -> str:
    """The path, or in the hub's cache the folder that also holds what its links point to."""
    parts = PurePosixPath(path).parts
    for i, part in enumerate(parts[:-1]):
        if part.startswith("models--") and parts[i + 1] == "snapshots":
            return str(PurePosixPath(*parts[: i + 1]))
    return path
