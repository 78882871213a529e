"""How an engine is served, as data: one TOML file for each engine, which the user's own may be laid over.

A recipe names parameters in our words, the same for every engine, and says how its engine is told each of them:
by flags, or by keys of a document. Its rules set parameters by accelerator, model and workload.
"""

from __future__ import annotations

import tomllib
from functools import cache
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, PositiveFloat, ValidationError

from paretoken.catalog.loader import explain
from paretoken.errors import BadConfig, BadFile, UnknownName

DATA = Path(__file__).parent / "data"
CPU = "CPU"
Value = bool | int | float | str
Flag = list[str] | dict[str, list[str]]
MATCHED = ("vendor", "accelerator", "model", "kind", "precision", "dp_attention", "min_isl", "min_osl", "min_gpus")


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, protected_namespaces=())


class Rule(_Strict):
    """Parameters, environment and extra arguments for what matches every key of `when`; min_… are lower bounds."""

    when: dict[str, Value | list[Value]]
    set: dict[str, Value] = Field(default_factory=dict)
    env: dict[str, str] = Field(default_factory=dict)
    extra: list[str] = Field(default_factory=list)


class Document(_Strict):
    """Parameters that have no flag: `keys` are paths in a JSON document, which is YAML too.

    With a `flag` the document is written to `file` and named by it; without one it is the last argument.
    """

    flag: str
    file: str = ""
    keys: dict[str, str]


class Recipe(_Strict):
    """One engine. In `program` and flags, {model}, {gpus}, {python} and {here} stand for what their names say."""

    name: str
    engine: str
    version: str
    date: str
    source: str
    notes: str = ""
    vendors: list[str]
    install: str
    program: list[str]
    needs_module: str = ""
    model_form: Literal["hf", "gguf"]
    dialect: str
    metrics: str = ""
    version_of: list[str] = Field(default_factory=list)
    ready_within_s: PositiveFloat
    grace_s: PositiveFloat
    images: dict[str, str] = Field(default_factory=dict)
    folders: list[str] = Field(default_factory=list, description="made before the start; $NAME and ~ are filled in")
    env: dict[str, str] = Field(default_factory=dict)
    flags: dict[str, Flag]
    document: Document | None = None
    defaults: dict[str, Value] = Field(default_factory=dict)
    rules: list[Rule] = Field(default_factory=list)

    def parameters(self) -> list[str]:
        """Every parameter that this engine can be told."""
        return [*self.flags, *(self.document.keys if self.document else ())]


class Override(_Strict):
    """What the user lays over a recipe: parameters, environment, further arguments, program, image, version.

    A variable with an empty value is passed on from our own environment.
    """

    set: dict[str, Value] = Field(default_factory=dict)
    env: dict[str, str] = Field(default_factory=dict)
    extra: list[str] = Field(default_factory=list)
    program: list[str] = Field(default_factory=list)
    image: str = ""
    container: bool = False
    volumes: list[str] = Field(default_factory=list)
    ready_within_s: PositiveFloat | None = None

    def over(self, below: Override) -> Override:
        """This one laid over another."""
        return Override(
            set={**below.set, **self.set},
            env={**below.env, **self.env},
            extra=[*below.extra, *self.extra],
            program=self.program or below.program,
            image=self.image or below.image,
            container=self.container or below.container,
            volumes=[*below.volumes, *self.volumes],
            ready_within_s=self.ready_within_s or below.ready_within_s,
        )


@cache
def shipped() -> dict[str, Recipe]:
    """The recipes that come along, by the catalog's id of the engine."""
    return {file.stem: read_recipe(file) for file in sorted(DATA.glob("*.toml"))}


def recipe(engine: str) -> Recipe:
    """The recipe of an engine by its catalog id, or the one in a TOML file; UnknownName with the nearest otherwise."""
    if engine.endswith(".toml"):
        return read_recipe(Path(engine))
    if engine not in shipped():
        raise UnknownName("engine recipe", engine, list(shipped()))
    return shipped()[engine]


def read_recipe(path: Path) -> Recipe:
    """The recipe in a file."""
    try:
        found = Recipe.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError as e:
        raise BadFile(f"recipe {path} does not exist; check the path") from e
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as e:
        raise BadFile(f"recipe {path} cannot be read: {e}") from e
    except ValidationError as e:
        raise BadConfig(f"recipe {path}: {explain(e, list(Recipe.model_fields))}") from e
    _check(found, path)
    return found


def check_parameters(of: Recipe, asked: dict[str, Any]) -> None:
    """UnknownName for a parameter that the engine cannot be told."""
    for name in asked:
        if name not in of.parameters():
            raise UnknownName(f"parameter of {of.name}", name, of.parameters())


def _check(found: Recipe, path: Path) -> None:
    check_parameters(found, found.defaults)
    for rule in found.rules:
        check_parameters(found, rule.set)
        for key in rule.when:
            if key not in MATCHED:
                raise UnknownName(f"key of 'when' in recipe {path}", key, list(MATCHED))
