"""Whether a server answers a request for one token."""

from __future__ import annotations

import http.client
import json
from contextlib import closing
from urllib.parse import urlsplit


def completes(base_url: str, model: str, timeout_s: float = 5.0) -> bool:
    """Whether `base_url` (http://host:port/v1) answers a completion of one token; any failure is a no.

    Some engines report healthy while the model still loads, and all of them before the first slow answer.
    Proxies of the environment are not used, because the server is our own.
    """
    url = urlsplit(base_url)
    body = json.dumps({"model": model, "prompt": "a", "max_tokens": 1})
    headers = {"Content-Type": "application/json"}
    with closing(http.client.HTTPConnection(url.hostname or "", url.port, timeout=timeout_s)) as connection:
        try:
            connection.request("POST", f"{url.path}/completions", body, headers)
            answer = connection.getresponse()
            return answer.status == http.client.OK and bool(json.loads(answer.read())["choices"])
        except (OSError, http.client.HTTPException, ValueError, LookupError, TypeError):
            return False
