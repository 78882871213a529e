"""What the servers behind published points were told: the settings of InferenceX's recipes, from a clone.

    python tools/published_settings.py /path/to/InferenceX > src/paretoken/predict/data/published_settings.csv

Recipes are shell scripts whose flags follow from the parallelism, the lengths and the users of a run. Each version of
each is run once for each combination that the shipped points hold, in a restricted Bash without any command: all that
it would start is printed instead. Nothing of a script reaches a file, a network or a program.

Settings that are the same whatever the users, the lengths or the parallelism have no value in that column.
"""

from __future__ import annotations

import csv
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import astuple, dataclass, fields, replace
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl

from paretoken.points.published import published_points

MODELS = {
    "70b": "llama-3-70b",
    "dsr1": "deepseek-r1",
    "dsv4": "deepseek-v4-pro",
    "gptoss": "gpt-oss-120b",
    "glm5": "glm-5",
    "glm5.1": "glm-5.1",
    "kimik2.5": "kimi-k2.5",
    "minimaxm2.5": "minimax-m2.5",
    "minimaxm3": "minimax-m3",
    "qwen3.5": "qwen3.5-397b-a17b",
}
NAME = re.compile(
    r"(?P<model>[^_/]+)_(?P<precision>bf16|fp8|fp4|int4)_(?P<accelerator>[a-z0-9]+)(?P<rest>(_(trt|atom|vllm|sglang))?(_mtp)?(_docker|_slurm)?)\.sh$"
)
PROGRAMS = {
    "trtllm": ("trtllm-serve",),
    "atom": ("atom.entrypoints",),
    "sglang": ("sglang.launch_server", "sglang serve"),
    "vllm": ("vllm serve",),
}
PRELUDE = r"""
command_not_found_handle() { printf 'RUN'; printf '\t%s' "$@"; printf '\n'; }
cat() { local line; while IFS= read -r line; do printf 'TEXT\t%s\n' "$line"; done; }
source() { :; }
kill() { return 1; }
docker() { [ "$1" != run ] || command_not_found_handle "$@"; }
sleep() { :; }
"""
SHELL = (shutil.which("bash") or "bash", "--restricted", "--noprofile", "--norc", "-c")
OUTPUT = re.compile(r"(?<![-=<>])(?:2>&1|&>\s*[^\s)]+|[0-9]?>&[0-9-]|(?:\b[0-9])?>>?\s*[^\s)&(]+)|\s&\s*$")
KEY = re.compile(r"([\w-]+|\s+(?:dtype|free_gpu_memory_fraction|timeout_iters|enable_balance)):\s*(\S+)\s*")
"""A key of a configuration file, at its top level, of the KV cache or of the balance between ranks."""
BALANCE_STEPS = "50"
"""Steps that TensorRT-LLM waits by default until each rank of attention DP has a request, if told to balance them."""
SECONDS = 10
METHOD = re.compile(r'(?:"method": *"|--method[ =]|--speculative-algorithm[ =]|decoding_type: *)(\w+)')
DRAFTED = re.compile(
    r'(?:"num_speculative_tokens": *|--num-speculative-tokens[ =]|--speculative-num-steps[ =]'
    r"|num_nextn_predict_layers: *|max_draft_len: *)(\d+)"
)
"""The method of speculative decoding, and the tokens drafted a step. SGLang's steps of a chain are its tokens."""


class Run(NamedTuple):
    """What a script reads from its environment, or what a row of settings holds for."""

    isl: int | None
    osl: int | None
    tp: int | None
    ep: int | None
    dp_attention: bool | None
    users: int | None


@dataclass(frozen=True, slots=True)
class Settings:
    """What a server was told; None where it was not."""

    kv_dtype: str | None
    memory_utilization: float | None
    max_num_seqs: int | None
    max_batched_tokens: int | None
    receive_interval: int | None = None
    batch_wait: int | None = None
    speculative: str | None = None
    speculative_tokens: int | None = None


@dataclass(frozen=True, slots=True)
class Recipe:
    """Whose settings they are; `since` is the day of the version."""

    accelerator: str
    engine: str
    model: str
    precision: str
    drafting: bool
    since: str


COLUMNS = (*(f.name for f in fields(Recipe)), *Run._fields, *(f.name for f in fields(Settings)))


def main(clone: Path) -> None:
    runs = _runs()
    versions: dict[Key, dict[str, list[tuple[Run, Settings]]]] = {}
    for recipe, script in _scripts(clone):
        key = astuple(recipe)[:-1]
        tried, program = _telling(runs.get(key, set())), _program(recipe.engine, script) or ""
        done = zip(tried, _lines(script, tried), strict=False)
        rows = _narrowed({run: s for run, lines in done if (s := _settings(lines, program, _shared(recipe, run)))})
        if rows:
            versions.setdefault(key, {})[recipe.since] = rows
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(COLUMNS)
    for key, by_day in sorted(versions.items()):
        before = None
        for since, rows in by_day.items():
            if rows != before:
                for run, settings in rows:
                    writer.writerow(["" if x is None else x for x in (*key, since, *run, *astuple(settings))])
            before = rows


Key = tuple[str, str, str, str, bool]


def _runs() -> dict[Key, set[Run]]:
    """The combinations that the shipped points of InferenceX hold, by recipe."""
    points = published_points().filter(
        pl.col("source").str.starts_with("inferencex") | pl.col("n_gpus").is_not_null(),
        pl.col("load_kind") == "closed",
        ~pl.col("disaggregated").fill_null(False),
        ~pl.col("multinode").fill_null(False),
        pl.col("source") != "atom-nightly",
    )
    out: dict[Key, set[Run]] = {}
    for r in points.iter_rows(named=True):
        drafting = (r["speculation"] or "none") not in ("none", "unknown")
        key = (r["accelerator"], r["engine"], r["model"], r["precision"], drafting)
        run = Run(
            r["isl"], r["osl"], r["tp"] or r["n_gpus"], r["ep"] or 1, bool(r["dp_attention"]), int(r["concurrency"])
        )
        out.setdefault(key, set()).add(run)
    return out


def _telling(runs: set[Run]) -> list[Run]:
    """The runs of the fewest, a middling number and the most users of each configuration."""
    by_rest: dict[Run, list[Run]] = {}
    for run in sorted(runs, key=lambda r: (str(r), r.users or 0)):
        by_rest.setdefault(run._replace(users=None), []).append(run)
    return [
        r
        for alike in by_rest.values()
        for r in sorted({min(alike, key=_users), sorted(alike, key=_users)[len(alike) // 2], max(alike, key=_users)})
    ]


def _users(run: Run) -> int:
    return run.users or 0


def _scripts(clone: Path) -> Iterator[tuple[Recipe, str]]:
    """Every version of every recipe, by the day it came, oldest first; not twice in a row the same."""
    last: dict[Key, str] = {}
    log = _git(clone, "log", "--reverse", "--format=%x00%H %cs", "--name-only", "--no-renames", "--", "benchmarks")
    for entry in log.split("\0")[1:]:
        head, *paths = entry.split("\n")
        commit, day = head.split()
        for path in sorted(filter(None, paths)):
            name = NAME.search(path)
            if not name or any(part in path for part in ("multi_node", "agentic", "speedbench", "/deprecated/")):
                continue
            text = _git(clone, "show", f"{commit}:{path}", check=False)
            if text and (recipe := _recipe(name, text, day)):
                key = astuple(recipe)[:-1]
                serving = _serving(text)
                if last.get(key) != serving:
                    last[key] = serving
                    yield recipe, serving


def _serving(text: str) -> str:
    """A script up to where it waits for its server, without comments."""
    before = re.split(r"^\s*wait_for_server_ready", text, maxsplit=1, flags=re.MULTILINE)[0]
    return "\n".join(
        line.rstrip() for line in before.splitlines() if line.strip() and not line.lstrip().startswith("#")
    )


def _recipe(name: re.Match[str], text: str, day: str) -> Recipe | None:
    engine = next((e for e in PROGRAMS if _program(e, text)), None)
    model = MODELS.get(name["model"])
    if engine is None or model is None:
        return None
    return Recipe(name["accelerator"].upper(), engine, model, name["precision"], "_mtp" in name["rest"], day)


def _program(engine: str, text: str) -> str | None:
    """The words in a script that start a server of the engine."""
    return next((words for words in PROGRAMS[engine] if words in text), None)


def _shared(recipe: Recipe, run: Run) -> int:
    """Ranks among which an engine divides the limits that it is told: SGLang those of attention data parallelism."""
    return (run.tp or 1) if recipe.engine == "sglang" and run.dp_attention else 1


def _settings(lines: Iterable[Sequence[str]], program: str, ranks: int) -> Settings | None:
    """What a script tells its server, for one rank, by what it starts and writes; None where it starts none."""
    flags = dict(_flags(lines, program))
    if not flags:
        return None

    def first(*names: str) -> str | None:
        return next((flags[n] for n in names if flags.get(n)), None)

    kv = (first("kv-cache-dtype", "dtype") or "auto").strip("\"'")
    share = first("gpu-memory-utilization", "mem-fraction-static", "free-gpu-memory-fraction")
    seqs = _count(first("max-num-seqs", "max-running-requests", "max-batch-size"), ranks)
    tokens = _count(first("max-num-batched-tokens", "chunked-prefill-size", "max-num-tokens"), ranks)
    balance_wait = flags.get("timeout-iters", BALANCE_STEPS) if flags.get("enable-balance") == "true" else None
    return Settings(
        kv_dtype="fp8" if kv.startswith("fp8") else "bf16" if kv.startswith("bf") else None,
        memory_utilization=float(share) if share and re.fullmatch(r"0?\.\d+", share) else None,
        max_num_seqs=seqs,
        max_batched_tokens=tokens // 1024 * 1024 if tokens and tokens > 1024 else tokens,
        receive_interval=_count(first("scheduler-recv-interval"), 1),
        batch_wait=_count(first("batch-wait-timeout-iters") or balance_wait, 1),
        **_speculation(lines, program),
    )


def _speculation(lines: Iterable[Sequence[str]], program: str) -> dict[str, Any]:
    """How a server drafts, and how many tokens a step; EAGLE without a draft model is the model's own layer."""
    text = "\n".join(" ".join(words[1:]) for words in lines if words[0] == "TEXT" or program in " ".join(words))
    methods, counts = METHOD.findall(text), DRAFTED.findall(text)
    if not methods or not counts:
        return {}
    method = methods[-1].lower()
    if "mtp" in method or (method == "eagle" and "draft-model" not in text):
        method = "mtp"
    return {"speculative": method, "speculative_tokens": int(counts[-1])}


def _count(text: str | None, ranks: int) -> int | None:
    return max(int(text) // ranks, 1) if text and re.fullmatch(r"[1-9]\d*", text) else None


def _assignments(run: Run) -> str:
    """The variables that a recipe reads, as an assignment of the shell."""
    length = (run.isl or 0) + (run.osl or 0) + 256
    return (
        f"ISL={run.isl} OSL={run.osl} TP={run.tp} EP_SIZE={run.ep} CONC={run.users} MAX_MODEL_LEN={length} "
        f"DP_ATTENTION={'true' if run.dp_attention else 'false'} "
        "RANDOM_RANGE_RATIO=0.8 MODEL=/model PORT=8888 PORT_OFFSET=0 MODEL_PATH=/model RESULT_FILENAME=result"
    )


def _silent(line: str) -> str:
    """A line without its redirections; arithmetic compares, and redirects nothing."""
    return line if "((" in line else OUTPUT.sub(" ", line)


def _lines(script: str, runs: Sequence[Run]) -> list[list[list[str]]]:
    """For each run what a script would start and write, as words: every line begins with RUN or TEXT."""
    if "/dev/tcp" in script or "/dev/udp" in script:
        return []
    body = "\n".join(_silent(line) for line in script.splitlines())
    calls = [f"( printf 'NEXT\\n'; {_assignments(run)}; recipe )" for run in runs]
    try:
        ran = subprocess.run(
            [*SHELL, "\n".join([PRELUDE, "recipe() {", body, "}", *calls])],
            env={"PATH": "/nonexistent"},
            cwd="/",
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return []
    parts = ran.stdout.split("NEXT\n")[1:]
    return [[line.split("\t") for line in part.splitlines() if line.startswith(("RUN\t", "TEXT\t"))] for part in parts]


def _flags(lines: Iterable[Sequence[str]], program: str) -> Iterator[tuple[str, str]]:
    """Options of the program and keys of the configuration files that are written for it, hyphens between words."""
    started = [words[1:] for words in lines if words[0] == "RUN" and program in " ".join(words)]
    if not started:
        return
    for line in lines:
        if line[0] == "TEXT" and (key := KEY.fullmatch(line[1])):
            yield key[1].strip().replace("_", "-"), key[2]
    words = " ".join(started[-1]).split()
    for word, after in zip(words, [*words[1:], ""], strict=True):
        if word.startswith("--"):
            name, _, value = word[2:].partition("=")
            yield name.replace("_", "-"), value or after


def _narrowed(told: dict[Run, Settings]) -> list[tuple[Run, Settings]]:
    """The rows that say it all: a column that changes nothing is empty."""
    told = _as_users(told)
    rows = sorted(told.items(), key=lambda item: tuple(map(str, item[0])))
    for column in ("users", "ep", "tp", "osl", "isl", "dp_attention"):
        narrower: dict[Run, set[Settings]] = {}
        for run, settings in rows:
            narrower.setdefault(run._replace(**{column: None}), set()).add(settings)
        if all(len(different) == 1 for different in narrower.values()):
            rows = [(run, different.pop()) for run, different in narrower.items()]
    return rows


def _as_users(told: dict[Run, Settings]) -> dict[Run, Settings]:
    """The settings without a limit of sequences where it only follows the users: then it never binds."""
    limits = {s.max_num_seqs for s in told.values()}
    follows = sum(s.max_num_seqs == run.users for run, s in told.items())
    if len(limits) < 2 or follows < len(told) / 2:
        return told
    return {run: replace(s, max_num_seqs=None) if s.max_num_seqs == run.users else s for run, s in told.items()}


def _git(clone: Path, *arguments: str, check: bool = True) -> str:
    ran = subprocess.run(["git", "-C", str(clone), *arguments], capture_output=True, text=True, check=check)
    return ran.stdout


if __name__ == "__main__":
    main(Path(sys.argv[1]))
