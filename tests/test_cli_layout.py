"""What `spacetime-attn layout` shows is what `spacetime-attn generate` uses."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from fake_hub import FakeHub
from PIL import Image

from spacetime_attn import Layout, LayoutTransformer, default_model
from spacetime_attn.cli import main
from spacetime_attn.layout.draw import draw_layout
from spacetime_attn.layout.language import read_prompt


PROMPT = "a red apple to the left of a blue car"
FAST = ["--steps", "2"]
LONG = PROMPT + " near a tree and a house, " * 3 + "above a green dog"  # more than the 46 tokens that are read


def without_weights(folder: Path, source: Path | str) -> Path:
    """A copy of a checkpoint in which nothing has weights but a layout transformer."""
    shutil.copytree(source, folder)
    for path in folder.glob("*/*.safetensors"):
        if path.parent.name != "layout_transformer":
            path.unlink()
    return folder


def shown(capsys, *arguments: str) -> dict:
    """The layout that is printed as JSON."""
    capsys.readouterr()
    assert main(["layout", *arguments, "--json"]) == 0
    data = json.loads(capsys.readouterr().out)
    del data["reading"]
    return data


@pytest.mark.parametrize(
    ("prompt", "options"),
    [
        (PROMPT, []),
        ("a cat in a park, a man with a black beard next to it", []),
        (LONG, []),
        (PROMPT, ["--width", "96", "--height", "64"]),
        (PROMPT, ["--objects", "car"]),
        (PROMPT, ["--layout-predictor", "transformer"]),
        (PROMPT, ["--box-scale", "1.2"]),
        (PROMPT, ["--preset", "official"]),
        (PROMPT, ["--preset", "early", "--box-scale", "0.5"]),
    ],
)
def test_layout_shows_what_generate_uses_and_it_may_be_sent_back(tmp_path, prompt, options):
    used, saved, again = (tmp_path / name for name in ("used.json", "shown.json", "again.json"))
    pictures = [tmp_path / "a.png", tmp_path / "b.png"]
    assert main(["layout", prompt, *options, "--save-layout", str(saved)]) == 0
    assert main(["generate", prompt, *options, *FAST, "-o", str(pictures[0]), "--save-layout", str(used)]) == 0
    assert saved.read_bytes() == used.read_bytes() and len(Layout.load(saved)) > 0
    kept = [
        x
        for name in ("--preset", "--width", "--height")
        if name in options
        for x in (name, options[options.index(name) + 1])
    ]
    assert (
        main(
            [
                "generate",
                prompt,
                *kept,
                *FAST,
                "-o",
                str(pictures[1]),
                "--layout",
                str(saved),
                "--save-layout",
                str(again),
            ]
        )
        == 0
    )
    assert again.read_bytes() == used.read_bytes()
    assert Image.open(pictures[0]).tobytes() == Image.open(pictures[1]).tobytes()


def test_each_option_changes_the_layout(capsys):
    options = (
        [],
        ["--layout-predictor", "transformer"],
        ["--box-scale", "1"],
        ["--preset", "official"],
        ["--preset", "early"],
        ["--preset", "early", "--box-scale", "0.7"],
    )
    layouts = [json.dumps(shown(capsys, PROMPT, *some)) for some in options]
    assert len(set(layouts)) == len(options) - 1
    assert layouts[2] == layouts[4]  # the rules' own boxes


def test_no_weights_of_the_diffusion_model_are_read(tmp_path, capsys):
    folder = without_weights(tmp_path / "model", default_model())
    assert not list(folder.rglob("*.safetensors"))
    assert shown(capsys, PROMPT, "--model", str(folder)) == shown(capsys, PROMPT)


def test_a_checkpoints_own_defaults_and_layout_model_decide(tmp_path, capsys, make, family):
    pipe, _ = make(family)
    transformer = LayoutTransformer.from_pretrained(Path(default_model()).parents[2] / "layout" / "transformer")
    for parameter in transformer.parameters():
        parameter.data *= 0.9
    pipe.layout_transformer, pipe.region_shape, pipe.box_scale = transformer, "box", 0.8
    pipe.layout_predictor = "transformer"
    pipe.save_pretrained(tmp_path / "whole")
    model = without_weights(tmp_path / "model", tmp_path / "whole")
    found = shown(capsys, "a cat above a dog", "--model", str(model))
    used = tmp_path / "used.json"
    options = ["--dtype", "bfloat16", "--save-layout", str(used), "-o", str(tmp_path / "a.png"), *FAST]
    assert main(["generate", "a cat above a dog", "--model", str(tmp_path / "whole"), *options]) == 0
    assert json.loads(used.read_text()) == found
    assert found == json.loads(json.dumps(pipe.predict_layout("a cat above a dog").to_dict()))
    assert found != shown(
        capsys, "a cat above a dog", "--layout-predictor", "transformer", "--preset", "early", "--box-scale", "0.8"
    )


HUB = """
import sys
from spacetime_attn.cli import main
sys.exit(main(["layout", "a red apple to the left of a blue car", "--model", "user/model"]))
"""


def test_of_a_model_on_the_hub_no_weights_are_downloaded(tmp_path, capsys):
    with FakeHub({"user/model": default_model()}) as hub:
        settings = {"HF_ENDPOINT": hub.url, "HF_HOME": str(tmp_path), "OMP_NUM_THREADS": "1"}
        run = subprocess.run([sys.executable, "-c", HUB], env=os.environ | settings, capture_output=True, text=True)
        assert run.returncode == 0, run.stderr
        assert {"model_index.json", "unet/config.json"} <= set(hub.downloads())
        assert not [name for name in hub.downloads() if name.endswith(".safetensors")]
    capsys.readouterr()
    main(["layout", PROMPT])
    assert run.stdout == capsys.readouterr().out


def test_the_layouts_of_many_prompts_can_be_saved_and_sent_back(tmp_path, prompts):
    layouts = tmp_path / "layouts"
    assert main(["layout", "--prompts", str(prompts), "--save-layout", str(layouts)]) == 0
    assert sorted(path.name for path in layouts.iterdir()) == ["2.json", "one.json"]
    for folder, options in (("a", []), ("b", ["--layout", str(layouts)])):
        assert main(["generate", "--prompts", str(prompts), "-o", str(tmp_path / folder), *options, *FAST]) == 0
    for name in ("one.png", "2.png"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_layout_prints_text(capsys):
    assert main(["layout", PROMPT]) == 0
    said = capsys.readouterr().out
    assert "a red apple: box (" in said and "a red apple left of a blue car" in said


@pytest.mark.filterwarnings("ignore:'frames' is taken as absent")
def test_layout_says_what_was_read_and_has_no_region(capsys):
    prompt = "a man with a black beard to the left of a blue car, in a park, without people --no frames"
    assert main(["layout", prompt]) == 0
    *_, described, left_out, negative = capsys.readouterr().out.splitlines()
    assert described == "a man is described as 'a man with a black beard'"
    assert left_out == "without a region: a black beard (part), a park (place), people (absent)"
    assert negative == "negative prompt: frames"


def test_layout_prints_json_that_generate_takes(tmp_path, capsys):
    assert main(["layout", PROMPT, "--json"]) == 0
    path = tmp_path / "layout.json"
    printed = capsys.readouterr().out
    path.write_text(printed, encoding="utf-8")
    assert Layout.load(path).phrases == ["a red apple", "a blue car"]
    assert json.loads(printed)["reading"] == json.loads(json.dumps(read_prompt(PROMPT).to_dict()))
    assert main(["generate", PROMPT, "--layout", str(path), "-o", str(tmp_path / "a.png"), *FAST]) == 0


def test_layout_draws(tmp_path):
    assert main(["layout", PROMPT, "-o", str(tmp_path / "layout.png")]) == 0
    assert len(Image.open(tmp_path / "layout.png").convert("RGB").getcolors(1 << 16)) > 2


@pytest.mark.parametrize(
    ("options", "size"),
    [([], (512, 512)), (["--width", "600", "--height", "200"], (600, 200)), (["--height", "128"], (256, 512))],
)
def test_a_drawing_has_the_pictures_proportions(tmp_path, options, size):
    assert main(["layout", PROMPT, "-o", str(tmp_path / "layout.png"), *options]) == 0
    assert Image.open(tmp_path / "layout.png").size == size


@pytest.mark.parametrize("options, factor", [([], 0.6), (["--box-scale", "1.2"], 1), (["--preset", "official"], 1)])
def test_drawings_show_what_was_predicted_and_what_acts(tmp_path, options, factor):
    drawing, picture, saved = (tmp_path / name for name in ("layout.png", "a.png", "a.json"))
    main(["layout", PROMPT, "-o", str(drawing), "--save-layout", str(saved), *options])
    acting = Layout.load(saved)
    predicted = acting.with_scaled_boxes(1 / factor)
    assert Image.open(drawing).tobytes() == draw_layout(predicted, acting=acting).tobytes()
    main(["generate", PROMPT, "-o", str(picture), "--show-layout", *options, *FAST])
    assert regions_shown(picture).tobytes() == draw_layout(predicted, large(picture), acting=acting).tobytes()


def test_regions_that_are_given_are_drawn_as_they_are(tmp_path):
    picture, saved = tmp_path / "a.png", tmp_path / "a.json"
    main(["layout", PROMPT, "--save-layout", str(saved)])
    main(["generate", PROMPT, "-o", str(picture), "--show-layout", "--layout", str(saved), *FAST])
    assert regions_shown(picture).tobytes() == draw_layout(Layout.load(saved), large(picture)).tobytes()


def large(picture: Path) -> Image.Image:
    return Image.open(picture).resize((512, 512))


def regions_shown(picture: Path) -> Image.Image:
    """The right half of what --show-layout writes."""
    with Image.open(picture.with_suffix(".layout.png")) as both:
        return both.crop((both.width - 512, 0, both.width, 512))


def test_layout_writes_one_line_for_each_prompt(prompts, capsys):
    assert main(["layout", "--prompts", str(prompts), "--json"]) == 0
    one, two = map(json.loads, capsys.readouterr().out.strip().split("\n"))
    assert one["id"] == "one" and two["id"] == "2"
    assert one.keys() == {"id", "objects", "relations"}
    assert [thing["phrase"] for thing in one["objects"]] == ["a red apple", "a blue car"]
    assert one["relations"] == [{"subject": 0, "relation": "left of", "object": 1}]
    x0, y0, x1, y1 = one["objects"][0]["box"]
    assert 0 <= x0 < x1 <= one["objects"][1]["box"][0] and 0 <= y0 < y1 <= 1


def test_layout_of_many_prompts_can_be_read_and_drawn(tmp_path, prompts, capsys):
    assert main(["layout", "--prompts", str(prompts), "-o", str(tmp_path / "drawn")]) == 0
    assert sorted(path.name for path in (tmp_path / "drawn").iterdir()) == ["2.png", "one.png"]
    assert f"one: {PROMPT}\na red apple: box" in capsys.readouterr().out
