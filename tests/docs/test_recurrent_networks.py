"""What docs/recurrent-networks.md shows is what happens, in both languages."""

from __future__ import annotations

import doctest
import re
from pathlib import Path

import pytest
import torch

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "docs" / name for name in ("recurrent-networks.md", "recurrent-networks.zh.md")]


def snippets_of(page: str) -> list[str]:
    return re.findall(r"^```pycon\n(.*?)^```", page, re.DOTALL | re.MULTILINE)


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_every_snippet_gives_what_is_written(path: Path) -> None:
    page = path.read_text(encoding="utf-8")
    examples = doctest.DocTestParser().get_doctest(
        "".join(snippets_of(page)), {}, path.name, str(path), 0
    )
    report: list[str] = []
    with torch.random.fork_rng():
        results = doctest.DocTestRunner().run(examples, out=report.append)
    assert results.attempted > 40
    assert results.failed == 0, "".join(report)


def test_both_languages_show_the_same_code() -> None:
    english, chinese = (snippets_of(path.read_text(encoding="utf-8")) for path in PAGES)
    assert english == chinese


def test_both_languages_show_the_same_equations() -> None:
    def equations(page: str) -> list[str]:
        blocks = re.findall(r"\$\$(.*?)\$\$", page, re.DOTALL)
        return ["".join(re.sub(r"\\text\{.*?\}", "", block).split()) for block in blocks]

    english, chinese = (equations(path.read_text(encoding="utf-8")) for path in PAGES)
    assert len(english) > 8
    assert english == chinese


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_every_file_that_is_linked_is_there(path: Path) -> None:
    links = re.findall(r"\]\(([^)#]+)\)", path.read_text(encoding="utf-8"))
    assert len(links) >= 3
    for link in links:
        assert (path.parent / link).exists(), link
