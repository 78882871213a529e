"""The catalog with a model that it lacks: for commands that predict any model."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from paretoken.catalog.entries import Model
from paretoken.catalog.hf import CONFIG
from paretoken.catalog.loader import FOLDER_PREFIXES, LONGEST_NAME, Catalog, Registry
from paretoken.catalog.names import fold
from paretoken.errors import BadFile

if TYPE_CHECKING:
    from paretoken.catalog.hf.model import Config

MOST_NEW_WORDS = 0.03
"""Share of a vocabulary by which a model that was trained further may differ."""
_LONGEST_PATH = 4096


def catalog_with_model(catalog: Catalog, text: str) -> tuple[Catalog, str]:
    """A catalog that has the model of `text`, and its id there; BadConfig, BadFile or UnknownName if there is none.

    `text` is a name of the catalog, org/name on the Hugging Face hub, a folder with a config.json, or such a file.
    The catalog stays as it is where it has the model already. A config.json that exists takes precedence over a name.
    A config with the shapes of a model of the catalog gets that model's id, so that its measurements count, with the
    bytes, the context and the KV cache type of this checkpoint.
    """
    text = text.strip()
    path = _existing(text)
    if path is None:
        key = catalog.models.find(text)
        if key is not None:
            return catalog, key
        if text.endswith(".json") or text.startswith(FOLDER_PREFIXES):
            raise BadFile(f"{text[:LONGEST_NAME]} does not exist; give a folder with a config.json, or the file")
    # Imported here since it is slow, and a name of the catalog does not need it.
    from paretoken.catalog.hf.sources import REPOSITORY, cached_config, hub_config, local_config

    if path is None and not REPOSITORY.fullmatch(text):
        return catalog, catalog.models.id_of(text)
    config = local_config(path) if path else cached_config(text) or hub_config(text)
    return _added(catalog, config)


def _added(catalog: Catalog, config: Config) -> tuple[Catalog, str]:
    from paretoken.catalog.hf.model import model_of

    models, model = catalog.models, model_of(config)
    if twin := twin_of(model, models):
        return replace(catalog, models=_with(models, twin, _checkpoint_of(models[twin], model, twin))), twin
    key = config.name
    if models.find(key) is not None:
        key = f"{key} (config.json)"
        model = model.model_copy(update={"name": key})
    return replace(catalog, models=_with(models, key, model)), key


def twin_of(model: Model, models: Registry[Model]) -> str | None:
    """The model of the catalog with the same shapes; of several the one of this name, else of this context."""
    twins = [key for key, other in models.items() if _shapes(other) == _shapes(model) and _near(other, model)]
    named = models.find(model.name)
    if named in twins:
        return named
    return next((key for key in twins if models[key].max_context == model.max_context), twins[0] if twins else None)


def _shapes(m: Model) -> tuple[object, ...]:
    """The figures that all checkpoints of one architecture share."""
    window = (m.sliding_window, m.sliding_layers, m.chunked, m.windowed)
    mixers = (m.linear_attention_layers or 0, m.recurrent and m.recurrent.heads, m.sparse, m.mla, m.kv_values_per_token)
    return (m.layers, m.hidden_size, m.heads, m.kv_heads or m.heads, m.intermediate_size, m.moe, window, mixers)


def _near(a: Model, b: Model) -> bool:
    """Whether vocabularies differ by a few words at most, and sizes of heads not at all."""
    sizes = {m.head_dim or m.hidden_size // m.heads for m in (a, b) if not m.mla}
    return len(sizes) < 2 and abs(a.vocab_size - b.vocab_size) <= MOST_NEW_WORDS * a.vocab_size


def _checkpoint_of(entry: Model, model: Model, key: str) -> Model:
    """An entry of the catalog with the fields that differ by checkpoint."""
    differing = {
        "native_precision": model.native_precision,
        "checkpoint": model.checkpoint,
        "checkpoint_kv_dtype": model.checkpoint_kv_dtype,
        "max_context": model.max_context or entry.max_context,
        "unknown": model.unknown,
        "assumed": (f"{model.name} has the shapes of {key}, so its measurements count", *model.assumed),
    }
    return entry.model_copy(update=differing)


def _with(models: Registry[Model], key: str, model: Model) -> Registry[Model]:
    return replace(models, entries={**models.entries, key: model}, index={**models.index, fold(key): key})


def _existing(text: str) -> Path | None:
    """The folder, or the JSON file, of this path; None if there is none.

    A folder without a config.json counts only if it is written as a path: `org/name` may be a folder by chance.
    """
    if not text or len(text) > _LONGEST_PATH or "\0" in text:
        return None
    try:
        path = Path(text).expanduser()
        if path.is_dir():
            is_path = "/" in text.rstrip("/") and text.startswith(("/", ".", "~"))
            return path if is_path or (path / CONFIG).is_file() else None
        return path if path.suffix == ".json" and path.is_file() else None
    except (OSError, RuntimeError):
        return None
