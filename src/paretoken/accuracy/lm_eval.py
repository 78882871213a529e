"""Tasks of the `lm-eval` harness: run as a program of its own, its per-item results kept and compared item by item."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence
from glob import escape
from pathlib import Path

import orjson

from paretoken.errors import BadConfig, BadFile, EndpointFailed
from paretoken.foreign_text import one_line

METRICS = ("exact_match", "acc", "acc_norm", "em", "pass@1")


def run_lm_eval(
    root: str,
    model: str,
    tasks: Sequence[str],
    folder: Path,
    *,
    limit: int | None = None,
    key: str | None = None,
    more: Sequence[str] = (),
) -> dict[str, tuple[bool, ...]]:
    """Run tasks against an endpoint and read whether each item was right; the samples stay in `folder`.

    BadConfig where lm-eval is not installed, EndpointFailed where it ends with an error.
    """
    program = lm_eval_program()
    if "," in model or "," in root:
        raise BadConfig(f"lm-eval cannot take {model!r} at {root}: a comma would begin another setting of it")
    arguments = f"model={model},base_url={root}/v1/completions,num_concurrent=4"
    arguments += ",tokenized_requests=False,tokenizer_backend=None"  # texts are sent: tasks that generate
    command = [
        program,
        "--model",
        "local-completions",
        "--model_args",
        arguments,
        "--tasks",
        ",".join(tasks),
        "--log_samples",
        "--output_path",
        str(folder),
        *(["--limit", str(limit)] if limit else []),
        *more,
    ]
    environment = {**os.environ, "OPENAI_API_KEY": key or "none"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)  # noqa: S603
    if done.returncode:
        last_line = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise EndpointFailed(f"lm-eval exited with status {done.returncode}: {one_line(last_line, key or '')}")
    return {task: read_samples(folder, task) for task in tasks}


def lm_eval_program() -> str:
    """The program on the path; BadConfig where it is not installed."""
    program = shutil.which("lm_eval") or shutil.which("lm-eval")
    if program is None:
        raise BadConfig("lm-eval is not installed; pip install 'paretoken[lm-eval]', or use the offline tasks")
    return program


def read_samples(folder: Path, task: str) -> tuple[bool, ...]:
    """Whether each item was right, in order of `doc_id`, from the newest `samples_TASK_*.jsonl` below a folder."""
    files = sorted(folder.rglob(f"samples_{escape(task)}_*.jsonl"))
    if not files:
        raise BadFile(f"{folder} has no samples_{task}_*.jsonl; run lm-eval with --log_samples")
    rows: dict[str, dict[int, bool]] = {}
    for number, line in enumerate(files[-1].read_bytes().splitlines(), start=1):
        try:
            sample = orjson.loads(line)
            metric = next(m for m in METRICS if m in sample)
            rows.setdefault(str(sample.get("filter", "none")), {})[int(sample["doc_id"])] = float(sample[metric]) >= 0.5
        except (orjson.JSONDecodeError, KeyError, TypeError, ValueError, StopIteration) as e:
            raise BadFile(f"{files[-1]}: line {number} has no doc_id with one of {', '.join(METRICS)}") from e
    if not rows:
        raise BadFile(f"{files[-1]} is empty; run lm-eval again")
    # lm-eval lists the strictest of several ways to read an answer first.
    right = next(iter(rows.values()))
    return tuple(right[i] for i in sorted(right))
