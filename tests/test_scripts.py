"""What every script under `examples/` does for who starts it: help, and a plain word where an extra is missing."""

import argparse
import re
import runpy
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from spacetime_attn import default_model
from spacetime_attn.examples.extras import EXTRAS


ROOT = Path(default_model()).parents[2]
SCRIPTS = sorted(
    path for path in (ROOT / "examples").rglob("*.py") if '__name__ == "__main__"' in path.read_text(encoding="utf-8")
)
LIGHT = (  # which import nothing heavy before their arguments are read
    "readme_pictures.py",
    "icon_world/sprites.py",
    "layouts/pictures.py",
    "layouts/speed.py",
    "reading/kept_out.py",
    "reading/markup.py",
    "reading/speed.py",
)


@pytest.fixture
def start(tmp_path, monkeypatch):
    """Starts a script as `python examples/...` does, in an empty folder and without the extras."""
    monkeypatch.chdir(tmp_path)
    for module in EXTRAS:
        monkeypatch.setitem(sys.modules, module, None)
    monkeypatch.delitem(sys.modules, "spacetime_attn.examples.report", raising=False)

    def run(script: Path, *arguments: str) -> SystemExit:
        monkeypatch.syspath_prepend(script.parent)
        monkeypatch.setattr(sys, "argv", [str(script), *arguments])
        for path in script.parent.glob("*.py"):  # modules of one name lie beside several scripts
            monkeypatch.delitem(sys.modules, path.stem, raising=False)
        with pytest.raises(SystemExit) as end:
            runpy.run_path(str(script), run_name="__main__")
        for path in script.parent.glob("*.py"):
            sys.modules.pop(path.stem, None)
        assert not list(tmp_path.iterdir())
        return end.value

    return run


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_help_only_helps_and_describes_every_argument(script, start, monkeypatch, capsys):
    described, add_argument = {}, argparse.ArgumentParser.add_argument

    def recorded(parser, *names, **options):
        described[names[-1]] = options.get("help")
        return add_argument(parser, *names, **options)

    monkeypatch.setattr(argparse.ArgumentParser, "add_argument", recorded)
    assert start(script, "--help").code == 0
    printed = capsys.readouterr()
    assert printed.out.startswith(f"usage: {script.name}") and not printed.err
    assert not [name for name, text in described.items() if not text]
    assert re.search(r"\n\n\w.{30}", printed.out)  # what the script does


def test_the_help_of_light_scripts_loads_nothing_heavy():
    code = f"""
import runpy, sys
for script in {[str(ROOT / "examples" / name) for name in LIGHT]}:
    sys.argv = [script, "--help"]
    sys.path.insert(0, script.rpartition("/")[0])
    try:
        runpy.run_path(script, run_name="__main__")
    except SystemExit as end:
        assert end.code == 0
assert not sys.modules.keys() & {{"torch", "diffusers", "spacy", "transformers"}}
"""
    subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.DEVNULL)


@pytest.mark.parametrize(
    "script, arguments, module, extra",
    [
        ("evaluate.py", ["prompts.jsonl", "--output", "results"], "matplotlib", "benchmark"),
        ("layouts/evaluate.py", ["folder", "--llm", "user/model"], "xgrammar", "llm"),
        ("layouts/pictures.py", ["--llm"], "xgrammar", "llm"),
    ],
)
def test_a_missing_extra_is_named_in_one_line_before_any_work(script, arguments, module, extra, start):
    line = f'{module} is missing: pip install "spacetime_attn[{extra}]"'
    assert start(ROOT / "examples" / script, *arguments).code == line


def test_extras_bring_the_modules_that_scripts_ask_for():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    for module, extra in EXTRAS.items():
        assert any(re.match(rf"{module}\b", line) for line in project["optional-dependencies"][extra])
