"""The block of a server's prefix cache, in which cache hits are counted: as the server says, else its engine's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from paretoken.bench.access import Access
from paretoken.bench.probe import ProbedServer
from paretoken.bench.server_config import block_tokens
from paretoken.plural import counted

DEFAULT_TOKENS = {"vllm": 16, "sglang": 1, "llamacpp": 1}
"""Where a server says nothing: vLLM's --block-size, SGLang's --page-size, and llama.cpp, which compares tokens."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheBlock:
    """Tokens of a block, and whether the server says so."""

    tokens: int
    stated: bool

    def note(self, dialect: str) -> str:
        """How possible hits are counted, and why."""
        of = f"possible cache hits are counted in blocks of {counted(self.tokens, 'token')}"
        if self.stated:
            return f"{of}, as the server says"
        if dialect in DEFAULT_TOKENS:
            return f"{of}, the default of {dialect}; the server does not say"
        return f"{of}: the server does not say how large its blocks are, and no cache finds more"


def cache_block(servers: Sequence[ProbedServer], access: Access, dialect: str | None) -> CacheBlock:
    """The smallest block of the servers, with which none of them finds more than is possible."""
    reader = access.reader()
    stated = [block_tokens(s.base_url, dialect or s.dialect, reader) for s in servers]
    tokens = [
        DEFAULT_TOKENS.get(dialect or server.dialect, 1) if n is None else n
        for n, server in zip(stated, servers, strict=True)
    ]
    return CacheBlock(tokens=min(tokens), stated=stated[tokens.index(min(tokens))] is not None)
