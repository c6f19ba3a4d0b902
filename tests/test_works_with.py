"""
The tables of what works with it: every letter names a test that runs on that family, and in the pipeline or around a
stock one. Whether that test is about the feature is for readers to see.
"""

import ast
import re
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

from spacetime_attn import default_model


ROOT = Path(default_model()).parents[2]
FAMILIES = {"SD 1.x": "SD", "SD 2.x": "SD 2", "SDXL": "SDXL"}  # as the tests' parameters call them
TRANSFORMERS = {"SD 3": "stable_diffusion_3", "FLUX.1": "flux", "PixArt": "pixart"}  # and what makes one


def rows(families: dict[str, str]) -> list[tuple[str, list[str], list[str]]]:
    """(feature, cells, tests) of each row of the table that has these columns."""
    card = (ROOT / "model_card.md").read_text(encoding="utf-8")
    section = card.partition("## What works with it")[2].partition("\n## ")[0]
    found = []
    for table in re.findall(r"(?:^\|.*\n)+", section, re.MULTILINE):
        header, _, *lines = [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()]
        if header[1:4] == list(families):
            found = [(feature, letters, re.findall(r"`([^`]+)`", tests)) for feature, *letters, tests in lines]
    assert found
    return found


@pytest.fixture(scope="module")
def collected() -> list[tuple[str, str]]:
    """Every test in the tables with its parameters: as often as it runs."""
    named = [test for table in (FAMILIES, TRANSFORMERS) for _, _, tests in rows(table) for test in tests]
    files = sorted({test.partition("::")[0] for test in named})
    command = [sys.executable, "-m", "pytest", "--collect-only", "-q", *(f"tests/{file}" for file in files)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
    return re.findall(r"^(?:tests/)?(\w+\.py::\w+)(?:\[(.*)\])?$", done.stdout, re.MULTILINE)


@pytest.fixture(scope="module")
def families(collected) -> dict[str, set[str]]:
    """Of each test in the tables: the families that it runs on."""
    found: dict[str, set[str]] = {}
    for test, parameters in collected:
        named = set(parameters.split("-")) & set(FAMILIES.values())
        default = {"SDXL" if test.startswith("test_sdxl.py") else "SD"}  # of the fixtures without a choice
        with_transformers = {name for name, make in TRANSFORMERS.items() if name in parameters or make in _words(test)}
        found.setdefault(test, set()).update(named or default, with_transformers)
    return found


def test_every_letter_has_a_test_of_its_family(families):
    for feature, cells, tests in rows(FAMILIES):
        assert tests and any(cells) and all(test in families for test in tests), feature
        for column, cell in zip(FAMILIES.values(), cells):
            assert cell in ("", "P", "C", "P C"), feature
            covered = [test for test in tests if column in families[test]]
            for letter in cell.split():
                assert any(letter in _letters(test) for test in covered), (
                    f"{feature}: no test of {letter} for {column}"
                )


def test_every_test_of_a_row_runs_on_each_transformer_that_it_is_for(families):
    """Tests with "refused" in their names are for those cells, all others for the letters."""
    for feature, cells, tests in rows(TRANSFORMERS):
        assert any(cells), feature
        for column, cell in zip(TRANSFORMERS, cells):
            assert cell in ("", "C", "refused"), feature
            own = [test for test in tests if ("refused" in test) == (cell == "refused")]
            for test in own if cell else ():
                assert column in families[test] and "C" in _letters(test), f"{test} is not of {column}"
            assert own or not cell, f"{feature}: no test for {column}"


def _letters(test: str) -> str:
    """
    P for a test that hands a call a layout, which only our pipeline takes, or has our pipeline by its name; C for one
    that opens `spacetime_attention`.
    """
    words = _words(test)
    return "P" * bool(words & {"layout=", "SpaceTimeAttnPipeline"}) + "C" * ("spacetime_attention" in words)


@cache
def _words(test: str) -> set[str]:
    """What a test names, by itself or through a function or fixture of its file or of another that it imports from."""
    file, _, name = test.partition("::")
    functions = _functions(file)
    reached, waiting = set(), [name]
    while waiting:
        name = waiting.pop()
        if name in functions and name not in reached:
            reached.add(name)
            waiting += _names(functions[name])
    return {word for function in reached for word in _names(functions[function])}


@cache
def _functions(file: str) -> dict[str, ast.FunctionDef]:
    """Of a file of tests and of those that it imports from."""
    tree, found = ast.parse((ROOT / "tests" / file).read_text(encoding="utf-8")), {}
    for node in tree.body:
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("test_"):
            found |= _functions(f"{node.module}.py")
    return found | {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}


def _names(function: ast.FunctionDef) -> set[str]:
    nodes = list(ast.walk(function))
    names = {node.func.id for node in nodes if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)}
    names |= {node.id for node in nodes if isinstance(node, ast.Name) and node.id == "SpaceTimeAttnPipeline"}
    names |= {argument.arg for argument in function.args.args}  # fixtures
    given = {node.arg for node in nodes if isinstance(node, ast.keyword)}
    given |= {getattr(key, "value", None) for node in nodes if isinstance(node, ast.Dict) for key in node.keys}
    return names | {f"{name}=" for name in given}
