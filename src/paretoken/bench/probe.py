"""What answers at a URL: an OpenAI-compatible server, its models, which engine it is, and what it takes."""

from __future__ import annotations

import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from paretoken.bench.plan import Api
from paretoken.bench.server_url import ServerUrl, host_root, server_url
from paretoken.catalog.engine_files import JsonPlace, engine_apis, engine_of_owner
from paretoken.emulated import EMULATED, HEADER, is_marked, marked
from paretoken.errors import BadConfig, UnknownName
from paretoken.foreign_http import FAILURES, OtherProtocol, Redirected, SmallAnswer, SmallRequests, asks_for_tls
from paretoken.foreign_text import one_line, visible
from paretoken.secret_names import is_secret

TIMEOUT_S = 5.0
MOST_TOKENS = 2**31 - 1
MOST_VOCABULARY = 2**22
"""Larger than that of any model; a server that states more is not believed."""
MOST_SHOWN = 10
_OLLAMA_VERSION = JsonPlace(path="/api/version", key="version")
_STARTING = (502, 503, 504)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbedServer:
    """One server. `dialect` is one of `bench.workload.bodies`, `root` the model's folder or name as it was loaded.

    `other_bases` may hold the API instead of `base_url` where no base lists its models (`listed` is false). `api` is
    the one that the URL itself names, `query` what follows every path.
    """

    base_url: str
    models: tuple[str, ...]
    dialect: str
    version: str | None = None
    max_context: int | None = None
    vocab_size: int | None = None
    root: str | None = None
    emulated: bool = False
    listed: bool = True
    other_bases: tuple[str, ...] = ()
    api: Api | None = None
    query: str = ""

    def model(self, name: str | None) -> str:
        """The model of that name, or without a name the only one; UnknownName with those listed otherwise."""
        if name is None:
            if len(self.models) == 1:
                return self.models[0]
            if not self.models:
                raise BadConfig(f"{self.base_url} lists no model; load one into the server, or name it with --model")
            raise BadConfig(f"{self.base_url} serves {_some(self.models)}; choose one with --model")
        if marked(name) in self.models:
            return marked(name)
        if self.models and name not in self.models:
            raise UnknownName(f"model at {self.base_url}", name, [visible(m) for m in self.models[:200]])
        return name


@dataclass(slots=True)
class JsonReader:
    """Reads what a server may say of itself; after one answer that is too late, it asks no more.

    `headers` may hold a key and are never shown.
    """

    headers: Mapping[str, str] = field(repr=False)
    tls: ssl.SSLContext | None = None
    timeout_s: float = TIMEOUT_S
    late: bool = False

    def answer(self, url: str) -> SmallAnswer | None:
        """The successful answer at a URL, or None."""
        if self.late:
            return None
        try:
            answer = SmallRequests(headers=self.headers, tls=self.tls, timeout_s=self.timeout_s).get(url)
        except TimeoutError:
            self.late = True
            return None
        except FAILURES:
            return None
        return answer if answer.status == 200 else None

    def try_get(self, url: str) -> object:
        """The JSON at a URL, or None where there is none."""
        answer = self.answer(url)
        try:
            return answer.json() if answer else None
        except ValueError:
            return None

    def try_text(self, url: str) -> str:
        """The text at a URL, empty where there is none."""
        answer = self.answer(url)
        return answer.body.decode("utf-8", errors="replace") if answer else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Listing:
    """The models that a base lists; `why` says in words why there are none to be read, `status` is that of HTTP."""

    base: str
    models: tuple[Mapping[str, object], ...] = ()
    emulated: bool = False
    status: int = 200
    why: str = ""


def probe(
    url: str,
    *,
    model: str | None = None,
    query: Sequence[str] = (),
    headers: Mapping[str, str] | None = None,
    tls: ssl.SSLContext | None = None,
    has_key: bool = False,
) -> ProbedServer:
    """What answers at the URL. BadConfig, with what to do, if it is not an OpenAI-compatible server.

    A server that lists no models is taken as it is if `model` names one. `has_key` is whether `headers` hold a key.
    """
    place, headers = server_url(url, query), headers or {}
    requests = SmallRequests(headers=headers, tls=tls, timeout_s=TIMEOUT_S)
    listing = _first_listing(place, requests, model, has_key)
    base, reader = listing.base, JsonReader(headers, tls)
    names = {_name(entry): entry for entry in reversed(listing.models)}
    one: Mapping[str, object] = names.get(model or "") or next(reversed(names.values()), {})
    meta, folder = one.get("meta"), one.get("root")
    root = host_root(base)
    version = _version(root, reader)
    return ProbedServer(
        base_url=base,
        models=tuple(reversed(names)),
        dialect=_dialect(str(one.get("owned_by", "")).lower(), root, reader),
        version=version if version and not _echoes(version, headers) else None,
        max_context=_int(one.get("max_model_len")) or _int(one.get("context_window")),
        vocab_size=_int(meta.get("n_vocab"), MOST_VOCABULARY) if isinstance(meta, dict) else None,
        root=folder if isinstance(folder, str) and not _echoes(folder, headers) else None,
        emulated=listing.emulated or any(map(is_marked, names)) or _says_emulated(root, reader),
        listed=not listing.why,
        other_bases=tuple(b for b in place.bases if b != base) if listing.why else (),
        api=place.api,
        query=place.query,
    )


def _first_listing(place: ServerUrl, requests: SmallRequests, model: str | None, has_key: bool) -> _Listing:
    """Of the first base that lists models; where none does and `model` is named, of the first base as it is."""
    tried: list[_Listing] = []
    for base in place.bases:
        listing = _listing(base, place.query, requests, has_key, model)
        if not listing.why:
            return listing
        tried.append(listing)
    # The most telling reason: an answer that is wrong says more than a path that is not there.
    worst = next((t for t in tried if t.status not in (404, 405, 501)), tried[0])
    if model is None:
        missing = worst.status in (404, 405, 501)
        do = "check the URL, or name the model with --model" if missing else "check the URL"
        raise BadConfig(f"{worst.why}: not an OpenAI-compatible server; {do}")
    return tried[0]


def _listing(base: str, query: str, requests: SmallRequests, has_key: bool, model: str | None) -> _Listing:
    """The models of one base; BadConfig for what no other base would answer better."""
    url = f"{base}/models"
    try:
        answer = requests.get(url + query)
    except FAILURES as error:
        raise BadConfig(failure(base, error, requests, url)) from error
    if not (model and answer.status == 403):  # some gateways serve a model and forbid the list
        refuse(base, answer, has_key)
    emulated = HEADER.lower() in answer.headers
    # A redirect says more than what is behind it: a login seldom calls itself one.
    moved = answer.url != url + query
    here = f"{url} redirects to {one_line(answer.url, requests.secret)}, which" if moved else url
    if answer.status != 200:
        why = f"{here} returned {answer.status}" + (f" ({words})" if (words := answer.words()) else "")
        return _Listing(base=base, emulated=emulated, status=302 if moved else answer.status, why=why)
    if answer.is_page:
        return _Listing(base=base, why=f"{here} is a web page ({answer.words()[:80]}), perhaps a login")
    try:
        models = _entries(answer.json())
    except ValueError:
        return _Listing(base=base, why=f"{url} is not JSON")
    if models is None:
        return _Listing(base=base, why=f"{url} is not a list of models")
    safe = tuple(m for m in models if not _echoes(_name(m), requests.headers))
    return _Listing(base=base, models=safe, emulated=emulated)


def failure(base: str, error: Exception, requests: SmallRequests, url: str = "") -> str:
    """Why a server gives no usable answer, and what to do, in one sentence without a key."""
    if isinstance(error, Redirected):
        target = error.shown
        if target.endswith(("/models", "/completions")):
            return f"{base} redirects to {target}; give {target.removesuffix('/models')} as the URL"
        return f"{base} redirects to {target}, which is not followed; check the URL, and whether a login is in front"
    if isinstance(error, OtherProtocol):
        return f"{base} {error}"
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"{base}: TLS failed ({error.verify_message}); add --cafile, or --insecure for a test server"
    if isinstance(error, ssl.SSLError):
        if any(
            words in str(error).upper() for words in ("WRONG_VERSION", "RECORD LAYER", "HTTP_REQUEST", "PACKET_LEN")
        ):
            return f"{base} does not speak TLS; write the URL with http://"
        return f"{base}: TLS failed ({error.reason or error}); add --cafile, or --insecure for a test server"
    if isinstance(error, TimeoutError):
        return f"{url or base} does not answer within {requests.timeout_s:g} s; check that the server has started"
    if isinstance(error, OSError) and not isinstance(error, ConnectionResetError):
        return f"nothing answers at {base} ({error.strerror or error}); start the server, or check host and port"
    https = ", and whether it needs https://" if base.startswith("http://") else ""
    return f"{base} does not speak HTTP ({one_line(str(error), requests.secret)[:100]}); check host and port{https}"


def refuse(base: str, answer: SmallAnswer, has_key: bool) -> None:
    """BadConfig for an answer after which no request would be served: a key that is missing or wrong, a busy proxy."""
    if asks_for_tls(answer):
        raise BadConfig(f"{base} speaks TLS; write the URL with https://")
    if answer.status not in (401, 403, 429, *_STARTING):
        return
    status = f"{answer.status}: {words}" if (words := answer.words()) else str(answer.status)
    if answer.status in (401, 403) and has_key:
        raise BadConfig(
            f"{base} refused the API key ({status}); check the key, that it may use this server, and the header that "
            "it belongs in (--header 'api-key: $VARIABLE')"
        )
    if answer.status in (401, 403):
        raise BadConfig(
            f"{base} requires an API key ({status}); set PARETOKEN_API_KEY, use --api-key-file, or send a header of "
            "its own: --header 'api-key: $VARIABLE'"
        )
    if answer.status == 429:
        raise BadConfig(f"{base} refuses requests for now ({status}); wait, then try again")
    raise BadConfig(f"{base} is not ready ({status}); wait until the server behind it answers, then try again")


def _entries(document: object) -> tuple[Mapping[str, object], ...] | None:
    """The models of a list in any of its forms: objects or names, under `data` or `models` or bare; None for others."""
    if isinstance(document, dict):
        inside = [document[key] for key in ("data", "models") if key in document]
        if not inside and document.get("object") != "list":
            return None
        document = next((value for value in inside if value is not None), [])
    if not isinstance(document, list):
        return None
    entries = ({"id": entry} if isinstance(entry, str) else entry for entry in document)
    return tuple(entry for entry in entries if isinstance(entry, dict) and _name(entry))


def _name(entry: Mapping[str, object]) -> str:
    return next((name for key in ("id", "name", "model") if isinstance(name := entry.get(key), str) and name), "")


def _echoes(text: str, headers: Mapping[str, str]) -> bool:
    """Whether a server hands back a key, or a part of it, as a name: kept with the run, it would be public."""
    secret = "\n".join(value for name, value in headers.items() if is_secret(name))
    return one_line(text, secret) != one_line(text)


def _some(models: Sequence[str]) -> str:
    more = f" and {len(models) - MOST_SHOWN} more" if len(models) > MOST_SHOWN else ""
    return ", ".join(map(visible, models[:MOST_SHOWN])) + more


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
            return visible(version)[:100]
    return None


def _int(value: object, most: int = MOST_TOKENS) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 < value <= most else None
