"""What a field means, beside its type."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Description:
    """What a field means, in the JSON schema and in the help; pydantic is imported only for the former."""

    text: str

    def __get_pydantic_json_schema__(self, core_schema: Any, handler: Callable[[Any], dict[str, Any]]) -> Any:
        return handler(core_schema) | {"description": self.text}


@dataclass(frozen=True, slots=True)
class NullIfInfinite:
    """Says in the JSON schema that a number may be infinite, which JSON writes as null."""

    def __get_pydantic_json_schema__(self, core_schema: Any, handler: Callable[[Any], dict[str, Any]]) -> Any:
        return {"anyOf": [handler(core_schema), {"type": "null"}], "description": "null if infinite"}
