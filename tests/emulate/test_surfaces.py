"""The APIs of the emulated server: tools, Messages and Responses, as their documentation has them."""

from __future__ import annotations

import json

import openai
import pytest
from hypothesis import given
from hypothesis import strategies as st

from paretoken.emulate.surfaces.registry import SURFACES
from paretoken.emulate.tools import Tool, called, tool_calls
from paretoken.emulate.words import WORD_CHARS, WORDS, text_of
from tests.support.emulators import ask
from tests.support.patience import examples

SCHEMA = {
    "type": "object",
    "properties": {
        "days": {"type": "integer"},
        "unit": {"type": "string", "enum": ["C", "F"]},
        "city": {"type": "string"},
    },
    "required": ["days", "unit", "city"],
}
WEATHER = {"type": "function", "function": {"name": "weather", "description": "of a city", "parameters": SCHEMA}}
CLOCK = {"type": "function", "function": {"name": "clock", "parameters": {"type": "object", "properties": {}}}}
HELLO = [{"role": "user", "content": "hello"}]


def events(server, path, body) -> list[tuple[str, dict]]:
    """(name, data) of the events of a stream."""
    status, headers, raw = ask(server, "POST", path, {"model": "m", "stream": True, "ignore_eos": True} | body)
    assert status == 200 and headers["content-type"].startswith("text/event-stream")
    named = []
    for block in raw.decode().split("\n\n")[:-1]:
        lines = dict(line.split(": ", 1) for line in block.split("\n"))
        named.append((lines.get("event", ""), lines["data"]))
    return [(name, data if data == "[DONE]" else json.loads(data)) for name, data in named]


def whole(server, path, body) -> dict:
    status, _, raw = ask(server, "POST", path, {"model": "m", "ignore_eos": True} | body)
    assert status == 200, raw
    return json.loads(raw)


# ---- OpenAI chat with tools


def chat(client, stream=False, **more):
    fields = {"model": "m", "messages": HELLO, "max_tokens": 9, "extra_body": {"ignore_eos": True}} | more
    return client.chat.completions.create(stream=stream, **fields)


def test_a_required_tool_is_called_with_arguments_of_its_schema(client):
    choice = chat(client, tools=[WEATHER, CLOCK], tool_choice="required").choices[0]
    assert choice.finish_reason == "tool_calls" and choice.message.content is None
    (call,) = choice.message.tool_calls
    arguments = json.loads(call.function.arguments)
    assert call.function.name == "weather" and call.type == "function"
    assert arguments == {"days": 0, "unit": "C", "city": arguments["city"]} and len(arguments["city"]) == 9 * WORD_CHARS


def test_a_named_tool_is_called_and_parallel_calls_come_where_they_are_allowed(client):
    named = {"type": "function", "function": {"name": "clock"}}
    answer = chat(client, tools=[WEATHER, CLOCK], tool_choice=named)
    assert [c.function.name for c in answer.choices[0].message.tool_calls] == ["clock"]
    both = chat(client, tools=[WEATHER, CLOCK], tool_choice="required", parallel_tool_calls=True)
    calls = both.choices[0].message.tool_calls
    assert [c.function.name for c in calls] == ["weather", "clock"] and len({c.id for c in calls}) == 2
    text = json.loads(calls[0].function.arguments)["city"] + json.loads(calls[1].function.arguments)["text"]
    assert len(text) == both.usage.completion_tokens * WORD_CHARS == 9 * WORD_CHARS
    for text_only in ({"tool_choice": "auto"}, {"tool_choice": "none"}, {}):
        assert chat(client, tools=[WEATHER], **text_only).choices[0].message.content


def test_streamed_tool_calls_add_up_to_the_whole(client):
    stream = chat(
        client,
        stream=True,
        tools=[WEATHER, CLOCK],
        tool_choice="required",
        parallel_tool_calls=True,
        stream_options={"include_usage": True},
    )
    *chunks, usage = stream
    names, arguments = {}, {}
    for chunk in chunks:
        for delta in chunk.choices[0].delta.tool_calls or []:
            names[delta.index] = delta.function.name or names[delta.index]
            arguments[delta.index] = arguments.get(delta.index, "") + delta.function.arguments
    assert names == {0: "weather", 1: "clock"} and [list(json.loads(a)) for a in arguments.values()] == [
        ["days", "unit", "city"],
        ["text"],
    ]
    assert [c.choices[0].finish_reason for c in chunks][-1] == "tool_calls" and usage.usage.completion_tokens == 9


def test_tools_and_their_results_are_part_of_the_prompt(client):
    def tokens(**more):
        return chat(client, **more).usage.prompt_tokens

    assert tokens(tools=[WEATHER]) > tokens() + 30
    history = [
        {"role": "developer", "content": "be brief"},
        *HELLO,
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [{"id": "call_1", "type": "function", "function": {"name": "clock", "arguments": "{}"}}],
        },
        {"role": "tool", "tool_call_id": "call_1", "content": "noon"},
    ]
    assert tokens(messages=history) == 4 * 4 + 2 + 2 + 2 + 1
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
    with_image = [{"role": "user", "content": [{"type": "text", "text": "hello"}, image]}]
    assert tokens(messages=with_image) == tokens() + 256


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"tool_choice": "required"}, "has no tools"),
        ({"tools": [WEATHER], "tool_choice": {"type": "function", "function": {"name": "x"}}}, "not one of the tools"),
        ({"tools": [WEATHER], "tool_choice": "maybe"}, "tool_choice is 'maybe'"),
        ({"tools": [{"type": "function"}]}, "a tool has no function"),
        ({"messages": [{"role": "user", "content": [{"type": "input_audio"}]}]}, "of type 'input_audio'"),
        ({"messages": [{"role": "assistant", "tool_calls": [{"id": "x"}]}]}, "no function with arguments"),
    ],
)
def test_what_cannot_be_called_is_refused(client, more, words):
    with pytest.raises(openai.BadRequestError, match=words):
        chat(client, **more)


@examples(40)
@given(st.integers(1, 40), st.integers(0, 6), st.booleans(), st.integers(1, 40))
def test_arguments_are_valid_json_however_their_tokens_are_cut(tokens, tools, parallel, per_event):
    from paretoken.emulate.words import Script

    listed = [Tool(f"t{i}", SCHEMA if i % 2 else {"properties": {"a": True}, "required": ["b"]}) for i in range(tools)]
    choice = "required" if tools else "auto"
    calls = tool_calls(called(listed, choice, parallel=parallel), tokens)
    assert len(calls) == min(tools, tokens, 4 if parallel else 1)
    script = Script(17, tokens, "tool_calls", calls=calls)
    joined: dict[int, str] = {}
    for first in range(0, tokens, per_event):
        for part in script.parts(first, min(first + per_event, tokens)):
            joined[part.call] = joined.get(part.call, "") + part.text
    if not calls:
        assert joined == {-1: text_of(17, 0, tokens)}
    else:
        assert all(isinstance(json.loads(arguments), dict) for arguments in joined.values())
        assert sum(call.tokens for call in calls) == tokens and list(joined) == list(range(len(calls)))


# ---- Anthropic's Messages

MESSAGES = {"messages": HELLO, "max_tokens": 6, "system": "be brief"}
TOOLS = [{"name": "weather", "input_schema": SCHEMA}, {"name": "clock", "input_schema": {"type": "object"}}]


def test_messages(server):
    answer = whole(server, "/v1/messages", MESSAGES)
    assert (answer["type"], answer["role"], answer["stop_reason"]) == ("message", "assistant", "max_tokens")
    assert answer["usage"]["input_tokens"] == 4 + 2 + 4 + 2 and answer["usage"]["output_tokens"] == 6
    assert answer["model"] == "emulated/m" and answer["id"].startswith("msg-")
    (block,) = answer["content"]
    assert block["type"] == "text" and len(block["text"]) == 6 * WORD_CHARS


def test_a_stream_of_messages_has_the_events_in_their_order(server):
    stream = events(server, "/v1/messages", MESSAGES)
    assert all(name == data["type"] for name, data in stream)
    names = [name for name, _ in stream]
    assert names == [
        "message_start",
        "content_block_start",
        *["content_block_delta"] * 6,
        "content_block_stop",
        "message_delta",
        "message_stop",
    ]
    assert stream[0][1]["message"]["usage"]["input_tokens"] == 12
    assert all(data["delta"]["text"] in WORDS for _, data in stream[2:8])
    assert stream[-2][1]["delta"]["stop_reason"] == "max_tokens" and stream[-2][1]["usage"] == {"output_tokens": 6}


def test_messages_use_tools(server):
    body = MESSAGES | {"tools": TOOLS, "tool_choice": {"type": "any", "disable_parallel_tool_use": False}}
    answer = whole(server, "/v1/messages", body)
    assert answer["stop_reason"] == "tool_use" and [b["name"] for b in answer["content"]] == ["weather", "clock"]
    assert list(answer["content"][0]["input"]) == ["days", "unit", "city"]
    stream = events(server, "/v1/messages", body)
    parts = [d["delta"]["partial_json"] for n, d in stream if n == "content_block_delta" and d["index"] == 0]
    assert list(json.loads("".join(parts))) == ["days", "unit", "city"]
    assert [n for n, _ in stream].count("content_block_stop") == 2
    history = [
        *HELLO,
        {"role": "assistant", "content": answer["content"]},
        {
            "role": "user",
            "content": [{"type": "tool_result", "tool_use_id": answer["content"][0]["id"], "content": "4"}],
        },
    ]
    more = whole(server, "/v1/messages", MESSAGES | {"messages": history})
    assert more["usage"]["input_tokens"] == 12 + 6 + 4 + 1 + 4


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"messages": HELLO}, "max_tokens is missing"),
        ({"max_tokens": 3}, "one message or more"),
        ({"messages": [{"role": "tool", "content": "x"}], "max_tokens": 3}, "role 'tool'"),
        (MESSAGES | {"tools": TOOLS, "tool_choice": {"type": "tool", "name": "x"}}, "not one of the tools"),
        (MESSAGES | {"tool_choice": "any"}, "must be an object"),
    ],
)
def test_messages_refuse_in_their_own_form(server, body, words):
    status, _, raw = ask(server, "POST", "/v1/messages", {"model": "m"} | body)
    error = json.loads(raw)
    assert status == 400 and error["type"] == "error"
    assert error["error"]["type"] == "invalid_request_error" and words in error["error"]["message"]


# ---- OpenAI's Responses


def respond(client, stream=False, **more):
    fields = {"model": "m", "input": "hello", "max_output_tokens": 6, "extra_body": {"ignore_eos": True}} | more
    return client.responses.create(stream=stream, **fields)


def test_responses(client):
    answer = respond(client, instructions="be brief")
    assert answer.status == "incomplete" and answer.incomplete_details.reason == "max_output_tokens"
    assert len(answer.output_text) == 6 * WORD_CHARS
    assert (answer.usage.input_tokens, answer.usage.output_tokens, answer.usage.total_tokens) == (12, 6, 18)


def test_a_stream_of_responses_has_the_events_in_their_order(client):
    stream = list(respond(client, stream=True))
    assert [event.sequence_number for event in stream] == list(range(len(stream)))
    kinds = [event.type.removeprefix("response.") for event in stream]
    assert kinds == [
        "created",
        "in_progress",
        "output_item.added",
        "content_part.added",
        *["output_text.delta"] * 6,
        "output_text.done",
        "content_part.done",
        "output_item.done",
        "incomplete",
    ]
    text = "".join(event.delta for event in stream if event.type == "response.output_text.delta")
    assert stream[-1].response.output_text == text == stream[-4].text and stream[-1].response.usage.output_tokens == 6


def test_responses_call_functions(client):
    tools = [{"type": "function", **tool["function"]} for tool in (WEATHER, CLOCK)]
    calling = {"tools": tools, "tool_choice": "required", "parallel_tool_calls": True}
    answer = respond(client, **calling)
    assert [item.name for item in answer.output] == ["weather", "clock"] and answer.status == "completed"
    last = list(respond(client, stream=True, **calling))[-1].response
    assert [list(json.loads(item.arguments)) for item in last.output] == [["days", "unit", "city"], ["text"]]
    results = [{"type": "function_call_output", "call_id": item.call_id, "output": "4"} for item in answer.output]
    items = [*HELLO, *(item.model_dump(exclude_none=True) for item in answer.output), *results]
    assert respond(client, input=items).usage.input_tokens == 4 + 2 + 6 + 4 + 2 * (4 + 1)


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"input": []}, "a text or a list of items"),
        ({"previous_response_id": "resp_1"}, "send all items"),
        ({"input": [{"type": "computer_call"}]}, "'computer_call'"),
    ],
)
def test_responses_refuse_what_they_do_not_know(client, more, words):
    with pytest.raises(openai.BadRequestError, match=words):
        respond(client, **more)


# ---- faults in every API


@pytest.mark.parametrize("path", SURFACES)
def test_an_answer_that_fails_on_its_way_says_so_in_its_own_form(server, path):
    prompts = {"prompt": [1, 2], "messages": HELLO, "input": "hello", "max_tokens": 9, "max_output_tokens": 9}
    body = json.dumps({"model": "m", "stream": True, "ignore_eos": True} | prompts)
    _, _, raw = ask(server, "POST", path, body.encode(), x_paretoken_fault="error=3")
    assert raw.count(b"injected fault") == 1
    assert b"message_stop" not in raw and b"response.completed" not in raw and b"response.incomplete" not in raw
    status, _, raw = ask(server, "POST", path, body.encode(), x_paretoken_fault="503")
    assert status == 503 and b"injected fault" in raw and (b"overloaded_error" in raw) == (path == "/v1/messages")
