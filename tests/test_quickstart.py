"""The notebook runs from top to bottom and shows what it promises."""

from pathlib import Path

import nbformat
from nbclient import NotebookClient


NOTEBOOK = Path(__file__).parents[1] / "examples" / "quickstart.ipynb"


def test_the_notebook_runs_and_shows_layouts_and_pictures():
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    NotebookClient(notebook, timeout=300, kernel_name="python3").execute()
    outputs = [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
    pictures = [output for output in outputs if "image/png" in output.get("data", {})]
    assert len(pictures) == 4
    assert any("a red apple left of a blue car" in output.get("text", "") for output in outputs)
