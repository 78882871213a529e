"""Synthetic images of a prompt: seeded PNGs of coloured tiles, as data URLs.

Tiles make an image small to send whatever its size in pixels, while servers decode and encode every pixel.
"""

from __future__ import annotations

import re
import struct
import zlib
from base64 import b64encode
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from paretoken.errors import BadConfig, quoted
from paretoken.plural import counted

TILE = 16
"""Pixels of a tile's side, about a patch of a vision encoder."""
MOST_IMAGES, LONGEST_SIDE, MOST_PIXELS = 64, 8192, 2**26
"""Limits of one request; the pixels are those of all its images."""
_FORM = re.compile(r"(\d{1,4})x(\d{1,6})x(\d{1,6})(:shared)?")
_IMAGES = 0x1A
"""What this stream of randomness is for."""


@dataclass(frozen=True, slots=True)
class Images:
    """`count` images of `width` × `height` pixels in each request; the same in every request where `shared`."""

    count: int
    width: int
    height: int
    shared: bool = False

    def __post_init__(self) -> None:
        sides, form = (self.width, self.height), f"--images {self.count}x{self.width}x{self.height}"
        if not (1 <= self.count <= MOST_IMAGES and all(1 <= side <= LONGEST_SIDE for side in sides)):
            raise BadConfig(
                f"{form} is out of bounds; use 1 to {MOST_IMAGES} images of 1 to {LONGEST_SIDE:,} pixels a side"
            )
        pixels = self.count * self.width * self.height
        if pixels > MOST_PIXELS:
            raise BadConfig(f"{form} has {pixels:,} pixels a request; use at most {MOST_PIXELS:,}")

    @property
    def note(self) -> str:
        """What is sent, for the notes of a run."""
        which = "the same in every request" if self.shared else "new ones in every request"
        return (
            f"each prompt holds {counted(self.count, 'PNG image')} of {self.width}x{self.height} pixels, {which}; "
            "the server alone counts their tokens"
        )

    def parts(self, seed: int, request: int) -> list[dict[str, object]]:
        """The parts of a message that hold the images of request number `request`."""
        numbers = (0 if self.shared else request) * self.count + np.arange(self.count)
        urls = [_data_url(self.width, self.height, seed, int(number)) for number in numbers]
        return [{"type": "image_url", "image_url": {"url": url}} for url in urls]


def parse_images(text: str) -> Images:
    """`COUNTxWIDTHxHEIGHT`, with `:shared` for the same images in every request. Raises BadConfig."""
    match = _FORM.fullmatch(text.strip().lower())
    if match is None:
        raise BadConfig(
            f"--images {quoted(text)} is not COUNTxWIDTHxHEIGHT; write it as 2x512x512, or 2x512x512:shared"
        )
    return Images(int(match[1]), int(match[2]), int(match[3]), match[4] is not None)


@lru_cache(maxsize=MOST_IMAGES)
def _data_url(width: int, height: int, seed: int, number: int) -> str:
    return "data:image/png;base64," + b64encode(png(width, height, seed, number)).decode()


def png(width: int, height: int, seed: int, number: int) -> bytes:
    """Image `number` of a seed: 8-bit RGB, tiles of random colours."""
    rng = np.random.default_rng((seed, _IMAGES, number))
    tiles = rng.integers(256, size=(-(-height // TILE), -(-width // TILE), 3), dtype=np.uint8)
    rows = tiles.repeat(TILE, axis=1)[:, :width].reshape(len(tiles), width * 3)
    # A first row of a tile as it is (filter 0), the others as their difference to the row above (filter 2): zeros.
    alike = (b"\x02" + bytes(width * 3)) * (TILE - 1)
    lines = b"".join(b"\x00" + row.tobytes() + alike for row in rows)[: height * (width * 3 + 1)]
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = (b"IHDR", header), (b"IDAT", zlib.compress(lines, 1)), (b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(name, data) for name, data in chunks)


def _chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
