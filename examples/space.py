"""
Writes the page as a Hugging Face Space: `app.py`, what it requires, a README with the Space's settings, and a wheel.

A Space installs `requirements.txt` before its other files are there, so that this cannot name the wheel: `app.py`
unpacks it.
"""

import base64
import hashlib
import io
import re
import sys
import tomllib
import zipfile
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution, version
from pathlib import Path

from .. import __version__
from .export import ROOT, check_folder


NAME = "spacetime_attn"
MARK = "Made by `spacetime-attn export --space`."
WHEEL = f"{NAME}-{__version__}-py3-none-any.whl"
INFO = f"{NAME}-{__version__}.dist-info"

APP = f'''\
"""
The page of spacetime_attn. Another checkpoint is drawn with by another `MODEL`.

{MARK}
"""

import os
import sys
import zipfile
from pathlib import Path


HERE = Path(__file__).parent
PACKAGE = HERE / "package"
with zipfile.ZipFile(HERE / "{WHEEL}") as wheel:
    wheel.extractall(PACKAGE)
sys.path.insert(0, str(PACKAGE))

import torch  # noqa: E402
from spacetime_attn import SpaceTimeAttnPipeline, default_model  # noqa: E402
from spacetime_attn.editor.page import serve  # noqa: E402


MODEL = default_model()  # or an id on the Hub, such as "stable-diffusion-v1-5/stable-diffusion-v1-5"
HAS_GPU = torch.cuda.is_available()
DTYPES = {{"default": torch.float16 if HAS_GPU else torch.float32, "layout_transformer": torch.float32}}

pipe = SpaceTimeAttnPipeline.from_pretrained(MODEL, dtype=DTYPES).to("cuda" if HAS_GPU else "cpu")
serve(pipe, port=int(os.environ.get("PORT", 7860)), listen=True)
'''

README = """\
---
title: Space-time attention
emoji: 🍎
colorFrom: blue
colorTo: red
sdk: gradio
sdk_version: {gradio}
python_version: "{python}"
app_file: app.py
license: apache-2.0
pinned: false
---

# Space-time attention

Type a prompt, see and move the regions of its objects, and draw. `spacetime-attn export --space` has written this
Space; the wheel beside it is the package.
"""


def export_space(folder: str | Path) -> list[Path]:
    """
    Writes `app.py`, `requirements.txt`, `README.md` and the package's wheel into `folder`.

    Args:
        folder: A new or empty folder, or one that an earlier export wrote, a clone of its repository too.

    Returns:
        The files that were written.

    Raises:
        ValueError: The folder holds other files.
    """
    folder, project = Path(folder), checkout() if (ROOT / "pyproject.toml").exists() else installation()
    needed = "".join(f"{line}\n" for line in project.requires)
    readme = README.format(gradio=_gradio_version(), python="{}.{}".format(*sys.version_info))
    contents = {
        "app.py": APP.encode(),
        "requirements.txt": needed.encode(),
        "README.md": readme.encode(),
        WHEEL: wheel(project),
    }
    check_folder(folder, contents.keys(), "app.py", MARK)
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    return [folder / name for name in contents]


@dataclass(frozen=True)
class Project:
    """
    What a wheel is made of.

    Args:
        files (`list[Path]`): Those of the package, below `ROOT`.
        requires (`list[str]`): What the page needs to be installed.
        entry_points (`str`): As a wheel has them.
        licence (`str`): The text.
    """

    files: list[Path]
    requires: list[str]
    entry_points: str
    licence: str


def checkout() -> Project:
    """The project as `pyproject.toml` describes it."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    about, tool = settings["project"], settings["tool"]["setuptools"]
    files = []
    for package in tool["packages"]:
        home = ROOT.joinpath(*package.split(".")[1:])
        patterns = ["*.py", *tool["package-data"].get(package, ())]
        files += sorted(path for pattern in patterns for path in home.glob(pattern.replace("/**", "/**/*")))
    points = {"console_scripts": about["scripts"], **about["entry-points"]}
    groups = ([f"[{group}]", *(f"{name} = {target}" for name, target in points[group].items())] for group in points)
    return Project(
        files=[path for path in files if path.is_file()],
        requires=[*about["dependencies"], *about["optional-dependencies"]["app"]],
        entry_points="\n\n".join("\n".join(lines) for lines in groups) + "\n",
        licence=(ROOT / "LICENSE").read_text(encoding="utf-8"),
    )


def installation() -> Project:
    """The project as it is installed."""
    installed, marker = distribution(NAME), re.compile(r"""\s*;\s*extra == ["']app["']$""")
    required = (line for line in installed.requires if "extra ==" not in line or marker.search(line))
    return Project(
        files=[path for path in sorted(ROOT.rglob("*")) if path.is_file() and "__pycache__" not in path.parts],
        requires=[marker.sub("", line) for line in required],
        entry_points=installed.read_text("entry_points.txt"),
        licence=installed.read_text("licenses/LICENSE"),
    )


def wheel(project: Project) -> bytes:
    """The package as a wheel (https://packaging.python.org/en/latest/specifications/binary-distribution-format/)."""
    about = ["Metadata-Version: 2.4", f"Name: {NAME}", f"Version: {__version__}", "License-File: LICENSE"]
    about += [f"Requires-Dist: {line}" for line in project.requires]
    contents = {f"{NAME}/{path.relative_to(ROOT).as_posix()}": path.read_bytes() for path in project.files}
    contents |= {
        f"{INFO}/METADATA": "\n".join([*about, ""]).encode(),
        f"{INFO}/WHEEL": f"Wheel-Version: 1.0\nGenerator: {NAME}\nRoot-Is-Purelib: true\nTag: py3-none-any\n".encode(),
        f"{INFO}/entry_points.txt": project.entry_points.encode(),
        f"{INFO}/licenses/LICENSE": project.licence.encode(),
    }
    rows = [f"{name},sha256={_hash(content)},{len(content)}\n" for name, content in contents.items()]
    contents[f"{INFO}/RECORD"] = "".join([*rows, f"{INFO}/RECORD,,\n"]).encode()
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in contents.items():
            archive.writestr(zipfile.ZipInfo(name), content, zipfile.ZIP_DEFLATED)  # with the same date each time
    return data.getvalue()


def _hash(content: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(content).digest()).decode().rstrip("=")


def _gradio_version() -> str:
    try:
        return version("gradio")
    except PackageNotFoundError:
        return "6.31.0"  # which it was written with
