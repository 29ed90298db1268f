"""A hook of MkDocs: the site's pages lie as in the repository, README first, so that each link works in both."""

from __future__ import annotations

from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parents[2]
SHOWN = ("*.md", "docs/**/*.md", "docs/**/*.svg", "docs/**/*.css", "deploy/**/*.md", "sql/*.md")
LINKED = ("config/**/*", "deploy/**/*", "docs/ci/*", "docs/*.txt", "sql/engine/**/*.sql", "LICENSE")  # as they are


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """In place of the files of docs/: those of the repository that are shown, or that a page may link to."""
    for file in [file for file in files if file.src_dir == config.docs_dir]:
        files.remove(file)
    for path in sorted({path for pattern in (*SHOWN, *LINKED) for path in ROOT.glob(pattern) if path.is_file()}):
        name = path.relative_to(ROOT).as_posix()
        files.append(File(name, str(ROOT), config.site_dir, config.use_directory_urls))
    return files
