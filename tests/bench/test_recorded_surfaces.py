"""What llama.cpp really sends for tools, Messages, Responses and embeddings, and what must come of it.

Each truth is from the server's own usage and from the request that the recording holds.
"""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from paretoken.bench.client.exchange import Exchange
from paretoken.bench.plan import Prepared
from tests.bench.test_client_parsing import TRACES, recorded

READ, LIST = "read_file", "list_files"


@dataclass(frozen=True)
class Recorded:
    """The counts of an answer: prompt, output, of the prompt from the cache; its end, its text and its tools."""

    counts: tuple[int, int, int]
    finish: str = ""
    content: str | None = ""
    tools: tuple[tuple[str, str], ...] = ()
    streamed: bool = True


# The stop string of the request cut the last arguments, so they are no JSON; they stay as the server sent them.
PATH, TO_LIST = (READ, """{"path":"'>>>>>>>>>uc"}"""), (LIST, '{"n":813781378137813')
DOTS = (READ, '{"path":"..."}')
WORDS = "Python implicit exceptionsyOpen Opsome cycle"
TURN = "GPL sho *__ outer"
ANSWERS = {
    "chat-stream-tools": Recorded((224, 89, 0), "tool_calls", None, (PATH, PATH, TO_LIST)),
    "chat-nostream-tools": Recorded((224, 89, 223), "tool_calls", None, (PATH, PATH, TO_LIST), streamed=False),
    "messages-stream": Recorded((32, 8, 4), "max_tokens", WORDS),
    "messages-nostream": Recorded((32, 8, 31), "max_tokens", WORDS, streamed=False),
    "messages-stream-tool": Recorded((224, 34, 223), "tool_use", None, (DOTS,)),
    "messages-stream-tools": Recorded((224, 60, 223), "max_tokens", None, (DOTS, DOTS)),
    "messages-nostream-tools": Recorded((224, 60, 223), "max_tokens", None, (DOTS, DOTS), streamed=False),
    "messages-stream-turns": Recorded((272, 4, 271), "max_tokens", TURN),
    "responses-stream": Recorded((27, 8, 18), "completed", 'list occurrences "[ returnLfilenamecoruntime'),
    "responses-nostream": Recorded(
        (17, 8, 1), "completed", "list occurrences Each processedsingricchanisbyte", streamed=False
    ),
    "responses-stream-tools": Recorded((224, 89, 223), "completed", None, (PATH, PATH, TO_LIST)),
    "responses-stream-turns": Recorded((272, 4, 206), "completed", TURN),
}
REFUSED = {
    "embeddings-refused": (501, "This server does not support embeddings"),
    "messages-error": (500, "'messages' is required"),
    "responses-error": (400, "'input' is required"),
}


def exchanged(name: str) -> Exchange:
    reads, closed = recorded(TRACES / "llama.cpp" / f"{name}.jsonl")
    exchange = Exchange(Prepared(b"{}", -1, -1), 0, 0, 0, keep_answer=True)
    if not any(exchange.feed([data], [i]) for i, data in enumerate(reads)) and closed:
        exchange.closed(len(reads))
    return exchange


def test_every_recording_of_an_api_has_its_truth():
    apis = ("messages", "responses", "embeddings", "tools")
    names = {p.stem for p in (TRACES / "llama.cpp").iterdir() if any(api in p.stem for api in apis)}
    assert names == {*ANSWERS, *REFUSED, "embeddings", "embeddings-base64"}


@pytest.mark.parametrize("name", ANSWERS)
def test_a_recording_gives_its_counts_and_its_message(name):
    truth, exchange = ANSWERS[name], exchanged(name)
    assert exchange.status == "ok", exchange.detail
    tally = exchange.tally
    assert (tally.usage.prompt, tally.total, tally.usage.cached) == truth.counts
    assert sum(tally.chunk_tokens) == truth.counts[1]
    assert tally.finish_reason == truth.finish
    assert tally.in_one_piece != truth.streamed
    answer = exchange.answer()
    assert answer["content"] == truth.content
    calls = answer.get("tool_calls", [])
    assert tuple((c["function"]["name"], c["function"]["arguments"].replace(" ", "")) for c in calls) == truth.tools
    assert len({c["id"] for c in calls}) == len(calls)


@pytest.mark.parametrize("name", ["chat-stream-tools", "messages-stream-tools", "responses-stream-tools"])
def test_the_first_argument_of_a_tool_is_the_first_token(name):
    reads, _ = recorded(TRACES / "llama.cpp" / f"{name}.jsonl")
    first = next(i for i, data in enumerate(reads) if READ.encode() in data)
    numbers, _, times, _ = exchanged(name).record(0)
    assert numbers[8] == times[0] == first


@pytest.mark.parametrize("name", ["embeddings", "embeddings-base64"])
def test_embeddings_have_a_prompt_and_no_output(name):
    exchange = exchanged(name)
    assert exchange.status == "ok"
    numbers, _, times, tokens = exchange.record(0)
    assert (exchange.tally.vectors, exchange.tally.usage.prompt, list(tokens)) == (2, 6, [0])
    assert (numbers[8], numbers[9]) == (-1, times[0])  # no first token, but an end
    assert exchange.answer() is None


@pytest.mark.parametrize("name", REFUSED)
def test_a_refusal_is_one_sentence(name):
    exchange, (code, words) = exchanged(name), REFUSED[name]
    assert (exchange.response.status, exchange.status) == (code, f"http_{code // 100}xx")
    assert words in exchange.detail
    assert exchange.answer() is None
