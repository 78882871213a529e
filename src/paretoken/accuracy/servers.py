"""Log-probabilities from servers: OpenAI's completions (vLLM and others), and SGLang's own endpoint."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import wraps
from typing import Concatenate, ParamSpec, Protocol, TypeVar

from paretoken.accuracy.client import Client, Json, Refused
from paretoken.accuracy.tokens import Generated, NoAbility, Scored, finite
from paretoken.catalog.engine_files import engine_files, engine_of_owner
from paretoken.errors import BadConfig, EndpointFailed, UnknownName
from paretoken.foreign_text import one_line

TOP_K = 20
_ID = "token_id:"
LARGEST_ID = 2**31
Prompt = str | Sequence[int]
P = ParamSpec("P")
A = TypeVar("A")


class ScoringServer(Protocol):
    """One served model. Log-probabilities are natural logarithms."""

    @property
    def client(self) -> Client: ...

    @property
    def model(self) -> str: ...

    @property
    def engine(self) -> str: ...

    def generate(self, prompt: Prompt, max_tokens: int) -> Generated | NoAbility:
        """Greedy continuation with its log-probabilities."""

    def text(self, prompt: str, max_tokens: int, stop: str) -> str:
        """Greedy continuation up to `stop`, as text alone."""

    def score(self, ids: Sequence[int]) -> Scored | NoAbility:
        """Log-probabilities of tokens sent to the server (teacher forcing)."""


def connect(
    url: str,
    *,
    model: str | None = None,
    key: str | None = None,
    timeout_s: float = 300.0,
    headers: Mapping[str, str] | None = None,
) -> ScoringServer:
    """The server at a URL; BadConfig if it does not list its models as OpenAI does and `model` names none."""
    client = Client.at(url, key, timeout_s, headers)
    try:
        client, listed = _listing(client)
        owners = {str(m["id"]): str(m.get("owned_by", "")).lower() for m in listed["data"]}
    except (AttributeError, KeyError, TypeError, Refused) as e:
        why = str(e) if isinstance(e, Refused) else f"{client.root}{client.api}/models is not a list of models"
        if model is None:
            raise BadConfig(f"{why}: not an OpenAI-compatible server; check the URL, or name the model") from e
        owners = {model: ""}
    if model is not None and model not in owners:
        raise UnknownName(f"model at {client.root}", model, sorted(owners))
    if model is None and len(owners) != 1:
        names = one_line(", ".join(sorted(owners))) or "no model"
        raise BadConfig(f"{client.root} serves {names}; choose one with --model")
    name = model or next(iter(owners))
    owner = owners[name]
    engine = engine_of_owner(owner)
    api = engine_files()[engine].api if engine else None
    if api and api.logprobs == "sglang":
        return SGLang(client, name)
    return OpenAI(client, name, owner or "openai")


def _listing(client: Client) -> tuple[Client, Json]:
    """The list of models and the client for the base that has it, /v1 or the URL itself. BadConfig without access."""
    try:
        return client, client.get(f"{client.api}/models")
    except Refused as e:
        if e.status in (401, 403) and client.has_key:
            raise BadConfig(f"{client.root} refused the API key ({e.status}); check the key and its header") from e
        if e.status in (401, 403):
            raise BadConfig(
                f"{client.root} requires an API key ({e.status}); set PARETOKEN_API_KEY, use --api-key-file or --header"
            ) from e
        bare = replace(client, api="")
        try:
            return bare, bare.get("/models")
        except EndpointFailed:
            raise e from None


S = TypeVar("S", bound=ScoringServer)


def _of_known_form(ask: Callable[Concatenate[S, P], A]) -> Callable[Concatenate[S, P], A]:
    """The same question; EndpointFailed for an answer whose JSON has another form."""

    @wraps(ask)
    def asked(server: S, /, *args: P.args, **kwargs: P.kwargs) -> A:
        try:
            return ask(server, *args, **kwargs)
        except (AttributeError, LookupError, TypeError, ValueError, ArithmeticError) as e:
            raise EndpointFailed(f"{server.client.root} answered with JSON of an unknown form") from e

    return asked


@dataclass(frozen=True, slots=True)
class OpenAI:
    """`/v1/completions` with `logprobs`, and `echo` for tokens that were sent."""

    client: Client

    model: str
    engine: str

    @_of_known_form
    def generate(self, prompt: Prompt, max_tokens: int) -> Generated | NoAbility:
        try:
            choice = _choice(self._completions(self._body(prompt, max_tokens)))
        except Refused as e:
            return _not_offered(e)
        prompt_ids = choice.get("prompt_token_ids") or (prompt if not isinstance(prompt, str) else ())
        logprobs = choice.get("logprobs") or {}
        ids = _token_ids(choice.get("token_ids") or _ids(logprobs.get("tokens") or []) or ())
        values = finite(logprobs.get("token_logprobs") or [], f"{self.model}, generated")
        if ids and values and len(ids) != len(values):
            # A stop token may come as an id without a log-probability.
            ids = ids[: len(values)]
        return Generated(_token_ids(prompt_ids), ids, values, _tops(logprobs), str(choice.get("text", "")))

    @_of_known_form
    def text(self, prompt: str, max_tokens: int, stop: str) -> str:
        body = {"model": self.model, "prompt": prompt, "max_tokens": max_tokens, "temperature": 0, "stop": [stop]}
        return str(_choice(self._completions(body)).get("text", ""))

    @_of_known_form
    def score(self, ids: Sequence[int]) -> Scored | NoAbility:
        try:
            answer = self._completions({**self._body(ids, 1), "echo": True})
        except Refused as e:
            return NoAbility(f"the server refuses echo with log-probabilities of token ids (status {e.status})")
        logprobs = _choice(answer).get("logprobs") or {}
        values = list(logprobs.get("token_logprobs") or [])
        if len(values) <= 1:  # one token was asked for
            return NoAbility("echo is accepted, but log-probabilities are returned for generated tokens only")
        echoed = _ids(logprobs.get("tokens") or [])
        if echoed is None:
            return NoAbility("the server does not return token ids (return_tokens_as_token_ids)")
        # An answer of another length is one to another request; the ids will say so.
        n = len(ids) if len(values) in (len(ids), len(ids) + 1) else len(values) - 1
        finite(values[1:n], f"{self.model}, tokens sent")
        return Scored(_token_ids(echoed[:n]), (None, *values[1:n]), _tops(logprobs)[:n])

    def _completions(self, body: Mapping[str, object]) -> Json:
        """The answer of /completions; BadConfig where there is none: chat cannot score tokens that were sent."""
        try:
            return self.client.post(f"{self.client.api}/completions", body)
        except Refused as e:
            if e.status not in (404, 405, 501):
                raise
            raise BadConfig(
                f"{e}: the accuracy checks need /completions, since chat/completions takes no token ids and scores no "
                "prompts; turn it on, or check the engine behind the gateway"
            ) from e

    def _body(self, prompt: Prompt, max_tokens: int) -> dict[str, object]:
        return {
            "model": self.model,
            "prompt": prompt if isinstance(prompt, str) else list(prompt),
            "max_tokens": max_tokens,
            "temperature": 0,
            "logprobs": TOP_K,
            "stream": False,
            "return_tokens_as_token_ids": True,
            "return_token_ids": True,
        }


@dataclass(frozen=True, slots=True)
class SGLang:
    """`/generate` with `return_logprob`: values and ids of sent and generated tokens."""

    client: Client
    model: str
    engine: str = "sglang"

    @_of_known_form
    def generate(self, prompt: Prompt, max_tokens: int) -> Generated | NoAbility:
        try:
            meta, text = self._ask(prompt, max_tokens)
        except Refused as e:
            return _not_offered(e)
        sent, out = meta.get("input_token_logprobs") or [], meta.get("output_token_logprobs") or []
        values = finite([t[0] for t in out], f"{self.model}, generated")
        tops = tuple(map(_pairs, meta.get("output_top_logprobs") or []))
        return Generated(_token_ids(t[1] for t in sent), _token_ids(t[1] for t in out), values, tops, text)

    @_of_known_form
    def text(self, prompt: str, max_tokens: int, stop: str) -> str:
        sampling = {"temperature": 0, "max_new_tokens": max_tokens, "stop": [stop]}
        answer = self.client.post("/generate", {"text": prompt, "sampling_params": sampling})
        return str(answer.get("text", "")) if isinstance(answer, dict) else ""

    @_of_known_form
    def score(self, ids: Sequence[int]) -> Scored | NoAbility:
        try:
            meta, _ = self._ask(ids, 1)
        except Refused as e:
            return NoAbility(f"the server refuses return_logprob for token ids (status {e.status})")
        sent = meta.get("input_token_logprobs") or []
        if not sent:
            return NoAbility("log-probabilities are returned for generated tokens only")
        finite([t[0] for t in sent[1:]], f"{self.model}, tokens sent")
        tops = tuple(map(_pairs, meta.get("input_top_logprobs") or []))
        return Scored(_token_ids(t[1] for t in sent), (None, *(t[0] for t in sent[1:])), tops)

    def _ask(self, prompt: Prompt, max_tokens: int) -> tuple[Json, str]:
        what = {"text": prompt} if isinstance(prompt, str) else {"input_ids": list(prompt)}
        sampling = {"temperature": 0, "max_new_tokens": max_tokens}
        body = {
            **what,
            "sampling_params": sampling,
            "return_logprob": True,
            "logprob_start_len": 0,
            "top_logprobs_num": TOP_K,
        }
        answer = self.client.post("/generate", body)
        if not isinstance(answer, dict) or not isinstance(answer.get("meta_info"), dict):
            raise EndpointFailed(f"{self.client.root}/generate answers without meta_info; is it SGLang?")
        return answer["meta_info"], str(answer.get("text", ""))


def _not_offered(refused: Refused) -> NoAbility:
    """What the server lacks, if it refuses log-probabilities with 400; any other refusal is raised again."""
    if refused.status == 400 and "logprob" in str(refused).lower():
        return NoAbility(f"the server refuses log-probabilities of the top {TOP_K} tokens (status 400)")
    raise refused


def _choice(answer: Json) -> Json:
    try:
        return answer["choices"][0]
    except (KeyError, IndexError, TypeError) as e:
        raise EndpointFailed("the server's answer has no choices") from e


def _token_ids(values: Iterable[Json]) -> tuple[int, ...]:
    """The values as token ids; ValueError for one that cannot be one."""
    ids = tuple(values)
    if not all(type(i) is int and 0 <= i < LARGEST_ID for i in ids):
        raise ValueError("not a token id")
    return ids


def _ids(tokens: Sequence[Json]) -> list[int] | None:
    """Token ids written as `token_id:17`; None where the server writes texts."""
    if not all(isinstance(t, str) and t.startswith(_ID) and t[len(_ID) :].isdigit() for t in tokens):
        return None
    return [int(t[len(_ID) :]) for t in tokens]


def _tops(logprobs: Json) -> tuple[dict[int, float], ...]:
    """The most likely tokens at each position, those with an id and a value that is a number."""
    return tuple(
        {int(t[len(_ID) :]): float(v) for t, v in (place or {}).items() if t.startswith(_ID) and _is_number(v)}
        for place in logprobs.get("top_logprobs") or []
    )


def _pairs(place: Sequence[Sequence[Json]] | None) -> dict[int, float]:
    return {int(entry[1]): float(entry[0]) for entry in place or [] if _is_number(entry[0])}


def _is_number(value: Json) -> bool:
    return isinstance(value, int | float) and math.isfinite(value)
