"""`sessions.parquet` of a run: the sessions of its trace, one row for each step.

    session         number of the session in the trace, from 0
    name            its name in the trace
    step            number of the step in its session, from 0
    call            number of the model call in its session, from 0; -1 for a tool call
    step_name       name of the step, agent: name of the sub-agent, "" for the main agent
    after           steps that must end before
    wait_s          pause between their end and the start of the step, as played
    seconds         how long a tool runs, as played; null where the trace does not say
    continues       step whose context the call continues, -1 for none
    input_tokens, output_tokens   of the trace; null where it does not say
    possible_tokens prompt tokens that an endless cache holds if sessions run one after the other; -1 if unknown
    begin_s         start of the session in the trace, null where it does not say

A request record names the session *played*, k, and its call; with n sessions in the trace, k plays session k mod n.
"""

from __future__ import annotations

from typing import Any

SESSIONS = "sessions.parquet"
COLUMNS: dict[str, Any] = {
    "session": int,
    "name": str,
    "step": int,
    "call": int,
    "step_name": str,
    "agent": str,
    "after": list[int],
    "wait_s": float,
    "seconds": float,
    "continues": int,
    "input_tokens": int,
    "output_tokens": int,
    "possible_tokens": int,
    "begin_s": float,
}
"""The types of the columns, as a Polars schema takes them."""
