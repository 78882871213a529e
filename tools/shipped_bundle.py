"""Write the manifest of the shipped points, `points/data/published.toml`; run it after every change of them.

python tools/shipped_bundle.py
"""

from __future__ import annotations

from datetime import UTC, datetime

from paretoken.points.as_of import last_day
from paretoken.points.bundles import SHIPPED, Manifest, manifest_toml, sha256
from paretoken.points.files import read_points
from paretoken.points.published import PUBLISHED


def main() -> None:
    data = PUBLISHED.read_bytes()
    points, _ = read_points(PUBLISHED)
    first, last = points.select(first=last_day().min(), last=last_day().max()).row(0)
    manifest = Manifest(
        name=SHIPPED,
        location="part of the package",
        retrieved=f"{datetime.now(UTC):%Y-%m-%dT00:00:00Z}",
        importer="tools/build_published.py",
        sources=tuple(points["source"].unique().sort()),
        licences=tuple(points["licence"].drop_nulls().unique().sort()),
        first_day=first.isoformat(),
        last_day=last.isoformat(),
        rows=points.height,
        input_sha256=sha256(data),
        input_bytes=len(data),
        points_sha256=sha256(data),
    )
    PUBLISHED.with_suffix(".toml").write_text(manifest_toml(manifest), encoding="utf-8")
    print(f"{manifest.rows} points, {manifest.first_day} to {manifest.last_day} -> {PUBLISHED.with_suffix('.toml')}")


if __name__ == "__main__":
    main()
