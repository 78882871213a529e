"""A measured run as a run of an MLflow server: parameters, metrics of each level, files. Sent once, after the run."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from paretoken.bench.run_folder import POINTS, RunFolder
from paretoken.bench.stats.level_summary import LevelSummary
from paretoken.errors import BadConfig, EndpointFailed, NoData, quoted
from paretoken.foreign_text import one_line, visible
from paretoken.version import __version__

if TYPE_CHECKING:
    from mlflow.entities import Metric
    from mlflow.tracking import MlflowClient

EXPERIMENT = "paretoken"
QUANTILES = ("p50", "p90", "p99")
LONGEST_VALUE = 500
MOST_METRICS = 500
"""Of one message; the server takes 1000."""
_QUIET = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
}
"""The library would report its use to its makers, print to our stdout, and try a dead server for minutes."""


@dataclass(frozen=True, slots=True)
class LoggedRun:
    """The ids and the experiment that the server gave the run."""

    run_id: str
    experiment_id: str
    experiment: str


def log_run(folder: RunFolder, uri: str, files: Mapping[str, str], experiment: str = EXPERIMENT) -> LoggedRun:
    """Log the finished levels of a run, and `files`: texts by file name.

    BadConfig for an unusable URI or a missing optional package, EndpointFailed if the server fails or refuses.
    """
    summaries = [level.summary for level in folder.levels()]
    if not summaries:
        raise NoData(
            f"{folder.folder} has no finished level; continue it with paretoken bench --resume {folder.folder}"
        )
    client = _client(uri)
    from mlflow.exceptions import MlflowException

    try:
        return _log(client, folder, summaries, files, experiment)
    except (MlflowException, OSError) as e:
        why = "nothing answers there" if _is_unreachable(e) else one_line(str(e))
        raise EndpointFailed(f"MLflow at {visible(uri)}: {why}; check the address and the server's log") from None


def _is_unreachable(error: Exception) -> bool:
    """Whether no server answered: MLflow raises its own error while it handles the one of its HTTP library."""
    from requests.exceptions import ConnectionError, SSLError

    return isinstance(error.__context__, ConnectionError) and not isinstance(error.__context__, SSLError)


def _client(uri: str) -> MlflowClient:
    try:
        parts = urlsplit(uri)
        secret = parts.username or parts.password
    except ValueError:
        raise BadConfig(f"--mlflow {quoted(uri)} is no URI; write it as http://127.0.0.1:5000") from None
    if secret:
        raise BadConfig("keep keys out of the URI of --mlflow; set MLFLOW_TRACKING_TOKEN, or …_USERNAME and …_PASSWORD")
    for name, value in _QUIET.items():
        os.environ.setdefault(name, value)
    try:
        from mlflow.exceptions import MlflowException
        from mlflow.tracking import MlflowClient
    except ImportError:
        raise BadConfig("--mlflow needs MLflow's client: pip install 'paretoken[mlflow]'") from None
    try:
        return MlflowClient(tracking_uri=uri)
    except MlflowException as e:
        raise BadConfig(f"--mlflow {visible(uri)}: {one_line(str(e))}") from None


def _log(
    client: MlflowClient, folder: RunFolder, summaries: Sequence[LevelSummary], files: Mapping[str, str], name: str
) -> LoggedRun:
    from mlflow.entities import Param

    existing = client.get_experiment_by_name(name)
    experiment = existing.experiment_id if existing else client.create_experiment(name)
    run = client.create_run(experiment, run_name=folder.folder.resolve().name)
    run_id = str(run.info.run_id)
    params = [Param(key, value) for key, value in _params(summaries[0]).items()]
    client.log_batch(run_id, params=params)
    metrics = [metric for number, s in enumerate(summaries, 1) for metric in _metrics(s, number)]
    for start in range(0, len(metrics), MOST_METRICS):
        client.log_batch(run_id, metrics=metrics[start : start + MOST_METRICS])
    for file, text in files.items():
        client.log_text(run_id, text, file)
    if (folder.folder / POINTS).is_file():
        client.log_artifact(run_id, str(folder.folder / POINTS))
    client.set_terminated(run_id, "FAILED" if all(s.failed for s in summaries) else "FINISHED")
    return LoggedRun(run_id, str(experiment), name)


def _params(summary: LevelSummary) -> dict[str, str]:
    """What was measured, and the settings that runs must share to be compared."""
    settings = {f"bench.{key}": value for key, value in summary.config.items()}
    values = {**summary.columns, **settings, "origin": summary.origin, "gpus": summary.n_gpus, "seed": summary.seed}
    kept = {key: value for key, value in values.items() if value not in (None, "", (), [])}
    return {key: str(value)[:LONGEST_VALUE] for key, value in kept.items()} | {"paretoken": __version__}


def _metrics(summary: LevelSummary, number: int) -> Iterator[Metric]:
    """The figures of a level at the step of its users; of an open loop, of its number."""
    from mlflow.entities import Metric

    run = summary.run
    at_ms = round(1000 * ((run.t0_unix_s or 0.0) + (run.elapsed_s or 0.0)))
    step = summary.load.users or number
    for name, value in level_figures(summary).items():
        if value is not None:
            yield Metric(name, float(value), at_ms, step)


def level_figures(summary: LevelSummary) -> dict[str, float | None]:
    """The figures of a level by name; those that it lacks are None."""
    window, errors, goodput = summary.throughput.window, summary.errors, summary.goodput
    latencies = {
        f"{name}_{quantile}_s": distribution.statistic(quantile)
        for name, distribution in summary.latency.by_metric.items()
        for quantile in QUANTILES
    }
    return {
        "output_tok_s": window.output_tok_s,
        "total_tok_s": window.total_tok_s,
        "output_tok_s_per_gpu": window.output_tok_s_per_gpu,
        "requests_s": window.requests_s,
        **latencies,
        "interactivity_p50_tok_s": summary.latency.interactivity_tok_s.p50,
        "goodput_requests_s": goodput.requests_s if goodput else None,
        "sessions_per_hour": summary.sessions.per_hour if summary.sessions else None,
        "offered_requests_s": summary.load.rate,
        "requests": errors.requests,
        "failed_requests": errors.failed,
        "client_limited": float(summary.client_limited),
        "level_failed": float(summary.failed is not None),
    }
