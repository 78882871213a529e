"""Recorded workloads: their files, rows with one fault each, and traces to send."""

from __future__ import annotations

from pathlib import Path

from paretoken.bench.workload.bodies import Bodies, dialect
from paretoken.bench.workload.makers import PlainWords, TokenIds
from paretoken.bench.workload.prompts import PromptPlan
from paretoken.bench.workload.traces import Replayed, Trace

DATA = Path(__file__).parent.parent / "data" / "traces"
FAULTS = {
    "mooncake": {
        "good": '{"timestamp": 1, "input_length": 5, "output_length": 6}\n',
        "missing": '{"timestamp": 1, "input_length": 5}\n',
        "negative": '{"timestamp": -1, "input_length": 5, "output_length": 6}\n',
        "number": '{"timestamp": 1, "input_length": "five", "output_length": 6}\n',
        "fraction": '{"timestamp": 1, "input_length": 5.5, "output_length": 6}\n',
        "below": '{"timestamp": 1, "input_length": -5, "output_length": 6}\n',
        "form": '{"timestamp": 1, "input_length": 5, "output_length": 6, "hash_ids": [0.5]}\n',
    },
    "azure": {
        "head": "TIMESTAMP,ContextTokens,GeneratedTokens\n",
        "good": "2024-05-10 00:00:00.009930+00:00,5,6\n",
        "missing": "2024-05-10 00:00:00.009930+00:00,5\n",
        "negative": "-3.5,5,6\n",
        "number": "2024-05-10 00:00:00,five,6\n",
        "fraction": "2024-05-10 00:00:00,5.5,6\n",
        "below": "2024-05-10 00:00:00,-5,6\n",
        "form": "yesterday,5,6\n",
    },
    "burstgpt": {
        "head": "Timestamp,Model,Request tokens,Response tokens,Total tokens,Log Type\n",
        "good": "1,GPT-4,5,6,11,API log\n",
        "missing": "1,GPT-4,5\n",
        "negative": "-1,GPT-4,5,6,11,API log\n",
        "number": "1,GPT-4,five,6,11,API log\n",
        "fraction": "1,GPT-4,5.5,6,11,API log\n",
        "below": "1,GPT-4,-5,6,11,API log\n",
        "form": "soon,GPT-4,5,6,11,API log\n",
    },
    "sharegpt": {
        "good": '{"conversations": [{"from": "human", "value": "a"}, {"from": "gpt", "value": "b"}]}\n',
        "missing": '{"id": "x"}\n',
        "number": '{"conversations": [{"from": "human", "value": 5}]}\n',
        "form": '{"conversations": "none"}\n',
    },
    "plain": {
        "good": '{"prompt": "a", "output_tokens": 6, "time_s": 1}\n',
        "missing": '{"output_tokens": 6, "time_s": 1}\n',
        "negative": '{"prompt": "a", "output_tokens": 6, "time_s": -1}\n',
        "number": '{"prompt": "a", "output_tokens": "six", "time_s": 1}\n',
        "fraction": '{"prompt": "a", "output_tokens": 6.5, "time_s": 1}\n',
        "below": '{"prompt": "a", "output_tokens": -6, "time_s": 1}\n',
        "form": '{"messages": [], "output_tokens": 6, "time_s": 1}\n',
    },
    "bailian": {
        "good": '{"chat_id": 1, "timestamp": 1, "input_length": 5, "output_length": 6}\n',
        "missing": '{"chat_id": 1, "timestamp": 1, "input_length": 5}\n',
        "negative": '{"chat_id": 1, "timestamp": -1, "input_length": 5, "output_length": 6}\n',
        "number": '{"chat_id": 1, "timestamp": 1, "input_length": "five", "output_length": 6}\n',
        "below": '{"chat_id": 1, "timestamp": 1, "input_length": 18446744073709551616, "output_length": 6}\n',
        "form": '{"chat_id": 1, "timestamp": 1, "input_length": 5, "output_length": 6, "hash_ids": "x"}\n',
    },
    "vidur": {
        "head": "arrived_at,num_prefill_tokens,num_decode_tokens\n",
        "good": "1,5,6\n",
        "missing": "1,5\n",
        "negative": "-1,5,6\n",
        "fraction": "1,5.5,6\n",
        "form": "soon,5,6\n",
    },
    "splitwise": {
        "head": "request_id,arrival_timestamp,prompt_size,token_size\n",
        "good": "0,1,5,6\n",
        "missing": "0,1,5\n",
        "negative": "0,-1,5,6\n",
        "below": "0,1,-5,6\n",
        "form": "0,soon,5,6\n",
    },
    "batch": {
        "good": '{"custom_id": "a", "body": {"prompt": "a", "max_tokens": 6}}\n',
        "missing": '{"custom_id": "a", "body": {"max_tokens": 6}}\n',
        "number": '{"custom_id": "a", "body": {"prompt": "a", "max_tokens": "six"}}\n',
        "form": '{"custom_id": "a", "body": "none"}\n',
    },
    "turns": {
        "good": '{"turns": [{"text": "a", "output_length": 6}]}\n',
        "missing": '{"turns": [{"output_length": 6}]}\n',
        "number": '{"turns": [{"text": "a", "output_length": "six"}]}\n',
        "form": '{"turns": []}\n',
    },
}
"""Of each format: a text that is sound but for one field, by the fault."""


def write(folder: Path, text: str | bytes, name: str = "trace.txt") -> Path:
    path = folder / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def as_chat(trace: Trace, plan: PromptPlan | None = None, **options) -> Replayed:
    """The trace as chats, in plain words unless a plan says otherwise."""
    bodies = Bodies(model="m", api="chat")
    return Replayed(plan=plan or PromptPlan(PlainWords(), 1), trace=trace, bodies=bodies, **options)


def as_token_ids(trace: Trace, **options) -> Replayed:
    """The trace as completions of token ids for vLLM."""
    bodies = Bodies(model="m", dialect=dialect("vllm"))
    return Replayed(plan=PromptPlan(TokenIds.of_size(10**6), 1), trace=trace, bodies=bodies, **options)
