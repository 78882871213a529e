"""Lists of runs and of operating points: filters, sorting and pages, answered by the index."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from paretoken.errors import BadConfig, quoted
from paretoken.foreign_text import visible
from paretoken.serve.runs.index import RunIndex

PAGE = 50
"""Rows of a page."""
MOST_VALUES = 200
"""Values that a filter offers."""
LONGEST_VALUE = 200
FILTERS = ("model", "accelerator", "engine", "precision", "workload", "origin")


@dataclass(frozen=True, slots=True)
class ListedTable:
    """A table of the index as a list: its rows, the columns that sort it, and the order without a choice."""

    name: str
    source: str
    sorts: tuple[str, ...]
    default: str


LENGTHS = "coalesce(workload, concat_ws('/', isl, osl))"
"""The workload of a point: its name, else its lengths."""
RUNS = ListedTable(
    "runs",
    "SELECT rowid AS place, * FROM runs",
    (
        "path",
        "started",
        *FILTERS,
        "levels",
        "output_tok_s_per_gpu",
        "ttft_p50_s",
        "tpot_p50_s",
        "e2e_p50_s",
        "wrong",
        "careful",
    ),
    "started",
)
_SHOWN = (
    "path",
    "date",
    *(name for name in FILTERS if name != "workload"),
    "engine_version",
    "n_gpus",
    "concurrency",
    "request_rate",
    "output_tput_per_gpu_tok_s",
    "total_tput_per_gpu_tok_s",
    "median_ttft_s",
    "median_tpot_s",
    "median_e2e_s",
    "p99_ttft_s",
)
POINTS = ListedTable(
    "points",
    f"SELECT rowid AS place, {', '.join(_SHOWN)}, {LENGTHS} AS workload FROM points",  # noqa: S608
    (*_SHOWN, "workload"),
    "date",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ListQuestion:
    """Which rows: a value of each filter, dates from and to, words of the path; how sorted; which page, from 1."""

    filters: Mapping[str, str] = field(default_factory=dict)
    since: str = ""
    until: str = ""
    words: str = ""
    sort: str = ""
    down: bool = True
    page: int = 1

    def params(self, **changes: object) -> dict[str, str]:
        """The question as the parameters of an address, with changes; what is not chosen is left out."""
        own: dict[str, object] = {"since": self.since, "until": self.until, "words": self.words}
        own |= {
            **self.filters,
            "sort": self.sort,
            "order": "" if self.down else "up",
            "page": self.page if self.page > 1 else "",
        }
        return {name: str(value) for name, value in (own | changes).items() if value}


@dataclass(frozen=True, slots=True, kw_only=True)
class ListAnswer:
    """The rows of one page, how many there are in all, and the values that each filter offers, with their counts."""

    rows: tuple[Mapping[str, object], ...]
    total: int
    pages: int
    values: Mapping[str, tuple[tuple[str, int], ...]]


def list_question(table: ListedTable, params: Mapping[str, str]) -> ListQuestion:
    """The question in the parameters of an address; BadConfig for an impossible value."""
    if long := next((name for name, value in params.items() if len(value) > LONGEST_VALUE), ""):
        raise BadConfig(f"{visible(long[:40])} has more than {LONGEST_VALUE} characters; write less")
    sort = params.get("sort", "") or table.default
    if sort not in table.sorts:
        raise BadConfig(f"there is no column {quoted(sort)} to sort by; use one of {', '.join(table.sorts)}")
    page = params.get("page", "1") or "1"
    if not (page.isascii() and page.isdigit() and len(page) < 8 and int(page)):
        raise BadConfig(f"page is {quoted(page)}; use 1 or more")
    return ListQuestion(
        filters={name: value for name in FILTERS if (value := params.get(name, ""))},
        since=params.get("since", ""),
        until=params.get("until", ""),
        words=params.get("words", ""),
        sort=sort,
        down=params.get("order") != "up",
        page=int(page),
    )


def list_answer(index: RunIndex, table: ListedTable, question: ListQuestion) -> ListAnswer:
    """The page that was asked for, the last one where there are fewer."""
    where, values = _where(question)
    ((total,),) = index.rows(f"SELECT count(*) FROM ({table.source}) {where}", values)  # noqa: S608
    count = total if isinstance(total, int) else 0
    pages = max(1, -(-count // PAGE))
    place = PAGE * (min(question.page, pages) - 1)
    order = f"{question.sort} {'DESC' if question.down else 'ASC'} NULLS LAST, path"
    # Sorting the places alone, not whole rows, keeps the last page of a long list as quick as the first.
    page = f"SELECT place FROM ({table.source}) {where} ORDER BY {order} LIMIT {PAGE} OFFSET {place}"  # noqa: S608
    query = f"SELECT * EXCLUDE (place) FROM ({table.source}) WHERE place IN ({page}) ORDER BY {order}"  # noqa: S608
    return ListAnswer(
        rows=tuple(index.tables(query, values)), total=count, pages=pages, values=index.kept(table.name, _values(table))
    )


def _where(question: ListQuestion) -> tuple[str, list[object]]:
    """The condition of a question in SQL, and its values."""
    parts = [f"{name} = ?" for name in question.filters]
    values: list[object] = list(question.filters.values())
    for part, value in (("date >= ?", question.since), ("left(date, 10) <= ?", question.until)):
        if value:
            parts.append(part)
            values.append(value)
    for word in question.words.split()[:8]:
        parts.append("contains(lower(path), ?)")
        values.append(word.lower())
    return (f"WHERE {' AND '.join(parts)}" if parts else "", values)


def _values(table: ListedTable) -> dict[str, str]:
    """A query for the values of each filter."""
    count = "count(*) AS n"
    return {
        name: f"SELECT {name}, {count} FROM ({table.source}) WHERE {name} <> '' "  # noqa: S608
        f"GROUP BY 1 ORDER BY n DESC, 1 LIMIT {MOST_VALUES}"
        for name in FILTERS
    }
