"""Neighbours are kept apart in self-attention, early in a run, and nothing else is touched."""

from dataclasses import replace

import pytest
import torch
from diffusers import DDIMScheduler
from diffusers.models.attention_processor import Attention
from test_other_pipelines import FRAMES, animate, noise, video  # noqa: F401
from transformer_pipelines import draw, made

from spacetime_attn import Layout, Region, SpaceTimeAttnPipeline, WeightOptimizer, spacetime_attention
from spacetime_attn.cli import main
from spacetime_attn.processors.control import RegionalControl
from spacetime_attn.processors.defaults import Defaults
from spacetime_attn.processors.self_attention import SeparatedAttnProcessor
from spacetime_attn.processors.separation import memberships, separated
from spacetime_attn.processors.unet import unet_evaluation


PROMPT = "a red cat to the left of a green bus"
LAYOUT = Layout((Region("a red cat", box=(0, 0, 0.5, 0.5)), Region("a green bus", box=(0.5, 0, 1, 0.5))))
APART = Defaults(separation_strength=4, separation_end=1)


def run(pipe, prompt=PROMPT, **options):
    options = {"num_inference_steps": 3, "output_type": "latent", "generator": torch.manual_seed(0)} | options
    return pipe(prompt, **options).images


def take(pipe, defaults: Defaults = APART):
    pipe.separation_strength, pipe.separation_end = defaults.separation_strength, defaults.separation_end
    return pipe


# How far two places are apart


def test_two_regions_are_apart_and_nothing_else_is():
    masks = torch.tensor(
        [[1, 1, 0.5, 0, 0, 1], [0, 0, 0, 1, 0, 1]]
    )  # twice the first, its edge, the second, none, both
    apart = -separated(memberships([masks]), 1.0).bias[0]
    half = 1 - 0.5**0.5
    expected = [
        [0, 0, 0, 1, 0, half],
        [0, 0, 0, 1, 0, half],
        [0, 0, 0, 0.5, 0, half / 2],
        [1, 1, 0.5, 0, 0, half],
        [0, 0, 0, 0, 0, 0],
        [half, half, half / 2, half, 0, 0],
    ]
    torch.testing.assert_close(apart, torch.tensor(expected), atol=1e-6, rtol=0)


def test_pictures_with_fewer_regions_or_none_stand_beside_others():
    masks = torch.eye(3)
    together = separated(memberships([masks, masks[:2], masks[:0]]), 2.0).bias
    for bias, own in zip(together, (masks, masks[:2], masks[:0])):
        torch.testing.assert_close(bias, separated(memberships([own]), 2.0).bias[0])
    assert not together[2].any()


def test_a_place_hears_no_more_of_what_is_in_another_region_and_of_the_background_all():
    torch.manual_seed(0)
    layer = Attention(16, heads=2, dim_head=8)
    control = RegionalControl(
        contexts=torch.zeros(2, 1, 16),
        owners=[0, 0],
        num_prompts=1,
        masks=lambda height, width: torch.from_numpy(LAYOUT.masks(height, width)),
        weights=torch.ones(2, 1),
        blend="convex",
        separations=torch.tensor([1e3]),
    )
    control.begin_step(0, unet_evaluation(torch.zeros(1, 4, 4, 4), guided=False))
    attend = SeparatedAttnProcessor(Attention.forward, control)
    states = torch.randn(1, 16, 16)
    changed = states.unflatten(1, (4, 4)).clone()
    changed[:, :2, 2:] += 1  # the bus
    change = (attend(layer, changed.flatten(1, 2)) - attend(layer, states)).unflatten(1, (4, 4))[0].abs().amax(-1)
    assert change[:2, :2].max() < 1e-5 and change[2:].min() > 1e-3 and change[:2, 2:].min() > 1e-3


# In pipelines


def test_the_pipeline_equals_the_context_manager_and_sliced_attention_with_the_whole_mask(pipes):
    pipe, stock = pipes
    plain, apart = run(pipe, layout=LAYOUT), run(take(pipe), layout=LAYOUT)
    assert not torch.allclose(plain, apart, atol=1e-2)
    with spacetime_attention(stock, LAYOUT, preset=APART):
        assert torch.equal(run(stock), apart)
    pipe.enable_attention_slicing(1)
    torch.testing.assert_close(run(pipe, layout=LAYOUT), apart, atol=1e-4, rtol=1e-4)


def test_without_it_self_attention_is_not_touched(pipes):
    _, stock = pipes
    layers = [layer for name, layer in stock.unet.named_modules() if name.endswith("attn1")]
    for defaults, touched in ((Defaults(), False), (APART, True)):
        with spacetime_attention(stock, LAYOUT, preset=defaults):
            assert layers and all(("forward" in vars(layer)) == touched for layer in layers)
    assert not any("forward" in vars(layer) for layer in layers)


def test_one_object_has_no_neighbour_and_objects_without_weight_are_none(pipe, stock):
    alone = Layout(LAYOUT.regions[:1])
    silent = LAYOUT.edit("a green bus", strength=0)
    for layout in (alone, silent):
        assert torch.equal(run(pipe, layout=layout), run(take(SpaceTimeAttnPipeline.from_pipe(pipe)), layout=layout))
    with spacetime_attention(stock, LAYOUT, weights=0.0, preset=APART):
        found = run(stock)
    assert torch.equal(found, run(stock))


def test_it_has_times_of_its_own(stock):
    stock.scheduler = DDIMScheduler.from_config(stock.scheduler.config)
    early, seen = replace(APART, separation_end=0.5), []
    with spacetime_attention(stock, LAYOUT, preset=early) as control:
        run(stock, num_inference_steps=4, callback_on_step_end=lambda *_: seen.append(bool(control.apart)) or {})
    assert seen == [True, True, False, False] and early.separations(4).tolist() == [4, 4, 0, 0]
    assert early.separations(4, first=2).tolist() == [4, 4, 4, 0]  # a run that begins with the third step


def test_a_batch_is_what_its_prompts_draw_alone(pipe):
    take(pipe)
    layouts = [LAYOUT, Layout(), Layout((*LAYOUT.regions, Region("a bird", box=(0, 0.5, 1, 1))))]
    latents = torch.randn(6, 4, 16, 16)
    batch = run(pipe, [PROMPT] * 3, layout=layouts, latents=latents, num_images_per_prompt=2)
    for place in range(0, 6, 2):
        alone = run(pipe, layout=layouts[place // 2], latents=latents[place : place + 1])
        torch.testing.assert_close(batch[place : place + 1], alone, atol=1e-4, rtol=1e-4)


def test_optimised_weights_draw_the_picture_that_was_found(pipe, clip):
    take(pipe)
    optimizer = WeightOptimizer(epochs=2, noises=1, learning_rate=0.3, keep="last", clip=clip)
    options = {"layout": LAYOUT, "output_type": "pt", "generator": torch.manual_seed(0), "num_inference_steps": 2}
    found = pipe(PROMPT, optimize_weights=optimizer, **options)
    options |= {"weights": found.weights, "latents": found.latents}
    torch.testing.assert_close(pipe(PROMPT, **options).images, found.images, atol=1e-4, rtol=0)


def test_in_videos_it_acts_within_each_frame(animate):  # noqa: F811
    pipe, stock = animate(False)
    layouts = [LAYOUT.edit("a green bus", box=(0.5, 0.5 - y, 1, 1 - y)) for y in (0, 0.2, 0.4, 0.5)]
    with spacetime_attention(pipe, layouts, preset=APART):
        frames = video(pipe, noise(), prompt=PROMPT)[0].transpose(0, 1)
    assert len(frames) == FRAMES
    for number, frame in enumerate(frames):
        with spacetime_attention(stock, layouts[number], preset=APART):
            picture = run(stock, latents=noise()[:, :, number])[0]
        torch.testing.assert_close(frame, picture, atol=1e-4, rtol=1e-4)


# Families with transformers


@pytest.mark.parametrize("family", ["PixArt alpha", "PixArt sigma"])
def test_pixart_has_self_attention_and_is_separated(family):
    pipe = made(family)
    plain = draw(pipe)
    pictures = []
    for defaults in (Defaults(), APART):
        with spacetime_attention(pipe, LAYOUT, preset=defaults):
            pictures.append(draw(pipe))
    assert not torch.allclose(*pictures, atol=1e-3) and torch.equal(draw(pipe), plain)


@pytest.mark.parametrize("family", ["SD 3", "FLUX.1"])
def test_joint_attention_is_refused_by_name(family):
    with pytest.raises(ValueError, match="`separation_strength` acts in self-attention, and .* has joint attention"):
        with spacetime_attention(made(family), LAYOUT, preset=APART):
            pass


# As a setting


@pytest.mark.parametrize("name, value", [("separation_strength", -1), ("separation_end", 1.5)])
def test_values_out_of_range_are_refused(pipe, name, value):
    with pytest.raises(ValueError, match=f"`{name}` has to be a number in 0..*got {value}"):
        setattr(pipe, name, value)


def test_it_is_saved_with_the_checkpoint(pipe, tmp_path):
    take(pipe).save_pretrained(tmp_path)
    assert SpaceTimeAttnPipeline.from_pretrained(tmp_path).defaults == APART


def test_the_command_line_takes_it(tmp_path):
    LAYOUT.save(tmp_path / "layout.json")
    pictures = []
    for strength in ("0", "4"):
        file = tmp_path / f"{strength}.png"
        options = ["--layout", str(tmp_path / "layout.json"), "--steps", "2", "--separation-strength", strength]
        assert main(["generate", PROMPT, "-o", str(file), "--no-metadata", *options]) == 0
        pictures.append(file.read_bytes())
    assert pictures[0] != pictures[1]
