"""`paretoken ecosystem`: the former name of `paretoken parity overview`."""

from __future__ import annotations

from paretoken.cli.trust.parity import overview_ as command

__all__ = ["command"]
