"""The command line on checkpoints of the families with transformers, each loaded as the pipeline that it names."""

import json

import pytest
from PIL import Image
from transformer_pipelines import flux, pixart, stable_diffusion_3

from spacetime_attn.cli import main


PROMPT = "a red apple to the left of a blue car"
SIZE = ["--width", "48", "--height", "32"]


MAKERS = {
    "SD 3": stable_diffusion_3,
    "FLUX.1": flux,
    "PixArt": lambda: pixart(sample_size=32),  # for smaller ones the pipeline knows no aspect ratios
}


@pytest.fixture(scope="module", params=MAKERS)
def checkpoint(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("checkpoint")
    MAKERS[request.param]().save_pretrained(folder)
    return folder


def test_a_picture_is_made_with_the_layout_that_is_shown(checkpoint, tmp_path, capsys):
    model = ["--model", str(checkpoint), "--preset", "early"]
    picture, saved = tmp_path / "a.png", tmp_path / "a.json"
    files = ["-o", str(picture), "--save-layout", str(saved), "--show-layout"]
    assert main(["generate", PROMPT, *model, *SIZE, "--steps", "2", *files]) == 0
    assert Image.open(picture).size == (48, 32)
    assert (tmp_path / "a.layout.png").exists()
    capsys.readouterr()
    assert main(["layout", PROMPT, *model, *SIZE, "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["objects"] == json.loads(saved.read_text())["objects"]
    assert [part["phrase"] for part in shown["objects"]] == ["a red apple", "a blue car"]


def test_regions_act(checkpoint, tmp_path):
    pictures = []
    for weights in ("0", "1"):
        options = [*SIZE, "--steps", "2", "--blend", "convex", "--weights", weights, "-o", str(tmp_path / "a.png")]
        assert main(["generate", PROMPT, "--model", str(checkpoint), *options]) == 0
        pictures.append(Image.open(tmp_path / "a.png").tobytes())
    assert pictures[0] != pictures[1]


def test_options_that_the_pipeline_lacks_are_told(checkpoint, tmp_path, capsys):
    options = ["--model", str(checkpoint), "--steps", "2", "--optimize", "2", "-o", str(tmp_path / "a.png")]
    assert main(["generate", PROMPT, *options]) == 2
    assert "which has no argument `optimize_weights`: leave it out." in capsys.readouterr().err
