"""A hook of mkdocs: each notebook of the docs, executed, as a page with its plots in it."""

from __future__ import annotations

from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from nbconvert import MarkdownExporter
from nbconvert.preprocessors import ExecutePreprocessor


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add a page beside each notebook, `NAME.md` beside `NAME.ipynb`."""
    for notebook in [f for f in files if f.src_uri.endswith(".ipynb")]:
        page = str(Path(notebook.src_uri).with_suffix(".md"))
        files.append(File.generated(config, page, content=page_of(Path(notebook.abs_src_path))))
    return files


def page_of(notebook: Path) -> str:
    """The executed notebook as Markdown; an error of a cell is raised."""
    exporter = MarkdownExporter(preprocessors=[ExecutePreprocessor(timeout=120)])
    text, _ = exporter.from_filename(str(notebook))
    return f"{text.rstrip()}\n\n[Download this notebook]({notebook.name}).\n"
