"""
Every code block of the documents runs, page by page, in order and as written. Links lead somewhere.

The blocks of a page share their variables and one folder, new for each page. In it lie, under the names of models on
the Hub, tiny ones with random weights: diffusers looks for a folder first. Pictures take a few steps where a block
does not say how many, and "cuda" means the CPU.

- `python` runs.
- `bash`: `spacetime-attn` runs. Of a script, which would draw or train for long, its own parser reads the arguments,
  and the work is left out. So is what sets up (git, venv, pip), which `.ci/run` does; the extras and files that it
  names have to be there.
- `text` is what the block above has to print.
- `json` with the name of a file becomes that file.
"""

import argparse
import copy
import inspect
import re
import runpy
import shlex
import sys
import tomllib
from collections.abc import Callable, Iterable, Iterator
from functools import partial, partialmethod
from itertools import dropwhile, groupby
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from conftest import TINY_VISION, tiny_components, tiny_sdxl_components
from diffusers import (
    AnimateDiffPipeline,
    ControlNetModel,
    DiffusionPipeline,
    FluxPipeline,
    ModelMixin,
    ModularPipeline,
    MotionAdapter,
    StableDiffusion3Pipeline,
    StableDiffusionImg2ImgPipeline,
    StableDiffusionInpaintPipeline,
    StableDiffusionPipeline,
    StableDiffusionXLPipeline,
)
from diffusers.utils import dynamic_modules_utils
from original_checkpoints import original_checkpoint
from peft import LoraConfig, get_peft_model_state_dict
from PIL import Image
from safetensors.torch import save_file
from test_adapters import ip_adapter_state
from transformer_pipelines import flux, stable_diffusion_35
from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

from spacetime_attn import SpaceTimeAttnPipeline, __version__, default_model
from spacetime_attn.cli import main
from spacetime_attn.examples.export import export


ROOT = Path(default_model()).parents[2]
DOCUMENTS = sorted(
    path
    for pattern in ("*.md", "docs/*.md", "layout/*/*.md", "examples/*/*.md", "examples/*/*/*.md")
    for path in ROOT.glob(pattern)
)
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
STEPS = 2  # of a picture
LEFT_OUT = ("git", "cd", "python3", ".", "pytest", "ruff", "jupyter")


class Block(NamedTuple):
    """A fenced block of a page."""

    language: str
    name: str  # of the file that it becomes
    code: str
    line: int  # of the page, that its first line is


def blocks(page: Path) -> list[Block]:
    """All of them, in order."""
    text = page.read_text(encoding="utf-8")
    found = re.finditer(r"^```(\w*) ?(\S*)\n(.*?)^```$", text, re.M | re.S)
    return [Block(*match.group(1, 2, 3), text.count("\n", 0, match.start(3)) + 1) for match in found]


PAGES = [page for page in DOCUMENTS if any(block.language in ("python", "bash") for block in blocks(page))]


# Pages


@pytest.fixture(scope="module")
def hub(tmp_path_factory) -> Path:
    """A folder with what the pages load and read."""
    folder = tmp_path_factory.mktemp("hub")
    stock = StableDiffusionPipeline(**tiny_components(), requires_safety_checker=False)
    stock.save_pretrained(folder / "stable-diffusion-v1-5/stable-diffusion-v1-5")
    save_file(original_checkpoint(stock), folder / "model.safetensors")
    StableDiffusionXLPipeline(**tiny_sdxl_components()).save_pretrained(
        folder / "stabilityai/stable-diffusion-xl-base-1.0"
    )
    (folder / "stabilityai/sdxl-turbo").symlink_to(folder / "stabilityai/stable-diffusion-xl-base-1.0")
    MotionAdapter(
        block_out_channels=(32, 64), motion_layers_per_block=1, motion_num_attention_heads=2, motion_norm_num_groups=8
    ).save_pretrained(folder / "guoyww/animatediff-motion-adapter-v1-5-2")
    flux().save_pretrained(folder / "black-forest-labs/FLUX.1-dev")
    stable_diffusion_35().save_pretrained(folder / "stabilityai/stable-diffusion-3.5-medium")
    controlnet = ControlNetModel.from_unet(stock.unet, conditioning_embedding_out_channels=(16, 32))
    controlnet.save_pretrained(folder / "lllyasviel/sd-controlnet-canny")
    for name in ("anna", "bella"):
        adapted = copy.deepcopy(stock.unet)
        adapted.add_adapter(LoraConfig(r=2, target_modules=["to_q", "to_v", "conv1"]))
        layers = get_peft_model_state_dict(adapted)
        stock.save_lora_weights(folder, unet_lora_layers=layers, weight_name=f"{name}.safetensors")
    adapter = folder / "h94/IP-Adapter/models"
    adapter.mkdir(parents=True)
    state = {f"{part}.{name}": x for part, own in ip_adapter_state(stock.unet).items() for name, x in own.items()}
    save_file(state, adapter / "ip-adapter_sd15.safetensors")
    encoder = CLIPVisionModelWithProjection(CLIPVisionConfig(**TINY_VISION, projection_dim=8))
    encoder.save_pretrained(adapter / "image_encoder")
    (folder / "openai").mkdir()
    (folder / "openai/clip-vit-large-patch14").symlink_to(Path(default_model(), "clip"))
    code, *_ = export(folder / "user/spacetime_attn")
    in_few = code.read_text(encoding="utf-8").replace(
        "num_inference_steps: int = 50", f"num_inference_steps: int = {STEPS}"
    )
    code.write_text(in_few, encoding="utf-8")
    (folder / "path/to").mkdir(parents=True)
    (folder / "path/to/spacetime_attn").symlink_to(ROOT)
    drawing = np.zeros((32, 32), np.uint8)
    drawing[4:12, 20:30] = 255
    for name in ("drawing.png", "edges.png", "my_cat.png", "her_cat.png"):
        Image.fromarray(drawing).save(folder / name)
    return folder


@pytest.fixture
def desk(hub, tmp_path, monkeypatch) -> Iterator[None]:
    """A folder to work in, with all of that; few steps, and no GPU."""
    for place in hub.iterdir():
        (tmp_path / place.name).symlink_to(place)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(dynamic_modules_utils, "HF_MODULES_CACHE", str(tmp_path / "modules"))
    monkeypatch.setattr(sys, "path", list(sys.path))
    for kind in (
        SpaceTimeAttnPipeline,
        StableDiffusionImg2ImgPipeline,
        StableDiffusionInpaintPipeline,
        StableDiffusion3Pipeline,
        FluxPipeline,
        AnimateDiffPipeline,
    ):
        call = inspect.unwrap(kind.__call__)
        defaults = [STEPS if value in (28, 50) else value for value in call.__defaults__]
        monkeypatch.setattr(call, "__defaults__", tuple(defaults))
    for kind in (DiffusionPipeline, ModelMixin, ModularPipeline):
        monkeypatch.setattr(kind, "to", partialmethod(_to_cpu, kind.to))
    yield
    _forget(name for name in sys.modules if name.partition(".")[0] == "diffusers_modules")


def _forget(modules: Iterable[str]) -> None:
    for name in list(modules):
        del sys.modules[name]


def _to_cpu(model, to: Callable, *args, **kwargs):
    return to(model, *("cpu" if arg == "cuda" else arg for arg in args), **kwargs)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_block_of_a_page_runs_as_written(page, desk, capsys, monkeypatch):
    names, printed = {"__name__": "__main__"}, ""
    for block in blocks(page):
        where = f"{page.name}, line {block.line}"
        if block.language == "python":
            exec(compile("\n" * (block.line - 1) + block.code, page, "exec"), names)
        elif block.language == "bash":
            for command in commands(block.code):
                run(command, monkeypatch, where)
        elif block.language == "text":
            assert printed == block.code, where
        elif block.language == "json":
            Path(block.name).write_text(block.code, encoding="utf-8")
        else:
            assert block.language == "bibtex", f"{where}: blocks of {block.language!r} are not run"
        printed = capsys.readouterr().out


def commands(block: str) -> Iterator[list[str]]:
    """The words of each command, without the environment that is set for it."""
    for line in block.replace("\\\n", " ").splitlines():
        for joined, words in groupby(shlex.split(line, comments=True), "&&".__eq__):
            if not joined:
                yield list(dropwhile(re.compile(r"[A-Z_]+=").match, words))


def run(command: list[str], monkeypatch, where: str) -> None:
    """Runs a command as far as the top of this file says."""
    program, *arguments = command
    missing = [word for word in arguments if word.startswith(("examples/", "tests/")) and not (ROOT / word).exists()]
    assert not missing, f"{where}: there is no {missing}"
    if program == "spacetime-attn":
        assert main(arguments) == 0, where
    elif program == "python":
        parse(arguments, monkeypatch)
    elif program == "pip":
        extras = set(re.findall(r"\[(\w+)\]", " ".join(arguments)))
        assert extras <= PROJECT["optional-dependencies"].keys(), where
    else:
        assert program in LEFT_OUT, f"{where}: {program} is not known"


def parse(arguments: list[str], monkeypatch) -> None:
    """Starts a script, and ends it when its parser has taken the arguments."""
    known, parse_args = set(sys.modules), argparse.ArgumentParser.parse_args

    def parse_and_end(*given):
        parse_args(*given)
        raise _ParsedError

    with monkeypatch.context() as patch:
        patch.setattr(argparse.ArgumentParser, "parse_args", parse_and_end)
        if arguments[0] == "-m":
            patch.setattr(sys, "argv", arguments[1:])
            start = partial(runpy.run_module, arguments[1], run_name="__main__")
        else:
            script = ROOT / arguments[0]
            patch.setattr(sys, "argv", arguments)
            patch.syspath_prepend(str(script.parent))
            start = partial(runpy.run_path, str(script), run_name="__main__")
        with pytest.raises(_ParsedError):
            start()
    beside = {name for name in sys.modules.keys() - known if "." not in name}
    _forget(name for name in beside if str(ROOT) in str(getattr(sys.modules[name], "__file__", "")))


class _ParsedError(Exception):
    """The arguments of a script are understood."""


# What pages say of the project


@pytest.mark.parametrize("page", DOCUMENTS, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_relative_links_lead_somewhere(page):
    text = re.sub(r"^```.*?^```$|`[^`\n]*`", "", page.read_text(encoding="utf-8"), flags=re.M | re.S)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        file, _, heading = target.partition("#")
        place = page.parent / file if file else page
        if not re.match(r"\w+:", target):
            assert place.exists(), target
            assert not heading or heading in headings(place), target


def headings(page: Path) -> set[str]:
    """As links name them."""
    titles = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), flags=re.M)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def test_every_test_that_the_model_card_names_exists():
    named = set(re.findall(r"`(test_\w+\.py)::(\w+)`", (ROOT / "model_card.md").read_text(encoding="utf-8")))
    texts = {file: (ROOT / "tests" / file).read_text(encoding="utf-8") for file, _ in named}
    present = {(file, name) for file, text in texts.items() for name in re.findall(r"^def (\w+)", text, re.M)}
    assert named and not named - present


def test_the_readme_is_short_and_leads_to_every_page():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 150
    pages = [path.relative_to(ROOT).as_posix() for path in DOCUMENTS if path.parent.name == "docs"]
    assert not [page for page in [*pages, "CONTRIBUTING.md", "CHANGELOG.md"] if f"]({page})" not in text]


def test_the_changelog_has_this_version():
    assert f"\n## {__version__}\n" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
