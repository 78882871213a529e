"""What the load's pod needs of this machine: the campaign, the files that it names, and the job as far as it is."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from paretoken.campaign.config import Campaign
from paretoken.campaign.kubernetes.manifests import FOLDER_AT
from paretoken.campaign.state import CAMPAIGN, JOBS, CampaignFolder, JobFolder

INPUTS = "inputs"
TOKENIZER_FILES = (".json", ".model", ".txt", ".jinja")
"""Endings of the files of a tokenizer; the weights beside them stay here."""


@dataclass(slots=True)
class SentFiles:
    """Files of this machine and where they are in the pod."""

    places: dict[Path, str] = field(default_factory=dict)

    def at(self, path: str | Path) -> str:
        """Where a file or folder of this machine is in the pod; another text stays."""
        here = Path(path)
        if not path or not here.exists():
            return str(path)
        place = f"{INPUTS}/{len(self.places)}-{here.name.lstrip('.')}"
        return f"{FOLDER_AT}/{self.places.setdefault(here, place)}"

    def members(self) -> Iterator[tuple[Path, str]]:
        """Each file to send, with its name in the pod."""
        for here, place in self.places.items():
            if here.is_file():
                yield here, place
                continue
            for file in sorted(here.rglob("*")):
                if file.is_file() and (file.suffix in (*TOKENIZER_FILES, ".toml", ".csv", ".parquet", ".yaml")):
                    yield file, f"{place}/{file.relative_to(here)}"


def moved(campaign: Campaign, inputs: SentFiles) -> Campaign:
    """The campaign with every file that it names at its place in the pod; weights are where the nodes have them."""
    models = {
        name: weights.model_copy(update={"tokenizer": inputs.at(weights.tokenizer)})
        for name, weights in campaign.models.items()
    }
    return campaign.model_copy(
        update={
            "models": models,
            "recipes": {engine: Path(inputs.at(path)) for engine, path in campaign.recipes.items()},
            "catalog": [Path(inputs.at(folder)) for folder in campaign.catalog],
            "bench": {key: _moved_value(value, inputs) for key, value in campaign.bench.items()},
        }
    )


def _moved_value(value: object, inputs: SentFiles) -> object:
    """A setting of the benchmark that names a file of this machine, as a trace is, at its place in the pod."""
    return inputs.at(value) if isinstance(value, str) and "/" in value and Path(value).is_file() else value


def pack(tar: tarfile.TarFile, folder: CampaignFolder, job: JobFolder) -> None:
    """Write the parcel of a job: campaign.json, inputs, and the job's folder without its logs and hidden files."""
    inputs = SentFiles()
    campaign = moved(folder.campaign(), inputs)
    about = {**folder.record(), "campaign": campaign.model_dump(mode="json")}
    _add_text(tar, CAMPAIGN, about)
    for here, place in inputs.members():
        tar.add(here, place, recursive=False)
    for file in sorted(job.folder.rglob("*")) if job.folder.is_dir() else ():
        if file.is_file() and file.suffix != ".log" and not file.name.startswith("."):
            tar.add(file, f"{JOBS}/{job.job.slug}/{file.relative_to(job.folder)}", recursive=False)


def _add_text(tar: tarfile.TarFile, name: str, document: Mapping[str, object]) -> None:
    content = json.dumps(document).encode()
    member = tarfile.TarInfo(name)
    member.size, member.mode = len(content), 0o644
    tar.addfile(member, io.BytesIO(content))
