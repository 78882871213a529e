"""The catalog with a model that it lacks: the seam of every verb that takes --model."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from paretoken.catalog.entries import Model
from paretoken.catalog.hf.model import Config, model_of
from paretoken.catalog.hf.sources import CONFIG, REPOSITORY, cached_config, hub_config, local_config
from paretoken.catalog.loader import Catalog, Registry
from paretoken.catalog.names import fold
from paretoken.errors import BadFile

_LONGEST_PATH = 4096


def catalog_with_model(catalog: Catalog, text: str) -> tuple[Catalog, str]:
    """A catalog that has the model of `text`, and its id there; BadConfig, BadFile or UnknownName if there is none.

    `text` is a name of the catalog, org/name on the Hugging Face hub, a folder with a config.json, or such a file.
    The catalog is the same where it has the model already. A config.json that exists goes before a name.
    """
    text = text.strip()
    path = _existing(text)
    if path is None:
        key = catalog.models.find(text)
        if key is not None:
            return catalog, key
        if text.endswith(".json") or text.startswith(("/", "./", "../", "~")):
            raise BadFile(f"{text[:200]} does not exist; give a folder with a config.json, or the file")
        if not REPOSITORY.fullmatch(text):
            return catalog, catalog.models.id_of(text)
    config = local_config(path) if path else cached_config(text) or hub_config(text)
    return _added(catalog, config)


def _added(catalog: Catalog, config: Config) -> tuple[Catalog, str]:
    models, model = catalog.models, model_of(config)
    key = config.name
    if models.find(key) is not None:
        key = f"{key} (config.json)"
        model = model.model_copy(update={"name": key})
    return replace(catalog, models=_with(models, key, model)), key


def _with(models: Registry[Model], key: str, model: Model) -> Registry[Model]:
    return replace(models, entries={**models.entries, key: model}, index={**models.index, fold(key): key})


def _existing(text: str) -> Path | None:
    """The folder with a config.json, or the JSON file, of this path; None if there is none."""
    if not text or len(text) > _LONGEST_PATH or "\0" in text:
        return None
    try:
        path = Path(text).expanduser()
        if path.is_dir():
            return (
                path
                if (path / CONFIG).is_file() or "/" in text.rstrip("/") and text.startswith(("/", ".", "~"))
                else None
            )
        return path if path.suffix == ".json" and path.is_file() else None
    except (OSError, RuntimeError):
        return None
