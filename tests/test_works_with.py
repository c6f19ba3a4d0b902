"""The table of what works with it names tests that exist."""

import ast
from pathlib import Path

from spacetime_attn import default_model


ROOT = Path(default_model()).parents[2]


def test_every_row_that_says_yes_names_tests_that_exist():
    card = (ROOT / "model_card.md").read_text(encoding="utf-8")
    section = card.partition("## What works with it")[2].partition("\n## ")[0]
    _, _, *rows = [line.strip("|").split("|") for line in section.splitlines() if line.startswith("|")]
    assert rows
    for feature, *cells, tests in rows:
        assert {cell.strip() for cell in cells} <= {"", "P", "C", "P C"} and any(map(str.strip, cells)), feature
        assert tests.strip(), feature
        for test in tests.split(","):
            file, _, name = test.strip().strip("`").partition("::")
            assert name in _functions(ROOT / "tests" / file), test


def _functions(file: Path) -> set[str]:
    return {node.name for node in ast.parse(file.read_text("utf-8")).body if isinstance(node, ast.FunctionDef)}
