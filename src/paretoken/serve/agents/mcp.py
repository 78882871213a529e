"""The MCP server: every verb is a tool, over standard input and output or streamable HTTP."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import mcp_types as types
import orjson
import uvicorn
from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel.server import Server
from mcp.server.stdio import stdio_server
from mcp.server.transport_security import TransportSecuritySettings
from mcp.shared.exceptions import MCPError
from starlette.exceptions import HTTPException

from paretoken.answers.ask import verb_named
from paretoken.errors import ParetokenError, UnknownName
from paretoken.serve.access.guard import Guard
from paretoken.serve.agents.tools import words_of
from paretoken.serve.running import config_of, listen, place_of
from paretoken.serve.settings import ServeSettings
from paretoken.serve.shipped import shipped
from paretoken.serve.workers.job_names import ENVELOPE, SLOW, job_of
from paretoken.serve.workers.lanes import Workers, working
from paretoken.version import __version__

INSTRUCTIONS = """Measured, published and predicted performance and prices of LLM inference across accelerators.
Each tool answers one kind of question. An answer names the origin of its figures (measured, published, predicted),
their sources, and the command that repeats it: pass these on with every figure that you quote. Predicted figures have
90 % intervals, FIELD_lo to FIELD_hi: quote them, too. Files are read from one folder alone."""
READS = types.ToolAnnotations(read_only_hint=True, idempotent_hint=True, destructive_hint=False, open_world_hint=False)


def mcp_server(workers: Workers) -> Server[Any]:
    """The server; the workers answer."""
    tools = [types.Tool(**tool, annotations=READS) for tool in shipped("tools")]

    async def list_tools(
        context: ServerRequestContext[Any], params: types.PaginatedRequestParams | None
    ) -> types.ListToolsResult:
        return types.ListToolsResult(tools=tools)

    async def call_tool(
        context: ServerRequestContext[Any], params: types.CallToolRequestParams
    ) -> types.CallToolResult:
        return await called(workers, params.name, params.arguments or {})

    return Server(
        "paretoken",
        version=__version__,
        instructions=INSTRUCTIONS,
        on_list_tools=list_tools,
        on_call_tool=call_tool,
    )


async def called(workers: Workers, name: str, question: dict[str, Any]) -> types.CallToolResult:
    """The envelope of an answer with a short text; what cannot be answered is a text, marked as an error."""
    try:
        verb_named(name)
    except UnknownName as e:
        raise MCPError(types.INVALID_PARAMS, str(e)) from e
    try:
        result = await workers.run(ENVELOPE, job_of(name, orjson.dumps(question)), slow=name in SLOW)
    except (ParetokenError, HTTPException, orjson.JSONEncodeError, RuntimeError) as e:
        text = e.detail if isinstance(e, HTTPException) else str(e)
        return types.CallToolResult(content=[types.TextContent(type="text", text=text)], is_error=True)
    envelope = orjson.loads(result)
    words = types.TextContent(type="text", text=words_of(envelope))
    return types.CallToolResult(content=[words], structured_content=envelope)


def over_stdio(settings: ServeSettings) -> None:
    """Serve the client that started this process, until it closes standard input."""
    with suppress(KeyboardInterrupt):
        asyncio.run(_over_stdio(settings))


async def _over_stdio(settings: ServeSettings) -> None:
    async with working(settings) as workers, stdio_server() as (received, sent):
        server = mcp_server(workers)
        await server.run(received, sent, server.create_initialization_options())


def over_http(settings: ServeSettings, say: Callable[[str], None]) -> None:
    """Serve streamable HTTP at /mcp until Ctrl-C. BadConfig where the port is taken."""
    with listen(settings.host, settings.port) as listening, suppress(KeyboardInterrupt):
        say(f"{settings.folder} at {place_of(settings.host, listening)}mcp; Ctrl-C stops it")
        asyncio.run(_over_http(settings, listening))


async def _over_http(settings: ServeSettings, listening: Any) -> None:
    async with working(settings) as workers:
        # Guard checks hosts and origins, for these and for all other routes alike.
        unchecked = TransportSecuritySettings(enable_dns_rebinding_protection=False)
        app = mcp_server(workers).streamable_http_app(
            json_response=True, stateless_http=True, transport_security=unchecked
        )
        app.add_middleware(Guard, settings=settings)
        await uvicorn.Server(config_of(app)).serve([listening])
