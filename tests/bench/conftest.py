"""A scripted server, one of known truth, and a small tokenizer."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from paretoken.bench.truth.server import Pace, TruthServer, truth_server
from paretoken.bench.workload.tokenizer import Tokenizer, load_tokenizer
from tests.support.load_servers import Golden, golden_server


@pytest.fixture(scope="module")
def golden() -> Iterator[Golden]:
    with golden_server() as server:
        yield server


@pytest.fixture(scope="module")
def truth(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TruthServer]:
    """A server of known truth: first token after 50 ms, then one every 5 ms."""
    with truth_server(Pace(ttft_ms=50, itl_ms=5), log=tmp_path_factory.mktemp("truth") / "log") as server:
        yield server


@pytest.fixture(scope="session")
def tokenizer() -> Tokenizer:
    from tests.support.tokenizers import FOLDER  # it needs a package that only some tests here need

    return load_tokenizer(FOLDER)
