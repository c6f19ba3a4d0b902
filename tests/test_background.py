"""A layout's background: a local description of what no region covers."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from transformer_pipelines import draw, made

from spacetime_attn import Layout, Region, WeightOptimizer, spacetime_attention
from spacetime_attn.cli import main
from spacetime_attn.processors.control import Evaluation, RegionalControl


PROMPT = "a red cat to the left of a green bus"
CAT, BUS = Region("a red cat", box=(0, 0.25, 0.5, 0.75)), Region("a green bus", box=(0.5, 0.25, 1, 1))
LAYOUT = Layout((CAT, BUS))
SNOW = replace(LAYOUT, background="a snowy field")


def run(pipe, **options):
    options = {"num_inference_steps": 2, "output_type": "pt", "generator": torch.manual_seed(0)} | options
    return pipe(options.pop("prompt", PROMPT), **options)


# What it is


def test_it_is_what_the_regions_leave():
    soft = Layout((replace(CAT, softness=0.5), Region("a kite", mask=np.full((4, 4), 0.5))), background="snow")
    masks = soft.local_masks(8, 8)
    assert np.array_equal(masks[:2], soft.masks(8, 8)) and len(masks) == 3
    assert np.array_equal(masks[2], (1 - masks[0] - masks[1]).clip(0)) and 0 < masks[2].max() <= 0.5


def test_in_depth_regions_and_background_add_up_to_one():
    overlapping = Layout((CAT, replace(CAT, box=(0.2, 0, 0.8, 0.6), softness=0.2)), background="snow")
    assert overlapping.local_masks(16, 16, depth_order=True).sum(axis=0) == pytest.approx(1)


@pytest.mark.parametrize("off", [LAYOUT, replace(LAYOUT, background=" "), Layout(background="a snowy field")])
def test_without_a_text_or_without_regions_there_is_none(off):
    assert not off.has_background and off.local_texts == [region.local_text for region in off.regions]
    assert np.array_equal(off.local_masks(8, 8), off.masks(8, 8))


def test_it_is_told_in_words_and_stays_in_parts_of_the_picture():
    assert str(SNOW) == f"{LAYOUT}\nbackground: a snowy field"
    assert SNOW.cropped((0, 0, 0.5, 1)).background == SNOW.edit("a red cat", strength=2).background == "a snowy field"


# What it does


def test_a_blank_one_changes_nothing(pipes):
    pipe, _ = pipes
    expected = run(pipe, layout=LAYOUT).images
    assert torch.equal(run(pipe, layout=replace(LAYOUT, background="")).images, expected)
    assert not torch.equal(run(pipe, layout=SNOW).images, expected)


@pytest.mark.parametrize("blend", ["guided", "convex"])
def test_it_is_a_region_of_that_shape_with_the_others_weights(pipes, blend):
    pipe, stock = pipes
    drawing = 1 - LAYOUT.masks(64, 64).sum(axis=0)
    by_hand = Layout((CAT, BUS, Region("a snowy field", mask=drawing)))
    found = run(pipe, layout=SNOW, blend=blend, weights=0.3)
    assert torch.equal(found.images, run(pipe, layout=by_hand, blend=blend, weights=0.3).images)
    assert found.weights.shape[1] == 2
    with spacetime_attention(stock, SNOW, blend, weights=0.3):
        assert torch.equal(run(stock).images, found.images)


@pytest.mark.parametrize("family", ["SD 3", "FLUX.1", "PixArt sigma"])
def test_transformers_have_it_too(family):
    pipe = made(family)
    drawing = 1 - LAYOUT.masks(64, 64).sum(axis=0)
    images = []
    for layout in (SNOW, Layout((CAT, BUS, Region("a snowy field", mask=drawing))), LAYOUT):
        with spacetime_attention(pipe, layout, weights=0.3, blend="convex"):
            images.append(draw(pipe))
    assert torch.allclose(images[0], images[1], atol=1e-5) and not torch.allclose(images[0], images[2], atol=1e-3)


def test_its_weight_is_the_mean_of_its_pictures_whatever_their_strengths():
    owners, weights = [0, 0, 0, 1, 2, 2], torch.tensor([[1.0], [3.0], [5.0], [7.0]])
    control = RegionalControl(
        contexts=torch.zeros(6, 2, 4),
        owners=owners,
        num_prompts=3,
        masks=lambda height, width: torch.ones(6, height, width),
        weights=weights,
        strengths=torch.tensor([[2.0], [0.0], [1.0], [1.0], [1.0], [1.0]]),
        backgrounds=[2, 5],
    )
    control.begin_step(0, Evaluation(6, ((2, 2),), torch.zeros(1), "both"))
    assert control.step_weights.flatten().tolist() == [2, 0, 2, 5, 7, 7]
    assert control.object_owners == [0, 0, 1, 2]


def test_each_picture_of_a_batch_has_its_own(pipe):
    layouts = [LAYOUT, SNOW, Layout(background="a snowy field"), Layout((CAT,), background="the sea")]
    noise = torch.randn(4, 4, 16, 16, generator=torch.manual_seed(0))
    batch = run(pipe, prompt=[PROMPT] * 4, layout=layouts, latents=noise).images
    for number, layout in enumerate(layouts):
        single = run(pipe, layout=layout, latents=noise[number : number + 1]).images[0]
        assert torch.allclose(batch[number], single, atol=1e-4), layout


def test_regions_may_have_negative_prompts_and_strengths_beside_it(pipe):
    expected = run(pipe, layout=SNOW).images
    foggy = SNOW.edit("a green bus", negative_prompt="fog")
    assert not torch.equal(run(pipe, layout=foggy).images, expected)
    assert not torch.equal(run(pipe, layout=SNOW.edit("a green bus", strength=2)).images, expected)


def test_weights_are_optimised_beside_it(pipe, clip):
    found = run(pipe, layout=SNOW, optimize_weights=WeightOptimizer(2, noises=1, learning_rate=0.1, clip=clip))
    assert found.weights.shape == (1, 2, 2) and found.loss_history.shape == (1, 2)
    again = run(pipe, layout=SNOW, weights=found.weights, latents=found.latents)
    assert torch.allclose(found.images, again.images, atol=1e-4)


# The command


def test_the_command_takes_it_for_predicted_layouts_and_for_files(tmp_path, capsys):
    picture, used = tmp_path / "a.png", tmp_path / "used.json"
    LAYOUT.save(tmp_path / "l.json")
    options = ["--background", "a snowy field", "--steps", "1", "--save-layout", str(used)]
    assert main(["generate", PROMPT, "-o", str(picture), "--layout", str(tmp_path / "l.json"), *options]) == 0
    assert Layout.load(used) == SNOW
    assert main(["generate", PROMPT, "-o", str(picture), "--objects", "red cat", *options]) == 0
    assert Layout.load(used).phrases == ["a red cat"] and Layout.load(used).has_background
    capsys.readouterr()
    assert main(["layout", PROMPT, *options[:2]]) == 0
    assert "background: a snowy field" in capsys.readouterr().out
