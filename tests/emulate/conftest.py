"""A server that several tests of the emulator share, and the official client before it."""

from __future__ import annotations

from collections.abc import Iterator

import openai
import pytest

from paretoken.emulate.server import EmulatedServer
from tests.support.emulators import emulated


@pytest.fixture(scope="module")
def server() -> Iterator[EmulatedServer]:
    with emulated() as running:
        yield running


@pytest.fixture(scope="module")
def client(server: EmulatedServer) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=server.base_url, api_key="none", max_retries=0, timeout=10) as official:
        yield official
