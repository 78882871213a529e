"""An OpenAI-compatible endpoint that answers when a simulated engine would."""

from paretoken.lazy import lazy

_WHERE = {"Fault": "faults", "Server": "server", "Settings": "settings", "parse_fault": "faults"}

__all__ = list(_WHERE)

__getattr__, __dir__ = lazy(__name__, _WHERE)
