"""examples/reviews.ipynb runs as it is, against a real server with the shipped model."""

from __future__ import annotations

from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from tests.service.serving import PATIENCE_S, Server

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "examples"


@pytest.fixture(scope="module")
def notebook() -> nbformat.NotebookNode:
    return nbformat.read(FOLDER / "reviews.ipynb", as_version=4)


def test_is_kept_without_outputs(notebook: nbformat.NotebookNode) -> None:
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert [cell.outputs for cell in cells] == [[]] * len(cells)


def test_goes_from_reviews_to_plots(
    notebook: nbformat.NotebookNode, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    with Server(ROOT / "models", tmp_path / "log", processes=1) as server:
        monkeypatch.setenv("SENTIMENT_URL", f"http://127.0.0.1:{server.port}")
        client = NotebookClient(
            notebook, timeout=PATIENCE_S, resources={"metadata": {"path": str(FOLDER)}}
        )
        ran = client.execute()
    outputs = [output for cell in ran.cells for output in cell.get("outputs", [])]
    shown = [output["data"] for output in outputs if "data" in output]
    assert len([data for data in shown if "image/png" in data]) == 2
    assert any("the text is empty" in data["text/plain"] for data in shown)
    assert not [output for output in outputs if output.get("name") == "stderr"]
