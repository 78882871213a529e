"""Print docs/schema.md, the reference of the operating-point columns, from the schema itself.

python tools/schema_page.py > docs/schema.md
"""

from __future__ import annotations

from paretoken.points.schema import COLUMNS, SCHEMA_VERSION, Column


def page() -> str:
    """The whole page as Markdown."""
    head = [
        f"# Operating points, schema version {SCHEMA_VERSION}",
        "",
        "One row is one load level of one configuration. Stored in Parquet (zstd) or CSV with these column names; "
        "all but the required ones may be absent or empty. Derived columns are computed on reading. "
        "Latencies are in seconds.",
        "",
        "| column | type | unit | meaning | rule |",
        "|---|---|---|---|---|",
    ]
    return "\n".join([*head, *(_row(c) for c in COLUMNS)]) + "\n"


def _row(column: Column) -> str:
    rule = column.rule if isinstance(column.rule, str) else ", ".join(column.rule or ())
    words = [w for w, on in (("required", column.required), ("derived", column.derived), (rule, rule)) if on]
    return f"| `{column.name}` | {column.kind} | {column.unit} | {column.doc} | {'; '.join(words)} |"


if __name__ == "__main__":
    print(page(), end="")
