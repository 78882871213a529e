"""Which fields of a request log hold its times, lengths, sessions, prefix ids and models, by the names in use.

Read are, flat or nested: OpenAI, Anthropic, Gemini and Bedrock usage; spend logs of LiteLLM; exports of Langfuse,
Helicone, OpenRouter and Cloudflare; GenAI attributes of OpenTelemetry; ApiManagementGatewayLlmLog of Azure Monitor;
request logs of SGLang; and the published traces that are flat tables (Azure, BurstGPT, splitwise-sim, Vidur).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain

import orjson

FieldPath = tuple[str, ...]
"""The keys to a value, outermost first; one key in a flat table."""

UNITS = {
    unit: seconds
    for seconds, units in {
        1.0: ("s", "sec", "secs", "seconds"),
        1e-3: ("ms", "msec", "millis", "milliseconds"),
        1e-6: ("us", "usec", "micros", "microseconds"),
        1e-9: ("ns", "nsec", "nano", "nanos", "nanoseconds"),
    }.items()
    for unit in units
}
_TIMES = """start_time request_start_time arrival_time arrival_timestamp arrived_at received_at
request_timestamp request_created_at timestamp ts time date_time datetime time_generated event_time created_at created
date epoch"""
_INPUTS = """prompt_tokens input_tokens num_prompt_tokens n_prompt_tokens num_input_tokens n_input_tokens
prompt_token_count input_token_count context_tokens request_tokens num_prefill_tokens prompt_size tokens_in
tokens_input tokens_prompt input_usage isl prompt_len input_len usage.input usage_details.input tokens.input
tokens.prompt usage.prompt"""
_OUTPUTS = """completion_tokens output_tokens num_completion_tokens n_completion_tokens num_output_tokens
n_output_tokens completion_token_count output_token_count candidates_token_count generated_tokens generation_tokens
num_generation_tokens response_tokens num_decode_tokens token_size tokens_out tokens_output tokens_completion
output_usage osl completion_len output_len usage.output usage_details.output tokens.output tokens.completion
usage.completion"""
_SESSIONS = """session_id session conversation_id conversation.id conversation thread_id chat_id helicone_session_id
dialog_id trace_id user_id end_user user request_user_id customer_id"""
_NAMES = {
    "time": _TIMES,
    "input": _INPUTS,
    "output": _OUTPUTS,
    "session": _SESSIONS,
    "prefix": "hash_ids block_hashes prefix_ids prefix_hashes block_ids blocks",
    "block": "block_size block_tokens",
    "model": """model model_name model_id request_model request.model response.model provided_model_name
    deployment_name deployment model_group model_permaslug""",
    # Anthropic's input_tokens are only those that were in no cache.
    "cached": "cache_read_input_tokens cache_creation_input_tokens",
}
_RANKS: dict[str, dict[FieldPath, int]] = {
    role: {tuple(name.split(".")): rank for rank, name in enumerate(names.split())} for role, names in _NAMES.items()
}
_COALESCED = 4
"""Fields of one role that are tried in each row, where the first is empty: APIs of one log name them differently."""
_DEEPEST = 5
_MOST_FIELDS = 500
_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")


@dataclass(frozen=True, slots=True)
class LogColumns:
    """The fields of each role, those of `time`, `input` and `output` by preference; empty where the log has none.

    `unit_s` is that of the times where the name of their field states it. `all_fields` are as they are written.
    """

    roles: Mapping[str, tuple[FieldPath, ...]]
    unit_s: float | None = None
    all_fields: tuple[str, ...] = ()

    def of(self, role: str) -> tuple[FieldPath, ...]:
        """The fields of a role."""
        return self.roles.get(role, ())

    def name(self, role: str) -> str:
        """The first field of a role, as it is written in the log."""
        return ".".join(self.of(role)[0]) if self.of(role) else ""


def columns_of(samples: Iterable[Mapping[str, object]]) -> LogColumns:
    """The fields of a log by its first rows."""
    filled: dict[FieldPath, bool] = {}
    for row in samples:
        for path, value in _fields(row):
            if path in filled or len(filled) < _MOST_FIELDS:
                filled[path] = filled.get(path, False) or value not in (None, "")
    roles = {role: _ranked(filled, ranks) for role, ranks in _RANKS.items()}
    for role in ("session", "prefix", "block", "model"):
        # One field alone, and one with values: half a log by session and half by user would count neither.
        roles[role] = tuple(p for p in roles[role] if filled[p])[:1]
    roles["time"] = roles["time"][:1]
    first = roles["input"][0] if roles["input"] else ()
    beside = first and _words(first)[0][-1] == "input_tokens"
    roles["cached"] = tuple(p for p in roles["cached"] if beside and p[:-1] == first[:-1])
    unit_s = _words(roles["time"][0])[1] if roles["time"] else None
    return LogColumns(roles, unit_s, tuple(".".join(path) for path in filled))


def _ranked(filled: Mapping[FieldPath, bool], ranks: Mapping[FieldPath, int]) -> tuple[FieldPath, ...]:
    """The fields with one of the names: those with values first, then the outermost, then by rank."""
    matches = []
    for path, has_values in filled.items():
        words, _ = _words(path)
        rank = min((ranks[words[-k:]] for k in (1, 2) if words[-k:] in ranks), default=None)
        # Parts of the input, such as OpenTelemetry's cache_read.input_tokens, have its name under one of their own.
        if rank is not None and not any(w.startswith("cache") for w in words[:-1]):
            matches.append((not has_values, len(words), rank, path))
    return tuple(path for *_, path in sorted(matches))[:_COALESCED]


def _words(path: FieldPath) -> tuple[FieldPath, float | None]:
    """A path in snake case without units, and the unit of its last word: startTimeUnixNano is start_time, 1e-9."""
    parts = [_snake(part) for part in chain.from_iterable(key.split(".") for key in path)]
    words = [w for w in parts[-1].split("_") if w]
    unit_s = UNITS.get(words[-1]) if len(words) > 1 else None
    if unit_s is not None:
        words.pop()
    words = [w for w in words if w not in ("unix", "utc")] or words
    return (*parts[:-1], "_".join(words)), unit_s


def _snake(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "_", _HUMP.sub("_", name).lower()).strip("_")


def _fields(row: Mapping[str, object], outer: FieldPath = ()) -> Iterator[tuple[FieldPath, object]]:
    for key, value in row.items():
        path = (*outer, key)
        inner = as_object(value) if len(path) < _DEEPEST else None
        if inner is None:
            yield path, value
        else:
            yield from _fields(inner, path)


def as_object(value: object) -> Mapping[str, object] | None:
    """An object, also one that is written as JSON in a cell; None for any other value."""
    if isinstance(value, str) and value[:1] == "{":
        try:
            value = orjson.loads(value)
        except orjson.JSONDecodeError:
            return None
    return value if isinstance(value, dict) else None
