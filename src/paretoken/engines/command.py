"""The exact command of a server, from its recipe and what to serve: arguments, environment, files, image."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from paretoken.catalog.recipe import Flag, LaunchRule, Recipe, Value
from paretoken.engines.recipes import CPU, Override
from paretoken.errors import BadConfig
from paretoken.secret_names import is_secret, secret_in_words

PROGRAMS = Path(__file__).parent / "embedded"
"""Our own programs, which a recipe names with {here}."""
CONTEXT_BESIDE = 256
"""Tokens beyond input and output that a request may take: a chat template with its system prompt (about 70 tokens in
gpt-oss), a BOS, what a word prompt misses by."""
_NUMBER = re.compile(r"-\d[\d.e+-]*")
_PLACE = re.compile(r"\{(\w*)\}")


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerSpec:
    """What to serve, on what hardware, for which load.

    `vendor` is that of the accelerator, CPU where there is none. `gpus` is TP, or the GPUs that hold the replicas of
    data-parallel attention. `longest` is the most tokens of one request, input and output; `users` the highest load.
    A limit below `own_users`, which the engine serves at once by itself, is not set. No context exceeds `max_context`,
    0 if it is not known. `hub` is whether `model_path` is a name on the Hugging Face hub.
    A worker of a pool also has its `pool` (prefill or decode), its number of `nodes`, which of them (`node`, from 0),
    how it drafts tokens, and words for further `places` in flags and rules.
    """

    model: str
    model_path: str
    hub: bool = False
    accelerator: str = CPU
    vendor: str = CPU
    kind: str = "dense"
    precision: str = ""
    gpus: int = 1
    ep: int = 1
    dp_attention: bool = False
    isl: int = 0
    osl: int = 0
    longest: int = 0
    max_context: int = 0
    users: int = 0
    own_users: int = 0
    host: str = "127.0.0.1"
    port: int = 8000
    pool: str = ""
    nodes: int = 1
    node: int = 0
    speculative: str = "none"
    places: Mapping[str, str] = field(default_factory=dict)

    def matches(self, rule: LaunchRule) -> bool:
        """Whether every condition of the rule holds."""
        for key, wanted in rule.when.items():
            own = getattr(self, key.removeprefix("min_"))
            choices = wanted if isinstance(wanted, list) else [wanted]
            if key.startswith("min_"):
                if any(own < least for least in choices):
                    return False
            elif own not in choices:
                return False
        return True


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """One server, ready to be started or printed. `files` are written beside its log before; `gpus` is 0 on a CPU.

    `notes` say what its values follow from, for a reader of the printed command.
    """

    engine: str
    name: str
    version: str
    arguments: tuple[str, ...]
    env: Mapping[str, str]
    files: Mapping[str, str]
    image: str
    vendor: str
    accelerator: str
    gpus: int
    host: str
    port: int
    served_name: str
    model_path: str
    precision: str
    dialect: str
    metrics: str
    install: str
    needs_module: str
    version_of: tuple[str, ...]
    ready_within_s: float
    grace_s: float
    hub: bool = False
    container: bool = False
    volumes: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    folders: tuple[str, ...] = ()
    parameters: Mapping[str, Value] = field(default_factory=dict)

    @property
    def base_url(self) -> str:
        return f"http://{self.host}:{self.port}/v1"

    @property
    def stages(self) -> int:
        """Pipeline stages."""
        return self._size("pp")

    @property
    def all_gpus(self) -> int:
        """GPUs of the server: those of a stage, times pipeline stages and replicas."""
        return self.gpus * self.stages * self._size("dp")

    def _size(self, name: str) -> int:
        value = self.parameters.get(name)
        return value if isinstance(value, int) else 1

    def as_dict(self) -> dict[str, object]:
        return asdict(self)


def command(recipe: Recipe, spec: ServerSpec, override: Override | None = None) -> Command:
    """The command that serves `spec`: defaults, then `spec`, then rules, then the user's own values."""
    override = override or Override()
    recipe.check_parameters(override.set)
    check_vendor(recipe, spec.accelerator, spec.vendor)
    rules = [rule for rule in recipe.rules if spec.matches(rule)]
    values = dict(recipe.defaults) | _from_spec(recipe, spec)
    for rule in rules:
        values |= rule.set
    values |= override.set
    values = {k: v for k, v in values.items() if v != ""}
    extra = [*(fill(part, spec.places) for rule in rules for part in rule.extra), *override.extra]
    env = {k: fill(v, spec.places) for more in (recipe.env, *(rule.env for rule in rules)) for k, v in more.items()}
    env |= override.env
    _check_names(spec, override, values)
    arguments, files = _arguments(recipe, spec, values, override.program or recipe.program)
    _check_words(recipe, (*arguments, *extra, *override.volumes), env)
    return Command(
        engine=recipe.engine,
        name=recipe.name,
        version=recipe.version,
        arguments=(*arguments, *extra),
        env=env,
        files=files,
        image=override.image or recipe.images.get(spec.accelerator) or recipe.images.get(spec.vendor, ""),
        vendor=spec.vendor,
        accelerator=spec.accelerator,
        gpus=0 if spec.vendor == CPU else spec.gpus,
        host=spec.host,
        port=int(values.get("port", spec.port)),
        served_name=str(values.get("served_name", spec.model_path)),
        model_path=spec.model_path,
        precision=spec.precision,
        hub=spec.hub,
        dialect=recipe.dialect,
        metrics=recipe.metrics,
        install=recipe.install,
        needs_module=recipe.needs_module if not override.program else "",
        version_of=tuple(recipe.version_of) if not override.program else (),
        ready_within_s=override.ready_within_s or recipe.ready_within_s,
        grace_s=recipe.grace_s,
        container=override.container,
        volumes=tuple(override.volumes),
        folders=tuple(recipe.folders),
        parameters=values,
    )


def check_vendor(recipe: Recipe, accelerator: str, vendor: str) -> None:
    """BadConfig for an accelerator of a vendor that the engine does not run on."""
    if vendor not in recipe.vendors:
        raise BadConfig(
            f"{recipe.name} does not run on {accelerator} ({vendor}); it runs on {', '.join(recipe.vendors)}"
        )


def _check_names(spec: ServerSpec, override: Override, values: Mapping[str, Value]) -> None:
    """BadConfig for a name that a program would take for an option."""
    names = {"model path": spec.model_path, "model": spec.model, "image": override.image, **values}
    for what, name in names.items():
        if isinstance(name, str) and name.startswith("-") and not _NUMBER.fullmatch(name):
            raise BadConfig(f"the {what} {name!r} begins with '-', as an option does; for a path, write ./{name}")
    for volume in override.volumes:
        if volume.startswith("-"):
            raise BadConfig(f"the volume {volume!r} begins with '-', as an option does; write HOST:CONTAINER")


def _check_words(recipe: Recipe, words: Sequence[str], env: Mapping[str, str]) -> None:
    """BadConfig for a secret, which every user of the machine could read in its list of processes."""
    secret = next((name for name, value in env.items() if value and is_secret(name)), None)
    if secret:
        raise BadConfig(
            f"the environment of {recipe.name} sets {secret}, which looks like a secret; set it in your own "
            f"environment and give {secret} an empty value, which passes it on"
        )
    if secret := secret_in_words(words):
        raise BadConfig(
            f"the command of {recipe.name} holds a secret ({secret}), which others could read in the list of "
            "processes; set it in the environment instead"
        )
    if any("\0" in word for word in (*words, *env, *env.values())):
        raise BadConfig(f"the command of {recipe.name} holds a null character; remove it")


def _from_spec(recipe: Recipe, spec: ServerSpec) -> dict[str, Value]:
    """Parameters that follow from `spec`, of those that the engine takes."""
    wanted: dict[str, Value] = {
        "host": spec.host,
        "port": spec.port,
        "served_name": spec.model,
        "model": spec.model_path,
        "tp": spec.gpus if spec.vendor != CPU or spec.gpus > 1 else "",
        "ep": spec.ep if spec.ep > 1 else "",
        "dp_attention": spec.dp_attention or "",
        "max_num_seqs": spec.users if spec.users > spec.own_users else "",
        "max_model_len": min(spec.longest + CONTEXT_BESIDE, spec.max_context or sys.maxsize) if spec.longest else "",
    }
    taken = recipe.parameters()
    return {k: v for k, v in wanted.items() if k in taken and v != ""}


def _arguments(
    recipe: Recipe, spec: ServerSpec, values: Mapping[str, Value], program: list[str]
) -> tuple[list[str], dict[str, str]]:
    places = {"model": spec.model_path, "gpus": str(spec.gpus), "python": sys.executable, "here": str(PROGRAMS)}
    places |= spec.places
    arguments = [fill(part, places) for part in program]
    for name, flag in recipe.flags.items():
        if name in values:
            arguments += _flag(recipe, name, flag, values[name], places)
    if recipe.document is None:
        return arguments, {}
    text = json.dumps(_document(recipe.document.keys, values))
    if not recipe.document.flag:
        return [*arguments, text], {}
    file = fill(recipe.document.file, places)
    return [*arguments, recipe.document.flag, file], {file: text + "\n"}


def _flag(recipe: Recipe, name: str, flag: Flag, value: Value, places: Mapping[str, str]) -> list[str]:
    word = str(value).lower() if isinstance(value, bool) else str(value)
    if isinstance(flag, dict):
        if word not in flag and not isinstance(value, bool):
            raise BadConfig(f"{recipe.name} takes {name} = {', '.join(flag)}, not {word!r}")
        flag = flag.get(word, [])
    return [fill(part, {**places, "": word}) for part in flag]


def fill(part: str, places: Mapping[str, str]) -> str:
    """A text with the words for its places; a place without a word stays."""
    return _PLACE.sub(lambda m: places.get(m[1], m[0]), part)


Tree = dict[str, "Value | Tree"]


def _document(keys: Mapping[str, str], values: Mapping[str, Value]) -> Tree:
    """The values at their paths."""
    document: Tree = {}
    for name, path in keys.items():
        if name in values:
            _set(document, path.split("."), values[name])
    return document


def _set(tree: Tree, path: list[str], value: Value) -> None:
    first, *rest = path
    if not rest:
        tree[first] = value
        return
    below = tree.setdefault(first, {})
    if not isinstance(below, dict):
        raise BadConfig(f"a recipe's document has both a value and keys at {first!r}; remove one")
    _set(below, rest, value)
