"""How an engine is launched in separate pools, as data: what its workers change about a server, and the router.

Texts hold places such as {host}, {head}, {port} and {router}; `engines/pool_launch.py` lists and fills them.
"""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from paretoken.catalog.recipe import Flag, LaunchDocument, LaunchRule, Recipe, Value
from paretoken.errors import BadConfig


class _PoolTable(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class WorkerRecipe(_PoolTable):
    """What differs from the core's recipe; `without` are parameters that the program does not take.

    A parameter with a key in `document` has no flag. `launcher` starts all nodes of a worker with one command; without
    it each node has its own.
    """

    program: list[str] = Field(default_factory=list)
    launcher: list[str] = Field(default_factory=list)
    flags: dict[str, Flag] = Field(default_factory=dict)
    without: list[str] = Field(default_factory=list)
    document: LaunchDocument | None = None
    env: dict[str, str] = Field(default_factory=dict)
    defaults: dict[str, Value] = Field(default_factory=dict)
    rules: list[LaunchRule] = Field(default_factory=list)
    port: int = Field(8000, description="of the first worker on a host; the next ones follow")
    own_requests: bool = Field(
        False, description="with attention data parallelism each GPU has requests of its own, never a group"
    )
    most_nodes: int | None = Field(None, description="most nodes of a worker that are documented; None without a limit")

    def over(self, core: Recipe | None, engine: str, name: str, vendors: list[str], version: str) -> Recipe:
        """The recipe of a worker: these values on top of the core's recipe, if it has one."""
        base: dict[str, object] = (
            core.model_dump()
            if core
            else {"dialect": engine, "install": "", "model_form": "hf", "ready_within_s": 1800, "grace_s": 30}
        )
        in_file = self.document.keys if self.document else {}
        flags = {k: v for k, v in (core.flags if core else {}).items() if k not in in_file} | self.flags
        document = self.document or (core.document if core else None)
        keys = {k: v for k, v in document.keys.items() if k not in self.without} if document else {}
        return Recipe.model_validate(
            base
            | {
                "engine": engine,
                "name": name,
                "version": version,
                "date": core.date if core else "",
                "source": "",
                "vendors": vendors,
                "program": self.program or (core.program if core else []),
                "flags": {k: v for k, v in flags.items() if k not in self.without},
                "document": document.model_copy(update={"keys": keys}) if document else None,
                "env": {**(core.env if core else {}), **self.env},
                "defaults": {
                    k: v
                    for k, v in {**(core.defaults if core else {}), **self.defaults}.items()
                    if k not in self.without
                },
                "rules": [*(core.rules if core else []), *self.rules],
            }
        )


class RouterFile(_PoolTable):
    """A file that names the workers, in JSON, which is also YAML; `flag` passes it on the command line."""

    flag: str
    file: str
    keys: dict[str, Value] = Field(default_factory=dict)
    prefill: str
    decode: str


class RouterRecipe(_PoolTable):
    """The server that receives requests. `each_prefill` and `each_decode` are repeated for each worker."""

    name: str
    program: list[str]
    each_prefill: list[str] = Field(default_factory=list)
    each_decode: list[str] = Field(default_factory=list)
    arguments: list[str] = Field(default_factory=list)
    file: RouterFile | None = None
    env: dict[str, str] = Field(default_factory=dict)
    first: bool = Field(False, description="started before the workers, which register with it")
    note: str = ""


class ServiceRecipe(_PoolTable):
    """One command that must run before the workers."""

    title: str
    host: str
    command: str


class PoolRecipe(_PoolTable):
    """How pools of one engine are launched; `version` is the version of the engine that it was written for.

    With `container` a pool is one step: the command of its containers, which an orchestrator starts and places.
    """

    version: str
    date: str
    source: str
    notes: str = ""
    services: tuple[ServiceRecipe, ...] = ()
    worker: WorkerRecipe
    router: RouterRecipe | None = None
    container: bool = False

    def worker_recipe(self, core: Recipe | None, engine: str, name: str, vendors: tuple[str, ...]) -> Recipe:
        """The recipe of a worker, checked; BadConfig if neither it nor its core has a program."""
        recipe = self.worker.over(core, engine, name, list(vendors), self.version)
        if not recipe.program:
            raise BadConfig(f"the launch recipe of {name} has no program")
        recipe.check(f"the pools of {engine}")
        return recipe
