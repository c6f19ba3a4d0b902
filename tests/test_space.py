"""The Space that `spacetime-attn export --space` writes: it is installed, and its page opened."""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import zipfile
from importlib.metadata import version
from pathlib import Path

import httpx
import pytest

from spacetime_attn import __version__
from spacetime_attn.cli import main
from spacetime_attn.examples import space as space_module
from spacetime_attn.examples.space import WHEEL, checkout, installation


@pytest.fixture(scope="module")
def space(tmp_path_factory) -> Path:
    """Its folder."""
    folder = tmp_path_factory.mktemp("space") / "new"
    assert main(["export", "--space", str(folder)]) == 0
    return folder


def run(folder: Path, *words: str) -> str:
    return subprocess.run([sys.executable, *words], cwd=folder, check=True, capture_output=True, text=True).stdout


def test_it_holds_what_a_space_needs(space):
    assert sorted(path.name for path in space.iterdir()) == sorted(["README.md", "app.py", "requirements.txt", WHEEL])
    front = re.match(r"---\n(.*?)\n---\n", (space / "README.md").read_text(encoding="utf-8"), re.S)[1]
    settings = dict(line.split(": ", 1) for line in front.splitlines())
    assert settings["sdk"] == "gradio" and settings["sdk_version"] == version("gradio")
    assert (space / settings["app_file"]).exists() and settings["python_version"] >= '"3.11"'
    required = (space / "requirements.txt").read_text(encoding="utf-8")
    assert "torch" in required and "gradio" in required and "pytest" not in required


def test_its_wheel_is_installed_as_the_package_is_built(space, tmp_path):
    run(space, "-m", "pip", "install", "--no-index", "--no-deps", "--quiet", "--target", str(tmp_path), WHEEL)
    installed = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file()}
    wanted = ("__init__.py", "cli/__init__.py", "layout/english/config.cfg", "editor/canvas.js", "editor/page.css")
    wanted += ("examples/icon_world/checkpoint/unet/diffusion_pytorch_model.safetensors",)
    assert {f"spacetime_attn/{name}" for name in wanted} <= installed
    assert not [name for name in installed if "/tests/" in name or "/docs/" in name]


def test_what_it_requires_is_what_the_package_requires(space):
    run(space, "-m", "pip", "install", "--no-index", "--dry-run", "--quiet", "-r", "requirements.txt")
    with zipfile.ZipFile(space / WHEEL) as wheel:
        about = wheel.read(f"spacetime_attn-{__version__}.dist-info/METADATA").decode()
    lines = (space / "requirements.txt").read_text(encoding="utf-8").splitlines()
    assert re.findall(r"^Requires-Dist: (.*)$", about, re.M) == lines


def test_its_page_opens_on_the_package_in_the_wheel(space):
    start, _, rest = (space / "app.py").read_text(encoding="utf-8").partition("import torch")
    told = run(space, "-c", f"__file__ = 'app.py'\n{start}\nimport spacetime_attn\nprint(spacetime_attn.__file__)")
    assert rest and Path(space, told.strip()).is_relative_to(space / "package")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = subprocess.Popen(
        [sys.executable, "app.py"], cwd=space, env=os.environ | {"PORT": str(port)}, stdout=subprocess.PIPE, text=True
    )
    try:
        while "The page is at" not in (told := server.stdout.readline()):
            assert told or server.poll() is None
        assert "spacetime_attn" in httpx.get(f"http://127.0.0.1:{port}/config").json()["title"]
    finally:
        server.send_signal(signal.SIGINT)
        assert server.wait(timeout=60) is not None


def test_it_may_be_written_again_and_overwrites_nothing_else(space, tmp_path, capsys):
    written = tmp_path / "again"
    shutil.copytree(space, written, ignore=shutil.ignore_patterns("package", "__pycache__"))
    (written / "requirements.txt").write_text("stale")
    assert main(["export", "--space", str(written)]) == 0
    assert (written / "requirements.txt").read_text() == (space / "requirements.txt").read_text()
    (written / "notes.txt").write_text("mine")
    assert main(["export", "--space", str(written)]) == 2 and "notes.txt" in capsys.readouterr().err
    assert main(["export", "--space", "--assets-repo", "a/b", str(tmp_path / "c")]) == 2


def test_an_installation_holds_the_same_as_a_checkout(space, tmp_path, monkeypatch):
    run(space, "-m", "pip", "install", "--no-index", "--no-deps", "--quiet", "--target", str(tmp_path), WHEEL)
    from_sources = checkout()
    names = {path.relative_to(space_module.ROOT) for path in from_sources.files}
    monkeypatch.setattr(space_module, "ROOT", tmp_path / "spacetime_attn")
    monkeypatch.syspath_prepend(str(tmp_path))
    installed = installation()
    assert {path.relative_to(space_module.ROOT) for path in installed.files} == names
    assert installed.requires == from_sources.requires and installed.licence == from_sources.licence
    assert installed.entry_points == from_sources.entry_points
