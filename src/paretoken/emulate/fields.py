"""Checked fields of a request's body; a bad one is an `ApiError`, as in the API."""

from __future__ import annotations

from collections.abc import Mapping

from paretoken.emulate.api_errors import ApiError
from paretoken.errors import quoted

Body = Mapping[str, object]


def whole(body: Body, name: str, least: int) -> int | None:
    """A whole number of at least `least`; None where the body has none."""
    value = body.get(name)
    if value is None:
        return None
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise ApiError(400, f"{name} is {quoted(value)}: it must be a whole number of {least} or more", name)
    return value


def flag(body: Body, name: str) -> bool:
    """True or false, false by default."""
    value = body.get(name)
    if value not in (None, True, False):
        raise ApiError(400, f"{name} is {quoted(value)}: it must be true or false", name)
    return bool(value)


def texts(body: Body, name: str) -> tuple[str, ...]:
    """A text or a list of them, none empty."""
    value = body.get(name)
    listed = [value] if isinstance(value, str) else value or []
    if not isinstance(listed, list) or not all(isinstance(s, str) and s for s in listed):
        raise ApiError(400, f"{name} is {quoted(value)}: it must be a text or a list of them, none empty", name)
    return tuple(listed)


def objects(body: Body, name: str) -> list[Body]:
    """A list of objects, empty by default."""
    value = body.get(name) or []
    if not isinstance(value, list) or not all(isinstance(entry, dict) for entry in value):
        raise ApiError(400, f"{name} must be a list of objects", name)
    return value


def text(body: Body, name: str, where: str) -> str:
    """A required text that is not empty; `where` names its object in the error."""
    value = body.get(name)
    if not isinstance(value, str) or not value:
        raise ApiError(400, f"{where} has no {name}", name)
    return value
