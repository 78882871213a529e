"""Where a config.json comes from: a file, a folder, the local Hugging Face cache, or the hub."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from pathlib import Path

from paretoken.catalog.hf import CONFIG
from paretoken.catalog.hf.fields import Keys
from paretoken.catalog.hf.model import Config
from paretoken.errors import BadFile
from paretoken.foreign_text import visible
from paretoken.plain_files import read_bytes

HUB = "https://huggingface.co"
TIMEOUT_S = 5.0
MOST_BYTES, INDEX_BYTES = 16_000_000, 65_536
"""Limits on a config.json, and on the part of an index that is read on the hub: its total comes first."""
LONGEST_NAME = 100
REPOSITORY = re.compile(r"[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95}")
INDEX, QUANT = "model.safetensors.index.json", "hf_quant_config.json"
_CACHED = re.compile(r"models--(?P<owner>[^/]+?)--(?P<name>[^/]+)")
_TOTAL = re.compile(rb'"total_size"\s*:\s*([0-9]{1,18})\b')
_TRUE = ("1", "on", "yes", "true")


def local_config(path: Path) -> Config:
    """The config of a folder or of a file, with what lies beside it; BadFile if there is none."""
    if path.is_dir():
        if not (path / CONFIG).is_file():
            raise BadFile(f"{path} has no config.json; give the folder of a model, or the file itself")
        path = path / CONFIG
    quant, index = path.parent / QUANT, path.parent / INDEX
    return Config(
        name=_name_of(path),
        where=str(path),
        source=str(path),
        keys=_keys(_bytes(path), str(path)),
        quantization=_keys(_bytes(quant), str(quant)) if quant.is_file() else None,
        total_bytes=_total_bytes(read_bytes(index)) if index.is_file() else None,
    )


def cached_config(repository: str, environment: Mapping[str, str] = os.environ) -> Config | None:
    """The config of a repository in the local Hugging Face cache, the newest snapshot's; None if it has none."""
    folder = hub_cache(environment) / f"models--{repository.replace('/', '--')}" / "snapshots"
    try:
        snapshots = [s for s in folder.iterdir() if (s / CONFIG).is_file()]
        newest = max(snapshots, key=lambda s: s.stat().st_mtime, default=None)
    except OSError:
        return None
    return local_config(newest) if newest else None


def hub_cache(environment: Mapping[str, str]) -> Path:
    """The folder of the local cache, as the hub's own library finds it."""
    if folder := environment.get("HF_HUB_CACHE") or environment.get("HUGGINGFACE_HUB_CACHE"):
        return Path(folder).expanduser()
    home = environment.get("HF_HOME") or str(Path(environment.get("XDG_CACHE_HOME") or "~/.cache") / "huggingface")
    return Path(home).expanduser() / "hub"


def hub_config(repository: str, environment: Mapping[str, str] = os.environ) -> Config:
    """The config of a repository on the hub; BadFile says what to do where it cannot be read."""
    advice = "download its config.json and give the path"
    if any(environment.get(name, "").lower() in _TRUE for name in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE")):
        raise BadFile(f"{repository} is not in the catalog nor in the local cache, and HF_HUB_OFFLINE is set; {advice}")
    base = f"{(environment.get('HF_ENDPOINT') or HUB).rstrip('/')}/{repository}/resolve/main"
    status, body = _fetched(f"{base}/{CONFIG}", MOST_BYTES)
    if status in (401, 403):
        raise BadFile(f"{repository} is gated, private or does not exist on the hub; if it is gated, {advice}")
    if status == 404:
        raise BadFile(f"{repository} does not exist on the hub, or has no config.json; check the name, or {advice}")
    if status != 200:
        why = (
            f"the hub answered {status}" if status else f"the hub cannot be reached ({body.decode('utf-8', 'replace')})"
        )
        raise BadFile(f"{repository} is not in the catalog nor in the local cache, and {why}; {advice}")
    where = f"config.json of {repository}"
    quant = _body(f"{base}/{QUANT}", MOST_BYTES)
    return Config(
        name=repository,
        where=where,
        source=f"{base}/{CONFIG}",
        keys=_keys(body, where),
        quantization=_keys(quant, f"{QUANT} of {repository}") if quant else None,
        total_bytes=_total_bytes(_body(f"{base}/{INDEX}", INDEX_BYTES)),
    )


def _fetched(url: str, most_bytes: int) -> tuple[int, bytes]:
    """Status and body of an answer; 0 and why not where there is none."""
    from paretoken.foreign_http import FAILURES, SmallRequests  # imported here since it is slow

    try:
        answer = SmallRequests(timeout_s=TIMEOUT_S, most_bytes=most_bytes).get(url)
    except FAILURES as e:
        return 0, visible(str(e) or type(e).__name__)[:120].encode()
    return answer.status, answer.body


def _body(url: str, most_bytes: int) -> bytes:
    status, body = _fetched(url, most_bytes)
    return body if status == 200 else b""


def _bytes(file: Path) -> bytes:
    data = read_bytes(file)
    if len(data) > MOST_BYTES:
        raise BadFile(f"{file} is larger than {MOST_BYTES // 1_000_000} MB; check that it is a config.json")
    return data


def _keys(data: bytes, where: str) -> Keys:
    """The keys of a JSON object, whose numbers may be infinite, as those of time_step_limit are."""
    try:
        value = json.loads(data)
    except (ValueError, RecursionError) as e:
        why = "it is nested too deep" if isinstance(e, RecursionError) else " ".join(str(e).split())[:120]
        raise BadFile(f"{where} is not valid JSON: {why}") from e
    if not isinstance(value, dict):
        raise BadFile(f"{where} is not a JSON object; give the config.json of a language model")
    return value


def _total_bytes(index: bytes) -> int | None:
    """Bytes of all weights as an index of safetensors files states them; None where it does not."""
    total = _TOTAL.search(index)
    return int(total[1]) or None if total else None


def _name_of(path: Path) -> str:
    """The name of a model by its place: the repository in a cache, else the folder, or the file if it is named so."""
    full = path.absolute()
    if cached := _CACHED.search(str(full)):
        return visible(f"{cached['owner']}/{cached['name']}")[:LONGEST_NAME]
    own = full.parent.name if full.name == CONFIG else full.stem
    return visible(" ".join(own.split()) or "model")[:LONGEST_NAME]
