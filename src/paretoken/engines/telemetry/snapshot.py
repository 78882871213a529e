"""What a measurement ran on, to repeat it: kernel, packages, container, environment, devices."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from paretoken.catalog.engine_files import engine_files
from paretoken.engines.telemetry.source import TelemetrySource
from paretoken.secret_names import is_secret

PACKAGES = ("torch", "flashinfer-python")
"""Distributions that several engines share; those of one engine are in its file."""
PREFIXES = ("CUDA_", "NCCL_", "RCCL_", "HIP_", "ROCR_", "HSA_", "OMP_", "SLURM_JOB")


def snapshot(
    sources: Sequence[TelemetrySource], image: str = "", env: Mapping[str, str] = os.environ
) -> dict[str, object]:
    """Everything that can be read; the rest is left out, and so are variables that may hold a secret."""
    engines = engine_files().values()
    packages = (*PACKAGES, *(name for engine in engines for name in engine.packages))
    prefixes = (*PREFIXES, *(prefix for engine in engines for prefix in engine.env_prefixes))
    facts = {
        "host": platform.node(),
        "system": platform.platform(),
        "python": platform.python_version(),
        "kernel_flags": _text("/proc/cmdline"),
        "packages": {name: v for name in packages if (v := _version(name))},
        "environment": {k: v for k, v in sorted(env.items()) if k.startswith(prefixes) and not is_secret(k)},
        "devices": {source.name: source.about() for source in sources},
        "image": image or None,
        "image_digest": image_digest(image) if image else None,
    }
    return {k: v for k, v in facts.items() if v not in (None, {}, "")}


def image_digest(image: str) -> str | None:
    """The digest of a container image that is on this machine; None where docker does not know it."""
    if shutil.which("docker") is None:
        return None
    try:
        done = subprocess.run(  # noqa: S603
            ["docker", "image", "inspect", "--format", '{{join .RepoDigests " "}}', image],  # noqa: S607
            capture_output=True,
            text=True,
            timeout=20,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() or None


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def _text(path: str) -> str | None:
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return None
