"""MkDocs' hooks: files of the repository that a page links to become part of the site."""

from __future__ import annotations

import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

# From a page in docs/ itself, `../` leads out of the folder that MkDocs reads.
OUTSIDE = re.compile(r"\]\(\.\./([^)#]+)")
FOLDER = "repository"


def on_files(files: Files, config: MkDocsConfig) -> Files:
    root = Path(config.config_file_path).parent
    for page in list(files.documentation_pages()):
        for path in _outside(page):
            if not files.get_file_from_path(f"{FOLDER}/{path}"):
                source = str(root / path)
                files.append(File.generated(config, f"{FOLDER}/{path}", abs_src_path=source))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    return OUTSIDE.sub(rf"]({FOLDER}/\1", markdown) if _outside(page.file) else markdown


def _outside(page: File) -> list[str]:
    return [] if "/" in page.src_uri else OUTSIDE.findall(page.content_string)
