"""MkDocs' hooks: files of the repository that a page links to become part of the site, and
formulas become MathML, which browsers draw without a script.
"""

from __future__ import annotations

import html
import re
from pathlib import Path

from latex2mathml.converter import convert
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

# From a page in docs/ itself, `../` leads out of the folder that MkDocs reads.
OUTSIDE = re.compile(r"\]\(\.\./([^)#]+)")
FOLDER = "repository"
# As pymdownx.arithmatex marks them.
FORMULA = re.compile(r'<(span|div) class="arithmatex">\\[(\[](.*?)\\[)\]]</\1>', re.DOTALL)


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


def on_page_content(content: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    def draw(formula: re.Match[str]) -> str:
        display = "block" if formula[1] == "div" else "inline"
        return convert(html.unescape(formula[2]), display=display)

    return FORMULA.sub(draw, content)


def _outside(page: File) -> list[str]:
    return [] if "/" in page.src_uri else OUTSIDE.findall(page.content_string)
