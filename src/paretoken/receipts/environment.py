"""What a published run ran on and with: the client by its receipts, the server by what it reported."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from paretoken.bench.documents import to_json
from paretoken.bench.metadata import RunMetadata
from paretoken.bench.receipt_writer import ReceiptWriter
from paretoken.bench.run_folder import LevelOnDisk
from paretoken.plain_files import as_type, read_json
from paretoken.points.schema import CONFIGURATION
from paretoken.receipts.archive_form import SERVER_JOB, SERVER_MACHINE
from paretoken.receipts.hashes import level_receipt

REPORTED = (*CONFIGURATION, "engine_version", "model_variant")


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerRecord:
    """What a campaign keeps of a server beside its cells: job.json and environment.json, None where there is none."""

    job: Mapping[str, Any] | None = None
    machine: Mapping[str, Any] | None = None

    @property
    def start(self) -> Mapping[str, Any] | None:
        """The last start that was ready: its command, environment, image and version."""
        starts = (self.job or {}).get("starts") or []
        ready = [start for start in starts if isinstance(start, Mapping) and start.get("command")]
        return ready[-1] if ready else None


def server_record(run: Path) -> ServerRecord:
    """The record of the server of a campaign's cell, or of a published one."""
    for job, machine in ((run.parent / SERVER_JOB, run.parent / SERVER_MACHINE), (run.parent / "job.json", None)):
        if job.is_file() and not job.is_symlink():
            beside = machine or run.parent / "environment.json"
            return ServerRecord(job=_document(job), machine=_document(beside) if beside.is_file() else None)
    return ServerRecord()


def clients(run: Path, levels: list[LevelOnDisk]) -> tuple[ReceiptWriter, ...]:
    """The programs and machines that measured the levels, each once."""
    receipts = [level_receipt(run, level.folder.name) for level in levels]
    different = {repr(r.writer): r.writer for r in receipts if r is not None}
    return tuple(different.values())


def environment(run: Path, metadata: RunMetadata, levels: list[LevelOnDisk]) -> dict[str, object]:
    """The environment of a run as a document: equal runs give equal documents, wherever they are packed."""
    columns = [{name: level.summary.columns.get(name) for name in REPORTED} for level in levels]
    engine = {name: value for name, value in (columns[-1] if columns else {}).items() if value is not None}
    return {
        "clients": to_json(clients(run, levels)),
        "servers": to_json(metadata.run.servers),
        "engine_configuration": engine,
    }


def _document(file: Path) -> Mapping[str, Any]:
    return as_type(dict[str, Any], read_json(file), file)
