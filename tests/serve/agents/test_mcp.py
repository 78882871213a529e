"""The MCP server answers the SDK's own client, over standard input and output and over HTTP."""

from __future__ import annotations

import asyncio
import os
import shlex
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import orjson
import pytest
from mcp import Client, StdioServerParameters
from mcp.shared.exceptions import MCPError

from paretoken.answers.registry import VERBS
from paretoken.serve.agents.tools import LONGEST_ANSWER, made_tools, words_of
from paretoken.serve.examples import EXAMPLES
from paretoken.serve.shipped import shipped
from tests.support.loops import run_apart
from tests.support.serving import OFFLINE, serving


def session(server: object, act: Callable[[Client], Awaitable[None]]) -> None:
    async def whole() -> None:
        async with Client(server) as client:
            await act(client)

    run_apart(lambda: asyncio.wait_for(whole(), 60))


async def questions(client: Client) -> None:
    listed = (await client.list_tools()).tools
    assert {tool.name for tool in listed} == {name for name, verb in VERBS.items() if not verb.writes_files}
    assert all(tool.input_schema["type"] == "object" and tool.description for tool in listed)

    predicted = await client.call_tool("predict", EXAMPLES["predict"])
    envelope, (text,) = predicted.structured_content, predicted.content
    assert envelope["origins"] == ["predicted"] and envelope["sources"][0].startswith("calibration ")
    assert {"total_tput_per_gpu_tok_s_lo", "total_tput_per_gpu_tok_s_hi"} < set(envelope["answer"]["rows"][0])
    for line in ("Origin of the figures: predicted", "Intervals: 90 %", f"Repeat with: {envelope['command']}"):
        assert line in text.text

    refused = await client.call_tool("compare", {"model": "llama-3-70b", "points": ["/etc/passwd"]})
    assert refused.is_error and "leads out of the served folder" in refused.content[0].text
    unknown = await client.call_tool("fit", {"model": "no-such-model"})
    assert unknown.is_error and "unknown model 'no-such-model'" in unknown.content[0].text
    with pytest.raises(MCPError, match="did you mean compare"):
        await client.call_tool("compar", {})


@pytest.mark.slow
def test_an_agent_asks_over_standard_input_and_output(tmp_path: Path) -> None:
    command = ["-m", "paretoken", "mcp", str(tmp_path)]
    session(StdioServerParameters(command=sys.executable, args=command, env={**os.environ, **OFFLINE}), questions)


@pytest.mark.slow
def test_an_agent_asks_over_http(tmp_path: Path) -> None:
    with serving("mcp", "--http", folder=tmp_path) as (url, _):
        assert url.endswith("/mcp")
        session(url, questions)


def test_a_large_answer_is_cut_in_the_text() -> None:
    envelope = {"version": "1", "origins": [], "sources": ["s"] * 99, "command": "c", "answer": ["x" * 10] * 9999}
    text = words_of(envelope)
    assert len(text) < LONGEST_ANSWER + 500
    assert "and 91 more" in text and "in the structured content" in text and "Intervals" not in text


def test_tools_are_described_in_short_schemas() -> None:
    assert shipped("tools") == made_tools(), "run tools/schemas.py"
    listed = {tool["name"]: tool for tool in shipped("tools")}
    fields = listed["predict"]["input_schema"]["properties"]
    assert fields["slo"]["type"] == "string" and "title" not in fields["slo"] and "out" not in fields
    assert "api_key_file" not in listed["plan"]["input_schema"]["properties"]
    example = listed["fit"]["description"].partition("Example: ")[2]
    assert orjson.loads(example) == EXAMPLES["fit"] and shlex.quote(example)
