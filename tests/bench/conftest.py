"""A scripted server and a small tokenizer."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from paretoken.bench.workload.tokenizer import Tokenizer, load_tokenizer
from tests.support.load_servers import Golden, golden_server


@pytest.fixture(scope="module")
def golden() -> Iterator[Golden]:
    with golden_server() as server:
        yield server


@pytest.fixture(scope="session")
def tokenizer() -> Tokenizer:
    from tests.support.tokenizers import FOLDER  # it needs a package that only some tests here need

    return load_tokenizer(FOLDER)
