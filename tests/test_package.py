"""What is in the repository and in the wheel, and that importing it is cheap."""

import email
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

import spacetime_attn


ROOT = Path(spacetime_attn.__file__).parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> zipfile.ZipFile:
    """Built offline from a copy of the sources, so that the checkout stays clean."""
    copy, target = tmp_path_factory.mktemp("source") / "project", tmp_path_factory.mktemp("wheel")
    skipped = shutil.ignore_patterns(".*", "build", "dist", "runs", "*.egg-info", "__pycache__", "*.ipynb")
    shutil.copytree(ROOT, copy, ignore=skipped)
    build = f"from setuptools.build_meta import build_wheel; build_wheel({str(target)!r})"
    subprocess.run([sys.executable, "-c", build], cwd=copy, check=True, capture_output=True)
    (path,) = target.glob("*.whl")
    return zipfile.ZipFile(path)


def test_the_top_level_holds_the_rooms_and_what_packaging_needs():
    listing = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True)
    if listing.returncode:
        pytest.skip("git tells what belongs to the project, and this is no git checkout")
    rooms = {"pyproject.toml", "README.md", "pipeline_spacetime_attn.py", "layout", "processors", "examples", "tests"}
    packaging = {"model_card.md", "__init__.py", "cli", "LICENSE"}
    beside_the_pipeline = {"stock.py", "controlled.py", "modular.py", "pictures.py", "upscaling.py", "adapters.py"}
    beside_the_pipeline |= {"editor", "videos.py"}
    documents = {"docs", "CHANGELOG.md", "CONTRIBUTING.md"}
    present = {line.split("/")[0] for line in listing.stdout.splitlines() if not line.startswith(".")}
    assert present - beside_the_pipeline == rooms | packaging | documents


def test_importing_the_package_loads_no_library():
    heavy = "{'torch', 'numpy', 'spacy', 'diffusers', 'transformers', 'PIL'} & sys.modules.keys()"
    code = f"import sys, spacetime_attn, spacetime_attn.cli.commands; sys.exit(len({heavy}))"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT / "tests").returncode == 0


@pytest.mark.parametrize("name", spacetime_attn.__all__)
def test_every_public_name_can_be_imported(name):
    assert getattr(spacetime_attn, name).__doc__


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="SpaceTimeAttnPipelin"):
        spacetime_attn.SpaceTimeAttnPipelin  # noqa: B018


def test_the_default_model_is_a_complete_checkpoint():
    checkpoint = Path(spacetime_attn.default_model())
    assert (checkpoint / "model_index.json").is_file()
    assert {path.parent.name for path in checkpoint.glob("*/*.safetensors")} == {"unet", "vae", "text_encoder", "clip"}


def test_the_wheel_holds_the_modules_and_the_models(wheel):
    names = set(wheel.namelist())
    folders = ("cli", "layout", "layout/formats", "processors")
    shipped = [path for folder in folders for path in (ROOT / folder).glob("*.py")]
    models = [path for name in ("english", "transformer") for path in (ROOT / "layout" / name).rglob("*")]
    shipped += [path for path in models if path.is_file()]
    shipped += [path for path in Path(spacetime_attn.default_model()).rglob("*") if path.is_file()]
    shipped += [ROOT / name for name in ("__init__.py", "pipeline_spacetime_attn.py", "model_card.md")]
    assert {f"spacetime_attn/{path.relative_to(ROOT).as_posix()}" for path in shipped} <= names
    assert "spacetime_attn/examples/export.py" in names


def test_the_wheel_holds_no_tests_and_stays_light(wheel):
    assert not [name for name in wheel.namelist() if "/tests/" in name or "/.ci/" in name]
    assert {name.split("/")[0].split("-")[0] for name in wheel.namelist()} == {"spacetime_attn"}
    assert sum(item.file_size for item in wheel.infolist()) < 48e6


def test_the_wheel_carries_version_licence_extras_and_command(wheel):
    (folder,) = {name.split("/")[0] for name in wheel.namelist() if ".dist-info/" in name}
    metadata = email.message_from_bytes(wheel.read(f"{folder}/METADATA"))
    assert metadata["Version"] == spacetime_attn.__version__
    assert metadata["License-Expression"] == "Apache-2.0 AND LicenseRef-WordNet-3.0"
    assert set(metadata.get_all("Provides-Extra")) == {"test", "app", "notebook", "llm", "prompts", "benchmark"}
    entry_points = wheel.read(f"{folder}/entry_points.txt")
    assert b"spacetime-attn = spacetime_attn.cli:main" in entry_points
    assert b"spacetime_reader = spacetime_attn.layout.reader:make_reader" in entry_points
    assert b"Apache License" in wheel.read(f"{folder}/licenses/LICENSE")


def test_every_dependency_states_a_lowest_version():
    assert all(">=" in requirement for requirement in PROJECT["dependencies"])


def test_ci_runs_the_test_command_of_the_readme():
    setup, test = 'pip install -e ".[test]"', "pytest -n 2 --dist loadfile"
    assert f"{setup} && {test}" in (ROOT / "README.md").read_text(encoding="utf-8")
    commands = (ROOT / ".ci" / "run").read_text(encoding="utf-8").splitlines()
    assert commands[-2:] == [setup, f"{test} --durations=20"]
