"""A region's own strength, times and negative prompt, in the pipeline and around stock ones, for SD and SDXL."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from diffusers import (
    EulerDiscreteScheduler,
    HeunDiscreteScheduler,
    PNDMScheduler,
    StableDiffusionImg2ImgPipeline,
    StableDiffusionXLImg2ImgPipeline,
)
from diffusers.callbacks import SDCFGCutoffCallback
from PIL import Image

from spacetime_attn import (
    Layout,
    Region,
    WeightOptimizer,
    load_weights,
    save_weights,
    spacetime_attention,
)
from spacetime_attn.cli import main


PROMPT = "a red cat to the left of a green bus"
CAT, BUS = Region("a red cat", box=(0, 0.2, 0.5, 0.8)), Region("a green bus", polygon=((0.6, 0.2), (1, 0.5), (0.6, 1)))
LAYOUT = Layout((CAT, BUS))
NONE = Layout()
EVERYWHERE = Region("a red cat", box=(0, 0, 1, 1))


def run(pipe, prompt=PROMPT, **options):
    options = {"num_inference_steps": 4, "output_type": "pt", "generator": torch.manual_seed(0)} | options
    return pipe(prompt, **options)


def with_changes(**changes) -> Layout:
    """The layout with its cat changed."""
    return LAYOUT.edit("a red cat", **changes)


@pytest.fixture
def ours(pipes):
    """Our pipeline of either family."""
    return pipes[0]


# Nothing asked for, nothing done


def test_regions_without_these_cost_nothing(pipes):
    pipe, stock = pipes
    texts = []
    pipe.text_encoder.register_forward_pre_hook(lambda _, args, kwargs: texts.append(len(args[0])), with_kwargs=True)
    with spacetime_attention(stock, LAYOUT) as control:
        run(stock, negative_prompt="fog")
    assert control.strengths is None and control.negatives is None
    assert texts == [2, 1, 1]  # the local descriptions, the prompt and its negative one


# Shapes


@pytest.fixture
def shapes() -> Layout:
    """A region of every kind, on the left of a picture of 48 x 32 pixels; masks have sizes of their own."""
    rows, columns = np.mgrid[:30, :45]
    island = ((columns - 10) ** 2 + (rows - 20) ** 2 < 64).astype(np.float32)
    return Layout(
        (
            Region("a red cat", box=(0, 0.1, 0.3, 0.5)),
            Region("a cloud", box=(0.05, 0, 0.3, 0.4), softness=0.1),
            Region("a green bus", disc=(0.2, 0.5, 0.15)),
            Region("a tent", polygon=((0, 1), (0.2, 0.4), (0.4, 1))),
            Region("an island", mask=Image.fromarray((255 * island).astype(np.uint8))),
            Region("a reef", mask=island),
            Region("the sea", mask=torch.cat([torch.linspace(1, 0, 9), torch.zeros(12)]).expand(5, -1)),
        )
    )


WIDE = {"height": 32, "width": 48, "num_inference_steps": 1, "output_type": "latent"}


def test_a_region_of_any_shape_acts_where_it_is(ours, shapes):
    plain = run(ours, layout=NONE, **WIDE).images
    found = [run(ours, layout=Layout((region,)), **WIDE).images - plain for region in shapes.regions]
    for change, region in zip(found, shapes.regions):
        columns = change.abs().mean(dim=(0, 1, 2))
        assert columns[:9].mean() > columns[-9:].mean(), region.phrase


def test_shapes_draw_the_same_as_objects_as_json_and_around_a_stock_pipeline(pipes, shapes, tmp_path):
    pipe, stock = pipes
    expected = run(pipe, layout=shapes, **WIDE).images
    shapes.save(tmp_path / "shapes.json")
    assert torch.equal(run(pipe, layout=json.loads((tmp_path / "shapes.json").read_text()), **WIDE).images, expected)
    with spacetime_attention(stock, Layout.load(tmp_path / "shapes.json")):
        assert torch.equal(run(stock, **WIDE).images, expected)


# Strength


@pytest.mark.parametrize("blend", ["guided", "convex"])
def test_the_strength_is_a_factor_on_the_weights_of_its_region(ours, blend):
    weights = torch.tensor([[0.4], [0.8]]).expand(2, 4)
    expected = run(ours, layout=LAYOUT, weights=weights * torch.tensor([[0.5], [1]]), blend=blend)
    found = run(ours, layout=with_changes(strength=0.5), weights=weights, blend=blend)
    assert torch.equal(found.images, expected.images) and torch.equal(found.weights[0], weights)


def test_it_is_a_factor_on_the_default_weights_and_on_saved_ones(ours, tmp_path):
    plain, strong = run(ours, layout=LAYOUT), run(ours, layout=with_changes(strength=2))
    assert torch.equal(plain.weights, strong.weights) and not torch.allclose(plain.images, strong.images)
    save_weights(tmp_path / "w.safetensors", strong.weights[0], strong.blend, LAYOUT.phrases)
    again = run(ours, layout=strong.layouts[0], weights=tmp_path / "w.safetensors")
    assert torch.equal(again.images, strong.images)


def test_without_strength_the_result_is_the_stock_pipelines_bit_for_bit(pipes):
    pipe, stock = pipes
    silent = Layout(tuple(replace(region, strength=0) for region in LAYOUT.regions))
    assert torch.equal(run(pipe, layout=silent).images, run(stock).images)


def test_convex_shares_stay_within_one_whatever_the_strength(ours):
    all_of_it = run(ours, layout=Layout((EVERYWHERE,)), weights=1.0, blend="convex").images
    stronger = Layout((replace(EVERYWHERE, strength=4),))
    assert torch.equal(run(ours, layout=stronger, weights=0.5, blend="convex").images, all_of_it)


# Times


@pytest.mark.parametrize("scheduler", [PNDMScheduler, EulerDiscreteScheduler, HeunDiscreteScheduler])
def test_outside_its_time_a_regions_weights_are_zero(ours, scheduler):
    ours.scheduler = scheduler.from_config(ours.scheduler.config)
    weights = torch.full((2, 4), 2.0)
    early, late = weights.clone(), weights.clone()
    early[0, 2:], late[0, :3] = 0, 0
    for changes, expected in (({"end": 0.5}, early), ({"start": 0.75}, late)):
        found = run(ours, layout=with_changes(**changes), weights=weights)
        assert torch.equal(found.images, run(ours, layout=LAYOUT, weights=expected).images)
        assert torch.equal(found.weights[0], weights)


@pytest.mark.parametrize("scheduler", [PNDMScheduler, HeunDiscreteScheduler])
def test_before_a_region_begins_the_latents_are_the_stock_pipelines(pipes, scheduler):
    seen = {}
    for name, pipe, options in zip(("ours", "stock"), pipes, ({"layout": Layout((replace(CAT, start=0.5),))}, {})):
        latents = seen[name] = []

        def keep(pipe, step, timestep, kwargs, latents=latents):
            latents.append(kwargs["latents"])
            return {}

        pipe.scheduler = scheduler.from_config(pipe.scheduler.config, skip_prk_steps=True)
        run(pipe, callback_on_step_end=keep, **options)
    untouched = [torch.equal(ours, stock) for ours, stock in zip(seen["ours"], seen["stock"])]
    first = 3 if scheduler is PNDMScheduler else 4  # evaluations of the first two steps
    assert untouched == [True] * first + [False] * (len(untouched) - first)


def image_to_image(pipe):
    """The stock pipeline of the same family on the same components, with a scheduler of one evaluation a step."""
    kind = StableDiffusionXLImg2ImgPipeline if "text_encoder_2" in pipe.components else StableDiffusionImg2ImgPipeline
    img2img = kind.from_pipe(pipe)
    img2img.scheduler = EulerDiscreteScheduler.from_config(pipe.scheduler.config)
    return img2img


def test_image_to_image_joins_the_time_where_it_begins(pipes):
    img2img = image_to_image(pipes[1])
    options = {"image": torch.rand(1, 3, 32, 32), "strength": 0.5, "num_inference_steps": 8}
    plain = run(img2img, **options).images
    for changes, acts in (({"end": 0.5}, False), ({"start": 0.5}, True)):
        with spacetime_attention(img2img, Layout((replace(CAT, **changes),))):
            assert torch.equal(run(img2img, **options).images, plain) != acts


def test_the_end_of_default_weights_is_one_of_the_run_that_begins_late(pipes):
    pipe, _ = pipes
    img2img = image_to_image(type(pipe).from_pipe(pipe, control_guidance_end=0.5))
    options = {"image": torch.rand(1, 3, 32, 32), "strength": 0.5, "num_inference_steps": 8}
    with spacetime_attention(img2img, Layout((CAT,))) as control:
        run(img2img, **options)
        assert (control.weights > 0).tolist() == [[True] * 6 + [False] * 2]  # of the last four steps the first two


def test_a_block_may_hold_runs_of_different_lengths(pipes):
    pipe, stock = pipes
    layout = with_changes(end=0.5, strength=2)
    expected = [run(pipe, layout=layout, num_inference_steps=steps).images for steps in (4, 6)]
    with spacetime_attention(stock, layout):
        for steps, images in zip((4, 6), expected):
            assert torch.equal(run(stock, num_inference_steps=steps).images, images)


# Negative prompts


@pytest.mark.parametrize("blend", ["guided", "convex"])
def test_a_regions_negative_prompt_acts_and_as_strongly_as_the_region(pipes, blend):
    pipe, stock = pipes
    negated = with_changes(negative_prompt="blue")
    plain, found = (run(pipe, layout=layout, blend=blend).images for layout in (LAYOUT, negated))
    assert not torch.allclose(plain, found)
    assert not torch.allclose(found, run(pipe, layout=with_changes(negative_prompt=""), blend=blend).images)
    weights = torch.tensor([[0.0], [0.5]]).expand(2, 4)
    plain, found = (run(pipe, layout=layout, blend=blend, weights=weights).images for layout in (LAYOUT, negated))
    torch.testing.assert_close(found, plain, atol=1e-6, rtol=0)


@pytest.mark.parametrize("options", [{"clip_skip": 1}, {}], ids=str)
@pytest.mark.parametrize("blend", ["guided", "convex"])
def test_a_negative_prompt_that_is_the_pictures_own_changes_nothing(ours, blend, options):
    options = {"negative_prompt": "blue", "blend": blend} | options
    plain, found = (run(ours, layout=x, **options).images for x in (LAYOUT, with_changes(negative_prompt="blue")))
    torch.testing.assert_close(found, plain, atol=1e-5, rtol=0)


def test_a_convex_region_that_is_the_whole_picture_is_guided_from_its_negative_prompt_to_its_own(pipes):
    pipe, stock = pipes
    layout = Layout((replace(EVERYWHERE, negative_prompt="blue"),))
    found = run(pipe, layout=layout, blend="convex", weights=1.0).images
    texts = {"prompt": "a photo of a red cat", "negative_prompt": "blue"}
    options = {"device": "cpu", "num_images_per_prompt": 1, "do_classifier_free_guidance": True}
    local, negative, *_ = stock.encode_prompt(**texts, **options)
    embeds = {"prompt_embeds": local, "negative_prompt_embeds": negative}
    if "text_encoder_2" in stock.components:  # the pooled ones stay the whole prompt's
        pooled = stock.encode_prompt(PROMPT)[2:]
        embeds |= dict(zip(("pooled_prompt_embeds", "negative_pooled_prompt_embeds"), pooled))
    torch.testing.assert_close(found, run(stock, None, **embeds).images, atol=1e-4, rtol=0)


@pytest.mark.parametrize("blend", ["guided", "convex"])
def test_a_negative_prompt_changes_its_own_region(ours, blend):
    options = {"output_type": "latent", "num_inference_steps": 1, "blend": blend}
    plain = run(ours, layout=Layout((CAT, BUS)), **options).images
    for name in ("a red cat", "a green bus"):
        found = run(ours, layout=LAYOUT.edit(name, negative_prompt="blue"), **options).images
        columns = (found - plain).abs().mean(dim=(0, 1, 2))
        assert (columns[:6].mean() > columns[10:].mean()) == (name == "a red cat")


@pytest.mark.parametrize("blend", ["guided", "convex"])
def test_sliced_attention_comes_to_the_same(ours, blend):
    layout = with_changes(negative_prompt="blue", strength=0.7, end=0.6)
    expected = run(ours, layout=layout, blend=blend).images
    ours.enable_attention_slicing()
    torch.testing.assert_close(run(ours, layout=layout, blend=blend).images, expected, atol=1e-4, rtol=0)


def test_negative_prompts_without_guidance_are_refused_before_any_model_runs(pipes):
    def fail(*_):
        raise AssertionError("a model ran")

    pipe, stock = pipes
    layout = with_changes(negative_prompt="blue")
    with spacetime_attention(stock, layout):
        with pytest.raises(ValueError, match="`negative_prompt` of 'a red cat' needs classifier-free guidance"):
            run(stock, guidance_scale=1)
    for model in (pipe.text_encoder, pipe.unet):
        model.register_forward_pre_hook(fail)
    with pytest.raises(ValueError, match="`negative_prompt` of 'a red cat' needs classifier-free guidance.*above 1"):
        run(pipe, layout=layout, guidance_scale=1)


@pytest.mark.parametrize("blend", ["guided", "convex"])
def test_a_callback_may_switch_guidance_off_in_mid_run(pipe, blend):
    cutoff = SDCFGCutoffCallback(None, 1)
    output = run(pipe, layout=with_changes(negative_prompt="blue"), blend=blend, callback_on_step_end=cutoff)
    assert output.images.isfinite().all() and pipe.guidance_scale == 0


# All of it together

FULL = Layout((replace(CAT, negative_prompt="blue", strength=1.5, end=0.5), replace(BUS, start=0.25)))


def test_the_context_manager_equals_the_pipeline(pipes):
    pipe, stock = pipes
    for blend in ("guided", "convex"):
        expected = run(pipe, layout=FULL, blend=blend).images
        with spacetime_attention(stock, FULL, blend=blend):
            assert torch.equal(run(stock).images, expected)


def test_a_batch_of_several_pictures_a_prompt_equals_single_calls(pipes):
    ours, stock = pipes
    other = Layout((Region("a bird", disc=(0.5, 0.5, 0.3), strength=0.5, negative_prompt="fog"),))
    prompts, layouts = [PROMPT, "a bird", "fog", PROMPT], [FULL, other, NONE, LAYOUT]
    latents = torch.randn(8, 4, 16, 16)
    batch = run(ours, prompts, layout=layouts, latents=latents, num_images_per_prompt=2).images
    with spacetime_attention(stock, layouts):
        assert torch.equal(run(stock, prompts, latents=latents, num_images_per_prompt=2).images, batch)
    for i in range(8):
        single = run(ours, prompts[i // 2], layout=layouts[i // 2], latents=latents[i : i + 1]).images
        torch.testing.assert_close(batch[i], single[0], atol=3e-5, rtol=0)


@pytest.mark.parametrize("blend", ["guided", "convex"])
def test_strength_and_time_multiply_the_weights_that_are_optimised(ours, clip, blend):
    optimizer = WeightOptimizer(epochs=3, noises=1, learning_rate=0.3, keep="last", clip=clip)
    start = torch.full((2, 4), 0.4)
    found = run(ours, layout=FULL, weights=start, blend=blend, optimize_weights=optimizer)
    change = (found.weights[0] - start).abs() > 1e-3
    assert change.tolist() == [[True, True, False, False], [False, True, True, True]]
    again = run(ours, layout=FULL, weights=found.weights, blend=blend)
    torch.testing.assert_close(again.images, found.images, atol=1e-5, rtol=0)


def test_the_command_line_reads_draws_and_writes_them(tmp_path, capsys):
    saved, written = tmp_path / "full.json", tmp_path / "again.json"
    regions = [
        {"phrase": "a red apple", "box": [0, 0.2, 0.5, 0.8], "strength": 1.2, "end": 0.6, "negative_prompt": "green"},
        {"phrase": "a blue car", "polygon": [[0.5, 0.5], [1, 0.5], [0.75, 1]]},
    ]
    saved.write_text(json.dumps({"objects": regions}))
    options = ["--steps", "2", "--layout", str(saved), "--save-layout", str(written), "--show-layout"]
    options += ["--save-weights", str(tmp_path / "w.json")]
    assert main(["generate", "a red apple and a blue car", "-o", str(tmp_path / "a.png"), *options]) == 0
    assert "strength 1.2, from 0 to 0.6, not 'green'" in capsys.readouterr().out
    assert Layout.load(written) == Layout.load(saved) and Image.open(tmp_path / "a.layout.png").height == 512
    assert load_weights(tmp_path / "w.json").weights.tolist() == [[2.0, 0.0]] * 2  # 8/N falling, in the middle
