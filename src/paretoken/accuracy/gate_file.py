"""The file of the accuracy gate's verdicts, beside a run or alone."""

from __future__ import annotations

import shutil
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import orjson

from paretoken.accuracy.verdicts import FAIL, NA, PASS, TITLES, TierVerdict, overall
from paretoken.errors import BadConfig, BadFile, CannotWrite, quoted
from paretoken.plain_files import as_type, read_versioned

VERSION = 1
FILE = "gate.json"
NO_GATE = "is not a verdict of the accuracy gate; make one with 'paretoken accuracy gate'"


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """The verdicts on one endpoint. `endpoint` is host and path, never a key."""

    model: str
    engine: str
    endpoint: str
    made: str
    tiers: tuple[TierVerdict, ...]
    reference: str = ""

    @property
    def verdict(self) -> str:
        return overall(self.tiers)


def write_gate(gate: Gate, out: Path) -> None:
    """Write the gate; the file's verdicts of other tiers on the same endpoint and model are kept."""
    kept: dict[str, TierVerdict] = {}
    if out.exists():
        before = read_gate(out)
        if (before.model, before.endpoint) == (gate.model, gate.endpoint):
            kept = {v.tier: v for v in before.tiers}
    tiers = {**kept, **{v.tier: v for v in gate.tiers}}
    whole = replace(gate, tiers=tuple(tiers[t] for t in sorted(tiers)))
    document = {"schema_version": VERSION, "verdict": whole.verdict, **asdict(whole)}
    try:
        options = orjson.OPT_INDENT_2 | orjson.OPT_SERIALIZE_NUMPY
        out.write_bytes(orjson.dumps(document, option=options) + b"\n")
    except OSError as e:
        raise CannotWrite(f"{out} cannot be written: {e.strerror}; give another file") from e


def read_gate(path: Path) -> Gate:
    """Read what `write_gate` wrote."""
    gate = as_type(Gate, read_versioned(path, (VERSION,), NO_GATE), path)
    for verdict in gate.tiers:
        if verdict.tier not in TITLES or verdict.verdict not in (PASS, FAIL, NA):
            odd = f"{quoted(verdict.tier)} {quoted(verdict.verdict)}"
            raise BadFile(f"{path}: {odd} is no verdict of a tier; was it edited by hand?")
    return gate


def gate_of_run(run: Path) -> Gate | None:
    """The verdict attached to a run, if there is one."""
    return read_gate(run / FILE) if (run / FILE).is_file() else None


def attach(path: Path, run: Path) -> Gate:
    """Attach a gate's verdict to a run of `paretoken bench`, whose report then shows it."""
    gate = read_gate(path)
    if not (run / "run.json").is_file():
        raise BadConfig(f"{run} is not a run of `paretoken bench`: it has no run.json")
    try:
        shutil.copyfile(path, run / FILE)
    except OSError as e:
        raise CannotWrite(f"{run / FILE} cannot be written: {e.strerror}") from e
    return gate
