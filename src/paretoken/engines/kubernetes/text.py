"""Manifests as YAML that every reader takes alike."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import yaml

Manifest: TypeAlias = "dict[str, Manifest] | list[Manifest] | str | int | bool"


class Quoted(str):
    """A text that YAML writes in quotes, so that no reader takes `1e3` or `on` for something else."""

    __slots__ = ()


class _Dumper(yaml.SafeDumper):
    pass


_Dumper.add_representer(Quoted, lambda d, text: d.represent_scalar("tag:yaml.org,2002:str", str(text), style='"'))


def yaml_of(manifests: Sequence[Manifest]) -> str:
    """The manifests one after another, in ASCII, long texts on one line."""
    return yaml.dump_all(manifests, Dumper=_Dumper, sort_keys=False, allow_unicode=False, width=10_000)


def literal(text: str) -> Quoted:
    """The text as it is: Kubernetes replaces $(NAME) in words, and $$ by $."""
    return Quoted(text.replace("$", "$$"))


def labels(name: str) -> Manifest:
    """The label by which the parts of a server select each other."""
    return {"app.kubernetes.io/name": name}
