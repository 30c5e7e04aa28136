"""A real Chromium on the page of a real server with the shipped model."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.service.serving import ROOT, Server, wait_until

if TYPE_CHECKING:
    from playwright.sync_api import Browser

    from tests.web.visit import Visit

if find_spec("playwright") is None:  # the extra `browser`, which only `make test-web` installs
    collect_ignore_glob = ["test_*.py"]

PROGRAMS = ("chromium", "chromium-browser", "google-chrome")
OPTIONS = {"locale": "en-US", "viewport": {"width": 1200, "height": 900}}


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The service with the shipped model; tests leave it as it is."""
    log = tmp_path_factory.mktemp("served") / "log"
    with Server(ROOT / "models", log, processes=1) as server:
        wait_until(server.is_ready, "readiness")
        yield server


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    from playwright.sync_api import sync_playwright

    program = next(filter(None, map(shutil.which, PROGRAMS)), None)
    if program is None:
        pytest.skip("no Chromium here (Debian: apt-get install chromium)")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program)
        yield browser
        browser.close()


@pytest.fixture
def visit(browser: Browser, server: Server) -> Iterator[Callable[..., Visit]]:
    """Opens the page, with options of a browser's context; fails for what it complained of."""
    from tests.web.visit import Visit

    visits: list[Visit] = []

    def open_page(url: str = f"http://127.0.0.1:{server.port}/", **options: Any) -> Visit:
        visits.append(Visit(browser.new_context(**{**OPTIONS, **options}), url))
        return visits[-1]

    yield open_page
    for opened in visits:
        opened.close()


@pytest.fixture
def reviews() -> Path:
    """A CSV of 200 reviews in two languages, one of them empty."""
    return ROOT / "examples" / "reviews.csv"
