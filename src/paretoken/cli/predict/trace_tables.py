"""Predicted replays as tables for people."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from paretoken.answers.cache_worth import CacheRow, CacheWorthAnswer, CacheWorthRow
from paretoken.answers.predict import DeploymentRow
from paretoken.answers.predict_trace import PredictTraceAnswer, ReplayRow, UnmetReplayRow
from paretoken.answers.trace_question import ReplayQuestion
from paretoken.cli.cells import TableCell, interval
from paretoken.cli.money import money
from paretoken.cli.output import echo_lines, print_table
from paretoken.cli.predict.tables import NOT_MEASURED
from paretoken.predict.rows import kinds_text
