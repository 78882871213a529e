"""What answers at a URL: an OpenAI-compatible server, its models, which engine it is, and what it takes."""

from __future__ import annotations

import http.client
import json
import ssl
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from paretoken.catalog.engine_files import JsonPlace, engine_apis, engine_of_owner
from paretoken.errors import BadConfig, UnknownName

TIMEOUT_S = 5.0
_OLLAMA_VERSION = JsonPlace(path="/api/version", key="version")


@dataclass(frozen=True, slots=True)
class Server:
    """One server. `dialect` is one of `load.workload.bodies`; `root` the model's folder or name as it was loaded."""

    base_url: str
    models: tuple[str, ...]
    dialect: str
    version: str | None = None
    max_context: int | None = None
    vocab_size: int | None = None
    root: str | None = None

    def model(self, asked: str | None) -> str:
        """The model asked for, or the only one; UnknownName with those listed otherwise."""
        if asked is None:
            if len(self.models) == 1:
                return self.models[0]
            if not self.models:
                raise BadConfig(f"{self.base_url} lists no model; load one into the server, or name it with --model")
            raise BadConfig(f"{self.base_url} serves {', '.join(self.models)}; choose one with --model")
        if self.models and asked not in self.models:
            raise UnknownName(f"model at {self.base_url}", asked, list(self.models))
        return asked


def base_url(url: str) -> str:
    """The URL with a scheme and ending in /v1; BadConfig if it names no host."""
    url = url.strip()
    parts = urlsplit(url if "://" in url else f"http://{url}")
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise BadConfig(f"{url!r} is no URL of a server; write it like http://127.0.0.1:8000/v1")
    if parts.username or parts.password:
        raise BadConfig("a key does not belong into the URL; put it into PARETOKEN_API_KEY or --api-key-file")
    if parts.query or parts.fragment:
        raise BadConfig("the URL of a server takes no '?' or '#'; put a key into PARETOKEN_API_KEY or --api-key-file")
    path = parts.path.rstrip("/")
    for tail in ("/chat/completions", "/completions", "/models"):
        path = path.removesuffix(tail)
    return urlunsplit((parts.scheme, parts.netloc, path if path.endswith("/v1") else f"{path}/v1", "", ""))


@dataclass(frozen=True, slots=True)
class Asker:
    """Reads small JSON answers of a server; `headers` may hold a key and are never shown."""

    headers: Mapping[str, str]
    tls: ssl.SSLContext | None = None
    timeout_s: float = TIMEOUT_S

    def get(self, url: str) -> Any:
        """The JSON at a URL."""
        request = urllib.request.Request(url, headers=dict(self.headers))  # noqa: S310
        with urllib.request.urlopen(request, timeout=self.timeout_s, context=self.tls) as answer:  # noqa: S310
            return json.loads(answer.read(4_000_000))

    def try_get(self, url: str) -> Any:
        """The JSON at a URL, or None where there is none."""
        try:
            return self.get(url)
        except (OSError, ValueError, http.client.HTTPException):
            return None


def probe(url: str, *, headers: Mapping[str, str] | None = None, tls: ssl.SSLContext | None = None) -> Server:
    """What answers at the URL. BadConfig, with what to do, if it is no OpenAI-compatible server."""
    base, ask = base_url(url), Asker(headers or {}, tls)
    listed = _models(base, ask)
    models = [m for m in listed.get("data", []) if isinstance(m, dict) and isinstance(m.get("id"), str)]
    first = models[0] if models else {}  # transformers serve lists none until one was asked for
    meta = first.get("meta") if isinstance(first.get("meta"), dict) else {}
    version = _version(base.removesuffix("/v1"), ask)
    return Server(
        base,
        tuple(m["id"] for m in models),
        _dialect(str(first.get("owned_by", "")).lower(), base.removesuffix("/v1"), ask),
        version,
        _int(first.get("max_model_len") or first.get("context_window")),
        _int(meta.get("n_vocab")),
        first.get("root") if isinstance(first.get("root"), str) else None,
    )


def _models(base: str, ask: Asker) -> dict[str, Any]:
    try:
        listed = ask.get(f"{base}/models")
    except urllib.error.HTTPError as e:
        if e.code in (401, 403):
            raise BadConfig(
                f"{base} wants an API key ({e.code}); set PARETOKEN_API_KEY, or give --api-key-file"
            ) from None
        raise BadConfig(f"{base}/models answers {e.code}; this is no OpenAI-compatible server, check the URL") from None
    except ssl.SSLError as e:
        raise BadConfig(
            f"{base}: no secure connection ({e.reason}); give --cafile, or --insecure for a test server"
        ) from e
    except urllib.error.URLError as e:
        if isinstance(e.reason, ssl.SSLError):
            raise BadConfig(f"{base}: no secure connection ({e.reason.reason}); give --cafile, or --insecure") from e
        raise BadConfig(f"nothing answers at {base} ({e.reason}); start the server, or check host and port") from e
    except (OSError, http.client.HTTPException) as e:
        raise BadConfig(f"{base} does not answer in HTTP ({e}); check host and port") from e
    except ValueError:
        raise BadConfig(f"{base}/models is not JSON; this is no OpenAI-compatible server, check the URL") from None
    if not isinstance(listed, dict) or "data" not in listed:
        raise BadConfig(f"{base}/models is no list of models; this is no OpenAI-compatible server, check the URL")
    return listed


def _dialect(owner: str, root: str, ask: Asker) -> str:
    if engine := engine_of_owner(owner):
        return engine
    for engine, api in engine_apis():
        place = api.recognised_at
        answer = ask.try_get(root + place.path) if place else None
        if place and isinstance(answer, dict) and (not place.key or place.key in answer):
            return engine
    return "openai"


def _version(root: str, ask: Asker) -> str | None:
    places = [*dict.fromkeys(api.version_at for _, api in engine_apis() if api.version_at), _OLLAMA_VERSION]
    for place in places:
        answer = ask.try_get(root + place.path)
        if isinstance(answer, dict) and isinstance(version := answer.get(place.key), str):
            return version
    return None


def _int(value: Any) -> int | None:
    return value if isinstance(value, int) and value > 0 else None
