"""What a check leaves for a CI system: a JUnit file, a summary, annotations of GitHub Actions, a report for GitLab."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import orjson
import rich_click as click

from paretoken.cli.compare.check_view import summary
from paretoken.errors import CannotWrite

if TYPE_CHECKING:
    from paretoken.answers.check import CheckAnswer

Annotations = Literal["auto", "github", "gitlab", "none"]


def write_reports(
    answer: CheckAnswer, runs: Sequence[Path], junit: Path | None, summary_file: Path | None, annotations: Annotations
) -> None:
    """Write the files that were requested, and the annotations of GitHub to stderr, which its runner reads, too.

    `auto` annotates in a job of GitHub Actions. CannotWrite for a file that cannot be written.
    """
    from paretoken.history.check_cases import check_cases
    from paretoken.history.ci_reports import GITLAB_FILE, github_annotations, gitlab_code_quality, junit_xml

    cases = check_cases(answer.changes, answer.comparison)
    if junit:
        _write(junit, junit_xml(cases))
    if summary_file:
        _write(summary_file, summary(answer).encode())
    if annotations == "gitlab":
        _write(Path(GITLAB_FILE), orjson.dumps(gitlab_code_quality(cases, _in_repository(runs[0])), option=_INDENTED))
    if annotations == "github" or (annotations == "auto" and os.environ.get("GITHUB_ACTIONS") == "true"):
        for line in github_annotations(cases):
            click.echo(line, err=True)


_INDENTED = orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE


def _in_repository(run: Path) -> str:
    """The run as a path relative to the working folder, with forward slashes; its name where it lies outside."""
    place = Path(os.path.relpath(run))
    return run.resolve().name if place.parts[:1] == ("..",) else place.as_posix()


def _write(file: Path, content: bytes) -> None:
    try:
        file.write_bytes(content)
    except OSError as e:
        raise CannotWrite(f"{file} cannot be written: {e.strerror or e}; give another file") from e
