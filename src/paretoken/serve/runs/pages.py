"""The pages that browse and watch runs, and the same answers as JSON."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from http import HTTPStatus

import orjson
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from paretoken.errors import BadConfig, NoData, ParetokenError, quoted
from paretoken.plural import counted
from paretoken.serve.api.openapi import ROOT
from paretoken.serve.runs.files import measured_size
from paretoken.serve.runs.index import RunIndex
from paretoken.serve.runs.lists import FILTERS, LENGTHS, POINTS, RUNS, ListedTable, list_answer, list_question
from paretoken.serve.runs.points import COLUMNS
from paretoken.serve.runs.watches import RunWatches, live_rows
from paretoken.serve.settings import require_folder
from paretoken.serve.web.frame import framed, problem_page
from paretoken.serve.workers.job_names import CELLS, COMPARED, FOLLOWED, OPENED, REPORT
from paretoken.serve.workers.lanes import workers_of
from paretoken.serve.workers.leaving import result_for

PATIENCE_S = 0.1
"""A walk through the folder that takes no longer is waited for, so that a new run is seen at once."""
FIRST_S = 30.0
MOST_KEPT, MOST_KEPT_BYTES = 64, 64_000_000
QUICK_LEVELS, QUICK_BYTES = 20, 4_000_000
"""Levels and bytes of requests of runs that are read as quickly as a question is answered, in about a second."""
MOST_FOLLOWED = 5_000
"""Points that a history takes."""
REPORT_POLICY = (
    "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data: blob:; "
    "frame-ancestors 'none'; base-uri 'none'; sandbox allow-scripts allow-downloads allow-popups"
)
"""A report brings its own code; the sandbox keeps it from this server's answers."""
Answer = Callable[["RunPages", Request], Awaitable[dict[str, object]]]


@dataclass(slots=True)
class RunPages:
    """The index of the served folder, and the answers of workers that are kept until the files change."""

    index: RunIndex
    watches: RunWatches
    kept: OrderedDict[object, bytes] = field(default_factory=OrderedDict)

    async def settle(self, *, lists: bool) -> None:
        """Have the folder looked at again, and wait a moment for it.

        What is not a list waits longer for the first walk: a list says how far it is. NoData without the folder.
        """
        require_folder(self.index.root)
        self.index.refresh_soon()
        await asyncio.to_thread(self.index.wait, PATIENCE_S if lists or self.index.complete else FIRST_S)

    async def job(
        self, request: Request, name: str, question: Mapping[str, object], paths: Sequence[str], *, slow: bool = False
    ) -> bytes:
        """The answer of a worker about some places of the folder, made once for each state of their files."""
        payload = orjson.dumps(question)
        key = name, payload, tuple(self.index.states_of(path) for path in paths)
        return await self.once(key, lambda: self._worker(request, name, payload, slow=slow))

    async def takes_long(self, paths: Sequence[str]) -> bool:
        """Whether reading every request of runs is left to the workers for what may take minutes."""
        states = [own for path in paths for own in self.index.states_of(path)]
        folders = [self.index.root / own.path for own in states if own.kind == "run"]
        levels, size_bytes = await asyncio.to_thread(measured_size, folders)
        return levels > QUICK_LEVELS or size_bytes > QUICK_BYTES

    async def once(self, key: object, make: Callable[[], Awaitable[bytes]]) -> bytes:
        """What was made for a key, else what is made now."""
        answer = self.kept.pop(key, None)
        if answer is None:
            answer = await make()
        self.kept[key] = answer
        while len(self.kept) > MOST_KEPT or sum(map(len, self.kept.values())) > MOST_KEPT_BYTES:
            self.kept.popitem(last=False)
        return answer

    async def _worker(self, request: Request, name: str, payload: bytes, *, slow: bool = False) -> bytes:
        return await result_for(request, name, payload, slow=slow)


async def list_of(table: ListedTable, pages: RunPages, request: Request) -> dict[str, object]:
    """A page of a list, with the filters that make it."""
    question = list_question(table, request.query_params)
    answer = await asyncio.to_thread(list_answer, pages.index, table, question)
    walk = pages.index.walk
    return {
        "rows": answer.rows,
        "total": answer.total,
        "page": min(question.page, answer.pages),
        "pages": answer.pages,
        "values": answer.values,
        "question": question,
        "reading": f"Reading the folder: {walk.read:,} of {counted(walk.places, 'place')} read."
        if walk.running
        else "",
    }


async def run_of(pages: RunPages, request: Request) -> dict[str, object]:
    """One run: what the list says of it, and once a level is finished what the run says of itself."""
    path = _one(request, "run")
    row = run_row(pages.index, path)
    answer: dict[str, object] = {"run": row, "measuring": row["measuring"], "error": row["error"], "absent": ""}
    page = list_question(RUNS, {"page": request.query_params.get("page", "")}).page
    try:
        opened = orjson.loads(await pages.job(request, OPENED, {"path": path, "page": page}, [path]))
    except NoData as e:
        return answer | {"opened": None, "absent": str(e)}
    except ParetokenError as e:
        return answer | {"opened": None, "error": str(e)}
    return answer | {"opened": opened}


async def comparison_of(pages: RunPages, request: Request) -> dict[str, object]:
    """Two runs: the first is the baseline, or with `baseline=older` the one that began earlier."""
    paths = request.query_params.getlist("run")
    if len(paths) != 2:
        raise BadConfig(f"{counted(len(paths), 'run')} chosen; choose two")
    if request.query_params.get("baseline") == "older":
        paths = sorted(paths, key=lambda path: str(run_row(pages.index, path)["started"] or ""))
    at_load = bool(request.query_params.get("load"))
    question = {"a": paths[0], "b": paths[1], "at_load": at_load}
    rows = [run_row(pages.index, path) for path in paths]
    slow = at_load and await pages.takes_long(paths)
    return {"runs": rows, **orjson.loads(await pages.job(request, COMPARED, question, paths, slow=slow))}


async def history_of(pages: RunPages, request: Request) -> dict[str, object]:
    """The points of one configuration by date, and the steps that `paretoken history` sees in them."""
    filters = {name: value for name in FILTERS if (value := request.query_params.get(name, ""))}
    if not filters.get("model"):
        raise BadConfig("the model is missing; open a run and follow its configuration from there")
    key = "history", tuple(filters.items()), pages.index.changes
    answer = await pages.once(key, lambda: _history(pages, request, filters))
    return {"filters": filters, **orjson.loads(answer)}


async def _history(pages: RunPages, request: Request, filters: Mapping[str, str]) -> bytes:
    rows = await asyncio.to_thread(_points_of, pages.index, filters)
    if not rows:
        raise NoData("no point of the folder has this configuration; leave out a filter")
    answer: dict[str, object] = {"points": len(rows), "runs": _by_run(rows)}
    payload = orjson.dumps({"points": [{c.name: row[c.name] for c in COLUMNS} for row in rows]})
    result = await workers_of(request).run(FOLLOWED, payload)
    return orjson.dumps(answer | orjson.loads(result))


async def campaign_of(pages: RunPages, request: Request) -> dict[str, object]:
    """A campaign: its cells with their progress, and their runs."""
    path = _one(request, "campaign")
    pages.index.place(path, "campaign")
    payload = orjson.dumps({"path": path})
    answer = orjson.loads(await workers_of(request).run(CELLS, payload))
    runs = {row["path"] for row in pages.index.tables("SELECT path FROM runs WHERE campaign = ?", [path])}
    for cell in answer["cells"]:
        cell["run"] = cell["folder"] if cell["folder"] in runs else ""
    done = sum(cell["points"] for cell in answer["cells"])
    return {"campaign": path, "done": done, "of": sum(cell["of"] for cell in answer["cells"]), **answer}


async def watched(pages: RunPages, request: Request) -> dict[str, object]:
    """What the page that watches a run begins with."""
    path = _one(request, "run")
    return {"run": run_row(pages.index, path), "measuring": pages.index.place(path).measuring}


async def measured_now(pages: RunPages, request: Request) -> dict[str, object]:
    """The runs that a process measures into now, each with its level."""
    return {"runs": await asyncio.to_thread(live_rows, pages.index, pages.watches)}


PAGES: tuple[tuple[str, str, Answer], ...] = (
    ("/runs", "Runs", partial(list_of, RUNS)),
    ("/points", "Operating points", partial(list_of, POINTS)),
    ("/runs/open", "Run", run_of),
    ("/runs/compare", "Two runs compared", comparison_of),
    ("/runs/history", "History of a configuration", history_of),
    ("/runs/campaign", "Campaign", campaign_of),
    ("/runs/watch", "Watching a run", watched),
    ("/live", "Measuring now", measured_now),
)
"""Path, title and answer of each; with /api/v1 before its path the answer is JSON."""
_LISTS = ("/runs", "/points")
_LIVE = ("/live", "/runs/watch")


def page_routes(pages: RunPages) -> list[Route]:
    """The routes of pages, of their JSON, of reports and of the files that the pages load."""
    html = [Route(path, partial(_page, pages, path, title, answer)) for path, title, answer in PAGES]
    plain = [Route(ROOT + path, partial(_json, pages, path, answer)) for path, _, answer in PAGES]
    return [*html, *plain, Route("/runs/report", partial(_report, pages))]


async def _page(pages: RunPages, path: str, title: str, answer: Answer, request: Request) -> Response:
    await pages.settle(lists=path in _LISTS)
    section = "live" if path in _LIVE else "runs"
    template = f"runs/{path.strip('/').replace('/', '_')}.html.j2"
    try:
        content = await answer(pages, request)
    except ParetokenError as e:
        status = HTTPStatus.NOT_FOUND if isinstance(e, NoData) else HTTPStatus.BAD_REQUEST
        return problem_page(status, str(e), section=section)
    page = framed(template, content, section=section, title=title)
    if content.get("reading"):
        page.headers["Refresh"] = "1"
    return page


async def _json(pages: RunPages, path: str, answer: Answer, request: Request) -> Response:
    await pages.settle(lists=path in _LISTS)
    content = await answer(pages, request)
    content.pop("question", None)
    return Response(orjson.dumps(content), media_type="application/json")


async def _report(pages: RunPages, request: Request) -> Response:
    """The page of `paretoken report`, in a sandbox."""
    await pages.settle(lists=False)
    paths = request.query_params.getlist("run")
    if not 0 < len(paths) <= 8:
        raise BadConfig(f"{counted(len(paths), 'run')} named; a report shows 1 to 8")
    slow = await pages.takes_long(paths)
    page = await pages.job(request, REPORT, {"paths": paths}, paths, slow=slow)
    return HTMLResponse(page, headers={"Content-Security-Policy": REPORT_POLICY})


def _one(request: Request, name: str) -> str:
    values = request.query_params.getlist(name)
    if len(values) != 1:
        raise BadConfig(f"name one {name}; {len(values)} are named")
    return values[0]


def run_row(index: RunIndex, path: str) -> dict[str, object]:
    """What the list says of a run; NoData for what is not in the index."""
    place = index.place(path)
    rows = index.tables("SELECT * FROM runs WHERE path = ?", [place.path])
    if not rows:
        raise NoData(f"the run {quoted(path)} was removed in the meantime; choose another from the list")
    return rows[0]


def _points_of(index: RunIndex, filters: Mapping[str, str]) -> list[dict[str, object]]:
    where = " AND ".join(f"{LENGTHS if name == 'workload' else name} = ?" for name in filters)
    query = f"SELECT * FROM points WHERE {where} ORDER BY date LIMIT {MOST_FOLLOWED}"  # noqa: S608
    return index.tables(query, list(filters.values()))


def _by_run(rows: Sequence[Mapping[str, object]]) -> list[dict[str, object]]:
    """The best output throughput of each run or table on each date."""
    best: dict[tuple[str, str], float] = {}
    for row in rows:
        value = row["output_tput_per_gpu_tok_s"]
        key = str(row["path"]), str(row["date"] or "")[:10]
        if isinstance(value, float):
            best[key] = max(best.get(key, 0.0), value)
    return [{"path": path, "date": day, "output_tok_s_per_gpu": value} for (path, day), value in best.items()]
