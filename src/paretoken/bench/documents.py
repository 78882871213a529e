"""Frozen dataclasses as JSON documents, and back: the one mechanism behind every JSON file of a run.

Field names are the keys. A field whose metadata is OMIT_NONE has no key while it is None. Every file carries
`schema` and `schema_version`; `RunFile.from_json` checks both, and accepts every version up to its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass
from pathlib import Path
from typing import ClassVar, Self

import orjson

from paretoken.errors import BadFile
from paretoken.plain_files import as_type, read_json

OMIT_NONE = {"omit_none": True}


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFile:
    """A JSON file of a run: subclasses state its schema, its latest version and what it is called."""

    SCHEMA: ClassVar[str]
    VERSION: ClassVar[int] = 1
    CALLED: ClassVar[str]

    schema: str = ""
    schema_version: int = 0

    def __post_init__(self) -> None:
        object.__setattr__(self, "schema", self.SCHEMA)
        object.__setattr__(self, "schema_version", self.schema_version or self.VERSION)

    @classmethod
    def read(cls, path: Path) -> Self:
        """The content of a file; BadFile if it cannot be read, or is of a later version."""
        return cls.from_json(read_json(path), path)

    @classmethod
    def from_json(cls, document: object, where: object) -> Self:
        """The document as this class. BadFile names `where` it came from and the first key that is wrong."""
        if not isinstance(document, Mapping) or document.get("schema") != cls.SCHEMA:
            raise BadFile(f"{where} is not {cls.CALLED}; choose a folder written by 'paretoken bench'")
        version = document.get("schema_version")
        if not isinstance(version, int) or version > cls.VERSION:
            raise BadFile(
                f"{where} has schema version {version}; this paretoken reads up to {cls.VERSION}: update paretoken"
            )
        return as_type(cls, cls.upgraded(document), where)

    @classmethod
    def upgraded(cls, document: Mapping[str, object]) -> Mapping[str, object]:
        """A document of an earlier version in the form of the latest."""
        return document


def to_json(value: object) -> object:
    """Plain values for JSON: dataclasses become dicts, tuples lists."""
    if is_dataclass(value) and not isinstance(value, type):
        pairs = ((f.name, getattr(value, f.name), f.metadata) for f in fields(value))
        return {name: to_json(v) for name, v, meta in pairs if v is not None or "omit_none" not in meta}
    if isinstance(value, Mapping):
        return {key: to_json(v) for key, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [to_json(v) for v in value]
    return value


def json_bytes(content: object) -> bytes:
    """The bytes of a JSON file of a run."""
    return orjson.dumps(to_json(content), option=orjson.OPT_INDENT_2 | orjson.OPT_SERIALIZE_NUMPY)


def write_json(path: Path, content: object) -> None:
    """Write a JSON file completely or not at all."""
    write_bytes(path, json_bytes(content))


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file completely or not at all."""
    partial = path.with_name(f".{path.name}")
    partial.write_bytes(content)
    partial.replace(path)
