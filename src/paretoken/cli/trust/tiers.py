"""The tiers of `paretoken accuracy`, one command each: probe, repeat, consistency, compare, task."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Unpack

import rich_click as click

from paretoken.cli.trust.endpoint import (
    Answers,
    EndpointOptions,
    ProgressOf,
    conclude,
    endpoint_options,
    generator,
    is_url,
    limits_of,
    limits_option,
    progress,
    prompt_options,
    reference_at,
    reference_option,
    same_model_option,
    seed_or_new,
    server_at,
    split_names,
    task_options,
    trusted_server,
    verdict_options,
)

if TYPE_CHECKING:
    from paretoken.accuracy.reference import Reference


@click.command("probe")
@endpoint_options
@verdict_options
def probe(out: Path, as_json: bool, **endpoint: Unpack[EndpointOptions]) -> None:
    """T0: Check what the server returns.

    The other tiers need token ids, and a log-probability for every token sent.

    \b
    Example:
      paretoken accuracy probe --url http://127.0.0.1:8000
    """
    import numpy as np

    from paretoken.accuracy.gate import guarded
    from paretoken.accuracy.prompts import prompts
    from paretoken.accuracy.single import capability

    server = server_at(endpoint)
    (prompt,) = prompts(1, np.random.default_rng(0))
    verdict = guarded("T0", lambda: capability(server, prompt))
    conclude(server, endpoint["url"], [verdict], out=out, as_json=as_json)


@click.command("repeat")
@endpoint_options
@prompt_options
@limits_option
@verdict_options
def repeat(
    n: int,
    tokens: int,
    seed: int | None,
    limits: Path | None,
    out: Path,
    as_json: bool,
    **endpoint: Unpack[EndpointOptions],
) -> None:
    """T1: Check that the server repeats itself.

    Sends the same prompts cold, warm and all at once. The differences are the noise floor.

    \b
    Example:
      paretoken accuracy repeat --url http://127.0.0.1:8000 --prompts 64
    """
    from paretoken.accuracy.prompts import prompts
    from paretoken.accuracy.single import repeatability

    server, texts = server_at(endpoint), prompts(n, generator(seed))
    with progress() as progress_of:
        verdict = repeatability(server, texts, tokens=tokens, limits=limits_of(limits), on_progress=progress_of("T1"))
    conclude(server, endpoint["url"], [verdict], out=out, as_json=as_json)


@click.command("consistency")
@endpoint_options
@prompt_options
@limits_option
@verdict_options
def consistency_(
    n: int,
    tokens: int,
    seed: int | None,
    limits: Path | None,
    out: Path,
    as_json: bool,
    **endpoint: Unpack[EndpointOptions],
) -> None:
    """T2: Compare decoding with prefill.

    Compares the log-probabilities of the same tokens. Needs no reference.

    \b
    Example:
      paretoken accuracy consistency --url http://127.0.0.1:8000
    """
    from paretoken.accuracy.prompts import prompts
    from paretoken.accuracy.single import consistency

    server, texts = server_at(endpoint), prompts(n, generator(seed))
    with progress() as progress_of:
        verdict = consistency(server, texts, tokens=tokens, limits=limits_of(limits), on_progress=progress_of("T2"))
    conclude(server, endpoint["url"], [verdict], out=out, as_json=as_json)


@click.command("compare")
@endpoint_options
@prompt_options
@reference_option
@same_model_option
@click.option(
    "--at-once", type=click.IntRange(1), default=1, show_default=True, help="Number of requests sent at a time."
)
@verdict_options
def compare_(
    n: int,
    tokens: int,
    seed: int | None,
    reference: str,
    same_model: bool,
    at_once: int,
    out: Path,
    as_json: bool,
    **endpoint: Unpack[EndpointOptions],
) -> None:
    """T3: Compare distributions with a reference.

    Sends the reference's tokens to this server. Texts may differ; distributions must be close.

    \b
    Examples:
      paretoken accuracy compare --url http://fast:8000 --reference reference.json
      paretoken accuracy compare --url http://fast:8000 \\
                         --reference http://trusted:8000
    """
    from paretoken.accuracy.gate import GatePlan
    from paretoken.accuracy.pair import compare
    from paretoken.accuracy.reference import check_model

    server = server_at(endpoint)
    plan = GatePlan(seed=seed_or_new(seed), n=n, tokens=tokens, tasks=())
    with progress() as progress_of:
        trusted = reference_at(reference, endpoint, plan, progress_of)
        check_model(trusted, server, same_model)
        verdict = compare(server, trusted, at_once=at_once, on_progress=progress_of("T3"))
    conclude(server, endpoint["url"], [verdict], out=out, as_json=as_json, reference=trusted)


@click.command("task")
@endpoint_options
@task_options
@click.option(
    "--seed",
    type=click.IntRange(0),
    default=0,
    show_default=True,
    help="Seed of the items; ignored if the reference file has one.",
)
@click.option("--reference", help="Reference file with answers, or URL of a trusted server.")
@click.option(
    "--lm-eval", "harness", help="Also run these lm-eval tasks, such as gsm8k (pip install 'paretoken[lm-eval]')."
)
@click.option("--lm-eval-samples", type=Path, help="Folder with the lm-eval samples of the reference.")
@click.option("--keep", type=Path, default=Path("lm-eval"), show_default=True, help="Folder for the lm-eval samples.")
@same_model_option
@verdict_options
def task(
    tasks: str,
    items: int,
    seed: int,
    reference: str | None,
    harness: str | None,
    lm_eval_samples: Path | None,
    keep: Path,
    same_model: bool,
    out: Path,
    as_json: bool,
    **endpoint: Unpack[EndpointOptions],
) -> None:
    """T4: Compare answers with a reference.

    Compares correct answers item by item, with McNemar's exact test.

    \b
    Examples:
      paretoken accuracy task --url http://fast:8000 --reference reference.json
      paretoken accuracy task --url http://fast:8000 --tasks none \\
                         --lm-eval gsm8k --lm-eval-samples trusted/
    """
    from paretoken.accuracy.lm_eval import lm_eval_program, read_samples, run_lm_eval
    from paretoken.accuracy.reference import check_model, check_tasks
    from paretoken.accuracy.solving import against, solve
    from paretoken.errors import BadConfig, ParetokenError

    # All that can be wrong is known before the server generates for a minute.
    names, harnessed = split_names(tasks), split_names(harness or "none")
    if names and not reference:
        raise BadConfig("nothing to compare the tasks with; add --reference FILE or URL, or --tasks none")
    if harnessed and not lm_eval_samples:
        raise BadConfig(
            "nothing to compare --lm-eval with; add --lm-eval-samples, the folder of the reference's samples"
        )
    if harnessed:
        lm_eval_program()
    right = {name: read_samples(lm_eval_samples, name) for name in harnessed} if lm_eval_samples else {}
    server = server_at(endpoint)
    trusted = _reference_file(reference)
    if trusted:
        check_model(trusted, server, same_model)
        check_tasks(trusted, names)
        seed = trusted.task_seed
        right |= trusted.tasks or {}
    with progress() as progress_of:
        if reference and not trusted:
            right |= _answers_at(reference, endpoint, names, items=items, seed=seed, progress_of=progress_of)
        answers, stopped = solve(server, names, n=items, seed=seed, on_progress=progress_of("T4"))
    try:
        for name in harnessed:
            root, key = server.client.root, server.client.key
            answers |= run_lm_eval(root, server.model, [name], keep, limit=items, key=key)
    except ParetokenError as e:
        stopped = stopped or str(e)
    verdict = against(answers, right, stopped)
    conclude(server, endpoint["url"], [verdict], out=out, as_json=as_json, reference=trusted)


def _reference_file(file_or_url: str | None) -> Reference | None:
    from paretoken.accuracy.reference import read_reference

    return None if file_or_url is None or is_url(file_or_url) else read_reference(Path(file_or_url))


def _answers_at(
    url: str, endpoint: EndpointOptions, tasks: tuple[str, ...], *, items: int, seed: int, progress_of: ProgressOf
) -> Answers:
    """Whether a trusted server answers each item of each task correctly."""
    from paretoken.accuracy.solving import solve
    from paretoken.errors import EndpointFailed

    right, stopped = solve(trusted_server(endpoint, url), tasks, n=items, seed=seed, on_progress=progress_of("T4"))
    if stopped:
        raise EndpointFailed(stopped)
    return right
