"""The catalog with a model that it lacks: the seam of every verb that takes --model."""

from __future__ import annotations

from paretoken.catalog.loader import Catalog


def catalog_with_model(catalog: Catalog, text: str) -> tuple[Catalog, str]:
    """A catalog that has the model of `text`, and its id there; BadConfig, BadFile or UnknownName if there is none.

    `text` is a name of the catalog, org/name on the Hugging Face hub, a folder with a config.json, or such a file.
    The catalog is the same where it has the model already.
    """
    return catalog, catalog.models.id_of(text)
