"""Launch recipes: those of the engine files, a user's own file, and a user's changes to one."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, PositiveFloat, ValidationError

from paretoken.catalog.engine_files import engine_files, read_engine_file
from paretoken.catalog.loader import explain
from paretoken.catalog.recipe import Recipe, Value
from paretoken.errors import BadConfig, UnknownName
from paretoken.plain_files import read_toml

CPU = "CPU"


class Override(BaseModel):
    """The user's changes to a recipe: parameters, environment, further arguments, program, image.

    A variable with an empty value is passed on from our own environment.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    set: dict[str, Value] = Field(
        default_factory=dict, description="parameters of the recipe", examples=[{"gpu_memory": 0.92}]
    )
    env: dict[str, str] = Field(
        default_factory=dict,
        description="environment; an empty value is passed on from your own",
        examples=[{"VLLM_LOGGING_LEVEL": "WARNING", "HF_TOKEN": ""}],
    )
    extra: list[str] = Field(
        default_factory=list, description="further arguments of the server", examples=[["--enable-chunked-prefill"]]
    )
    program: list[str] = Field(
        default_factory=list,
        description="program and first arguments, instead of the recipe's",
        examples=[["vllm", "serve", "{model}"]],
    )
    image: str = Field(
        "", description="container image, instead of the recipe's", examples=["vllm/vllm-openai:v0.32.0"]
    )
    container: bool = Field(False, description="run it in its container image")
    volumes: list[str] = Field(
        default_factory=list, description="volumes of the container, HOST:CONTAINER", examples=[["/models:/models"]]
    )
    ready_within_s: PositiveFloat | None = Field(
        None, description="longest time until it answers, seconds", examples=[1800]
    )

    def over(self, below: Override) -> Override:
        """This override on top of another one."""
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


def shipped() -> dict[str, Recipe]:
    """The shipped recipes, by the catalog id of the engine."""
    return {key: engine.recipe for key, engine in engine_files().items() if engine.recipe}


def recipe(engine: str) -> Recipe:
    """The recipe of an engine by its catalog id, or the one in a TOML file; UnknownName with the nearest otherwise."""
    if engine.endswith(".toml"):
        return read_recipe(Path(engine))
    if engine not in shipped():
        raise UnknownName("engine recipe", engine, list(shipped()))
    return shipped()[engine]


def read_recipe(path: Path) -> Recipe:
    """The recipe in a file: its only content, or the table `recipe` of a whole engine file."""
    table = read_toml(path, "recipe")
    if "recipe" in table:
        of_engine = read_engine_file(path).recipe
        if of_engine is None:
            raise BadConfig(f"engine file {path}: recipe is not a table; write it as [recipe]")
        return of_engine
    try:
        own = Recipe.model_validate(table)
    except ValidationError as e:
        raise BadConfig(f"recipe {path}: {explain(e, list(Recipe.model_fields))}") from e
    own.check(f"recipe {path}")
    return own
