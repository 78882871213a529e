"""What comes: trends of dated runs, and scenarios played through to cost and break-even."""

from paretoken.lazy import lazy

_WHERE = {
    "Scenario": "scenario",
    "State": "project",
    "Step": "trend",
    "Trend": "trend",
    "changed": "project",
    "find_scenario": "scenario",
    "growth_per_quarter": "trend",
    "load_scenario": "scenario",
    "play": "project",
    "play_from_today": "today",
    "repeat_spread": "trend",
    "shipped_scenarios": "scenario",
    "trends": "trend",
    "wanted": "today",
    "winners": "project",
}
__all__ = list(_WHERE)

__getattr__, __dir__ = lazy(__name__, _WHERE)
