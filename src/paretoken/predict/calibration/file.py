"""The calibration file: effects, intervals, what was seen, and what it was made from, as TOML."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import tomli_w

from paretoken.errors import BadFile
from paretoken.predict.calibration.effects import Key, deviations
from paretoken.predict.deployment import Case

CALIBRATION_VERSION = 4
"""Rises when terms, effects or base constants change their meaning: an older file then no longer fits."""
SHIPPED = Path(__file__).parent.parent / "data" / "calibration.toml"
SMALLEST = 5e-4
"""Effects nearer to zero than this are left out: less than 0.05 %."""

Band = tuple[float, float]


@dataclass(frozen=True, slots=True, eq=False)
class Calibration:
    """What a fit found.

    `bands` holds for each kind of novelty and each outcome the 5 % and 95 % quantile of ln(observed/predicted),
    as cross-validation found them. `seen` are the cases learned from, as `seen_key` names them. `made_from` and
    `errors` are told as they are.
    """

    effects: Mapping[Key, float]
    bands: Mapping[str, Mapping[str, Band]]
    seen: frozenset[str]
    made_from: Mapping[str, Any]
    errors: Mapping[str, Any]


def seen_key(case: Case) -> str:
    """Accelerator, engine, model, precision, GPUs and lengths of a case, as one word each."""
    d, n = case.deployment, case.lengths
    return f"{d.accelerator} {d.engine} {d.model} {d.precision} {d.size} {n.isl}/{n.osl}"


def seen_keys(cases: Iterable[Case]) -> frozenset[str]:
    """The keys of some cases."""
    return frozenset(map(seen_key, cases))


def write_calibration(calibration: Calibration, path: Path) -> None:
    """Write the file; CannotWrite where the place is not writable is left to the caller's `open`."""
    tables: dict[str, dict[str, dict[str, float]]] = {}
    for key, value in calibration.effects.items():
        if abs(value) >= SMALLEST:
            tables.setdefault(key.term, {}).setdefault(key.effect, {})[key.group] = round(value, 4)
    document = {
        "calibration_version": CALIBRATION_VERSION,
        "made_from": dict(calibration.made_from),
        "seen": sorted(calibration.seen),
        "errors": dict(calibration.errors),
        "bands": {k: {o: [round(x, 4) for x in b] for o, b in v.items()} for k, v in calibration.bands.items()},
        "effects": tables,
    }
    path.write_text(tomli_w.dumps(document), encoding="utf-8")


def read_calibration(path: Path) -> Calibration:
    """Read a file; BadFile where it is missing, no TOML, of another version or holds effects that are not known."""
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as e:
        raise BadFile(f"calibration {path} cannot be read: {e.strerror}; make one with paretoken calibrate") from e
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as e:
        raise BadFile(f"calibration {path} is not valid TOML: {e}") from e
    version = document.get("calibration_version")
    if version != CALIBRATION_VERSION:
        raise BadFile(
            f"calibration {path} has version {version}, this program reads {CALIBRATION_VERSION}; "
            "make it anew with paretoken calibrate"
        )
    try:
        effects = {
            Key(term, effect, group): float(value)
            for term, table in document["effects"].items()
            for effect, named in table.items()
            for group, value in named.items()
        }
        bands = {k: {o: (float(b[0]), float(b[1])) for o, b in v.items()} for k, v in document["bands"].items()}
        known = {(term, effect) for term, some in deviations().items() for effect in some}
        strange = next((k for k in effects if (k.term, k.effect) not in known), None)
        if strange:
            raise BadFile(f"calibration {path}: no effect {strange.effect!r} on {strange.term!r} is known")
        return Calibration(
            effects, bands, frozenset(document["seen"]), document["made_from"], document.get("errors", {})
        )
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as e:
        raise BadFile(f"calibration {path} is not complete: {type(e).__name__} {e}") from e


@cache
def shipped_calibration() -> Calibration:
    """The calibration that comes with the package."""
    return read_calibration(SHIPPED)
