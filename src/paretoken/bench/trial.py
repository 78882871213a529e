"""One small request before the load: which API a server has, and which fields of a request it does not take.

The request asks for one token. A refusal that names a field of it is answered by the same request without that
field, so that a server that takes less than others is measured with a note, instead of failing every request. An
answer that says nothing of the kind (an error of the server, a timeout, nonsense) changes nothing: the load will meet
it and count it.
"""

from __future__ import annotations

import re
import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import product

from paretoken.bench.apis import PATHS, TAKE_IDS, api_headers
from paretoken.bench.plan import Api
from paretoken.bench.probe import failure, refuse
from paretoken.bench.refusal_text import names_field, refusal_text
from paretoken.bench.server_url import server_url
from paretoken.bench.workload.bodies import Bodies
from paretoken.errors import BadConfig
from paretoken.foreign_http import FAILURES, OtherProtocol, Redirected, SmallAnswer, SmallRequests, same_origin
from paretoken.plural import counted

TOKEN_IDS = "token_ids"  # noqa: S105 - prompts of ids
FEATURES = {
    "stream_options": "tokens are counted by chunks where its answers state no usage",
    "continuous_usage_stats": "usage comes at the end of an answer only",
    "ignore_eos": "answers may end early",
    "min_tokens": "answers may end early",
    "temperature": "its own default applies",
    "seed": "answers are not repeatable",
    TOKEN_IDS: "prompts are sent as text",
}
"""What a server may not take, and what follows from it."""
LONGEST_S = 120.0
"""A model that is loaded by its first request takes a while."""
MOST_BYTES, MOST_VECTOR_BYTES = 16_384, 2**20
"""Of an answer of one token, and of an embedding."""
MOST_TRIES = 12
_ABSENT = (404, 405, 501)
_REFUSED = (400, 415, 422)
_TOO_FEW = re.compile(r"at least|minimum|greater|>=|below|too small", re.IGNORECASE)
_CHAT = re.compile(r"chat model|chat/completions|chat completions?", re.IGNORECASE)
_STREAM = re.compile(r"(?<![a-z_])stream(?:ing|ed)?(?![a-z_])", re.IGNORECASE)
_IMAGE = re.compile(r"image|multi-?modal|vision|mmproj", re.IGNORECASE)
_USAGE = re.compile(rb'"(?:prompt|input)_tokens"\s*:\s*(\d{1,9})\b')
_FEW, _SOME = 1, 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """What a server takes: the base and the API that answer, the field that limits the output, the features it refuses.

    `tokens_per_word` is what it counts for `words`, `tokens_per_recorded_word` for `recorded_words`; None where they
    were not sent or not counted.
    """

    base_url: str
    bodies: Bodies
    refused: tuple[str, ...] = ()
    tokens_per_word: float | None = None
    tokens_per_recorded_word: float | None = None
    notes: tuple[str, ...] = ()


def adapted(bodies: Bodies, refused: Sequence[str]) -> Bodies:
    """The bodies without the features that a server refuses."""
    dialect = bodies.dialect
    if "continuous_usage_stats" in refused:
        dialect = replace(dialect, continuous_usage=False)
    if TOKEN_IDS in refused:
        dialect = replace(dialect, token_ids=False)
    left_out = dict.fromkeys(set(refused) & {"stream_options", "ignore_eos", "min_tokens", "temperature", "seed"})
    return replace(
        bodies,
        dialect=dialect,
        ignore_eos=bodies.ignore_eos and "ignore_eos" not in refused,
        min_tokens=bodies.min_tokens and "min_tokens" not in refused,
        extra=left_out | dict(bodies.extra),
    )


@dataclass(slots=True, kw_only=True)
class Trial:
    """The trial of one server. `listed` is whether its base is proven by a list of models.

    `bases` and `apis` are tried in order; `in_url` is whether the URL names the API. `token_ids` is a short prompt of
    ids, where prompts are ids, `words` one of made-up words, and `recorded_words` those of a trace. `bodies` are those
    of the run as configured, without the features in `refused`.
    """

    bases: Sequence[str]
    apis: Sequence[Api]
    bodies: Bodies
    query: str = ""
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    tls: ssl.SSLContext | None = None
    timeout_s: float = LONGEST_S
    has_key: bool = False
    listed: bool = True
    in_url: bool = False
    token_ids: list[int] | None = None
    words: str = "Hello"
    recorded_words: str = ""
    field_is_free: bool = True
    refused: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    tokens: int = _FEW
    _base: str = ""
    _ratio: float | None = None
    _recorded_ratio: float | None = None

    def run(self) -> Accepted:
        """What the server takes. BadConfig where it redirects, refuses the key, or has no API at the URL."""
        absent: list[str] = []
        for base in self.bases:
            for api in self.apis:
                self.bodies = replace(self.bodies, api=api)
                if (why := self._settle(base)) is None:
                    if absent and len(self.apis) > 1 and api != self.apis[0]:
                        self.notes.append(f"{self._base} has no {PATHS[self.apis[0]]}, so {api} requests are sent")
                    return self._accepted()
                absent.append(why)
        self._refuse_for_other_api()
        if not self.listed:
            raise BadConfig(f"{_shortened(absent)}: not an OpenAI-compatible server; check the URL and --model")
        self._base, self.bodies = self.bases[0], replace(self.bodies, api=self.apis[0])
        return self._accepted()

    def _refuse_for_other_api(self) -> None:
        """BadConfig if the only API that may be used is not there and another one answers."""
        if len(self.apis) > 1:
            return
        chosen: Api = self.apis[0]
        for base, other in product(self.bases, (api for api in PATHS if api != chosen)):
            self._base, self.bodies = base, replace(self.bodies, api=other)
            try:
                answers = self._post().status == 200
            except FAILURES:
                continue
            if answers:
                do = f"give {base} as the URL" if self.in_url else f"use --api {other}"
                raise BadConfig(f"{base} has no {PATHS[chosen]}, but answers {PATHS[other]}; {do}")

    def _accepted(self) -> Accepted:
        if self.refused:
            effects = "; ".join(f"{name}: {FEATURES[name]}" for name in self.refused)
            self.notes.append(f"{self._base} does not take {effects}")
        return Accepted(
            base_url=self._base,
            bodies=self.bodies,
            refused=tuple(self.refused),
            tokens_per_word=self._ratio,
            tokens_per_recorded_word=self._recorded_ratio,
            notes=tuple(self.notes),
        )

    def _settle(self, base: str) -> str | None:
        """Send the request until it is accepted; a sentence where the path is not there, else None."""
        self._base = base
        before = self.bodies, tuple(self.refused), tuple(self.notes)
        for _ in range(MOST_TRIES):
            try:
                answer = self._post()
            except Redirected as error:
                self._follow(error)
                continue
            except OtherProtocol as error:
                raise BadConfig(failure(self._base, error, self._requests)) from error
            except FAILURES:
                return None
            refuse_key(self._base, answer, self.has_key)
            if answer.status == 200:
                self._note_whole(answer)
                self._ratio = None if self._ids else self._per_word(answer, self.words)
                self._count_recorded()
                return None
            if answer.status in _ABSENT or self._is_chat_only(answer):
                return f"{self._base}{PATHS[self.bodies.api]} returned {answer.status} ({answer.words()})"
            self._refuse_images(answer)
            if answer.status not in (*_REFUSED, 500) or not self._amend(answer):
                break
        # Nothing that was left out helped, so it was not that.
        self._base, (self.bodies, self.refused[:], self.notes[:]) = base, before
        return None

    def _post(self, words: str = "") -> SmallAnswer:
        bodies = adapted(self.bodies, self.refused)
        url = f"{self._base}{PATHS[self.bodies.api]}{self.query}"
        return self._requests.post(url, bodies.of(words or self._ids or self.words, self.tokens))

    @property
    def _requests(self) -> SmallRequests:
        api = self.bodies.api
        return SmallRequests(
            headers=api_headers(api, self.headers, self._base),
            tls=self.tls,
            timeout_s=min(self.timeout_s, LONGEST_S),
            most_bytes=MOST_VECTOR_BYTES if api == "embeddings" else MOST_BYTES,
        )

    @property
    def _ids(self) -> list[int] | None:
        """The prompt of token ids, where the next request has one."""
        return self.token_ids if self.bodies.api in TAKE_IDS and TOKEN_IDS not in self.refused else None

    def _follow(self, redirect: Redirected) -> None:
        """Go on at a redirect within the origin; BadConfig for another."""
        here = f"{self._base}{PATHS[self.bodies.api]}"
        target = redirect.url.partition("?")[0].rstrip("/")
        stays = same_origin(target, here) and target != here and redirect.shown == redirect.url
        if not (stays and target.endswith(tuple(PATHS.values()))):
            raise BadConfig(failure(self._base, redirect, self._requests))
        place = server_url(target)
        base = place.bases[0]
        self.notes.append(f"{self._base} redirects to {base}, where the requests are sent")
        self._base, self.bodies = base, replace(self.bodies, api=place.api or self.bodies.api)

    def _is_chat_only(self, answer: SmallAnswer) -> bool:
        says_chat = _CHAT.search(refusal_text(answer)) is not None
        return answer.status in _REFUSED and self.bodies.api == "completions" and "chat" in self.apis and says_chat

    def _refuse_images(self, answer: SmallAnswer) -> None:
        """BadConfig where the model takes no images."""
        if self.bodies.images is not None and _IMAGE.search(refusal_text(answer)):
            raise BadConfig(f"{self._base} takes no images ({answer.words()}); serve a vision model, or drop --images")

    def _amend(self, answer: SmallAnswer) -> bool:
        """Change what the refusal names; whether there was anything to change."""
        text = refusal_text(answer)
        if answer.status in _REFUSED:
            if self._amend_max_tokens(text):
                return True
            sent = _names(adapted(self.bodies, self.refused))
            named = [f for f in FEATURES if f in sent and f not in self.bodies.extra and names_field(text, f)]
            if "include_usage" in text and "stream_options" in sent and not named:
                named = ["stream_options"]
            if "continuous_usage_stats" in named and "stream_options" in named:
                named.remove("stream_options")
            if named:
                self.refused += named
                return True
            if self.bodies.streams and _STREAM.search(text) and "support" in text.lower():
                raise BadConfig(f"{self._base} does not stream ({answer.words()}); add --no-stream")
        if self._ids:
            self.refused.append(TOKEN_IDS)
            return True
        return False

    def _amend_max_tokens(self, text: str) -> bool:
        """Use the other field that limits the output, or ask for more tokens, if the refusal names that field."""
        name = self.bodies.limit_field
        if not names_field(text, name):
            return False
        if _TOO_FEW.search(text) and self.tokens == _FEW:
            self.tokens = _SOME
            return True
        if not self.field_is_free or name != "max_tokens" or "max_tokens" in self.bodies.extra:
            return False
        self.bodies = replace(self.bodies, max_tokens_field="max_completion_tokens")
        self.notes.append(f"{self._base} does not take max_tokens, so max_completion_tokens is sent")
        return True

    def _per_word(self, answer: SmallAnswer, words: str) -> float | None:
        """Tokens per word by the usage of the answer; a count that no tokenizer makes is not believed."""
        counts = _USAGE.findall(answer.body)
        if self.bodies.images is not None or not counts:
            return None  # tokens of images are among those of the prompt
        ratio = int(counts[-1]) / len(words.split())
        return round(ratio, 3) if 0.5 <= ratio <= 20 else None

    def _count_recorded(self) -> None:
        """Send the recorded words too: made-up ones have another number of tokens."""
        if not self.recorded_words or self.bodies.images is not None:
            return
        try:
            answer = self._post(self.recorded_words)
        except (Redirected, OtherProtocol, *FAILURES):
            return
        if answer.status == 200:
            self._recorded_ratio = self._per_word(answer, self.recorded_words)

    def _note_whole(self, answer: SmallAnswer) -> None:
        if not self.bodies.streams or b"event-stream" in answer.headers.get("content-type", "").encode():
            return
        if answer.is_page:
            raise BadConfig(f"{self._base} answers with a web page ({answer.words()[:80]}); check the URL")
        if answer.body.lstrip().startswith(b"{"):
            self.notes.append(
                f"{self._base} does not stream although asked to: each answer comes whole, so TTFT, TPOT and ITL are "
                "unknown"
            )


def refuse_key(base: str, answer: SmallAnswer, has_key: bool) -> None:
    """BadConfig where the key is missing or wrong, or the port is for TLS; the load meets other refusals."""
    if answer.status in (400, 401, 403):
        refuse(base, answer, has_key)


def _shortened(reasons: Sequence[str]) -> str:
    """The first reason, and how many others there are."""
    more = len(reasons) - 1
    return reasons[0] + (f", and {counted(more, 'other path')} no better" if more else "")


def _names(bodies: Bodies) -> set[str]:
    """The features that a request of these bodies uses."""
    fields = bodies.shared(1)
    options = fields.get("stream_options")
    return fields.keys() & FEATURES.keys() | (options.keys() & FEATURES.keys() if isinstance(options, dict) else set())
