"""Kubernetes' own schemas for manifests: of the oldest release that is supported and of the newest known."""

from __future__ import annotations

from collections.abc import Mapping

VERSIONS = ("1.29", "1.37")


def check_manifest(document: Mapping[str, object]) -> None:
    """Fails where a manifest is not valid for one of the VERSIONS, or has an unknown field."""
    import kubernetes_validate  # builds 39 grammars on import, which no other test needs

    for version in VERSIONS:
        kubernetes_validate.validate(document, version, strict=True)
