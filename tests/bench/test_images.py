"""Images of a prompt: PNGs that another reader accepts, new ones or the same, and within bounds."""

from __future__ import annotations

import base64
import struct
import zlib

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from paretoken.bench.workload.bodies import Bodies
from paretoken.bench.workload.images import Images, parse_images, png
from paretoken.errors import BadConfig


def pixels(data: bytes) -> tuple[int, int, bytes]:
    """Width, height and RGB bytes of a PNG, read by its specification: filters 0 and 2 only."""
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    at, chunks = 8, {}
    while at < len(data):
        (size,) = struct.unpack_from(">I", data, at)
        name, body = data[at + 4 : at + 8], data[at + 8 : at + 8 + size]
        assert struct.unpack_from(">I", data, at + 8 + size)[0] == zlib.crc32(name + body)
        chunks[name] = body
        at += 12 + size
    assert list(chunks) == [b"IHDR", b"IDAT", b"IEND"]
    width, height, depth, colours, *rest = struct.unpack(">IIBBBBB", chunks[b"IHDR"])
    assert (depth, colours, rest) == (8, 2, [0, 0, 0])
    lines, stride = zlib.decompress(chunks[b"IDAT"]), width * 3 + 1
    assert len(lines) == height * stride
    above, out = bytes(width * 3), []
    for row in range(height):
        kind, line = lines[row * stride], lines[row * stride + 1 : (row + 1) * stride]
        above = line if kind == 0 else bytes((a + b) % 256 for a, b in zip(line, above, strict=True))
        assert kind in (0, 2)
        out.append(above)
    return width, height, b"".join(out)


@given(st.integers(1, 70), st.integers(1, 70), st.integers(0, 2**32), st.integers(0, 99))
def test_any_size_is_a_valid_png(width, height, seed, number):
    wide, high, colours = pixels(png(width, height, seed, number))
    assert (wide, high, len(colours)) == (width, height, width * height * 3)
    # Pixels of one tile are alike.
    first = colours[:3]
    for y in range(min(16, height)):
        assert colours[y * width * 3 :][:3] == first


def test_images_are_small_to_send_and_differ():
    one, two = png(1024, 1024, 1, 0), png(1024, 1024, 1, 1)
    assert len(one) < 100_000
    assert one != two
    assert png(1024, 1024, 1, 0) == one != png(1024, 1024, 2, 0)


def urls(bodies: Bodies, number: int) -> list[str]:
    content = orjson.loads(bodies.of("hi", 5, number))["messages"][0]["content"]
    assert content[0] == {"type": "text", "text": "hi"}
    return [part["image_url"]["url"] for part in content[1:]]


@pytest.mark.parametrize("shared", [False, True])
def test_each_request_has_images_of_its_own_unless_shared(shared):
    bodies = Bodies(model="m", api="chat", images=Images(2, 20, 10, shared), image_seed=3)
    sent = [url for number in range(5) for url in urls(bodies, number)]
    assert len(sent) == 10
    assert len(set(sent)) == (2 if shared else 10)
    assert urls(bodies, 4) == sent[8:]  # again the same: a request is a function of its number
    data = base64.b64decode(sent[0].removeprefix("data:image/png;base64,"))
    assert pixels(data)[:2] == (20, 10)


def test_the_forms():
    assert parse_images("2x512x256") == Images(2, 512, 256)
    assert parse_images(" 1X8x8:SHARED ") == Images(1, 8, 8, shared=True)
    assert "2 PNG images of 8x8 pixels, new ones" in Images(2, 8, 8).note
    assert "1 PNG image of 8x8 pixels, the same" in Images(1, 8, 8, shared=True).note


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("512", "is not COUNTxWIDTHxHEIGHT; write it as 2x512x512"),
        ("2x512", "is not COUNTxWIDTHxHEIGHT"),
        ("-1x5x5", "is not COUNTxWIDTHxHEIGHT"),
        ("2x512x512:twice", "is not COUNTxWIDTHxHEIGHT"),
        ("0x512x512", "use 1 to 64 images"),
        ("65x1x1", "use 1 to 64 images"),
        ("1x0x5", "of 1 to 8,192 pixels a side"),
        ("1x9000x5", "of 1 to 8,192 pixels a side"),
        ("2x8192x8192", "134,217,728 pixels a request; use at most 67,108,864"),
    ],
)
def test_bad_images_are_one_sentence(text, says):
    with pytest.raises(BadConfig, match=says):
        parse_images(text)
