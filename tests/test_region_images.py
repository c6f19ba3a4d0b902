"""Pictures of regions, which an IP-Adapter shows to these alone."""

import base64

import numpy as np
import pytest
import torch
from diffusers import StableDiffusionInpaintPipeline
from diffusers.image_processor import IPAdapterMaskProcessor
from PIL import Image
from test_adapters import add_ip_adapter
from test_other_pipelines import PICTURE, inpainted, masked
from test_region_adapters import LEFT, PROMPT, RIGHT, WHOLE, around, draw, in_a_batch_and_alone, outputs_of, same
from transformer_pipelines import stable_diffusion_3

from spacetime_attn import Layout, Region, spacetime_attention


DARK, LIGHT = (Image.fromarray(np.full((40, 40, 3), shade, dtype=np.uint8)) for shade in (20, 230))


@pytest.fixture(params=["SD", "SDXL"])
def pipes(make, vision, request) -> tuple:
    """Our pipeline and the stock one, with an IP-Adapter and its image encoder."""
    pipe, stock = make(request.param)
    add_ip_adapter(pipe)
    for one in (pipe, stock):
        one.register_modules(**vision)
    return pipe, stock


def cat(box=LEFT, **options) -> Region:
    return Region("a cat", box=box, **options)


def test_in_a_region_of_the_whole_picture_it_is_the_picture_of_the_call(pipes):
    pipe, _ = pipes
    everywhere = draw(pipe, cat(), cat(WHOLE), ip_adapter_image=DARK)
    same(draw(pipe, cat(), cat(WHOLE, image=DARK)), everywhere)
    assert not torch.allclose(draw(pipe, cat(), cat(WHOLE, image=LIGHT)), everywhere, atol=1e-3)


def test_masks_are_those_of_diffusers(pipes):
    pipe, _ = pipes
    sides = np.zeros((2, 16, 16), np.float32)
    sides[0, :, :8] = sides[1, :, 8:] = 1
    masks = IPAdapterMaskProcessor().preprocess(list(sides), height=16, width=16)
    masks = {"ip_adapter_masks": [masks[:, 0][None]]}
    options = {"ip_adapter_image": [[DARK, LIGHT]], "cross_attention_kwargs": masks}
    expected = draw(pipe, cat(), cat(RIGHT), **options)
    same(draw(pipe, cat(image=DARK), cat(RIGHT, image=LIGHT)), expected)
    assert not torch.allclose(draw(pipe, cat(image=LIGHT), cat(RIGHT, image=DARK)), expected, atol=1e-3)


def test_in_the_first_layer_it_acts_in_its_region_and_nowhere_else(pipes):
    pipe, _ = pipes
    layer = next(module for name, module in pipe.unet.named_modules() if name.endswith("attn2"))
    dark = outputs_of(layer, lambda: draw(pipe, cat(image=DARK), weights=0.0))[0]
    light = outputs_of(layer, lambda: draw(pipe, cat(image=LIGHT), weights=0.0))[0]
    side = int(dark.shape[1] ** 0.5)
    dark, light = (states.unflatten(1, (side, side))[1] for states in (dark, light))
    beyond = side // 2 + (side < 16)  # where diffusers makes a mask smaller, it reaches over its edge
    assert torch.equal(dark[:, beyond:], light[:, beyond:])
    assert (dark[:, : side // 2] != light[:, : side // 2]).float().mean() > 0.9


def test_around_a_stock_pipeline_it_is_the_same(pipes):
    pipe, stock = pipes
    regions = cat(image=DARK, end=0.6), cat(RIGHT)
    ours = draw(pipe, *regions)
    assert torch.equal(around(stock, *regions), ours)
    assert not torch.allclose(ours, draw(pipe, cat(image=DARK), cat(RIGHT, end=0.6)), atol=1e-3)


def test_pictures_of_the_call_go_on_to_act_everywhere(pipes):
    pipe, _ = pipes
    both = draw(pipe, cat(image=DARK), cat(WHOLE), ip_adapter_image=LIGHT)
    same(draw(pipe, cat(image=DARK), cat(WHOLE, image=LIGHT)), both)
    assert not torch.allclose(both, draw(pipe, cat(image=DARK), cat(WHOLE)), atol=1e-3)


def test_each_picture_of_a_batch_has_its_own(pipes):
    pipe, _ = pipes
    layouts = [Layout((cat(image=DARK),)), Layout((cat(image=LIGHT), cat(RIGHT)))]
    same(*in_a_batch_and_alone(pipe, layouts))


def test_each_may_have_a_scale_of_its_own(pipes):
    pipe, _ = pipes
    regions = cat(image=DARK, negative_prompt="a dog"), cat(RIGHT, image=LIGHT)
    pipe.set_ip_adapter_scale(0.6)
    expected = draw(pipe, *regions)
    pipe.set_ip_adapter_scale([[0.6, 0.6]])
    same(draw(pipe, *regions), expected)
    pipe.set_ip_adapter_scale([[0.6, 0.1]])
    assert not torch.allclose(draw(pipe, *regions), expected, atol=1e-3)


def test_the_crop_around_a_mask_has_the_pictures_of_that_part(make, vision):
    stock = make("SD")[1]
    add_ip_adapter(stock)
    stock.register_modules(**vision)
    inpainting, mask = StableDiffusionInpaintPipeline.from_pipe(stock), masked(44, 20, 60, 36)

    def drawn(*regions: Region, scale=1.0) -> torch.Tensor:
        inpainting.set_ip_adapter_scale(scale)
        with spacetime_attention(inpainting, Layout(regions, background="snow"), weights=2.0):
            return inpainted(inpainting, PICTURE, mask, padding_mask_crop=2)

    same(drawn(cat(image=DARK)), drawn(cat(image=DARK), scale=0.0))
    right = cat(RIGHT, image=LIGHT)
    same(drawn(cat(image=DARK), right), drawn(right))
    same(drawn(cat(image=DARK), right, scale=[[1.0, 0.5]]), drawn(right, scale=0.5))
    assert not torch.allclose(drawn(right), drawn(right, scale=0.5), atol=1e-3)


def test_it_acts_in_the_time_of_its_region(pipes):
    pipe, _ = pipes
    dark = outputs_of(pipe.unet, lambda: draw(pipe, cat(image=DARK, start=0.5), num_inference_steps=4))
    light = outputs_of(pipe.unet, lambda: draw(pipe, cat(image=LIGHT, start=0.5), num_inference_steps=4))
    changed = [not torch.equal(one[0], other[0]) for one, other in zip(dark, light)]
    assert changed[0] is False and changed == sorted(changed) and changed[-1]


def test_a_layout_keeps_it_as_a_png(tmp_path):
    layout = Layout((cat(image=Image.effect_mandelbrot((900, 600), (-2, -1, 1, 1), 20)),))
    layout.save(tmp_path / "layout.json")
    loaded = Layout.load(tmp_path / "layout.json")
    assert loaded == layout and loaded[0].image.size == (512, 341) and loaded[0].image.mode == "RGB"
    text = loaded.to_dict()["objects"][0]["image"]
    assert base64.b64decode(text.removeprefix("data:image/png;base64,")).startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("image", "error", "message"),
    [
        (3, TypeError, "`image` of 'a cat' has to be a PIL.Image, got 3"),
        ("cat.png", ValueError, "`image` of 'a cat' is text that holds no PNG .*: 'cat.png'"),
    ],
)
def test_what_is_no_picture_is_refused(image, error, message):
    with pytest.raises(error, match=message):
        cat(image=image)


def test_what_cannot_show_it_is_refused_by_name(make, vision):
    pipe, stock = make("SD")

    def refused(message: str, which=stock, **options) -> None:
        with pytest.raises(ValueError, match=message), spacetime_attention(which, Layout((cat(image=DARK),))):
            which(PROMPT, num_inference_steps=1, **options)

    refused("`image` of 'a cat' needs one IP-Adapter, and 0 are loaded: call `load_ip_adapter`")
    refused("`image` of 'a cat' acts in a region only with .* not with StableDiffusion3Pipeline", stable_diffusion_3())
    add_ip_adapter(stock)
    refused("needs one IP-Adapter, and its image encoder is not loaded")
    stock.register_modules(**vision)
    masks = {"ip_adapter_masks": [torch.ones(1, 1, 32, 32)]}
    refused("`ip_adapter_masks` do not go with", ip_adapter_image=DARK, cross_attention_kwargs=masks)
    add_ip_adapter(stock, 2)
    refused("needs one IP-Adapter, and 2 are loaded")
    with pytest.raises(ValueError, match="needs one IP-Adapter"):
        draw(pipe, cat(image=DARK))
