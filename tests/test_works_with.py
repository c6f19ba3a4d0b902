"""
The table of what works with it: every letter names a test that runs on that family, and in the pipeline or around a
stock one. Whether that test is about the feature is for readers to see.
"""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

from spacetime_attn import default_model


ROOT = Path(default_model()).parents[2]
FAMILIES = {"SD 1.x": "SD", "SD 2.x": "SD 2", "SDXL": "SDXL"}  # as the tests' parameters call them


def rows() -> list[tuple[str, list[str], list[str]]]:
    """(feature, cells, tests) of each row."""
    card = (ROOT / "model_card.md").read_text(encoding="utf-8")
    section = card.partition("## What works with it")[2].partition("\n## ")[0]
    header, _, *lines = [line.strip("|").split("|") for line in section.splitlines() if line.startswith("|")]
    assert [name.strip() for name in header[1:4]] == list(FAMILIES)
    cells = [[cell.strip() for cell in line] for line in lines]
    return [(feature, letters, re.findall(r"`([^`]+)`", tests)) for feature, *letters, tests in cells]


@pytest.fixture(scope="module")
def families() -> dict[str, set[str]]:
    """Of each test in the table: the families that it runs on."""
    files = sorted({test.partition("::")[0] for _, _, tests in rows() for test in tests})
    command = [sys.executable, "-m", "pytest", "--collect-only", "-q", *(f"tests/{file}" for file in files)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
    found: dict[str, set[str]] = {}
    for file, name, parameters in re.findall(r"^(?:tests/)?(\w+\.py)::(\w+)(?:\[(.*)\])?$", done.stdout, re.MULTILINE):
        named = set(parameters.split("-")) & set(FAMILIES.values())
        default = {"SDXL" if file == "test_sdxl.py" else "SD"}  # of the fixtures without a choice
        found.setdefault(f"{file}::{name}", set()).update(named or default)
    return found


def test_every_letter_has_a_test_of_its_family(families):
    for feature, cells, tests in rows():
        assert tests and any(cells), feature
        for column, cell in zip(FAMILIES.values(), cells):
            assert cell in ("", "P", "C", "P C"), feature
            covered = [test for test in tests if column in families[test]]
            for letter in cell.split():
                assert any(letter in _letters(test) for test in covered), (
                    f"{feature}: no test of {letter} for {column}"
                )


def _letters(test: str) -> str:
    """
    P for a test that hands a call a layout, which only our pipeline takes, or has our pipeline by its name; C for one
    that opens `spacetime_attention`; by itself or through a function or fixture of its file.
    """
    file, _, name = test.partition("::")
    tree = ast.parse((ROOT / "tests" / file).read_text(encoding="utf-8"))
    functions = {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}
    reached, waiting = set(), [name]
    while waiting:
        name = waiting.pop()
        if name in functions and name not in reached:
            reached.add(name)
            waiting += _names(functions[name])
    words = {word for function in reached for word in _names(functions[function])}
    return "P" * bool(words & {"layout=", "SpaceTimeAttnPipeline"}) + "C" * ("spacetime_attention" in words)


def _names(function: ast.FunctionDef) -> set[str]:
    nodes = list(ast.walk(function))
    names = {node.func.id for node in nodes if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)}
    names |= {node.id for node in nodes if isinstance(node, ast.Name) and node.id == "SpaceTimeAttnPipeline"}
    names |= {argument.arg for argument in function.args.args}  # fixtures
    given = {node.arg for node in nodes if isinstance(node, ast.keyword)}
    given |= {getattr(key, "value", None) for node in nodes if isinstance(node, ast.Dict) for key in node.keys}
    return names | {f"{name}=" for name in given}
