"""A second pass in a larger size that keeps the regions, as a whole and in windows."""

from contextlib import nullcontext
from dataclasses import replace

import pytest
import torch
from diffusers import AutoPipelineForImage2Image, DDIMScheduler
from PIL import Image
from transformer_pipelines import made

from spacetime_attn import (
    Layout,
    Region,
    draw_again,
    load_weights,
    read_picture,
    save_picture,
    save_weights,
    spacetime_attention,
    upscale,
)
from spacetime_attn.cli import main
from spacetime_attn.controlled import ControlledPipeline
from spacetime_attn.pictures import making_of
from spacetime_attn.processors.weights import resample
from spacetime_attn.processors.windows import in_windows, soft_window, starts
from spacetime_attn.stock import denoiser_of


PROMPT = "a red cat to the left of a green bus"
CAT, BUS = Region("a red cat", box=(0, 0.25, 0.4, 0.75)), Region("a green bus", box=(0.6, 0.25, 1, 1))
LAYOUT = Layout((CAT, BUS))


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def first_pass(pipe, **options):
    options = {"num_inference_steps": 4, "layout": LAYOUT, "generator": seeded(), "negative_prompt": "fog"} | options
    return pipe(options.pop("prompt", PROMPT), **options)


def same(images, others) -> bool:
    return [image.tobytes() for image in images] == [image.tobytes() for image in others]


def drawn_anew(stock, picture, prompt=PROMPT, **options):
    """What diffusers' image to image makes of a picture under the layout, and the control."""
    img2img = AutoPipelineForImage2Image.from_pipe(stock)
    with spacetime_attention(img2img, LAYOUT) as control:
        return img2img(prompt, image=picture, **options).images, control


# What it draws


def test_it_is_image_to_image_of_the_enlarged_picture_under_the_same_layout(pipes):
    pipe, stock = pipes
    first = first_pass(pipe, guidance_scale=6.0)
    found = upscale(pipe, first, factor=1.5, strength=0.5, generator=seeded(1))
    assert [image.size for image in found.images] == [(48, 48)] and found.layouts == [LAYOUT]

    larger = first.images[0].resize((48, 48), Image.Resampling.LANCZOS)
    options = {"num_inference_steps": 4, "guidance_scale": 6.0, "negative_prompt": "fog", "generator": seeded(1)}
    expected, control = drawn_anew(stock, larger, strength=0.5, **options)
    assert same(found.images, expected) and torch.equal(found.weights[0], control.weights)


def test_weights_for_each_step_act_with_their_late_columns(pipe):
    weights = torch.tensor([[9.0, 0.0, 0.0, 0.0]]).expand(2, 4)
    late = upscale(pipe, first_pass(pipe, weights=weights), strength=0.5, generator=seeded())
    assert torch.equal(late.weights[0], weights)
    images = upscale(pipe, late.images[0], 1, 0.5, PROMPT, LAYOUT, generator=seeded()).images
    assert images[0].size == (64, 64)
    first = first_pass(pipe, weights=weights)
    off = upscale(pipe, first, strength=0.5, layout=Layout(), weights=0, generator=seeded())
    assert same(late.images, off.images)
    assert not same(late.images, upscale(pipe, first, strength=0.5, weights=5.0, generator=seeded()).images)


def test_weights_of_a_file_act_in_the_second_pass_too(pipe, tmp_path):
    save_weights(tmp_path / "w.safetensors", torch.full((2, 4), 3.0), "guided", LAYOUT.phrases)
    first = first_pass(pipe, weights=load_weights(tmp_path / "w.safetensors"))
    assert torch.equal(upscale(pipe, first, strength=0.5).weights, first.weights)


def test_weights_for_each_step_follow_another_number_of_steps(pipe):
    first = first_pass(pipe, weights=torch.rand(2, 4))
    found = upscale(pipe, first, strength=0.5, num_inference_steps=8, generator=seeded()).weights
    assert found.shape == (1, 2, 8) and torch.equal(found[0], resample(first.weights[0], 8))
    assert torch.equal(upscale(pipe, first, strength=0.5, blend="convex").weights, first.weights)
    with pytest.raises(ValueError, match=r"`weights` has shape \(2, 4\).* = \(1, 4\)"):
        upscale(pipe, first, strength=0.5, layout=Layout([LAYOUT[0]]))


def test_a_checkpoint_may_have_weights_for_second_passes(pipe):
    pipe.upscale_convex_weight = 0.75
    first = first_pass(pipe)
    found = upscale(pipe, first, strength=0.5)
    assert first.blend == "guided" and found.blend == "convex" and found.weights.unique().tolist() == [0.75]
    assert torch.equal(upscale(pipe, first, strength=0.5, blend="guided").weights, first.weights)
    assert upscale(pipe, first, strength=0.5, preset="official").blend == "guided"
    given = first_pass(pipe, weights=2.0)
    assert upscale(pipe, given, strength=0.5).weights.unique().tolist() == [2]
    assert upscale(pipe, first, strength=0.5, weights=3.0).weights.unique().tolist() == [3]


def test_without_guidance_the_second_pass_is_convex(pipe):
    assert upscale(pipe, first_pass(pipe), strength=0.5, guidance_scale=1.0).blend == "convex"


def test_weights_of_another_blend_than_the_first_passs_hold_in_a_third_pass(pipe):
    second = upscale(pipe, first_pass(pipe, weights=torch.rand(2, 4)), strength=0.5, blend="convex")
    third = upscale(pipe, second, factor=1, strength=0.5)
    assert third.blend == "convex" and torch.equal(third.weights, second.weights)


@pytest.mark.parametrize("steps", [1, 3, 49])
def test_at_least_one_step_is_taken(pipe, steps):
    pipe.scheduler, taken = DDIMScheduler.from_config(pipe.scheduler.config), []

    def count(pipeline, step, timestep, tensors):
        taken.append(step)
        return tensors

    upscale(pipe, first_pass(pipe), factor=1, strength=0.001, num_inference_steps=steps, callback_on_step_end=count)
    assert len(taken) == 1


def test_one_matrix_of_weights_is_for_all_pictures(pipe):
    first, matrix = first_pass(pipe, num_images_per_prompt=3), torch.rand(2, 4)
    assert torch.equal(upscale(pipe, first, strength=0.5, weights=matrix).weights, matrix.expand(3, 2, 4))


def test_no_words_are_a_prompt_as_well(pipe):
    first = first_pass(pipe)
    empty = upscale(pipe, first, strength=0.5, prompt="", layout=Layout(), generator=seeded())
    said = upscale(pipe, first, strength=0.5, layout=Layout(), generator=seeded())
    assert not same(empty.images, said.images) and empty.making["arguments"]["upscale"][0]["prompt"] == ""


def test_negative_prompts_of_the_first_pass_go_with_all_their_pictures(pipe):
    prompts = [PROMPT, "a green bus"]
    first = first_pass(
        pipe, prompt=prompts, layout=[LAYOUT, Layout((BUS,))], negative_prompt=["fog", "rain"], num_images_per_prompt=2
    )
    found = upscale(pipe, first, 1, 0.5, [prompts[0]] * 2 + [prompts[1]] * 2, generator=[seeded(n) for n in range(4)])
    last = upscale(
        pipe,
        first.images[3],
        1,
        0.5,
        prompts[1],
        Layout((BUS,)),
        num_inference_steps=4,
        generator=seeded(3),
        negative_prompt="rain",
        weights=found.weights[3][:1],
    )
    assert same(found.images[3:], last.images)


def test_every_picture_has_its_own_prompt_layout_and_noise(pipe):
    layouts = [LAYOUT, Layout((CAT,))]
    noise = torch.randn(2, 4, 16, 16, generator=seeded())
    first = first_pass(pipe, prompt=[PROMPT, "a cat"], layout=layouts, latents=noise, negative_prompt=["fog", "rain"])
    both = upscale(pipe, first, prompt=[PROMPT, "a cat"], strength=0.3, generator=[seeded(1), seeded(2)])
    assert both.layouts == layouts and both.weights.shape == (2, 2, 4)
    options = {"num_inference_steps": 4, "negative_prompt": "rain", "generator": seeded(2)}
    alone = upscale(pipe, first.images[1], 2, 0.3, "a cat", layouts[1], **options)
    assert same(both.images[1:], alone.images) and alone.making is None


@pytest.mark.parametrize("family", ["SD 3", "FLUX.1"])
def test_transformers_have_a_second_pass_too(family):
    pipe = ControlledPipeline(made(family))
    options = {"height": 32, "width": 48, "max_sequence_length": 40, "num_inference_steps": 3}
    first = pipe(PROMPT, layout=LAYOUT, generator=seeded(), **options)
    found = upscale(pipe, first, strength=0.7, generator=seeded())
    larger = first.images[0].resize((96, 64), Image.Resampling.LANCZOS)
    options = {"height": 64, "width": 96, "max_sequence_length": 40, "num_inference_steps": 3}
    assert same(found.images, drawn_anew(pipe.pipe, larger, strength=0.7, generator=seeded(), **options)[0])
    assert not same(found.images, upscale(pipe, first, strength=0.7, weights=0, generator=seeded()).images)
    with pytest.raises(ValueError, match="windows.*UNets.*Transformer2DModel"):
        upscale(pipe, first, stride=16)


def test_a_picture_alone_is_drawn_with_the_pipelines_own_defaults():
    pipe = ControlledPipeline(made("SD 3"), preset="official")
    first = pipe(PROMPT, layout=LAYOUT, height=32, width=48, num_inference_steps=2)
    alone = first.images[0], 2, 0.7, PROMPT, LAYOUT
    assert torch.equal(upscale(pipe, *alone, num_inference_steps=2).weights, first.weights)
    pipe.upscale_convex_weight = 0.75
    assert upscale(pipe, *alone).weights.unique().tolist() == [0.75]


# Windows


def test_windows_cover_a_side_evenly():
    assert starts(16, 16, 8) == starts(12, 16, 8) == [0]
    assert starts(32, 16, 8) == [0, 8, 16] and starts(33, 16, 8) == [0, 6, 11, 17]


def test_a_window_weighs_most_in_its_middle():
    soft = soft_window(4, 5)
    assert soft.tolist() == [[1, 2, 3, 2, 1], [2, 4, 6, 4, 2], [2, 4, 6, 4, 2], [1, 2, 3, 2, 1]]


def test_what_fits_into_one_window_is_the_whole_bit_for_bit(pipes):
    pipe, stock = pipes
    first = first_pass(pipe, height=24, width=32)
    found = upscale(pipe, first, factor=1, strength=0.5, stride=16, generator=seeded())
    options = {"num_inference_steps": 4, "negative_prompt": "fog", "generator": seeded()}
    assert same(found.images, drawn_anew(stock, first.images[0], strength=0.5, **options)[0])


@torch.no_grad()
def test_each_evaluation_is_the_mean_of_the_windows_under_their_parts_of_the_layout(stock):
    soft = Layout((replace(CAT, softness=0.2), BUS), background="snow")
    sample, text = torch.randn(1, 4, 8, 24, generator=seeded()), stock.encode_prompt(PROMPT, "cpu", 1, False)[0]
    stock._guidance_scale = 1.0

    def evaluate(layout, sample, windows=False):
        stock.scheduler.set_timesteps(4)
        with spacetime_attention(stock, layout, "convex", 0.3) as control:
            with in_windows(denoiser_of(stock), control, (8, 16), 8) if windows else nullcontext():
                return stock.unet(sample, stock.scheduler.timesteps[0], text, return_dict=False)[0]

    left = evaluate(soft.cropped((0, 0, 2 / 3, 1)), sample[..., :16])
    right = evaluate(soft.cropped((1 / 3, 0, 1, 1)), sample[..., 8:])
    weights = soft_window(8, 16)
    middle = weights[:, 8:] * left[..., 8:] + weights[:, :8] * right[..., :8]
    expected = torch.cat([left[..., :8], middle / (weights[:, 8:] + weights[:, :8]), right[..., 8:]], dim=-1)
    assert torch.allclose(evaluate(soft, sample, windows=True), expected, atol=1e-5)
    assert not torch.allclose(evaluate(soft, sample), expected, atol=1e-3)


@pytest.mark.parametrize(
    "given",
    [
        {"down_block_additional_residuals": (torch.zeros(1),)},
        {"cross_attention_kwargs": {"ip_adapter_masks": [torch.ones(1)]}},
    ],
)
def test_what_is_of_the_whole_picture_is_refused_in_windows(stock, given):
    stock._guidance_scale = 1.0
    stock.scheduler.set_timesteps(4)
    with spacetime_attention(stock, LAYOUT, "convex", 0.3) as control:
        with in_windows(denoiser_of(stock), control, (8, 16), 8), pytest.raises(ValueError, match="of the whole"):
            stock.unet(torch.zeros(1, 4, 8, 24), stock.scheduler.timesteps[0], torch.zeros(1, 77, 32), **given)


def test_a_picture_of_a_region_is_refused_in_windows_before_any_work(pipe):
    shown = Layout((replace(CAT, image=Image.new("RGB", (8, 8))), BUS))
    with pytest.raises(ValueError, match="`image` of 'a red cat' acts where the picture is drawn as a whole"):
        upscale(pipe, first_pass(pipe), layout=shown, stride=16)


def test_the_unet_sees_no_more_than_a_window(pipes):
    pipe, _ = pipes
    first, seen = first_pass(pipe, height=16, width=48), []
    hook = pipe.unet.conv_in.register_forward_pre_hook(lambda _, args: seen.append(tuple(args[0].shape[-2:])))
    assert upscale(pipe, first, 1, 0.25, stride=16, generator=seeded()).images[0].size == (48, 16)
    hook.remove()
    assert set(seen) == {(8, 16)}


def test_an_object_outside_a_window_does_not_act_there():
    masks = LAYOUT.masks(8, 8, part=(0, 0, 0.5, 1))
    assert masks[0].any() and not masks[1].any()


# Pictures that remember


def test_a_picture_remembers_its_passes_and_is_made_again(pipe, tmp_path):
    first = first_pass(pipe, num_images_per_prompt=2, generator=[seeded(1), seeded(2)])
    options = {"generator": [seeded(3), seeded(4)], "guidance_scale": 3.0}
    second = upscale(pipe, first, 1.5, 0.5, prompt="a green bus", **options)
    third = upscale(pipe, second, 1, 0.25, stride=16, generator=[seeded(5), seeded(6)])
    save_picture(third, 1, tmp_path / "a.png")
    making = read_picture(tmp_path / "a.png")
    again = draw_again(pipe, making)
    assert same(again.images, third.images) and again.layouts == third.layouts
    [new] = draw_again(pipe, making, seed=7).images
    assert new.size == (48, 48) and not same([new], third.images[1:])
    with Image.open(tmp_path / "a.png") as picture:
        assert "Denoising strength: 0.5, Hires upscale: 1.5, Hires upscaler: Lanczos" in picture.info["parameters"]


def test_without_a_generator_it_cannot_be_made_again(pipe):
    second = upscale(pipe, first_pass(pipe), strength=0.5)
    with pytest.raises(ValueError, match="made again.*generator of the second pass"):
        draw_again(pipe, making_of(second))


@pytest.mark.parametrize("passes", ["twice", ["twice"], [{"factor": 99}], [{"flavour": 1}], [{"pipe": 1}]])
def test_passes_of_a_file_are_checked(pipe, passes):
    making = making_of(upscale(pipe, first_pass(pipe), strength=0.5, generator=seeded()))
    foreign = replace(making, arguments=making.arguments | {"upscale": passes})
    with pytest.raises(ValueError):
        draw_again(pipe, foreign)


# The command


def test_the_command_draws_a_second_pass_and_makes_it_again(tmp_path):
    options = ["--steps", "4", "--upscale", "1.5", "--upscale-strength", "0.5", "--upscale-stride", "32"]
    assert main(["generate", PROMPT, "-o", str(tmp_path / "a.png"), *options]) == 0
    assert main(["generate", "--like", str(tmp_path / "a.png"), "-o", str(tmp_path / "b.png")]) == 0
    with Image.open(tmp_path / "a.png") as picture, Image.open(tmp_path / "b.png") as again:
        assert picture.size == (96, 96) and same([picture], [again])


@pytest.mark.parametrize("wrong", [["0.5"], ["2", "--upscale-strength", "1.5"]])
def test_the_command_refuses_a_second_pass_before_the_first(tmp_path, capsys, wrong):
    options = ["--steps", "2", "--upscale", *wrong]
    assert main(["generate", PROMPT, "-o", str(tmp_path / "cat.png"), *options]) == 2
    assert "`factor`" in (said := capsys.readouterr().err) or "`strength`" in said
    assert "100%" not in said and not list(tmp_path.iterdir())


def test_the_command_wants_a_factor_for_its_strength(tmp_path, capsys):
    assert main(["generate", PROMPT, "-o", str(tmp_path / "a.png"), "--upscale-stride", "32"]) == 2
    assert "--upscale" in capsys.readouterr().err


# What is refused


@pytest.mark.parametrize(
    "options, words",
    [
        ({"factor": 0.5}, ["factor", "1..16", "0.5"]),
        ({"strength": 1.5}, ["strength", "0..1", "1.5"]),
        ({"strength": 0}, ["strength", "above 0"]),
        ({"stride": 0}, ["stride", "1", "0"]),
        ({"stride": 99}, ["stride", "2..32", "99"]),
        ({"output_type": "pt"}, ["output_type", "leave it out"]),
        ({"flavour": 1}, ["flavour", "leave it out"]),
        ({"generator": [seeded()] * 3}, ["generator", "3", "1 pictures"]),
        ({"layout": [LAYOUT] * 2}, ["layout", "2", "1 pictures"]),
    ],
)
def test_arguments_that_make_no_sense_are_named_before_any_work(pipe, options, words, monkeypatch):
    first = first_pass(pipe)
    monkeypatch.setattr(pipe.unet, "forward", None)
    with pytest.raises((ValueError, TypeError)) as error:
        upscale(pipe, first, **options)
    assert all(word in str(error.value) for word in words)


def test_what_the_output_does_not_tell_has_to_be_passed(pipe):
    first = first_pass(pipe, prompt=[PROMPT] * 2, layout=[LAYOUT] * 2, negative_prompt=["fog", "rain"])
    with pytest.raises(ValueError, match="`prompt`.*pass it"):
        upscale(pipe, first)
    first.making = first.making | {"lost": ["prompt", "ip_adapter_image"]}
    with pytest.raises(ValueError, match="`ip_adapter_image`.*pass it"):
        upscale(pipe, first, prompt=PROMPT)
    with pytest.raises(ValueError, match="`layout`.*pass it"):
        upscale(pipe, first.images[0], prompt=PROMPT)
    with pytest.raises(ValueError, match="`output` holds no pictures"):
        upscale(pipe, [], prompt=PROMPT, layout=LAYOUT)
    with pytest.raises(TypeError, match="`return_dict=True`"):
        upscale(pipe, first_pass(pipe, return_dict=False))
    with pytest.raises(TypeError, match="picture of PIL"):
        upscale(pipe, first_pass(pipe, output_type="np"))


def test_a_family_without_image_to_image_is_refused_by_name():
    pipe = made("PixArt sigma")
    picture = Image.new("RGB", (32, 32))
    with pytest.raises(ValueError, match="no image-to-image pipeline for PixArtSigmaPipeline"):
        upscale(pipe, picture, prompt=PROMPT, layout=LAYOUT)


def test_nothing_stays_patched_also_after_an_error(pipe):
    first, before = first_pass(pipe), dict(vars(pipe.unet))

    def fail(*_):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        upscale(pipe, first, strength=0.5, stride=16, callback_on_step_end=fail)
    assert vars(pipe.unet).keys() == before.keys() and "forward" not in vars(pipe.unet)
    assert same(first_pass(pipe).images, first.images)
