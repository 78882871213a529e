"""Messages and tools of chat in the forms of Messages and Responses: what comes of each, and what is never lost."""

from __future__ import annotations

from itertools import pairwise

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from paretoken.bench.workload.bodies import Bodies, dialect
from paretoken.bench.workload.message_forms import anthropic_fields, responses_fields
from paretoken.errors import BadConfig

SCHEMA = {"type": "object", "properties": {"path": {"type": "string"}}}
TOOL = {"type": "function", "function": {"name": "read", "description": "Read a file", "parameters": SCHEMA}}


def call(id_: str, arguments: object) -> dict:
    return {"id": id_, "type": "function", "function": {"name": "read", "arguments": arguments}}


TALK = [
    {"role": "system", "content": "be brief"},
    {"role": "user", "content": "two files"},
    {
        "role": "assistant",
        "content": "yes",
        "reasoning_content": "hm",
        "tool_calls": [call("a", '{"path":"x"}'), call("b", '{"path":"y"}')],
    },
    {"role": "tool", "tool_call_id": "a", "content": "X"},
    {"role": "tool", "tool_call_id": "b", "content": "Y"},
    {"role": "user", "content": "go on"},
]


def test_a_conversation_with_tools_in_the_form_of_messages():
    uses = [{"type": "tool_use", "id": i, "name": "read", "input": {"path": p}} for i, p in ("ax", "by")]
    results = [{"type": "tool_result", "tool_use_id": i, "content": c} for i, c in ("aX", "bY")]
    assert anthropic_fields(TALK, [TOOL]) == {
        "system": "be brief",
        "messages": [
            {"role": "user", "content": "two files"},
            {"role": "assistant", "content": [{"type": "text", "text": "yes"}, *uses]},
            {"role": "user", "content": [*results, {"type": "text", "text": "go on"}]},
        ],
        "tools": [{"name": "read", "description": "Read a file", "input_schema": SCHEMA}],
    }


def test_a_conversation_with_tools_in_the_form_of_responses():
    calls = [
        {
            "type": "function_call",
            "call_id": i,
            "name": "read",
            "arguments": f'{{"path":"{p}"}}',
        }
        for i, p in ("ax", "by")
    ]
    results = [{"type": "function_call_output", "call_id": i, "output": c} for i, c in ("aX", "bY")]
    assert responses_fields(TALK, [TOOL]) == {
        "instructions": "be brief",
        "input": [
            {"type": "message", "role": "user", "content": "two files"},
            {"type": "message", "role": "assistant", "content": "yes"},
            *calls,
            *results,
            {"type": "message", "role": "user", "content": "go on"},
        ],
        "store": False,
        "tools": [{"type": "function", "name": "read", "description": "Read a file", "parameters": SCHEMA}],
    }


@pytest.mark.parametrize(
    ("arguments", "given_to_anthropic"),
    [
        ("", {}),
        (None, {}),
        ({"a": 1}, {"a": 1}),
        ('{"a"', {"arguments": '{"a"'}),
        ("[1]", {"arguments": [1]}),
    ],
)
def test_arguments_become_an_object(arguments, given_to_anthropic):
    talk = [{"role": "assistant", "content": None, "tool_calls": [call("a", arguments)]}]
    assert anthropic_fields(talk, [])["messages"][0]["content"][0]["input"] == given_to_anthropic
    text = responses_fields(talk, [])["input"][0]["arguments"]
    assert isinstance(text, str)


def test_an_image_is_data_in_messages_and_a_url_in_responses():
    url = "data:image/png;base64,AAAA"
    parts = [{"type": "text", "text": "see"}, {"type": "image_url", "image_url": {"url": url}}]
    source = {"type": "base64", "media_type": "image/png", "data": "AAAA"}
    talk = [{"role": "user", "content": parts}]
    assert anthropic_fields(talk, [])["messages"][0]["content"][1] == {"type": "image", "source": source}
    assert responses_fields(talk, [])["input"][0]["content"] == [
        {"type": "input_text", "text": "see"},
        {"type": "input_image", "image_url": url},
    ]
    far = [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "https://h/x.png"}}]}]
    assert anthropic_fields(far, [])["messages"][0]["content"][0]["source"] == {"type": "url", "url": "https://h/x.png"}


texts = st.text(max_size=8)


def message(role: str, text: str, calls: int) -> dict:
    more = {"tool_calls": [call(str(i), "{}") for i in range(calls)]} if role == "assistant" else {}
    return {"role": role, "content": text, "tool_call_id": "0"} | more


roles = st.sampled_from(["user", "system", "assistant", "tool"])
steps = st.lists(st.builds(message, roles, texts, st.integers(0, 2)), max_size=8)


@given(steps)
def test_no_text_and_no_call_is_lost(talk):
    words = "".join(m["content"] for m in talk if m["role"] != "system")
    calls = sum(len(m.get("tool_calls", [])) for m in talk)
    messages = anthropic_fields(talk, [])["messages"]
    assert all(a["role"] != b["role"] for a, b in pairwise(messages))
    contents = [m["content"] for m in messages]
    blocks = [block for c in contents for block in ([{"text": c}] if isinstance(c, str) else c)]
    assert "".join(b.get("text", b.get("content", "")) for b in blocks) == words
    assert sum(b.get("type") == "tool_use" for b in blocks) == calls
    items = responses_fields(talk, [])["input"]
    assert "".join(str(i.get("content", i.get("output", ""))) for i in items) == words
    assert sum(i["type"] == "function_call" for i in items) == calls


def test_the_fields_beside_the_prompt_are_those_of_the_api():
    def body(api, **more):
        bodies = Bodies(model="m", api=api, dialect=dialect("vllm"), seed=1, **more)
        return orjson.loads(bodies.of("hi", 5))

    assert body("messages") == {
        "model": "m",
        "messages": [{"role": "user", "content": "hi"}],
        "max_tokens": 5,
        "stream": True,
        "temperature": 0.0,
    }
    assert body("responses") == {
        "model": "m",
        "input": [{"type": "message", "role": "user", "content": "hi"}],
        "store": False,
        "max_output_tokens": 5,
        "stream": True,
        "temperature": 0.0,
        "ignore_eos": True,
    }
    assert body("embeddings") == {"model": "m", "input": ["hi"]}
    assert body("responses", extra={"store": None, "top_p": 0.5}).keys() >= {"top_p"}
    assert "store" not in body("responses", extra={"store": None})


def test_what_an_api_cannot_take_is_one_sentence():
    for api in ("chat", "messages", "responses"):
        with pytest.raises(BadConfig, match=f"the {api} API takes text, not token ids"):
            Bodies(model="m", api=api).of([1, 2], 5)
    with pytest.raises(BadConfig, match="does not accept token ids"):
        Bodies(model="m", api="embeddings").of([1, 2], 5)
    for key in ("input", "max_output_tokens"):
        with pytest.raises(BadConfig, match=f"may not set '{key}'"):
            Bodies(model="m", extra={key: 1})


def test_only_some_apis_can_force_the_length():
    forced = {api: Bodies(model="m", api=api, dialect=dialect("vllm")).forces_length for api in (
        "completions", "chat", "messages", "responses", "embeddings"
    )}  # fmt: skip
    assert forced == {
        "completions": True,
        "chat": True,
        "messages": False,
        "responses": True,
        "embeddings": False,
    }
