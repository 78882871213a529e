"""Options of other load tools: `vllm bench serve`, SGLang's bench_serving, AIPerf, GenAI-Perf and GuideLLM.

One row for each option: the words that mean exactly the same here, or the answer that names what to write. Rows were
read in the tools' own option tables: vllm/benchmarks/serve.py and datasets.py, sglang/bench_serving.py,
aiperf/common/config, guidellm/benchmark and guidellm/cli (2026-11).
"""

from __future__ import annotations

from dataclasses import dataclass

VLLM, SGLANG, AIPERF, GUIDELLM = "vllm bench serve", "sglang.bench_serving", "AIPerf", "GuideLLM"
_LIKE_VLLM = f"{VLLM}, {SGLANG}"
_ALL = f"{_LIKE_VLLM}, {AIPERF}, {GUIDELLM}"
NOTHING: tuple[str, ...] = ()
"""The words for what bench always does."""


@dataclass(frozen=True, slots=True)
class Habit:
    """An option of other tools and the words for it here, in which {} is its value.

    `names` are its spellings; `--name=value` is a row for one value, `--name.field` one for a field of
    `--name field=value,…`. `accepts` limits the values that have a counterpart; for others, and if `needs` is an
    option that is not there, `answer` is the error. A row that only has an answer has no counterpart.
    """

    names: str
    tools: str
    words: tuple[str, ...] = NOTHING
    answer: str = ""
    accepts: str = ""
    needs: str = ""
    valued: bool = False

    @property
    def refused(self) -> bool:
        """Whether nothing here means the same."""
        return bool(self.answer) and not (self.words or self.accepts or self.needs)


_NO_DATA_SET = "bench downloads no data set; give a file with --trace (ShareGPT, Mooncake, BurstGPT, plain JSONL, …)"
_NO_NATIVE = "bench calls the OpenAI API of every engine; write --api completions or --api chat"
_WARMUPS = "bench counts warm-up requests per user; write --warmup-per-user N"
_SLO = "write the limits with units, as in --slo ttft=200ms,tpot=50ms,e2e=2s; each level then reports its goodput"
_RANGE = (
    "tools disagree on what the ratio means; write --isl uniform:1024:0.8, which draws from 80 to 100 % of 1024 "
    "(and --osl alike)"
)
_FOLDER = "each run has a folder of its own; write --out runs/NAME (and --export vllm for a result file of vLLM's form)"
_KEY = "keys stay off the command line; set PARETOKEN_API_KEY, or write --api-key-file FILE"
_SWEEP = "write the loads, as in --concurrency 1:256:x2, or let --search knee find the highest useful one"
_BURST = "all requests at once are a closed loop; add --concurrency N"
_RAMP = "write the ramp as one load: --rate ramp:1:10:60s"
_PREFIX = "a shared prefix is part of the prompt; write --isl PREFIX+REST --prefix-share PREFIX/(PREFIX+REST)"
_PAUSE = "write the pause between turns in seconds: --think 0.5; to shorten those of a trace, add --idle-cap 60"
_TEXT_ONLY = "bench measures text generation and embeddings; choose with --api"
EXTRA = "write the fields as JSON: --extra-body '{\"min_tokens\": 128}'"
_NUMBER = r"[0-9.]+"
HABITS: tuple[Habit, ...] = (
    # Where the server is
    Habit("--base-url --url --target -u", _ALL, ("URL", "{}")),
    Habit("--host", _LIKE_VLLM, ("HOST", "{}")),
    Habit("--port", _LIKE_VLLM, ("PORT", "{}")),
    Habit("--endpoint --custom-endpoint", f"{VLLM}, {AIPERF}", ("PATH", "{}")),
    Habit("--backend.kind=openai_http", GUIDELLM),
    Habit("--backend.target", GUIDELLM, ("URL", "{}")),
    Habit("--backend.model", GUIDELLM, ("--model", "{}")),
    Habit("--backend.request_format", GUIDELLM, ("PATH", "{}"), "write --api completions or --api chat", r"/v1/.*"),
    # Which API
    Habit("--endpoint-type=chat --backend=openai-chat --request-type=chat_completions", _ALL, ("--api", "chat")),
    Habit("--endpoint-type=openai-chat --backend=sglang-oai-chat --backend=vllm-chat", _LIKE_VLLM, ("--api", "chat")),
    Habit("--backend=lmdeploy-chat --request-format=/v1/chat/completions", f"{SGLANG}, {GUIDELLM}", ("--api", "chat")),
    Habit("--endpoint-type=completions --request-type=text_completions", _ALL, ("--api", "completions")),
    Habit("--backend=openai --backend=vllm --backend=sglang-oai --backend=lmdeploy", _ALL, ("--api", "completions")),
    Habit("--endpoint-type=openai --endpoint-type=vllm", VLLM, ("--api", "completions")),
    Habit("--request-format=/v1/completions", GUIDELLM, ("--api", "completions")),
    Habit("--endpoint-type=responses", AIPERF, ("--api", "responses")),
    Habit("--endpoint-type=embeddings", AIPERF, ("--api", "embeddings")),
    Habit("--backend=openai_http --backend-type=openai_http --service-kind=openai", f"{GUIDELLM}, {AIPERF}"),
    Habit("--backend", _ALL, answer=_NO_NATIVE, valued=True),
    Habit("--endpoint-type --request-type --request-format", _ALL, answer=_TEXT_ONLY, valued=True),
    Habit("--backend-type --backend-args --backend-kwargs", GUIDELLM, answer=_NO_NATIVE, valued=True),
    Habit("--api-key", AIPERF, answer=_KEY),
    Habit("--apply-chat-template --use-chat-template", _LIKE_VLLM, answer="write --api chat"),
    Habit("--streaming", AIPERF),
    Habit("--disable-stream", SGLANG, ("--no-stream",)),
    Habit("--request-timeout-seconds", AIPERF, ("--timeout", "{}")),
    Habit("--model-names -m", AIPERF, ("--model", "{}"), "bench measures one model at a time; give one name", r"[^,]+"),
    Habit("-H", AIPERF, ("--header", "{}")),
    Habit("--served-model-name", _LIKE_VLLM, ("--model", "{}")),
    Habit("--processor", GUIDELLM, ("--tokenizer", "{}")),
    # How long
    Habit(
        "--num-prompts --num-prompt --request-count --num-requests --max-requests",
        _ALL,
        ("--until", "{} requests"),
    ),
    Habit("--benchmark-duration --max-seconds --max-duration", f"{AIPERF}, {GUIDELLM}", ("--until", "{}s")),
    Habit("--constraint.kind=max_duration --constraint.kind=max_requests", GUIDELLM),
    Habit("--constraint.kind", GUIDELLM, answer="write --until 60s, '1000 requests' or 2%; and --max-error-rate 0.05"),
    Habit("--constraint.seconds", GUIDELLM, ("--until", "{}s")),
    Habit("--constraint.count", GUIDELLM, ("--until", "{} requests")),
    Habit("--num-warmups --warmup-requests", _LIKE_VLLM, ("--warmup-per-user", "{}"), _WARMUPS, "0"),
    Habit("--warmup-request-count --num-warmup-requests", AIPERF, ("--warmup-per-user", "{}"), _WARMUPS, "0"),
    Habit("--warmup --warmup-percent --warmup-duration", f"{AIPERF}, {GUIDELLM}", answer=_WARMUPS),
    Habit(
        "--cooldown --cooldown-percent --benchmark-grace-period",
        f"{AIPERF}, {GUIDELLM}",
        answer="bench finds the steady window of each level itself; leave it out",
    ),
    Habit("--max-errors", GUIDELLM, answer="bench limits the share of failed requests; write --max-error-rate 0.05"),
    # How much load
    Habit("--max-concurrency", _LIKE_VLLM, ("--concurrency", "{}")),
    Habit("--request-rate=inf", _LIKE_VLLM, answer=_BURST, needs="--concurrency", valued=True),
    Habit("--request-rate", _ALL, ("--rate", "{}")),
    Habit("--burstiness --arrival-smoothness", f"{VLLM}, {AIPERF}", ("--arrivals", "gamma:{}")),
    Habit("--request-rate-mode=poisson --arrival-pattern=poisson", AIPERF, ("--arrivals", "poisson")),
    Habit("--request-rate-mode=constant --arrival-pattern=constant", AIPERF, ("--arrivals", "constant")),
    Habit("--request-rate-mode=concurrency_burst", AIPERF, answer=_BURST, needs="--concurrency", valued=True),
    Habit("--arrival-pattern=gamma", AIPERF, answer="write --arrivals gamma:0.5", needs="--arrivals", valued=True),
    Habit("--request-rate-mode --arrival-pattern", AIPERF, answer="write --arrivals constant, poisson or gamma:0.5"),
    Habit("--rate-type=synchronous --profile=synchronous", GUIDELLM, ("--concurrency", "1")),
    Habit("--rate-type=concurrent --profile=concurrent", GUIDELLM, ("RATE IS", "--concurrency")),
    Habit("--rate-type=constant --profile=constant", GUIDELLM, ("--arrivals", "constant")),
    Habit("--rate-type=poisson --profile=poisson", GUIDELLM, ("--arrivals", "poisson")),
    Habit("--profile.kind=synchronous", GUIDELLM, ("--concurrency", "1")),
    Habit("--profile.kind=concurrent", GUIDELLM),
    Habit("--profile.kind=constant", GUIDELLM, ("--arrivals", "constant")),
    Habit("--profile.kind=poisson", GUIDELLM, ("--arrivals", "poisson")),
    Habit("--profile.streams", GUIDELLM, ("--concurrency", "{}")),
    Habit("--profile.rate", GUIDELLM, ("--rate", "{}")),
    Habit("--profile.kind --rate-type", GUIDELLM, answer=_SWEEP, valued=True),
    Habit("--profile", _ALL, answer=f"bench profiles no server; for the load profiles of {GUIDELLM}, {_SWEEP}"),
    Habit("--ramp-up-strategy --ramp-up-start-rps --ramp-up-end-rps", VLLM, answer=_RAMP),
    Habit("--request-rate-ramp-duration --concurrency-ramp-duration", AIPERF, answer=_RAMP),
    # Which prompts
    Habit("--random-input-len --random-input --input-len --prompt-tokens", _LIKE_VLLM, ("--isl", "{}")),
    Habit("--random-output-len --random-output --output-len --output-tokens", _LIKE_VLLM, ("--osl", "{}")),
    Habit("--synthetic-input-tokens-mean --prompt-input-tokens-mean", AIPERF, ("--isl", "{}")),
    Habit("--output-tokens-mean --prompt-output-tokens-mean", AIPERF, ("--osl", "{}")),
    Habit("--synthetic-input-tokens-stddev --prompt-input-tokens-stddev --isl-stddev", AIPERF, ("--isl", "SD {}")),
    Habit("--output-tokens-stddev --prompt-output-tokens-stddev --osl-stddev", AIPERF, ("--osl", "SD {}")),
    Habit("--data.kind=synthetic_text", GUIDELLM),
    Habit("--data.prompt_tokens", GUIDELLM, ("--isl", "{}")),
    Habit("--data.output_tokens", GUIDELLM, ("--osl", "{}")),
    Habit("--data.prompt_tokens_stdev", GUIDELLM, ("--isl", "SD {}")),
    Habit("--data.output_tokens_stdev", GUIDELLM, ("--osl", "SD {}")),
    Habit("--data.turns", GUIDELLM, ("--turns", "{}")),
    Habit("--data --data-args --public-dataset", f"{GUIDELLM}, {AIPERF}", answer=_NO_DATA_SET),
    Habit("--random-range-ratio", _LIKE_VLLM, answer=_RANGE),
    Habit("--random-prefix-len --gsp-system-prompt-len", _LIKE_VLLM, answer=_PREFIX),
    Habit("--prefix-prompt-length --prompt-prefix-length", AIPERF, answer=_PREFIX),
    Habit("--prefix-prompt-pool-size --prompt-prefix-pool-size --num-prefix-prompts", AIPERF, ("--prefixes", "{}")),
    Habit("--gsp-num-groups", SGLANG, ("--prefixes", "{}")),
    Habit("--dataset-name=random --dataset-name=random-ids", _LIKE_VLLM),
    Habit(
        "--dataset-name=sharegpt --dataset-name=burstgpt --dataset-name=mooncake --dataset-name=timed_trace "
        "--dataset-name=custom --custom-dataset-type=mooncake_trace",
        _ALL,
        answer=_NO_DATA_SET,
        needs="--trace",
        valued=True,
    ),
    Habit("--dataset-name --dataset --custom-dataset-type", _ALL, answer=_NO_DATA_SET, valued=True),
    Habit("--dataset-path --input-file", f"{_LIKE_VLLM}, {AIPERF}", ("--trace", "{}")),
    Habit("--sharegpt-output-len --custom-output-len --hf-output-len", _LIKE_VLLM, ("--osl", "{}")),
    Habit("--fixed-schedule --self-timed", f"{VLLM}, {AIPERF}", ("--arrivals", "trace")),
    Habit("--conversation-turn-mean --session-turns-mean", AIPERF, ("--turns", "{}")),
    Habit("--conversation-turn-delay-mean --session-turn-delay-mean", AIPERF, answer=_PAUSE),
    Habit(
        "--conversation-num --num-conversations --num-sessions --num-dataset-entries",
        AIPERF,
        answer="bench draws a new prompt for each request; leave it out, and end the level with --until '200 requests'",
    ),
    Habit("--random-seed", f"{AIPERF}, {GUIDELLM}", ("--seed", "{}")),
    Habit("--disable-ignore-eos", SGLANG, ("--no-ignore-eos",)),
    Habit("--extra-request-body", SGLANG, ("--extra-body", "{}")),
    Habit("--extra-inputs=ignore_eos:true", AIPERF),
    Habit("--extra-inputs", AIPERF, ("--extra-body", "{}"), EXTRA, r"\s*\{.*"),
    Habit("--top-p", VLLM, ("--extra-body", '{"top_p": {}}'), EXTRA, _NUMBER),
    Habit("--top-k", VLLM, ("--extra-body", '{"top_k": {}}'), EXTRA, _NUMBER),
    Habit("--min-p", VLLM, ("--extra-body", '{"min_p": {}}'), EXTRA, _NUMBER),
    Habit("--frequency-penalty", VLLM, ("--extra-body", '{"frequency_penalty": {}}'), EXTRA, _NUMBER),
    Habit("--presence-penalty", VLLM, ("--extra-body", '{"presence_penalty": {}}'), EXTRA, _NUMBER),
    Habit("--repetition-penalty", VLLM, ("--extra-body", '{"repetition_penalty": {}}'), EXTRA, _NUMBER),
    Habit("--tokenize-prompt", SGLANG),
    Habit(
        "--flush-cache",
        SGLANG,
        answer="prompts of bench share no prefix unless --prefix-share says so; leave it out",
    ),
    Habit(
        "--lora-modules --lora-name",
        _LIKE_VLLM,
        answer="name the adapter as the model to measure: --model ADAPTER",
    ),
    # What is measured and kept
    Habit("--goodput", f"{VLLM}, {AIPERF}", answer=_SLO),
    Habit("--save-result --save-detailed --output-details", _LIKE_VLLM),
    Habit("--disable-tqdm --disable-progress --disable-console --disable-console-interactive", _ALL),
    Habit("--plot-timeline", VLLM, answer="a report of the run draws it: paretoken report runs/NAME"),
    Habit("--percentile-metrics", VLLM, valued=True),
    Habit(
        "--metric-percentiles",
        VLLM,
        answer="a run keeps p50, p90, p95, p99 and p99.9 of every latency; leave other percentiles out",
        accepts=r"((50|90|95|99|99\.9)(,|$))+",
        valued=True,
    ),
    Habit("--result-dir --result-filename --append-result --profile-export-file", _ALL, answer=_FOLDER),
    Habit("--output-artifact-dir --artifact-dir --output-dir", f"{AIPERF}, {GUIDELLM}", ("--out", "{}")),
    Habit("--output-path --output-file --outputs --output", _ALL, answer=_FOLDER),
    Habit(
        "--label --metadata --output-extras",
        _ALL,
        answer="record what the server is with --accelerator, --gpus, --tp, --precision and --engine",
    ),
    Habit("--workers-max --max-workers", AIPERF, answer="write the number of client processes: --workers N"),
    Habit(
        "--ready-check-timeout-sec",
        VLLM,
        answer="bench asks the server for one answer before the load; start it when the server is up",
        accepts="0",
        valued=True,
    ),
    Habit("--trust-remote-code", VLLM, answer="bench runs no code of a tokenizer; leave it out"),
)
_BY_NAME = {name: habit for habit in HABITS for name in habit.names.split()}


def habit_of(name: str, value: str | None) -> tuple[Habit | None, bool]:
    """The row for an option with this value, and whether it takes the value; None if no row knows it."""
    if value is not None and (row := _BY_NAME.get(f"{name}={value.casefold()}")):
        return row, True
    row = _BY_NAME.get(name)
    return row, row is not None and (row.valued or "{}" in "".join(row.words))


def has_fields(name: str) -> bool:
    """Whether the values of an option may be `field=value,…`, each field a row."""
    return any(row.startswith(f"{name}.") for row in _BY_NAME)
