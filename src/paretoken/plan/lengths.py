"""Pools by the length of requests: short ones to one kind of replica, long ones to another."""

from __future__ import annotations

from paretoken.errors import BadConfig
from paretoken.plural import counted
from paretoken.traffic.traffic import Traffic


def split_by_length(traffic: Traffic, most_tokens: int) -> tuple[Traffic, Traffic]:
    """Requests of up to `most_tokens`, input and output, and all others, over the same period.

    Each part is a traffic of its own, which meets the limits on its own. A router that knows the input only needs to
    bound the output, as by `max_tokens`. BadConfig where one part is empty.
    """
    short = traffic.input_tokens + traffic.output_tokens <= most_tokens
    limit = counted(most_tokens, "token")
    if not short.any():
        raise BadConfig(f"all {len(traffic):,} requests have more than {limit}; raise the length that splits them")
    if short.all():
        raise BadConfig(f"no request has more than {limit}; lower the length that splits them")
    return traffic.take(short, f"requests of up to {limit}"), traffic.take(~short, f"requests above {limit}")
