"""What the pages say of fields, settings and errors is what the code says."""

from __future__ import annotations

import re

import pytest

from docs.reference import BLOCK, FOLDER, fill
from service.errors import STATUS

ROW = re.compile(r"^\| `(\w+)` \| (\d{3}) \| .+ \| .+ \|$", re.MULTILINE)


@pytest.mark.parametrize(
    ("page", "blocks"), [("api", ["routes", "schemas"]), ("tune", ["settings"])]
)
def test_the_tables_are_those_of_the_code(page: str, blocks: list[str]) -> None:
    text = (FOLDER / f"{page}.md").read_text()
    assert [block[1] for block in BLOCK.findall(text)] == blocks
    assert text == fill(text), "make reference"


def test_every_error_is_explained_with_its_status() -> None:
    rows = ROW.findall((FOLDER / "errors.md").read_text())
    assert rows == [(error.type, str(status)) for error, status in STATUS.items()]
