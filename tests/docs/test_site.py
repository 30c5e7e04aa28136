"""The site builds without a warning and needs no other host to be read."""

from __future__ import annotations

import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


class Loads(HTMLParser):
    """Every address that a browser loads by itself."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        address = dict(attrs).get("href" if tag == "link" else "src")
        if address and tag != "a":
            self.found.append(address)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return folder


def test_every_page_loads_from_the_site_alone(site: Path) -> None:
    pages = list(site.rglob("*.html"))
    assert len(pages) > 20
    for page in pages:
        loads = Loads()
        loads.feed(page.read_text())
        assert loads.found
        for address in loads.found:
            if page.name == "404.html":  # served at any path, so its addresses start at the root
                assert address.startswith("/")
                address = f".{address}"
            assert (page.parent / address.partition("#")[0]).is_file(), f"{page}: {address}"


def test_style_sheets_load_nothing_from_elsewhere(site: Path) -> None:
    for sheet in site.rglob("*.css"):
        assert "url(http" not in sheet.read_text()
        assert "@import" not in sheet.read_text()


def test_what_the_pages_link_to_in_the_repository_is_part_of_the_site(site: Path) -> None:
    for path in ("deploy/prometheus.yml", "examples/reviews.ipynb"):
        assert (site / "repository" / path).read_bytes() == (ROOT / path).read_bytes()
    assert 'href="repository/deploy/prometheus.yml"' in (site / "observability.html").read_text()


@pytest.mark.parametrize("name", ["recurrent-networks.html", "recurrent-networks.zh.html"])
def test_formulas_are_drawn_without_a_script(site: Path, name: str) -> None:
    page = (site / name).read_text(encoding="utf-8")
    article = page[page.index("<article") : page.index("</article>")]
    assert article.count('display="block"') == 9
    assert article.count('display="inline"') > 50
    assert not re.search(
        r"arithmatex|\$|\\\w", re.sub(r"<pre.*?</pre>", "", article, flags=re.DOTALL)
    )
