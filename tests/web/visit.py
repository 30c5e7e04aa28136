"""One visit to the page, which ends with everything that was wrong with it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import BrowserContext, ConsoleMessage, Download, Locator, expect

expect.set_options(timeout=30_000)  # on however busy a machine

REFUSED = "Failed to load resource"  # the browser's own line for a status of 400 and above
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]


class Visit:
    """The page in a context of its own, as somebody uses it."""

    def __init__(self, context: BrowserContext, url: str) -> None:
        self.url = url
        self.refusals_expected = False
        self.requests: list[str] = []
        self._complaints: list[str] = []
        self.page = context.new_page()
        self.page.on("console", self._note)
        self.page.on("pageerror", lambda error: self._complaints.append(str(error)))
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.goto(url)

    def close(self) -> None:
        """Fails when the page complained, or loaded something from elsewhere."""
        self.page.context.close()
        assert not self._complaints, self._complaints
        elsewhere = [url for url in self.requests if not url.startswith((self.url, "blob:"))]
        assert not elsewhere, elsewhere

    def find(self, selector: str) -> Locator:
        return self.page.locator(selector)

    def button(self, name: str) -> Locator:
        return self.page.get_by_role("button", name=name, exact=True)

    def write(self, text: str) -> None:
        """Put a text into the box at once, as by pasting."""
        self.find("#text").fill(text)

    def read(self, text: str) -> None:
        """Write a text, and wait until its sentences are there."""
        self.write(text)
        self.wait_for_text(text)

    def wait_for_text(self, text: str) -> None:
        """Wait until the sentences on the page are those of `text`."""
        self.page.wait_for_function(
            "text => [...document.querySelectorAll('.sentence .words')]"
            ".map(words => words.textContent).join('') === text",
            arg=text,
            timeout=30_000,
        )

    def choose(self, path: Path) -> None:
        self.find("#file").set_input_files(path)

    def answer_file(self, path: Path) -> None:
        """Have a file answered from beginning to end."""
        self.choose(path)
        self.find("#start").click()
        expect(self.find(".state")).to_contain_text("rows")
        expect(self.find("progress")).to_be_hidden()

    def download(self) -> Download:
        with self.page.expect_download() as download:
            self.button("Download the file with the answers").click()
        return download.value

    def run_module(self, name: str, body: str, argument: Any = None) -> Any:
        """What `body`, in which a module of the page is `module`, gives for `argument`."""
        return self.page.evaluate(
            f"async argument => {{ const module = await import('/static/web/{name}.js'); {body} }}",
            argument,
        )

    def violations(self) -> list[str]:
        """What axe finds against accessibility, in the state the page is in."""
        results = Axe().run(self.page, options={"runOnly": RULES})
        return [
            f"{found['id']}: {[node['html'] for node in found['nodes']]}"
            for found in results.response["violations"]
        ]

    def _note(self, message: ConsoleMessage) -> None:
        expected = self.refusals_expected and message.text.startswith(REFUSED)
        if message.type in ("error", "warning") and not expected:
            self._complaints.append(message.text)
