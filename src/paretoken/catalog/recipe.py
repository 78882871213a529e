"""How an engine is launched, as data.

A recipe names parameters in words that are the same for every engine, and says how its engine takes each of them:
by flags, or by keys of a document. Its rules set parameters by accelerator, model and workload.
"""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, PositiveFloat

from paretoken.errors import UnknownName

Value = bool | int | float | str
Flag = list[str] | dict[str, list[str]]
MATCHED = (
    *("vendor", "accelerator", "model", "kind", "precision", "dp_attention", "min_isl", "min_osl", "min_gpus"),
    *("hub", "min_ep", "pool", "min_nodes", "min_node", "speculative"),
)
"""Keys that a rule's `when` may hold. `hub` is whether the weights come from the hub. The last four are those of
workers of separate pools."""


class LaunchRule(BaseModel):
    """Parameters, environment and extra arguments for what matches every key of `when`; min_… are lower bounds."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    when: dict[str, Value | list[Value]]
    set: dict[str, Value] = Field(default_factory=dict)
    env: dict[str, str] = Field(default_factory=dict)
    extra: list[str] = Field(default_factory=list)


class LaunchDocument(BaseModel):
    """Parameters that have no flag: `keys` are paths in a JSON document, which is YAML too.

    With a `flag` the document is written to `file` and named by it; without one it is the last argument.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    flag: str
    file: str = ""
    keys: dict[str, str]


class FlagNames(BaseModel):
    """Flags by what follows them: nothing, one value, or all words up to the next flag."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    switches: list[str] = Field(default_factory=list)
    values: list[str] = Field(default_factory=list)
    lists: list[str] = Field(default_factory=list)


class CommandReading(BaseModel):
    """What a reader of this engine's commands needs beyond the recipe's flags.

    `programs` are the words that start a server; `images` are parts of the names of images whose entry point does so.
    `model` are the flags that name the model. `spellings` maps aliases of flags to those of the recipe. `abbreviations`
    says whether the engine accepts a unique prefix of a flag. `no_effect` flags do not change speed, `not_modelled`
    ones are ignored by predictions, and `refused` ones map to the reason.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    programs: list[list[str]]
    images: list[str] = Field(default_factory=list)
    model: list[str]
    abbreviations: bool = False
    spellings: dict[str, str] = Field(default_factory=dict)
    no_effect: FlagNames = FlagNames()
    not_modelled: FlagNames = FlagNames()
    refused: dict[str, str] = Field(default_factory=dict)


class Recipe(BaseModel):
    """How one engine is launched.

    In `program` and flags, {model}, {gpus}, {python} and {here} stand for what their names say. `engine`, `dialect`
    and `metrics` are filled in if the recipe is in the engine's own file.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, protected_namespaces=())
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
    whole_blocks: bool = Field(False, description="refuses to cut a block of weights that share a scale")
    folders: list[str] = Field(default_factory=list, description="made before the start; $NAME and ~ are filled in")
    env: dict[str, str] = Field(default_factory=dict)
    flags: dict[str, Flag]
    document: LaunchDocument | None = None
    reading: CommandReading | None = None
    defaults: dict[str, Value] = Field(default_factory=dict)
    rules: list[LaunchRule] = Field(default_factory=list)

    def parameters(self) -> list[str]:
        """Every parameter that this engine takes."""
        return [*self.flags, *(self.document.keys if self.document else ())]

    def check(self, where: str) -> None:
        """UnknownName for a default or a rule that sets or matches what the recipe does not know."""
        self.check_parameters(self.defaults)
        for rule in self.rules:
            self.check_parameters(rule.set)
            for key in rule.when:
                if key not in MATCHED:
                    raise UnknownName(f"key of 'when' in {where}", key, list(MATCHED))

    def check_parameters(self, values: dict[str, Value]) -> None:
        """UnknownName for a parameter that the engine does not take."""
        for name in values:
            if name not in self.parameters():
                raise UnknownName(f"parameter of {self.name}", name, self.parameters())
