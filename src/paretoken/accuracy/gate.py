"""The gate: its document, all tiers in one go, and how it is hung on a benchmark's run."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import orjson

from paretoken.accuracy.asking import Told, ask_all
from paretoken.accuracy.limits import DEFAULT, calibrated
from paretoken.accuracy.pair import compare, distance, means
from paretoken.accuracy.prompts import prompts
from paretoken.accuracy.reference import Key, Reference, Sample, cut, samples
from paretoken.accuracy.servers import Server
from paretoken.accuracy.single import capability, consistency, figure, repeatability
from paretoken.accuracy.solving import against, solve
from paretoken.accuracy.tasks import TASKS
from paretoken.accuracy.tokens import NoAbility
from paretoken.accuracy.verdicts import FAIL, NA, Verdict, overall
from paretoken.errors import BadConfig, BadFile, CannotWrite, EndpointFailed

VERSION = 1
FILE = "gate.json"
Note = Callable[[str], Told | None]


@dataclass(frozen=True, slots=True)
class Gate:
    """The verdicts on one endpoint. `endpoint` is host and path, never a key."""

    model: str
    engine: str
    endpoint: str
    made: str
    tiers: tuple[Verdict, ...]
    reference: str = ""

    @property
    def verdict(self) -> str:
        return overall(self.tiers)


def gate_of(server: Server, url: str, tiers: Iterable[Verdict], reference: Reference | None = None) -> Gate:
    """A gate of these verdicts, dated today. Of the URL, host and path are kept, and nothing that could hold a key."""
    parts = urlsplit(url if "://" in url else f"http://{url}")
    place = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"
    made = datetime.now(UTC).date().isoformat()
    return Gate(server.model, server.engine, place, made, tuple(tiers), str(reference.key) if reference else "")


def write_gate(gate: Gate, out: Path) -> None:
    """Write the gate; verdicts of other tiers on the same endpoint and model that the file holds are kept."""
    kept: dict[str, Verdict] = {}
    if out.exists():
        before = read_gate(out)
        if (before.model, before.endpoint) == (gate.model, gate.endpoint):
            kept = {v.tier: v for v in before.tiers}
    tiers = {**kept, **{v.tier: v for v in gate.tiers}}
    whole = Gate(
        gate.model, gate.engine, gate.endpoint, gate.made, tuple(tiers[t] for t in sorted(tiers)), gate.reference
    )
    document = {"schema_version": VERSION, "verdict": whole.verdict, **asdict(whole)}
    try:
        options = orjson.OPT_INDENT_2 | orjson.OPT_SERIALIZE_NUMPY
        out.write_bytes(orjson.dumps(document, option=options) + b"\n")
    except OSError as e:
        raise CannotWrite(f"{out} cannot be written: {e.strerror}; give another file") from e


def read_gate(path: Path) -> Gate:
    """Read what `write_gate` wrote."""
    try:
        raw = orjson.loads(path.read_bytes())
        if raw["schema_version"] != VERSION:
            raise BadFile(f"{path} has schema version {raw['schema_version']}; this paretoken reads {VERSION}")
        tiers = tuple(Verdict(**v) for v in raw["tiers"])
        return Gate(raw["model"], raw["engine"], raw["endpoint"], raw["made"], tiers, raw["reference"])
    except OSError as e:
        raise BadFile(f"{path} cannot be read: {e.strerror}") from e
    except (orjson.JSONDecodeError, KeyError, TypeError) as e:
        raise BadFile(f"{path} is no verdict of the accuracy gate; make one with `paretoken accuracy gate`") from e


def gate_of_run(run: Path) -> Gate | None:
    """The verdict that hangs on a run, if there is one."""
    return read_gate(run / FILE) if (run / FILE).is_file() else None


def attach(path: Path, run: Path) -> Gate:
    """Hang a gate's verdict on a benchmark's run, whose report then shows it."""
    gate = read_gate(path)
    if not (run / "run.json").is_file():
        raise BadConfig(f"{run} is no run of `paretoken bench`: it holds no run.json")
    try:
        shutil.copyfile(path, run / FILE)
    except OSError as e:
        raise CannotWrite(f"{run / FILE} cannot be written: {e.strerror}") from e
    return gate


def run_gate(
    server: Server,
    reference: Reference | None,
    *,
    n: int = 32,
    tokens: int = 32,
    items: int = 100,
    seed: int,
    tasks: Sequence[str] = tuple(TASKS),
    at_once: int = 1,
    note: Note = lambda _: None,
) -> list[Verdict]:
    """Every tier in order, up to the first at which the endpoint breaks off."""
    rng = np.random.default_rng(seed)
    limits = reference.limits if reference else DEFAULT
    found: list[Verdict] = []

    def stopped(verdict: Verdict) -> bool:
        found.append(verdict)
        return verdict.stopped is not None

    if stopped(guarded("T0", lambda: capability(server, prompts(1, rng)[0]))):
        return found
    if stopped(repeatability(server, prompts(n, rng), tokens=tokens, limits=limits, told=note("T1"))):
        return found
    if stopped(consistency(server, prompts(n, rng), tokens=tokens, limits=limits, told=note("T2"))):
        return found
    if reference is None:
        found.append(Verdict("T3", NA, "no reference to compare with"))
    elif stopped(compare(server, reference, at_once=at_once, told=note("T3"))):
        return found
    task_seed = reference.task_seed if reference else seed
    answers, broke = solve(server, tasks, n=items, seed=task_seed, told=note("T4"))
    found.append(against(answers, reference.tasks if reference else None, broke))
    return found


def guarded(tier: str, ask: Callable[[], Verdict]) -> Verdict:
    """The verdict, or that the endpoint broke off."""
    try:
        return ask()
    except EndpointFailed as e:
        return Verdict(tier, NA, "not finished", {}, str(e))


def calibrate(
    server: Server,
    other: Server | None,
    key: Key,
    *,
    n: int = 64,
    tokens: int = 64,
    items: int = 100,
    seed: int,
    tasks: Sequence[str] = tuple(TASKS),
    note: Note = lambda _: None,
) -> Reference:
    """A reference with limits from an A/A run: against itself in other company, or against another correct server.

    BadConfig where the server fails T1 or T2: what fails never becomes a baseline.
    """
    rng = np.random.default_rng(seed)
    first, second = prompts(n, rng), prompts(n, rng)
    steady = repeatability(server, first, tokens=tokens, told=note("T1"))
    own = consistency(server, second, tokens=tokens, told=note("T2"))
    for verdict in (steady, own):
        if verdict.stopped:
            raise EndpointFailed(verdict.stopped)
        if verdict.verdict == FAIL:
            raise BadConfig(f"{server.model} cannot be a reference: {verdict.title} fails: {verdict.why}")
    mine = samples(server, second, tokens=tokens, told=note("reference"))
    again = _score_all(other or server, mine, at_once=1 if other else 8)
    noise = float(steady.figures["noise_nats"])
    apart = means([distance(a, b, noise) for a, b in zip(mine, again, strict=True)])
    answers, broke = solve(server, tasks, n=items, seed=seed, told=note("T4"))
    if broke:
        raise EndpointFailed(broke)
    limits = calibrated(
        noise_nats=max(noise, apart.worst_nats if other else 0.0),
        k3_decode=max(own.figures["k3"]["high"], apart.k3.high),
        k3=apart.k3.high,
        kl=apart.kl.high,
        flips=apart.flips.high,
        tokens=apart.tokens,
    )
    # The gate's prompts are not those that its limits come from.
    kept = samples(server, prompts(n, rng), tokens=tokens, told=note("reference"))
    made = datetime.now(UTC).date().isoformat()
    run = {
        "against": other.model if other else "itself, eight prompts at a time",
        "noise_nats": noise,
        "k3_decode": own.figures["k3"],
        "tokens": apart.tokens,
        **{name: figure(getattr(apart, name)) for name in ("k3", "kl", "flips", "top1")},
    }
    return Reference(key, server.engine, made, tuple(kept), limits, answers, seed, run)


def _score_all(server: Server, mine: Sequence[Sample], at_once: int) -> list[Sample]:
    answers = ask_all(lambda s: server.score(s.ids), mine, at_once=at_once)
    if answers.stopped:
        raise EndpointFailed(answers.stopped)
    lacking = next((a for a in answers.done if isinstance(a, NoAbility)), None)
    if lacking:
        raise BadConfig(f"{server.model} cannot be held against the reference: {lacking.why}")
    return [cut(a, len(s.prompt)) for s, a in zip(mine, answers.done, strict=True)]
