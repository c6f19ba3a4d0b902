"""The self-contained folder: what is in it, and what is refused."""

import re

import pytest

from spacetime_attn.examples import export as export_module
from spacetime_attn.examples.export import bundle, export


def test_the_exported_file_is_one_module_with_one_pipeline():
    text = bundle()
    compile(text, "pipeline.py", "exec")
    assert not re.search(r"^\s*(from|import)\s+\.", text, flags=re.MULTILINE)
    assert len(re.findall(r"^class \w+\(\s*DiffusionPipeline\b", text, flags=re.MULTILINE)) == 1
    assert text.startswith("# Copyright") and "Apache License" in text.partition('"""')[0]


def test_the_exported_folder_holds_the_file_the_card_and_the_models(tmp_path):
    written = export(tmp_path / "hub")
    assert sorted(written) == sorted(path for path in (tmp_path / "hub").rglob("*") if path.is_file())
    names = {path.relative_to(tmp_path / "hub").as_posix() for path in written}
    assert {"pipeline.py", "README.md", "layout/english/config.cfg", "layout/transformer/config.json"} <= names
    assert (tmp_path / "hub" / "README.md").read_text(encoding="utf-8").startswith("---\nlicense: apache-2.0\n")


def test_an_export_may_be_written_again_also_into_a_clone(tmp_path):
    export(tmp_path)
    (tmp_path / ".git").mkdir()
    (tmp_path / ".git" / "config").touch()
    (tmp_path / "pipeline.py").write_text(bundle() + "# stale", encoding="utf-8")
    export(tmp_path)
    assert (tmp_path / "pipeline.py").read_text(encoding="utf-8") == bundle()


@pytest.mark.parametrize("name", ["notes.txt", "pipeline.py", "README.md"])
def test_an_export_overwrites_nothing_that_is_not_its_own(tmp_path, name):
    (tmp_path / name).write_text("mine", encoding="utf-8")
    with pytest.raises(ValueError, match=name):
        export(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert (tmp_path / name).read_text(encoding="utf-8") == "mine"


def test_a_repository_for_the_assets_has_to_be_a_name():
    assert '"SPACETIME_ATTN_ASSETS_REPO", "user/name"' in bundle(assets_repo="user/name")
    with pytest.raises(ValueError, match="assets_repo.*'not a name'"):
        bundle(assets_repo="not a name")


@pytest.fixture
def project(tmp_path, monkeypatch):
    """Writes the modules of a small project, whose pipeline is `main`."""

    def write(**modules: str):
        for name, text in modules.items():
            (tmp_path / f"{name}.py").write_text(f'"""{name.capitalize()}."""\n\n{text}', encoding="utf-8")

    monkeypatch.setattr(export_module, "ROOT", tmp_path)
    monkeypatch.setattr(export_module, "PIPELINE", "main")
    return write


def test_modules_are_merged_after_what_they_need(project):
    project(
        main="import json\nfrom .b import (\n    B,\n)\nfrom .a import A\n\n\nMAIN = json.dumps([A, B])",
        a="import json as j\n\n\nA = 1  # one",
        b="from .a import A\n\n\nB = A + 1",
    )
    namespace = {}
    exec(bundle(), namespace)
    assert namespace["MAIN"] == "[1, 2]"
    assert "A = 1  # one" in bundle()


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ("X = 1", "X = 2"),
        ("def x(): pass", "class x: pass"),
        ("import x", "x = 1"),
        ("import numpy as x", "import torch as x"),
        ("from typing import Sequence", "from collections.abc import Sequence"),
        ("if True:\n    X = 1", "for X in []: pass"),
    ],
)
def test_a_name_that_stands_for_two_things_is_refused(project, a, b):
    project(main="from .a import A\nfrom .b import B", a=a, b=b)
    with pytest.raises(ValueError, match="stands for two things"):
        bundle()


@pytest.mark.parametrize(
    "line", ["from . import a", "from .a import A as X", "from .a import *", "def f():\n    from .a import A"]
)
def test_an_import_that_cannot_be_merged_is_refused(project, line):
    project(main=line, a="A = 1")
    with pytest.raises(ValueError, match="top-level"):
        bundle()
