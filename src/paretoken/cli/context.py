"""The running command: the day of its call, and where the values of its options are from."""

from __future__ import annotations

from datetime import date, datetime

from click.core import ParameterSource
from click.globals import get_current_context

from paretoken.errors import BadConfig


def iso_day(text: str | None) -> str | None:
    """The value of --date as YYYY-MM-DD; BadConfig if it is not a date."""
    try:
        return date.fromisoformat(text).isoformat() if text else None
    except ValueError as e:
        raise BadConfig(f"--date is {text!r}; write it as 2026-05-01") from e


def given(name: str) -> bool:
    """Whether an option of the running command is on its command line."""
    source = get_current_context().get_parameter_source(name)
    return source is ParameterSource.COMMANDLINE


def stated(name: str) -> bool:
    """Whether an option of the running command is typed, or set by the environment or a configuration file."""
    sources = (ParameterSource.COMMANDLINE, ParameterSource.ENVIRONMENT, ParameterSource.DEFAULT_MAP)
    return get_current_context().get_parameter_source(name) in sources


def today() -> date:
    """The day the command is called, in local time."""
    return datetime.now().astimezone().date()
