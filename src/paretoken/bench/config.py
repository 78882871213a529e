"""The settings of a benchmark as plain values: kept in run.json, so that a run can be resumed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Literal

from paretoken.bench.secrets import masked_header, masked_json
from paretoken.errors import BadConfig
from paretoken.plain_files import as_type

OSL = "1024"
MOST_SESSIONS = 10_000
"""Sessions drawn from a workload: up to 0.4 MB of memory each."""
NO_ANSWERS = "--answers server needs prompts that hold earlier answers; add --turns or --trace FILE"
NO_WAITS = "--idle-cap shortens the waits of sessions; add --trace FILE, or --workload agent-code"
"""Errors for options that only sessions have, also where a named workload turns out to have none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchConfig:
    """Every option but the API key. The grammar of texts: `workload.ladder`, `workload.lengths`, `stats.slo`.

    `refused` are the request features that the server does not take (`trial.FEATURES`), found before the load,
    `tokens_per_word` what it counts for our words and `tokens_per_recorded_word` for those of a trace. Without `osl`,
    answers have OSL tokens, or those of the trace.
    `sessions` are drawn from a workload of sessions with `session_seed`, by default SAMPLE_SESSIONS; `seed` is of their
    words and of everything else.
    """

    urls: tuple[str, ...]
    model: str | None = None
    api: Literal["auto", "completions", "chat", "messages", "responses", "embeddings"] = "auto"
    max_tokens_field: Literal["auto", "max_tokens", "max_completion_tokens", "both"] = "auto"
    headers: tuple[str, ...] = ()
    query: tuple[str, ...] = ()
    refused: tuple[str, ...] = ()
    tokens_per_word: float | None = None
    tokens_per_recorded_word: float | None = None
    stream: bool = True
    dialect: str | None = None
    tokenizer: str | None = None
    vocab_size: int | None = None
    prompt_unit: Literal["tokens", "words"] = "tokens"
    workload: str | None = None
    sessions: int | None = None
    session_seed: int = 0
    isl: str = "1024"
    osl: str | None = None
    prefix_share: float = 0.0
    prefixes: int = 1
    images: str | None = None
    batch: int = 1
    adapters: str | None = None
    turns: str | None = None
    trace: str | None = None
    trace_speed: float = 1.0
    answers: Literal["trace", "server"] = "trace"
    idle_cap_s: float | None = None
    keep_going: bool = False
    concurrency: str | None = None
    rate: str | None = None
    arrivals: str = "poisson"
    search: Literal["slo", "knee"] | None = None
    slo: str = ""
    think_s: float = 0.0
    until: str | None = None
    warmup_per_user: int = 2
    ignore_eos: bool = True
    min_tokens: bool = False
    temperature: float | None = 0.0
    extra_body: str | None = None
    workers: int = 1
    timeout_s: float = 600.0
    balance: str = "round_robin"
    weights: tuple[float, ...] = ()
    cafile: str | None = None
    insecure: bool = False
    gpus: int = 1
    accelerator: str = "unknown"
    precision: str | None = None
    tp: int | None = None
    engine: str | None = None
    speculative: str | None = None
    speculative_tokens: int | None = None
    draft_model: str | None = None
    kv_cache_dtype: str | None = None
    catalog_model: str | None = None
    seed: int | None = None
    repeat: int = 1
    max_error_rate: float = 0.05
    on_error: Literal["go-on", "stop"] = "go-on"

    def __post_init__(self) -> None:
        if not self.urls:
            raise BadConfig("no endpoint; add the base URL of a server, such as http://127.0.0.1:8000/v1")
        if self.concurrency is not None and self.rate is not None:
            raise BadConfig("use --concurrency or --rate, not both")
        if self.arrivals == "trace" and not self.trace:
            raise BadConfig("--arrivals trace replays the arrival times of a trace; add --trace FILE")
        if self.weights and self.balance != "weighted":
            raise BadConfig(f"--weight has no effect with --balance {self.balance}; use --balance weighted")
        if self.turns and self.trace:
            raise BadConfig("--turns makes conversations and --trace replays recorded ones; use one of them")
        if self.answers == "server" and not (self.turns or self.trace or self.workload):
            raise BadConfig(NO_ANSWERS)
        if self.idle_cap_s is not None and not (self.trace or self.workload):
            raise BadConfig(NO_WAITS)
        if self.idle_cap_s is not None and self.idle_cap_s < 0:
            raise BadConfig(f"--idle-cap is {self.idle_cap_s:g} s; use 0 or more")
        if self.adapters and self.balance == "least_outstanding":
            raise BadConfig("--adapters sets the share of each adapter; leave out --balance least_outstanding")
        if self.images and (self.turns or self.trace):
            raise BadConfig("--images goes with prompts of one message; leave out --turns and --trace")
        if self.sessions is not None and not 1 <= self.sessions <= MOST_SESSIONS:
            raise BadConfig(f"--sessions is {self.sessions:,}; use 1 to {MOST_SESSIONS:,}")
        if self.batch < 1:
            raise BadConfig(f"--batch is {self.batch}; use 1 or more")
        if self.gpus < 1:
            raise BadConfig(f"--gpus is {self.gpus}; use 1 or more")
        if self.repeat < 1:
            raise BadConfig(f"--repeat is {self.repeat}; use 1 or more")
        for option, seed in (("--seed", self.seed or 0), ("--session-seed", self.session_seed)):
            if seed < 0:
                raise BadConfig(f"{option} {seed} is negative; use 0 or more")
        if not 0 <= self.max_error_rate <= 1:
            raise BadConfig(f"--max-error-rate {self.max_error_rate:g} must be between 0 and 1")
        if self.search == "slo" and not self.slo:
            raise BadConfig("--search slo needs --slo, such as ttft_p99=2s,tpot_p50=50ms (--search knee needs none)")

    @property
    def spread(self) -> str:
        """How requests are spread over the endpoints: adapters get their shares."""
        return "weighted" if self.adapters else self.balance

    @property
    def stated_configuration(self) -> dict[str, str | int | None]:
        """What the user states of the server, by the columns of operating points."""
        names = ("speculative", "speculative_tokens", "draft_model", "kv_cache_dtype")
        return {name: getattr(self, name) for name in names}

    def as_dict(self) -> dict[str, object]:
        """Every setting, secrets included; `without_secrets` is for files."""
        return asdict(self)

    def without_secrets(self) -> dict[str, object]:
        """The settings with the values of headers masked, and the secrets in the extra body."""
        extra = None if self.extra_body is None else masked_json(self.extra_body)
        return self.as_dict() | {"headers": tuple(map(masked_header, self.headers)), "extra_body": extra}

    @classmethod
    def of_dict(cls, values: Mapping[str, object], where: object = "the settings") -> BenchConfig:
        """The configuration that `as_dict` gave; keys of other versions are left out."""
        names = {f.name for f in fields(cls)}
        return as_type(cls, {k: v for k, v in values.items() if k in names}, where)
