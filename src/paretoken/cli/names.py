"""Names of the catalog and of bundles as option values, completed by the shell."""

from __future__ import annotations

import rich_click as click
from click.shell_completion import CompletionItem
from click.types import IntParamType, StringParamType

from paretoken.errors import ParetokenError


class CatalogName(StringParamType):
    """The name of a catalog entry of one kind, completed with the ids; the verb itself looks the name up.

    `kind` is accelerators, models, engines, workloads or tco.
    Folders given by --catalog before the cursor are searched too.
    """

    def __init__(self, kind: str) -> None:
        self.kind = kind

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        from paretoken.catalog.loader import load_catalog

        try:
            ids = getattr(load_catalog(*ctx.params.get("catalog_folders") or ()), self.kind)
        except ParetokenError:
            return []
        return [CompletionItem(key) for key in ids if key.casefold().startswith(incomplete.casefold())]


class CatalogKind(StringParamType):
    """A kind of catalog entry, completed."""

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        from paretoken.catalog.entries import KINDS

        return [CompletionItem(kind) for kind in KINDS if kind.startswith(incomplete)]


class NameOfKind(StringParamType):
    """The name of an entry of the kind that the argument before it names."""

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        from paretoken.catalog.entries import KINDS

        kind = ctx.params.get("kind")
        return CatalogName(kind).shell_complete(ctx, param, incomplete) if kind in KINDS else []


class PrecisionName(StringParamType):
    """A precision of weights in any of its spellings, as the catalog's word: FP8 is fp8, nvfp4 is fp4."""

    name = "precision"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> str:
        from paretoken.catalog.names import precision_id

        return precision_id(str(super().convert(value, param, ctx)))

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        from paretoken.catalog.names import PRECISIONS

        return [CompletionItem(word) for word in PRECISIONS if word.startswith(incomplete.lower())]


PRECISION = PrecisionName()


class TokenCount(IntParamType):
    """A number of tokens, 1 or more: 1024, 1k (1,024), 1.5k."""

    name = "tokens"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> int:
        from paretoken.catalog.lengths import tokens

        count = value if isinstance(value, int) else tokens(str(value))
        if not count or count < 1:
            self.fail(f"{value!r} is not a number of tokens; write it as 1024 or 1k.", param, ctx)
        return count


TOKENS = TokenCount()


class BundleName(StringParamType):
    """The name of a bundle of points, completed; the verb itself looks the name up."""

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        from paretoken.points.bundles import names

        try:
            return [CompletionItem(name) for name in names() if name.startswith(incomplete)]
        except OSError:
            return []


ACCELERATOR = CatalogName("accelerators")
MODEL = CatalogName("models")
ENGINE = CatalogName("engines")
WORKLOAD = CatalogName("workloads")
TCO_SET = CatalogName("tco")
BUNDLE = BundleName()
