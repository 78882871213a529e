"""What the load's pod needs from this machine: the campaign, the files that it names, and the job so far."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from paretoken.campaign.config import BENCH_FILES, Campaign
from paretoken.campaign.kubernetes.manifests import FOLDER_AT
from paretoken.campaign.state import CAMPAIGN, JOBS, CampaignFolder, JobFolder

INPUTS = "inputs"
TOKENIZER_FILES = (".json", ".model", ".txt", ".jinja")
"""Endings of the files of a tokenizer; the weights beside them stay here."""
CATALOG_FILES = (".toml", ".csv", ".parquet", ".yaml")
"""Endings of the files of a catalog."""


@dataclass(slots=True)
class SentFiles:
    """Files and folders of this machine, each with its path below the campaign's folder in the pod."""

    paths: dict[Path, str] = field(default_factory=dict)

    def in_pod(self, path: str | Path) -> str:
        """The path in the pod of a file or folder of this machine, which is to be sent; another text stays."""
        here = Path(path)
        if not path or not here.exists():
            return str(path)
        sent = f"{INPUTS}/{len(self.paths)}-{here.name.lstrip('.')}"
        return f"{FOLDER_AT}/{self.paths.setdefault(here, sent)}"

    def members(self) -> Iterator[tuple[Path, str]]:
        """Each file to send, with its path below the campaign's folder in the pod."""
        for here, sent in self.paths.items():
            if here.is_file():
                yield here, sent
                continue
            for file in sorted(here.rglob("*")):
                if file.is_file() and file.suffix in (*TOKENIZER_FILES, *CATALOG_FILES):
                    yield file, f"{sent}/{file.relative_to(here)}"


def with_paths_in_pod(campaign: Campaign, inputs: SentFiles) -> Campaign:
    """The campaign with the path in the pod of every file that it names; weights are where the nodes have them."""
    models = {
        name: weights.model_copy(update={"tokenizer": inputs.in_pod(weights.tokenizer)})
        for name, weights in campaign.models.items()
    }
    return campaign.model_copy(
        update={
            "models": models,
            "recipes": {engine: Path(inputs.in_pod(path)) for engine, path in campaign.recipes.items()},
            "catalog": [Path(inputs.in_pod(folder)) for folder in campaign.catalog],
            "bench": campaign.bench
            | {key: inputs.in_pod(str(campaign.bench[key])) for key in BENCH_FILES if campaign.bench.get(key)},
        }
    )


def pack(tar: tarfile.TarFile, folder: CampaignFolder, job: JobFolder) -> None:
    """Write the parcel of a job: campaign.json, inputs, and the job's folder without its logs and hidden files."""
    inputs = SentFiles()
    campaign = with_paths_in_pod(folder.campaign(), inputs)
    about = {**folder.record(), "campaign": campaign.model_dump(mode="json")}
    _add_text(tar, CAMPAIGN, about)
    for here, path in inputs.members():
        _add_file(tar, path, here)
    for file in sorted(job.folder.rglob("*")) if job.folder.is_dir() else ():
        if file.is_file() and file.suffix != ".log" and not file.name.startswith("."):
            _add_file(tar, f"{JOBS}/{job.job.slug}/{file.relative_to(job.folder)}", file)


def _add_file(tar: tarfile.TarFile, name: str, here: Path) -> None:
    """Add the content of a file: the cache of the hub has links, which lead nowhere in the pod."""
    with here.open("rb") as file:
        tar.addfile(tar.gettarinfo(arcname=name, fileobj=file), file)


def _add_text(tar: tarfile.TarFile, name: str, document: Mapping[str, object]) -> None:
    content = json.dumps(document).encode()
    member = tarfile.TarInfo(name)
    member.size, member.mode = len(content), 0o644
    tar.addfile(member, io.BytesIO(content))
