"""The command line on checkpoints of the families with transformers, each loaded as the pipeline that it names."""

import json
import re

import pytest
from PIL import Image
from transformer_pipelines import flux, pixart, stable_diffusion_3

from spacetime_attn import Layout, Region
from spacetime_attn.cli import main


PROMPT = "a red apple to the left of a blue car"
SIZE = ["--width", "48", "--height", "32"]
LAYOUT = Layout((Region("a cat", box=(0, 0, 0.5, 1)),))

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


@pytest.mark.parametrize("checkpoint", ["FLUX.1"], indirect=True)
def test_negative_prompts_act_with_a_true_cfg_scale_and_are_remembered(checkpoint, tmp_path):
    def drawn(name, *options):
        picture = tmp_path / f"{name}.png"
        assert main(["generate", *options, "--model", str(checkpoint), "-o", str(picture)]) == 0
        return Image.open(picture).tobytes()

    plain, negated = tmp_path / "plain.json", tmp_path / "negated.json"
    LAYOUT.save(plain)
    LAYOUT.edit("a cat", negative_prompt="a dog").save(negated)
    options = [PROMPT, *SIZE, "--steps", "2", "--layout"]
    guided = ["--negative-prompt", "blurry", "--true-cfg-scale", "4"]
    pictures = [drawn(0, *options, str(plain)), drawn(1, *options, str(plain), *guided)]
    pictures.append(drawn(2, *options, str(negated), *guided))
    assert len(set(pictures)) == 3
    assert drawn(3, "--like", str(tmp_path / "2.png")) == pictures[2]


def test_a_negative_prompt_that_would_not_act_is_refused(checkpoint, tmp_path, capsys):
    options = ["--guidance-scale", "1", "--negative-prompt", "blurry", "-o", str(tmp_path / "a.png")]
    assert main(["generate", PROMPT, "--model", str(checkpoint), *SIZE, "--steps", "2", *options]) == 2
    assert re.search("`negative_prompt` acts with a `(true_cfg|guidance)_scale` above 1", capsys.readouterr().err)


OF_NO_EFFECT = {
    "a scale alone": (["--true-cfg-scale", "4"], "`true_cfg_scale` acts with a `negative_prompt`: pass one"),
    "a region's alone": (["--layout", "negated.json"], "a `negative_prompt` and a `true_cfg_scale` above 1"),
}


@pytest.mark.parametrize("checkpoint", ["FLUX.1"], indirect=True)
@pytest.mark.parametrize("case", OF_NO_EFFECT)
def test_what_would_not_act_without_a_negative_prompt_is_refused(case, checkpoint, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    LAYOUT.edit("a cat", negative_prompt="a dog").save("negated.json")
    options, told = OF_NO_EFFECT[case]
    assert main(["generate", PROMPT, "--model", str(checkpoint), *SIZE, "-o", "a.png", *options]) == 2
    assert told in capsys.readouterr().err


def test_with_a_unet_a_true_cfg_scale_is_refused(tmp_path, capsys):
    assert main(["generate", PROMPT, "--true-cfg-scale", "4", "-o", str(tmp_path / "a.png")]) == 2
    assert "--true-cfg-scale is for FLUX.1" in capsys.readouterr().err


@pytest.mark.parametrize("kind", ["FluxFillPipeline", "FluxControlPipeline"])
@pytest.mark.parametrize("checkpoint", ["FLUX.1"], indirect=True)
def test_checkpoints_that_need_a_picture_are_refused_before_they_are_loaded(kind, checkpoint, tmp_path, capsys):
    index = json.loads((checkpoint / "model_index.json").read_text())
    (tmp_path / "model_index.json").write_text(json.dumps(index | {"_class_name": kind}))
    assert main(["generate", PROMPT, "--model", str(tmp_path), "-o", str(tmp_path / "a.png")]) == 2
    assert f"{kind} draws from a picture beside the prompt" in capsys.readouterr().err
