"""Result files of other tools, operating points, bundles, price lists, traces, tokenizers."""

from __future__ import annotations

import io
import tarfile
import zipfile
from datetime import date
from pathlib import Path

from paretoken.bench.workload.tokenizer import load_tokenizer
from paretoken.bench.workload.traces import read_trace
from paretoken.catalog.loader import load_catalog
from paretoken.errors import ParetokenError
from paretoken.points.files import read_points, write_points
from paretoken.points.load import import_files
from paretoken.points.unpack import is_archive, unpack
from paretoken.prices.market.book import price_book, shipped_prices, write_prices
from paretoken.prices.market.importing import import_prices
from paretoken.sessions.read import is_session_file, read_sessions
from tests.fuzz.reader import Files, FuzzedReader
from tests.support.points import row, table

DATA = Path(__file__).parents[2] / "data"
TODAY = date(2026, 11, 24)
FILES = tuple(
    sorted(
        str(p.relative_to(DATA / "importers"))
        for p in (DATA / "importers").rglob("*.*")
        if p.is_file()
        and p.name not in ("expected_a.toml", "config.yaml")
        and not any(word in p.name for word in ("metadata", "benchmark_args", "benchmark_percentile"))
        and p.parent.name != "inferencex_dump"
    )
)
"""A file of every form that is imported, but for those that are read beside another."""
TRACES = tuple(sorted(p.name for p in (DATA / "traces").iterdir() if p.suffix != ".md"))
WHERE: dict[str, str | int] = {"accelerator": "H200", "engine": "vllm"}
MISSING = (
    {},
    WHERE,
    WHERE | {"n_gpus": 4},
    WHERE | {"n_gpus": 1, "model": "qwen3-8b", "concurrency": 16},
    WHERE | {"n_gpus": 1, "model": "qwen3-8b", "isl": 1024, "osl": 1024},
    WHERE | {"n_gpus": 1, "model": "qwen3-8b", "isl": 1024, "osl": 1024, "concurrency": 16},
    {"accelerator": "H200", "n_gpus": 1, "model": "qwen3-8b"},
    {"model": "qwen3-8b"},
    {"model": "qwen3-8b", "n_gpus": 8},
    {"model": "qwen3-8b", "engine": "vllm", "n_gpus": 8},
    WHERE | {"n_gpus": 1, "model": "qwen3-8b"},
    WHERE | {"n_gpus": 8, "tp": 8, "model": "llama-3-70b", "precision": "fp8", "isl": 1024, "osl": 1024},
)
"""What files of other tools leave unsaid."""
QUOTES = b"""provider,region,accelerator,form,memory_gb,count,term,price,date,currency,upfront_share,source,licence
me,eu,H200,SXM,141,8,1-year,2.10,2026-11-01,USD,0.25,quote,own
you,us,MI300X,OAM,192,8,spot,1.50,2026-11-02,USD,,quote,own
"""
QUOTES_JSON = b"""{"offers": [{"provider": "a", "accelerator": "H200", "term": "spot", "price": 1.5,
"date": "2026-05-01", "count": 8, "memory_gb": 141, "currency": "USD"}, {"provider": "b", "accelerator": "H100",
"term": "on-demand", "price": "2.5", "date": "2026-05-02", "upfront_share": 0.1}]}"""


def imported(place: Path) -> None:
    """All files of a folder, with and without what they may leave unsaid, stopped at the first bad entry and not."""
    for file in sorted(p for p in place.iterdir() if p.suffix != ".parquet"):
        errors = []
        ways = [*((values, True) for values in MISSING), (MISSING[-1], False)]
        for values, keep_going in ways:
            try:
                import_files([file], catalog=load_catalog(), values=values, keep_going=keep_going)
            except ParetokenError as e:
                errors.append(e)
        if len(errors) == len(ways):
            raise errors[-1]


def imported_dump(place: Path) -> None:
    import_files([place / "dump"], catalog=load_catalog(), keep_going=True)


def points(*rows: dict[str, object]) -> bytes:
    file = io.BytesIO()
    frame = table(*rows)
    write_points(frame, file)  # type: ignore[arg-type]
    return file.getvalue()


def stored_points() -> Files:
    figures = {"median_ttft_s": 0.1, "median_tpot_s": 0.01, "total_tput_per_gpu_tok_s": 1000.0}
    return {"p.parquet": points(row(**figures), row(concurrency=16.0, **figures))}


def read_stored(place: Path) -> None:
    read_points(place / "p.parquet")
    import_files([place / "p.parquet"], catalog=load_catalog())


def prices_file() -> Files:
    from tempfile import TemporaryDirectory

    with TemporaryDirectory() as place:
        write_prices(shipped_prices().head(5), Path(place) / "p.parquet")
        return {"book/p.parquet": (Path(place) / "p.parquet").read_bytes()}


def prices(place: Path) -> None:
    book = price_book([], shipped=True)
    import_prices(next(place.glob("q.*")), load_catalog(), TODAY, book=book)


def archives() -> Files:
    dump = {p.name: p.read_bytes() for p in (DATA / "importers/inferencex_dump").iterdir()}
    zipped, tarred = io.BytesIO(), io.BytesIO()
    with zipfile.ZipFile(zipped, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in dump.items():
            file.writestr(f"dump/{name}", content)
    with tarfile.open(fileobj=tarred, mode="w:gz") as tar:
        for name, content in dump.items():
            member = tarfile.TarInfo(f"dump/{name}")
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return {"d.zip": zipped.getvalue(), "d.tar.gz": tarred.getvalue()}


def unpacked(place: Path) -> None:
    for name in ("d.zip", "d.tar.gz"):
        (place / f"of-{name}").mkdir()
        if is_archive(place / name):
            import_files([unpack(place / name, place / f"of-{name}")], catalog=load_catalog(), keep_going=True)


def _importer(path: str) -> FuzzedReader:
    name = Path(path).name
    cost = 15 if "/" in path else 5
    return FuzzedReader(
        f"import of {path}", lambda: {name: (DATA / "importers" / path).read_bytes()}, imported, cost=cost
    )


def _trace(name: str) -> FuzzedReader:
    def read(place: Path) -> None:
        if is_session_file(place / name):
            read_sessions(place / name)
        else:
            read_trace(place / name)

    return FuzzedReader(f"trace {name}", lambda: {name: (DATA / "traces" / name).read_bytes()}, read)


def _dump() -> Files:
    return {f"dump/{p.name}": p.read_bytes() for p in (DATA / "importers/inferencex_dump").iterdir()}


READERS = (
    *map(_importer, FILES),
    FuzzedReader("import of a dump", _dump, imported_dump, cost=5),
    FuzzedReader("points, Parquet", stored_points, read_stored),
    FuzzedReader("archive of a bundle", archives, unpacked, cost=5),
    FuzzedReader("rental CSV", lambda: {"q.csv": QUOTES}, prices),
    FuzzedReader("rental JSON", lambda: {"q.json": QUOTES_JSON}, prices),
    FuzzedReader("rental Parquet", prices_file, lambda place: price_book([place / "book"], shipped=False)),
    *map(_trace, TRACES),
    FuzzedReader(
        "tokenizer.json",
        lambda: {"tokenizer.json": (DATA / "tokenizer/tokenizer.json").read_bytes()},
        lambda place: load_tokenizer(place / "tokenizer.json").count("some words"),
    ),
)
