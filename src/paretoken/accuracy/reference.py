"""A trusted server's tokens, their log-probabilities, its answers to tasks, and how much it may vary."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path

import orjson
from pydantic import NonNegativeInt
from typing_extensions import TypedDict

from paretoken.accuracy.asking import OnProgress, ask_all
from paretoken.accuracy.limits import DEFAULT, DriftLimits
from paretoken.accuracy.servers import ScoringServer
from paretoken.accuracy.tokens import NoAbility, Scored, Tops
from paretoken.errors import BadConfig, BadFile, CannotWrite, EndpointFailed
from paretoken.plain_files import as_type, read_versioned

VERSION = 1


@dataclass(frozen=True, slots=True)
class ReferenceKey:
    """What makes two references differ. Parallelism does not: it may not change the tokens."""

    model: str
    dtype: str = ""
    quantization: str = ""
    kv_dtype: str = ""
    speculation: str = ""

    def __str__(self) -> str:
        return ", ".join(f"{f.name} {getattr(self, f.name)}" for f in fields(self) if getattr(self, f.name))


@dataclass(frozen=True, slots=True)
class ScoredSample:
    """A prompt and the reference's greedy continuation, as token ids, scored by the reference itself."""

    prompt: tuple[int, ...]
    output: tuple[int, ...]
    logprobs: tuple[float, ...]
    tops: tuple[Tops, ...]

    @property
    def ids(self) -> tuple[int, ...]:
        return (*self.prompt, *self.output)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """`tasks` holds, per task, whether each item of `task_seed` was answered rightly.

    `aa` are the figures of the A/A run that the limits come from.
    """

    key: ReferenceKey
    engine: str
    made: str
    samples: tuple[ScoredSample, ...]
    limits: DriftLimits = DEFAULT
    tasks: Mapping[str, tuple[bool, ...]] | None = None
    task_seed: int = 0
    aa: Mapping[str, object] = field(default_factory=dict)


class _Sequence(TypedDict):
    """A sample as the file has it: the alternatives of each place as pairs of a token id and its log-probability."""

    prompt: tuple[NonNegativeInt, ...]
    output: tuple[NonNegativeInt, ...]
    logprobs: tuple[float, ...]
    tops: tuple[tuple[tuple[NonNegativeInt, float], ...], ...]


class _ReferenceFile(TypedDict):
    key: ReferenceKey
    engine: str
    made: str
    limits: DriftLimits
    aa: dict[str, object]
    tasks: dict[str, tuple[bool, ...]] | None
    task_seed: NonNegativeInt
    sequences: tuple[_Sequence, ...]


def samples(
    server: ScoringServer, prompts: Sequence[str], *, tokens: int, on_progress: OnProgress | None = None
) -> list[ScoredSample]:
    """The reference's own continuations, teacher-forced once more so that both sides are scored the same way.

    EndpointFailed where it breaks off; BadConfig where it cannot score tokens that are sent to it.
    """
    answers = ask_all(lambda p: sample(server, p, tokens), prompts, on_progress=on_progress)
    if answers.stopped:
        raise EndpointFailed(answers.stopped)
    lacking = next((a for a in answers.done if isinstance(a, NoAbility)), None)
    if lacking:
        raise BadConfig(f"{server.model} cannot be a reference: {lacking.why}")
    return [a for a in answers.done if isinstance(a, ScoredSample)]


def sample(server: ScoringServer, prompt: str, tokens: int) -> ScoredSample | NoAbility:
    """One prompt, continued and scored."""
    made = server.generate(prompt, tokens)
    if isinstance(made, NoAbility):
        return made
    if not made.prompt or not made.ids:
        return NoAbility("the server does not return token ids")
    scored = server.score((*made.prompt, *made.ids))
    return scored if isinstance(scored, NoAbility) else cut(scored, len(made.prompt))


def cut(scored: Scored, prompt: int) -> ScoredSample:
    """The scored tokens as a prompt of that length and what follows it."""
    values = tuple(x for x in scored.logprobs[prompt:] if x is not None)
    return ScoredSample(scored.ids[:prompt], scored.ids[prompt:], values, scored.tops[prompt:])


def write_reference(reference: Reference, out: Path) -> None:
    """Write a reference as JSON, with six decimals of each log-probability."""
    rows = [
        {
            "prompt": s.prompt,
            "output": s.output,
            "logprobs": [round(x, 6) for x in s.logprobs],
            "tops": [[[i, round(x, 6)] for i, x in tops.items()] for tops in s.tops],
        }
        for s in reference.samples
    ]
    document = {
        "schema_version": VERSION,
        "key": asdict(reference.key),
        "engine": reference.engine,
        "made": reference.made,
        "limits": asdict(reference.limits),
        "aa": reference.aa,
        "tasks": reference.tasks,
        "task_seed": reference.task_seed,
        "sequences": rows,
    }
    try:
        out.write_bytes(orjson.dumps(document) + b"\n")
    except OSError as e:
        raise CannotWrite(f"{out} cannot be written: {e.strerror}; give another file") from e


def read_reference(path: Path) -> Reference:
    """Read what `write_reference` wrote."""
    raw = read_versioned(path, (VERSION,), "is not a reference file; use one written by 'paretoken accuracy calibrate'")
    file = as_type(_ReferenceFile, raw, path)
    samples = tuple(map(_sample, file["sequences"]))
    for n, s in enumerate(samples):
        if not s.prompt or not len(s.output) == len(s.logprobs) == len(s.tops):
            raise BadFile(
                f"{path}: sequences.{n}: its output, logprobs and tops differ in length; was it edited by hand?"
            )
    return Reference(
        key=file["key"],
        engine=file["engine"],
        made=file["made"],
        samples=samples,
        limits=file["limits"],
        tasks=file["tasks"],
        task_seed=file["task_seed"],
        aa=file["aa"],
    )


def _sample(sequence: _Sequence) -> ScoredSample:
    tops = tuple(dict(place) for place in sequence["tops"])
    return ScoredSample(sequence["prompt"], sequence["output"], sequence["logprobs"], tops)


def check_tasks(reference: Reference, tasks: Sequence[str]) -> None:
    """BadConfig where the reference lacks the answers to one of the tasks."""
    answered = reference.tasks or {}
    if missing := [task for task in tasks if not answered.get(task)]:
        use = f"use --tasks {','.join(answered)}" if answered else "record them with 'paretoken accuracy calibrate'"
        raise BadConfig(f"the reference holds no answers to {', '.join(missing)}; {use}")


def check_model(reference: Reference, server: ScoringServer, same: bool = False) -> None:
    """BadConfig where the endpoint serves another model than the reference's, unless `same` says otherwise."""
    if reference.key.model != server.model and not same:
        raise BadConfig(
            f"the reference is of {reference.key.model}, the endpoint serves {server.model}; "
            "if that is the same model under another name, add --same-model"
        )
