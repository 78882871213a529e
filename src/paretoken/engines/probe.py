"""Whether a server answers a request for one token."""

from __future__ import annotations

import json

from paretoken.foreign_http import FAILURES, SmallRequests


def completes(base_url: str, model: str, timeout_s: float = 5.0) -> bool:
    """Whether `base_url` (http://host:port/v1) answers a completion of one token in time; any failure is a no.

    Some engines report healthy while the model still loads, and all of them before the first slow answer.
    """
    body = json.dumps({"model": model, "prompt": "a", "max_tokens": 1}).encode()
    try:
        answer = SmallRequests(timeout_s=timeout_s).post(f"{base_url}/completions", body)
        document = answer.json()
    except FAILURES:
        return False
    return answer.status == 200 and isinstance(document, dict) and bool(document.get("choices"))
