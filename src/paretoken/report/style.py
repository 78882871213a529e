"""Colour and marker shape of every accelerator: the family by hue and shape, the member by shade.

NVIDIA is green to blue with circles, AMD yellow-orange to red with diamonds. Each colour stands at
3:1 or more against its ground (white, or #14181c in dark mode). An accelerator without a colour of
its own gets one of its family's spares, always the same for the same name.
"""

from __future__ import annotations

from dataclasses import dataclass
from zlib import crc32


@dataclass(frozen=True, slots=True)
class Style:
    """`light` and `dark` are colours for the two grounds; `symbol` is a plotly marker, `glyph` its text twin."""

    family: str
    light: str
    dark: str
    symbol: str
    glyph: str


_SHAPES = {"nvidia": ("circle", "●"), "amd": ("diamond", "◆"), "intel": ("triangle-up", "▲"), "google": ("star", "★")}
_OTHER_SHAPE = ("square", "■")

_OWN = {
    "A100": ("#6f7f12", "#c3d14e"),
    "L40S": ("#5f7d74", "#a4c7bb"),
    "H100": ("#4f8a10", "#96d35f"),
    "H200": ("#0b6b3a", "#37b877"),
    "B200": ("#1f6fd0", "#6fb1ff"),
    "B300": ("#123c8c", "#5577e6"),
    "GB200": ("#0b8793", "#3fd0d8"),
    "GB300": ("#6455c8", "#b3a8ff"),
    "MI300X": ("#c27100", "#ffbe55"),
    "MI325X": ("#d9480f", "#ff8a4c"),
    "MI350X": ("#c2255c", "#ff8fb4"),
    "MI355X": ("#9b1616", "#ff6464"),
}

_SPARE = {
    "nvidia": (("#2d7f5e", "#63cfa4"), ("#2a6f97", "#74b9e0"), ("#3d5a80", "#98b4dc"), ("#557a1f", "#aacb70")),
    "amd": (("#b3541e", "#f4a06b"), ("#a8324a", "#f28fa3"), ("#8a5a00", "#e6b85c"), ("#8c2f39", "#e98a93")),
}
_SPARE_OTHER = (("#7b2fa0", "#cf9bee"), ("#8a2a83", "#e793df"), ("#5c5470", "#b9b0d0"), ("#6b4e71", "#c9a7cf"))


def style_of(accelerator: str, vendor: str) -> Style:
    """The style of an accelerator, by its id and its vendor's name."""
    family = vendor.casefold().strip() or "other"
    symbol, glyph = _SHAPES.get(family, _OTHER_SHAPE)
    spare = _SPARE.get(family, _SPARE_OTHER)
    light, dark = _OWN.get(accelerator) or spare[crc32(accelerator.encode()) % len(spare)]
    return Style(family, light, dark, symbol, glyph)
