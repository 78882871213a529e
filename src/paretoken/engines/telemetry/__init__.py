"""What the hardware did while a server was measured: power, clocks, memory, temperature, throttling, energy."""

from paretoken.engines.telemetry.energy import Energy, integrate
from paretoken.engines.telemetry.sampler import Sampler, open_sources
from paretoken.engines.telemetry.snapshot import snapshot
from paretoken.engines.telemetry.source import COLUMNS, Reading, Source

__all__ = ["COLUMNS", "Energy", "Reading", "Sampler", "Source", "integrate", "open_sources", "snapshot"]
