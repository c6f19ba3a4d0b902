"""The notebook runs from top to bottom and shows what it promises."""

from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient


NOTEBOOK = Path(__file__).parents[1] / "examples" / "quickstart.ipynb"
PICTURES = 5


@pytest.fixture
def notebook():
    return nbformat.read(NOTEBOOK, as_version=4)


def outputs(notebook) -> list:
    return [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]


def pictures(notebook) -> list:
    return [output for output in outputs(notebook) if "image/png" in output.get("data", {})]


def test_the_notebook_runs_and_shows_reading_layouts_and_pictures(notebook):
    NotebookClient(notebook, timeout=300, kernel_name="python3").execute()
    assert len(pictures(notebook)) == PICTURES
    printed = "".join(output.text for output in outputs(notebook) if output.get("name") == "stdout")
    for text in ("object  a red apple", "a red apple | left of | a blue car", "absent  people", "a blue car: box"):
        assert text in printed
    assert any("application/vnd.jupyter.widget-view+json" in output.get("data", {}) for output in outputs(notebook))


def test_it_is_stored_with_its_pictures_and_small(notebook):
    assert len(pictures(notebook)) == PICTURES and NOTEBOOK.stat().st_size < 250_000


def test_a_real_checkpoint_is_there_and_switched_off(notebook):
    words, cell = notebook.cells[-2:]
    assert "switched off" in words.source and "`REAL = True`" in words.source
    assert cell.source.startswith("REAL = False\n\nif REAL:\n") and '.to("cuda")' in cell.source and not cell.outputs
