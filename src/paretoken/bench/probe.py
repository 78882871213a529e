"""What answers at a URL: an OpenAI-compatible server, its models, which engine it is, and what it takes."""

from __future__ import annotations

import http.client
import json
import ssl
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit, urlunsplit

from paretoken.catalog.engine_files import JsonPlace, engine_apis, engine_of_owner
from paretoken.emulated import EMULATED, HEADER, is_marked, marked
from paretoken.errors import BadConfig, UnknownName

TIMEOUT_S = 5.0
_OLLAMA_VERSION = JsonPlace(path="/api/version", key="version")


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbedServer:
    """One server. `dialect` is one of `bench.workload.bodies`, `root` the model's folder or name as it was loaded."""

    base_url: str
    models: tuple[str, ...]
    dialect: str
    version: str | None = None
    max_context: int | None = None
    vocab_size: int | None = None
    root: str | None = None
    emulated: bool = False

    def model(self, name: str | None) -> str:
        """The model of that name, or without a name the only one; UnknownName with those listed otherwise."""
        if name is None:
            if len(self.models) == 1:
                return self.models[0]
            if not self.models:
                raise BadConfig(f"{self.base_url} lists no model; load one into the server, or name it with --model")
            raise BadConfig(f"{self.base_url} serves {', '.join(self.models)}; choose one with --model")
        if marked(name) in self.models:
            return marked(name)
        if self.models and name not in self.models:
            raise UnknownName(f"model at {self.base_url}", name, list(self.models))
        return name


def base_url(url: str) -> str:
    """The URL with a scheme and ending in /v1; BadConfig if it names no host."""
    url = url.strip()
    parts = urlsplit(url if "://" in url else f"http://{url}")
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise BadConfig(f"{url!r} is not the URL of a server; write it as http://127.0.0.1:8000/v1")
    if parts.username or parts.password:
        raise BadConfig("keep the API key out of the URL; set PARETOKEN_API_KEY or use --api-key-file")
    if parts.query or parts.fragment:
        raise BadConfig(
            "the URL of a server takes no '?' or '#'; for an API key, set PARETOKEN_API_KEY or use --api-key-file"
        )
    path = parts.path.rstrip("/")
    for tail in ("/chat/completions", "/completions", "/models"):
        path = path.removesuffix(tail)
    return urlunsplit((parts.scheme, parts.netloc, path if path.endswith("/v1") else f"{path}/v1", "", ""))


@dataclass(frozen=True, slots=True)
class JsonReader:
    """Reads small JSON answers of a server; `headers` may hold a key and are never shown."""

    headers: Mapping[str, str]
    tls: ssl.SSLContext | None = None
    timeout_s: float = TIMEOUT_S

    def get(self, url: str) -> object:
        """The JSON at a URL."""
        return self.get_marked(url)[0]

    def get_marked(self, url: str) -> tuple[object, bool]:
        """The JSON at a URL, and whether the answer comes from an emulated server."""
        body, in_header = self._read(url)
        return json.loads(body), in_header

    def _read(self, url: str) -> tuple[bytes, bool]:
        request = urllib.request.Request(url, headers=dict(self.headers))  # noqa: S310
        with urllib.request.urlopen(request, timeout=self.timeout_s, context=self.tls) as answer:  # noqa: S310
            return answer.read(4_000_000), HEADER in answer.headers

    def try_get(self, url: str) -> object:
        """The JSON at a URL, or None where there is none."""
        try:
            return self.get(url)
        except (OSError, ValueError, http.client.HTTPException):
            return None

    def try_text(self, url: str) -> str:
        """The text at a URL, empty where there is none."""
        try:
            return self._read(url)[0].decode("utf-8", errors="replace")
        except (OSError, ValueError, http.client.HTTPException):
            return ""


def probe(url: str, *, headers: Mapping[str, str] | None = None, tls: ssl.SSLContext | None = None) -> ProbedServer:
    """What answers at the URL. BadConfig, with what to do, if it is not an OpenAI-compatible server."""
    base, reader = base_url(url), JsonReader(headers or {}, tls)
    models, in_header = _models(base, reader)
    first = models[0] if models else {}  # transformers serve lists none until one was requested
    meta, folder = first.get("meta"), first.get("root")
    root = base.removesuffix("/v1")
    return ProbedServer(
        base_url=base,
        models=tuple(str(m["id"]) for m in models),
        dialect=_dialect(str(first.get("owned_by", "")).lower(), root, reader),
        version=_version(root, reader),
        max_context=_int(first.get("max_model_len") or first.get("context_window")),
        vocab_size=_int(meta.get("n_vocab")) if isinstance(meta, dict) else None,
        root=folder if isinstance(folder, str) else None,
        emulated=in_header or any(is_marked(m["id"]) for m in models) or _says_emulated(root, reader),
    )


def _models(base: str, reader: JsonReader) -> tuple[list[Mapping[str, object]], bool]:
    """The listed models, and whether the header of an emulated server came with them."""
    try:
        listed, in_header = reader.get_marked(f"{base}/models")
    except urllib.error.HTTPError as e:
        if e.code in (401, 403):
            raise BadConfig(
                f"{base} requires a valid API key ({e.code}); set PARETOKEN_API_KEY or use --api-key-file"
            ) from None
        raise BadConfig(f"{base}/models returned {e.code}: not an OpenAI-compatible server; check the URL") from None
    except ssl.SSLError as e:
        raise BadConfig(f"{base}: TLS failed ({e.reason}); add --cafile, or --insecure for a test server") from e
    except urllib.error.URLError as e:
        if isinstance(e.reason, ssl.SSLError):
            raise BadConfig(
                f"{base}: TLS failed ({e.reason.reason}); add --cafile, or --insecure for a test server"
            ) from e
        raise BadConfig(f"nothing answers at {base} ({e.reason}); start the server, or check host and port") from e
    except (OSError, http.client.HTTPException) as e:
        raise BadConfig(f"{base} does not speak HTTP ({e}); check host and port") from e
    except ValueError:
        raise BadConfig(f"{base}/models is not JSON: not an OpenAI-compatible server; check the URL") from None
    if not isinstance(listed, dict) or "data" not in listed:
        raise BadConfig(f"{base}/models is not a list of models: not an OpenAI-compatible server; check the URL")
    return [m for m in listed["data"] if isinstance(m, dict) and isinstance(m.get("id"), str)], in_header


def _says_emulated(root: str, reader: JsonReader) -> bool:
    """Whether `/version` says so: a gateway may rename the models and drop the header."""
    answer = reader.try_get(f"{root}/version")
    return isinstance(answer, dict) and answer.get(EMULATED) is True


def _dialect(owner: str, root: str, reader: JsonReader) -> str:
    if engine := engine_of_owner(owner):
        return engine
    for engine, api in engine_apis():
        place = api.recognised_at
        answer = reader.try_get(root + place.path) if place else None
        if place and isinstance(answer, dict) and (not place.key or place.key in answer):
            return engine
    return "openai"


def _version(root: str, reader: JsonReader) -> str | None:
    places = [*dict.fromkeys(api.version_at for _, api in engine_apis() if api.version_at), _OLLAMA_VERSION]
    for place in places:
        answer = reader.try_get(root + place.path)
        if isinstance(answer, dict) and isinstance(version := answer.get(place.key), str):
            return version
    return None


def _int(value: object) -> int | None:
    return value if isinstance(value, int) and value > 0 else None
