"""Runs of Stable Diffusion 3, FLUX.1 and PixArt under control: their pipelines, schedulers and arguments."""

import numpy as np
import pytest
import torch
from diffusers import (
    DPMSolverMultistepScheduler,
    EulerDiscreteScheduler,
    FlowMatchEulerDiscreteScheduler,
    FlowMatchHeunDiscreteScheduler,
    FlowMatchLCMScheduler,
    FluxControlImg2ImgPipeline,
    FluxControlInpaintPipeline,
    FluxControlNetImg2ImgPipeline,
    FluxControlNetInpaintPipeline,
    FluxControlNetModel,
    FluxControlNetPipeline,
    FluxControlPipeline,
    FluxFillPipeline,
    FluxImg2ImgPipeline,
    FluxInpaintPipeline,
    FluxPriorReduxPipeline,
    HeunDiscreteScheduler,
    SD3ControlNetModel,
    StableDiffusion3ControlNetInpaintingPipeline,
    StableDiffusion3ControlNetPipeline,
    StableDiffusion3Img2ImgPipeline,
    StableDiffusion3InpaintPipeline,
    UniPCMultistepScheduler,
)
from diffusers.image_processor import PixArtImageProcessor
from diffusers.pipelines.flux.modeling_flux import ReduxImageEncoder
from PIL import Image
from transformer_pipelines import LAYOUT, PROMPT, draw, flux, made, pixart, quiet, stable_diffusion_3
from transformers import SiglipImageProcessor, SiglipVisionConfig, SiglipVisionModel

from spacetime_attn import Layout, Region, save_weights, spacetime_attention
from spacetime_attn.processors.control import RegionalControl
from spacetime_attn.processors.drawn import bin_part


KINDS = ["SD 3", "FLUX.1", "PixArt sigma"]  # where the variants of a family are alike
LEFT = Layout((Region("a green bus", box=(0, 0, 0.4, 1)),))
NEGATED = LAYOUT.edit("a green bus", negative_prompt="a red car")


@pytest.fixture(params=KINDS)
def family(request) -> str:
    """A family in turn."""
    return request.param


@pytest.fixture
def pipe(family):
    """A pipeline of each family in turn."""
    return made(family)


@pytest.fixture
def evaluations(monkeypatch) -> list[tuple[int, str]]:
    """The weights' column of each evaluation, and what its rows are."""
    seen, begin_step = [], RegionalControl.begin_step

    def noted(control, column, evaluation):
        seen.append((column, evaluation.passes))
        begin_step(control, column, evaluation)

    monkeypatch.setattr(RegionalControl, "begin_step", noted)
    return seen


def controlled(pipe, layout=LAYOUT, settings=None, **options):
    with spacetime_attention(pipe, layout, **settings or {}):
        return draw(pipe, **options)


def outputs(pipe, layout, settings=None, **options) -> list[torch.Tensor]:
    """What the transformer gives in a run, of one step unless more are asked for."""
    seen = []
    handle = pipe.transformer.register_forward_hook(lambda _, args, output: seen.append(output[0]))
    controlled(pipe, layout, settings, **{"num_inference_steps": 1} | options)
    handle.remove()
    return seen


def as_grid(pipe, latents: torch.Tensor) -> torch.Tensor:
    """Latents (pictures, channels, 16, 24)."""
    return latents if latents.ndim == 4 else pipe._unpack_latents(latents, 32, 48, pipe.vae_scale_factor)


def check_control(pipe, **options):
    """Off is exactly off, on acts most where the region is, and afterwards nothing is left."""
    plain = draw(pipe, **options)
    assert torch.equal(controlled(pipe, LEFT, {"weights": 0.0}, **options), plain)
    found = controlled(pipe, LEFT, **options)
    assert found.isfinite().all() and not torch.allclose(found, plain)
    assert torch.equal(draw(pipe, **options), plain)
    columns = as_grid(pipe, (found - plain).abs()).mean(dim=(0, 1, 2))
    assert columns[:9].mean() > columns[12:].mean()


# Batches


def test_a_batch_is_what_its_prompts_draw_alone(pipe):
    prompts, layouts = [PROMPT, "a dog below a tree", "nothing"], [NEGATED, LEFT, Layout()]
    if "Flux" in type(pipe).__name__:
        layouts[0] = LAYOUT
    batch = {"prompt": prompts, "num_images_per_prompt": 2}
    generators = [torch.Generator().manual_seed(seed) for seed in range(6)]
    found = controlled(pipe, layouts, generator=generators, **batch)
    for number, (prompt, layout) in enumerate(zip(prompts, layouts)):
        pair = [torch.Generator().manual_seed(seed) for seed in (2 * number, 2 * number + 1)]
        alone = controlled(pipe, layout, prompt=prompt, num_images_per_prompt=2, generator=pair)
        scale = float(alone.abs().max())
        torch.testing.assert_close(found[2 * number : 2 * number + 2], alone, atol=1e-5 * scale, rtol=0)


def test_a_number_of_layouts_that_does_not_fit_the_prompts_is_refused(pipe):
    with spacetime_attention(pipe, [LAYOUT, LEFT]):
        with pytest.raises(ValueError, match="3 conditional rows, which is no multiple of the 2 prompts"):
            draw(pipe, prompt=[PROMPT] * 3)


@pytest.mark.parametrize("size", [(48, 16), (32, 32)])
def test_pictures_of_any_size_are_controlled(pipe, size):
    options = dict(zip(("height", "width"), size))
    plain, found = draw(pipe, **options), controlled(pipe, LEFT, **options)
    assert found.shape == plain.shape and not torch.allclose(found, plain)


# Weights


def test_strength_and_time_are_factors_on_the_weights(pipe, evaluations):
    layout = LAYOUT.edit(0, strength=0.5, end=0.5).edit(1, start=0.5)
    found = controlled(pipe, layout, {"weights": 0.8, "blend": "convex"}, num_inference_steps=4)
    matrix = torch.tensor([[0.4, 0.4, 0, 0], [0, 0, 0.8, 0.8]])
    expected = controlled(pipe, LAYOUT, {"weights": matrix, "blend": "convex"}, num_inference_steps=4)
    torch.testing.assert_close(found, expected)
    assert {column for column, _ in evaluations} == {0, 1, 2, 3}


def test_checkpoints_without_defaults_have_weights_that_fall_to_zero(pipe):
    with spacetime_attention(pipe, LAYOUT, blend="convex") as control:
        draw(pipe, num_inference_steps=4)
    assert control.weights.tolist() == [[0.375, 0.125, 0, 0]] * 2


def test_before_a_region_begins_the_latents_are_the_stock_pipelines(pipe):
    if "PixArt" in type(pipe).__name__:
        pytest.skip("it has no such callback")
    seen = []

    def keep(pipe, step, timestep, kwargs):
        seen.append(kwargs["latents"])
        return {}

    draw(pipe, num_inference_steps=4, callback_on_step_end=keep)
    late = LAYOUT.edit(0, start=0.5).edit(1, start=0.5)
    controlled(pipe, late, {"preset": "official"}, num_inference_steps=4, callback_on_step_end=keep)
    assert [torch.equal(plain, found) for plain, found in zip(seen[:4], seen[4:])] == [True, True, False, False]


def test_saved_weights_are_those_that_were_saved(pipe, tmp_path):
    weights = torch.tensor([[0.1, 0.5, 0.9], [0.8, 0.0, 0.3]])
    expected = controlled(pipe, LAYOUT, {"weights": weights, "blend": "convex"})
    save_weights(tmp_path / "weights.json", weights, "convex", LAYOUT.phrases)
    torch.testing.assert_close(controlled(pipe, LAYOUT, {"weights": str(tmp_path / "weights.json")}), expected)


def test_weights_that_are_too_much_are_told_at_the_end_of_the_run(family):
    pipe = made(family)
    blend = {"blend": "convex"} if family == "FLUX.1" else {}
    if blend:
        pipe.transformer.proj_out.weight.data.fill_(torch.inf)
    else:
        blend = {"weights": 1e38}
    with spacetime_attention(pipe, LAYOUT, **blend):
        with pytest.raises(ValueError, match="gave NaN or infinity for picture 1, 2 of 2"):
            draw(pipe, num_images_per_prompt=2)


# Steps

FLOW = {"use_flow_sigmas": True, "prediction_type": "flow_prediction"}
SHIFTED = {"use_dynamic_shifting": True, "time_shift_type": "exponential"}
SCHEDULERS = {  # and the column of each evaluation
    "Euler": (lambda: FlowMatchEulerDiscreteScheduler(), [0, 1, 2]),
    "Euler, shifted": (lambda: FlowMatchEulerDiscreteScheduler(shift=6.0), [0, 1, 2]),
    "Euler, shifted by size": (lambda: FlowMatchEulerDiscreteScheduler(use_dynamic_shifting=True), [0, 1, 2]),
    "Euler, by chance": (lambda: FlowMatchEulerDiscreteScheduler(stochastic_sampling=True), [0, 1, 2]),
    "Heun": (lambda: FlowMatchHeunDiscreteScheduler(shift=3.0), [0, 0, 1, 1, 2]),
    "LCM": (lambda: FlowMatchLCMScheduler(shift=3.0), [0, 1, 2]),
    "UniPC": (lambda: UniPCMultistepScheduler(**FLOW, flow_shift=3.0), [0, 1, 2]),
    "DPM-Solver": (lambda: DPMSolverMultistepScheduler(**FLOW, **SHIFTED), [0, 1, 2]),
}


@pytest.mark.parametrize("scheduler", SCHEDULERS)
@pytest.mark.parametrize("family", ["SD 3", "FLUX.1"])
def test_the_steps_are_the_schedulers(family, scheduler, evaluations):
    make, columns = SCHEDULERS[scheduler]
    if family == "FLUX.1" and scheduler == "Heun":
        pytest.skip("it takes no sigmas, which FluxPipeline gives")
    pipe = made(family)
    pipe.scheduler = make()
    check_control(pipe)
    runs = [evaluations[first : first + len(columns)] for first in range(0, len(evaluations), len(columns))]
    assert [[column for column, _ in run] for run in runs] == [columns] * 2  # weights of 0, then the default ones


@pytest.mark.parametrize(
    "scheduler, columns", [(EulerDiscreteScheduler, [0, 1, 2]), (HeunDiscreteScheduler, [0, 0, 1, 1, 2])]
)
def test_those_of_pixart_too(scheduler, columns, evaluations):
    pipe = pixart()
    pipe.scheduler = scheduler()
    controlled(pipe)
    assert evaluations == [(column, "both") for column in columns]


@pytest.mark.parametrize("family", ["SD 3", "FLUX.1"])
def test_the_steps_may_be_given_as_sigmas(family, evaluations):
    controlled(made(family), num_inference_steps=None, sigmas=[1.0, 0.999, 0.2, 0.001])
    assert [column for column, _ in evaluations] == [0, 1, 2, 3]


def test_those_of_pixart_may_be_given_as_timesteps(evaluations):
    controlled(pixart(), num_inference_steps=None, timesteps=[900, 500, 100, 20])
    assert [column for column, _ in evaluations] == [0, 1, 2, 3]


@pytest.mark.parametrize("family", ["SD 3", "FLUX.1"])
def test_half_precision_tells_steps_apart_that_lie_close(family, evaluations):
    pipe = made(family).to(torch.bfloat16)
    sigmas = torch.linspace(1, 0.9, 30).tolist()
    assert controlled(pipe, num_inference_steps=None, sigmas=sigmas).isfinite().all()
    assert [column for column, _ in evaluations] == list(range(30))


# Other pipelines


def picture(seed: int = 0) -> torch.Tensor:
    return torch.rand(1, 3, 32, 48, generator=torch.Generator().manual_seed(seed))


def of_sd3(kind, parts: dict | None = None, **options):
    """Makes a pipeline on a transformer of Stable Diffusion 3."""
    return quiet(kind.from_pipe(stable_diffusion_3(**options), **parts or {}))


def of_flux(kind, parts: dict | None = None, **options):
    """Makes a pipeline on a transformer of FLUX.1."""
    return quiet(kind.from_pipe(flux(**options), **parts or {}))


def sd3_controlnet(more_channels: int = 0) -> dict:
    """A ControlNet that is shown so many channels more than latents have."""
    torch.manual_seed(5)
    config = dict(stable_diffusion_3().transformer.config) | {"num_layers": 2, "out_channels": None}
    return {"controlnet": heard(SD3ControlNetModel.from_config(config, extra_conditioning_channels=more_channels))}


def flux_controlnet() -> dict:
    torch.manual_seed(5)
    config = dict(flux().transformer.config) | {"num_layers": 1, "num_single_layers": 1}
    return {"controlnet": heard(FluxControlNetModel.from_config(config))}


def heard(model):
    """A ControlNet that says something, which new ones do not."""
    for weight in model.parameters():
        if not weight.any():
            torch.nn.init.normal_(weight, std=0.1)
    return model.eval()


MASK = {"mask_image": torch.ones(1, 1, 32, 48)}
IMAGE, CONTROL = {"image": picture()}, {"control_image": picture(1)}
STRONG = {"strength": 0.99}
PIPELINES = {
    "SD 3, image to image": (lambda: of_sd3(StableDiffusion3Img2ImgPipeline), IMAGE | STRONG),
    "SD 3, inpainting": (
        lambda: of_sd3(StableDiffusion3InpaintPipeline, in_channels=16, out_channels=16),
        IMAGE | MASK | STRONG,
    ),
    "SD 3, ControlNet": (lambda: of_sd3(StableDiffusion3ControlNetPipeline, sd3_controlnet()), CONTROL),
    "SD 3, ControlNet for inpainting": (
        lambda: of_sd3(StableDiffusion3ControlNetInpaintingPipeline, sd3_controlnet(1)),
        {"control_image": picture(1), "control_mask": MASK["mask_image"]},
    ),
    "FLUX.1, image to image": (lambda: of_flux(FluxImg2ImgPipeline), IMAGE | STRONG),
    "FLUX.1, inpainting": (lambda: of_flux(FluxInpaintPipeline), IMAGE | MASK | STRONG),
    "FLUX.1, ControlNet": (lambda: of_flux(FluxControlNetPipeline, flux_controlnet()), CONTROL),
    "FLUX.1, ControlNet and image to image": (
        lambda: of_flux(FluxControlNetImg2ImgPipeline, flux_controlnet()),
        IMAGE | CONTROL | STRONG,
    ),
    "FLUX.1, ControlNet and inpainting": (
        lambda: of_flux(FluxControlNetInpaintPipeline, flux_controlnet()),
        IMAGE | MASK | CONTROL | STRONG,
    ),
    "FLUX.1 Fill": (lambda: of_flux(FluxFillPipeline, in_channels=48, out_channels=16), IMAGE | MASK),
    "FLUX.1 Control": (lambda: of_flux(FluxControlPipeline, in_channels=32, out_channels=16), CONTROL),
    "FLUX.1 Control, image to image": (
        lambda: of_flux(FluxControlImg2ImgPipeline, in_channels=32, out_channels=16),
        IMAGE | CONTROL | STRONG,
    ),
    "FLUX.1 Control, inpainting": (
        lambda: of_flux(FluxControlInpaintPipeline, in_channels=32, out_channels=16),
        IMAGE | MASK | CONTROL | STRONG,
    ),
    "FLUX.1 schnell": (lambda: flux(guidance_embeds=False), {"guidance_scale": 0.0}),
}


@pytest.mark.parametrize("name", PIPELINES)
def test_other_pipelines_are_controlled(name):
    make, options = PIPELINES[name]
    check_control(make(), **options)


@pytest.mark.parametrize("name", ["SD 3, ControlNet", "FLUX.1, ControlNet"])
def test_a_controlnet_acts_under_control(name):
    pipe = PIPELINES[name][0]()
    drawn = [
        controlled(pipe, controlnet_conditioning_scale=scale, control_image=picture(seed))
        for scale in (1.0, 0.0)
        for seed in (1, 2)
    ]
    assert not torch.allclose(drawn[0], drawn[1]) and not torch.allclose(drawn[0], drawn[2])
    assert torch.equal(drawn[2], drawn[3])


LATE = {"strength": 0.5, "num_inference_steps": 8}


@pytest.mark.parametrize("name", [name for name in PIPELINES if STRONG.items() <= PIPELINES[name][1].items()])
def test_a_run_that_begins_late_has_the_columns_of_its_steps(name, evaluations):
    make, options = PIPELINES[name]
    pipe = make()
    plain = draw(pipe, **options | LATE)
    for changes, acts in (({"end": 0.5}, False), ({"start": 0.5}, True)):
        layout = LAYOUT.edit(0, **changes).edit(1, **changes)
        assert torch.equal(controlled(pipe, layout, **options | LATE), plain) != acts
    assert [column for column, _ in evaluations] == [4, 5, 6, 7] * 2


@pytest.mark.parametrize("name", ["SD 3, image to image"])
def test_with_two_evaluations_a_step_too(name, evaluations):
    make, options = PIPELINES[name]
    pipe = make()
    pipe.scheduler = FlowMatchHeunDiscreteScheduler()
    controlled(pipe, **options | LATE)
    assert [column for column, _ in evaluations][-1] == 7
    assert [column for column, _ in evaluations][:2] == [4, 4]


HEIGHT, WIDTH = 64, 96
PICTURE = Image.fromarray(np.random.default_rng(0).integers(0, 255, (HEIGHT, WIDTH, 3), dtype=np.uint8))
CROPS = ["SD 3, inpainting", "FLUX.1, inpainting", "FLUX.1, ControlNet and inpainting"]


@pytest.mark.parametrize("name", CROPS)
def test_the_crop_around_a_mask_has_the_layout_of_that_part(name):
    make, options = PIPELINES[name]
    pipe, mask = make(), np.zeros((HEIGHT, WIDTH), dtype=np.uint8)
    mask[16:48, 48:96] = 255  # as wide for its height as the picture that is drawn
    options = options | {"num_inference_steps": 2, "output_type": "pil"}
    cropped = {"image": PICTURE, "mask_image": Image.fromarray(mask), "padding_mask_crop": 0}
    inside = {"image": PICTURE.crop((48, 16, 96, 48)), "mask_image": Image.fromarray(mask[16:48, 48:96])}
    right, left = (
        Layout((Region("a green bus", box=(0.5, 0, 0.75, 1)),)),
        Layout((Region("a cat", box=(0, 0, 0.5, 1)),)),
    )
    with spacetime_attention(pipe, right) as control:
        draw(pipe, **options | cropped)
        settings = {"weights": control.weights, "blend": control.blend}
    expected = outputs(pipe, right.cropped((0.5, 0.25, 1, 0.75)), settings, **options | inside)
    found, plain = (outputs(pipe, layout, **options | cropped) for layout in (right, left))
    torch.testing.assert_close(found, expected)
    assert not torch.allclose(found[0], plain[0])
    assert all(map(torch.equal, plain, outputs(pipe, Layout(), **options | cropped)))


BINNED = {"use_resolution_binning": True, "num_inference_steps": 1}
HALF = Layout((Region("a green bus", box=(0, 0, 0.5, 1)),))


def test_regions_are_in_what_is_left_of_the_size_that_pixart_draws():
    """For a picture of 512 x 64 it draws one of 512 x 128."""
    pipe, tall = pixart(sample_size=32), {"height": 512, "width": 64, "output_type": "pt"}
    inner = Layout((Region("a green bus", box=(0.25, 0, 0.5, 1)),))
    expected = outputs(pipe, inner, height=512, width=128, output_type="pt")
    assert torch.equal(outputs(pipe, HALF, **tall, **BINNED)[0], expected[0])


def test_in_latents_they_are_in_all_of_that_size():
    """diffusers cuts nothing out of these."""
    pipe = pixart(sample_size=32)
    expected = controlled(pipe, HALF, height=512, width=128, num_inference_steps=1)
    assert torch.equal(controlled(pipe, HALF, height=512, width=64, **BINNED), expected)


def test_that_is_so_in_runs_that_have_such_sizes_alone():
    pipe = pixart(sample_size=32)
    expected = controlled(pipe, HALF, output_type="pt")

    def stop(*_):
        raise KeyboardInterrupt

    with spacetime_attention(pipe, HALF):
        handle = pipe.text_encoder.register_forward_hook(stop)
        with pytest.raises(KeyboardInterrupt):
            draw(pipe, height=512, width=64, **BINNED)
        handle.remove()
        assert torch.equal(draw(pipe, output_type="pt"), expected)


@pytest.mark.parametrize("size, asked", [((512, 128), (512, 64)), ((32, 96), (60, 80)), ((32, 48), (64, 96))])
def test_what_is_left_is_what_diffusers_cuts_out(size, asked):
    left, top, right, bottom = bin_part(size, asked) or (0, 0, 1, 1)
    rows, columns = (
        first + (last - first) * (torch.arange(side) + 0.5) / side
        for first, last, side in ((top, bottom, size[0]), (left, right, size[1]))
    )
    places = torch.stack(torch.meshgrid(rows, columns, indexing="ij"))[None]
    cut = PixArtImageProcessor.resize_and_crop_tensor(places, asked[1], asked[0])[0]
    expected = torch.meshgrid(*((torch.arange(side) + 0.5) / side for side in asked), indexing="ij")
    torch.testing.assert_close(cut, torch.stack(expected), atol=1.5 / min(asked), rtol=0)


# Guidance


def test_without_guidance_control_is_convex_and_refuses_what_needs_it(family, evaluations):
    pipe, options = made(family), {} if family == "FLUX.1" else {"guidance_scale": 1.0}
    with spacetime_attention(pipe, LAYOUT) as control:
        draw(pipe, **options)
        assert control.blend == "convex"
    assert {passes for _, passes in evaluations} == {"conditional"}
    with spacetime_attention(pipe, NEGATED):
        with pytest.raises(ValueError, match="`negative_prompt` of 'a green bus' needs .*guidance") as told:
            draw(pipe, **options)
    assert ("true_cfg_scale" if family == "FLUX.1" else "guidance_scale") in str(told.value)
    if family != "FLUX.1":
        with spacetime_attention(pipe, LAYOUT, blend="guided"):
            with pytest.raises(ValueError, match="`blend='guided'` needs classifier-free guidance, which is off"):
                draw(pipe, **options)
    assert draw(pipe, **options).isfinite().all()


FLUX_GUIDED = {"true_cfg_scale": 2.0, "negative_prompt": "dark"}


@pytest.mark.parametrize(
    ("family", "sight", "error"),
    [("FLUX.1", "all", r"`local_sight` has to be"), ("PixArt alpha", "region", "those of PixArt .* do not")],
)
def test_a_sight_that_texts_do_not_have_is_refused(family, sight, error):
    with pytest.raises(ValueError, match=error):
        with spacetime_attention(made(family), LAYOUT, local_sight=sight):
            pass


def test_guided_control_of_flux_is_refused_by_name():
    with pytest.raises(
        ValueError, match="negative prompt of FluxPipeline is evaluated by itself: pass blend='convex', .*0..1"
    ):
        with spacetime_attention(flux(), LAYOUT, blend="guided"):
            pass
    with pytest.raises(ValueError, match="0..1, got 5..5. .*blend='guided', for runs .* that evaluate both prompts"):
        with spacetime_attention(flux(), LAYOUT, weights=5.0):
            pass


@pytest.mark.parametrize("name", ["FLUX.1", "FLUX.1, image to image", "FLUX.1, inpainting", "FLUX.1, ControlNet"])
def test_the_negative_prompt_of_flux_is_an_evaluation_of_its_own_in_the_same_step(name, evaluations):
    make, options = PIPELINES.get(name, (flux, {}))
    controlled(make(), NEGATED, **options | FLUX_GUIDED)
    assert evaluations == [(step, passes) for step in (0, 1, 2) for passes in ("conditional", "unconditional")]


def test_regions_negative_prompts_act_in_that_evaluation_alone():
    pipe = flux()
    (plain, plain_negative), (found, found_negative), (negated, negated_negative) = (
        outputs(pipe, layout, **FLUX_GUIDED) for layout in (Layout(), LAYOUT, NEGATED)
    )
    assert torch.equal(found, negated) and not torch.allclose(found, plain)
    assert torch.equal(found_negative, plain_negative) and not torch.allclose(negated_negative, plain_negative)


def test_runs_of_flux_with_and_without_a_negative_prompt_take_turns_in_one_block(evaluations):
    pipe = flux()
    both, one = (controlled(pipe, **options) for options in (FLUX_GUIDED, {}))
    evaluations.clear()
    with spacetime_attention(pipe, LAYOUT):
        assert torch.equal(draw(pipe), one)
        assert torch.equal(draw(pipe, **FLUX_GUIDED), both)
        assert torch.equal(draw(pipe), one)
        draw(pipe, true_cfg_scale=2.0)  # which is nothing without a negative prompt
    assert [passes for _, passes in evaluations].count("unconditional") == 3


def test_texts_that_are_encoded_meanwhile_confuse_nothing(evaluations):
    """Which evaluation is the negative prompt's is known by the texts that the run began with."""
    pipe = flux()

    def encode(pipe, step, timestep, kwargs):
        embeds = pipe.encode_prompt("a dog", max_sequence_length=64)[0]
        return {"prompt_embeds": embeds} if step == 0 else {}

    for options, passes in ((FLUX_GUIDED, ["conditional", "unconditional"]), ({}, ["conditional"])):
        evaluations.clear()
        with spacetime_attention(pipe, NEGATED if options else LAYOUT):
            draw(pipe, callback_on_step_end=encode, **options)
        assert [found for _, found in evaluations] == 3 * passes


@pytest.mark.parametrize("scale, passes", [(4.5, "both"), (1.0, "conditional")])
def test_nor_do_they_whether_pixart_is_guided(scale, passes, evaluations):
    pipe = pixart()

    def encode(step, timestep, latents):
        pipe.encode_prompt("a dog", scale == 1.0)

    expected = controlled(pipe, guidance_scale=scale)
    assert torch.equal(controlled(pipe, guidance_scale=scale, callback=encode, callback_steps=1), expected)
    assert [found for _, found in evaluations] == 6 * [passes]


SKIPPING = {"skip_guidance_layers": [1], "skip_layer_guidance_start": -1.0, "skip_layer_guidance_stop": 1.0}


def test_a_prompt_that_is_evaluated_once_more_is_controlled_there_too(evaluations):
    pipe = stable_diffusion_3()
    found = outputs(pipe, NEGATED, {"blend": "convex"}, **SKIPPING)
    assert evaluations == [(0, "both"), (0, "conditional")]
    plain = outputs(pipe, Layout(), **SKIPPING)
    assert all(not torch.allclose(*pair) for pair in zip(found, plain))


ONCE_MORE = "`skip_guidance_layers` evaluates the prompt once more .*: pass blend='convex'"
SKIPPING_LATE = SKIPPING | {"skip_layer_guidance_start": 0.4, "num_inference_steps": 4}  # the third step, and the last


def test_where_guided_control_acts_that_is_refused_before_the_first_step(evaluations):
    pipe = stable_diffusion_3()
    with spacetime_attention(pipe, LAYOUT, blend="guided", weights=1.0):
        with pytest.raises(ValueError, match=ONCE_MORE):
            draw(pipe, **SKIPPING_LATE)
    assert not evaluations


@pytest.mark.parametrize("blend, skipped, message", [("guided", 1, ONCE_MORE), ("convex", 0, "name block 0")])
def test_in_own_loops_it_is_refused_where_it_happens(blend, skipped, message):
    pipe = stable_diffusion_3()
    pipe._guidance_scale = 4.5
    with torch.no_grad(), spacetime_attention(pipe, LAYOUT, blend):
        pipe.scheduler.set_timesteps(3)
        time, texts, pooled = pipe.scheduler.timesteps[:1], torch.randn(2, 100, 32), torch.randn(2, 32)
        pipe.transformer(torch.randn(2, 4, 16, 24), texts, pooled, time.expand(2))
        with pytest.raises(ValueError, match=message):
            pipe.transformer(torch.randn(1, 4, 16, 24), texts[1:], pooled[1:], time, skip_layers=[skipped])


@pytest.mark.parametrize("settings", [{"layout": Layout()}, {"weights": 0.0}], ids=["no regions", "no weights"])
def test_that_is_refused_only_where_guided_control_acts(settings):
    pipe = stable_diffusion_3()
    plain = draw(pipe, **SKIPPING)
    with spacetime_attention(pipe, **{"layout": LAYOUT, "blend": "guided"} | settings):
        assert torch.equal(draw(pipe, **SKIPPING), plain)


def test_and_not_after_its_regions_have_ended():
    pipe, ended = stable_diffusion_3(), LAYOUT.edit(0, end=0.5).edit(1, end=0.5)
    found = controlled(pipe, ended, {"blend": "guided"}, **SKIPPING_LATE)
    assert not torch.allclose(found, draw(pipe, **SKIPPING_LATE))


def test_skipping_the_block_in_which_local_texts_join_is_refused_by_name(evaluations):
    pipe, options = stable_diffusion_3(), SKIPPING_LATE | {"skip_guidance_layers": [0, 1]}
    plain = draw(pipe, **options)
    with spacetime_attention(pipe, LAYOUT, blend="convex", weights=0.5):
        with pytest.raises(ValueError, match="`skip_guidance_layers` .*0"):
            draw(pipe, **options)
    assert not evaluations
    assert torch.equal(controlled(pipe, Layout(), {"blend": "convex"}, **options), plain)


@pytest.mark.parametrize("blend", ["guided", "convex"])
def test_a_callback_may_switch_guidance_off_in_mid_run(blend, evaluations):
    pipe, seen = stable_diffusion_3(), []

    def switch_off(pipe, step, timestep, kwargs):
        if step > 0:
            return {}
        pipe._guidance_scale = 1.0
        return {name: kwargs[name].chunk(2)[-1] for name in ("prompt_embeds", "pooled_prompt_embeds")}

    switch = {
        "callback_on_step_end": switch_off,
        "callback_on_step_end_tensor_inputs": ["prompt_embeds", "pooled_prompt_embeds"],
    }
    pipe.transformer.register_forward_hook(
        lambda _, args, kwargs, output: seen.append((kwargs, output[0])), with_kwargs=True
    )
    controlled(pipe, NEGATED, {"blend": blend, "preset": "official"}, **switch)
    assert [passes for _, passes in evaluations] == ["both", "conditional", "conditional"]
    kwargs, output = seen[-1]
    with torch.no_grad():
        assert torch.equal(pipe.transformer(**kwargs)[0], output) == (blend == "guided")  # guided control rests


# Texts


def test_a_callback_may_replace_the_prompt(family):
    if family == "PixArt sigma":
        pytest.skip("it has no such callback")
    pipe, seen = made(family), []

    def replace(pipe, step, timestep, kwargs):
        return {"prompt_embeds": kwargs["prompt_embeds"].flip(-1)} if step == 0 else {}

    pipe.transformer.register_forward_hook(
        lambda _, args, kwargs, output: seen.append((kwargs, output[0])), with_kwargs=True
    )
    inputs = {"callback_on_step_end_tensor_inputs": ["prompt_embeds"]}
    short = LAYOUT.edit(0, end=0.7).edit(1, end=0.7)
    controlled(pipe, short, {"preset": "official"}, callback_on_step_end=replace, **inputs)
    assert not torch.equal(seen[0][0]["encoder_hidden_states"], seen[1][0]["encoder_hidden_states"])
    with torch.no_grad():
        plain = [torch.equal(pipe.transformer(**kwargs)[0], output) for kwargs, output in seen[:3]]
    assert plain == [False, False, True]


def test_a_run_that_is_interrupted_ends_and_the_next_is_whole(family):
    if family == "PixArt sigma":
        pytest.skip("it has no such callback")
    pipe = made(family)

    def stop(pipe, step, timestep, kwargs):
        pipe._interrupt = step == 0
        return {}

    with spacetime_attention(pipe, LAYOUT):
        expected = draw(pipe)
        stopped = draw(pipe, callback_on_step_end=stop)
        assert torch.equal(draw(pipe), expected) and not torch.equal(stopped, expected)


EMBEDDED = {
    "SD 3": ("prompt_embeds", "negative_prompt_embeds", "pooled_prompt_embeds", "negative_pooled_prompt_embeds"),
    "FLUX.1": ("prompt_embeds", "pooled_prompt_embeds"),
    "PixArt sigma": (
        "prompt_embeds",
        "prompt_attention_mask",
        "negative_prompt_embeds",
        "negative_prompt_attention_mask",
    ),
}


@pytest.mark.parametrize("within", [False, True], ids=["encoded before the block", "encoded within it"])
def test_prompts_may_be_given_as_embeddings(family, within):
    pipe = made(family)
    expected = controlled(pipe)
    options = {"SD 3": {"prompt_2": None, "prompt_3": None, "max_sequence_length": 40}}.get(family, {})
    options = options or {"FLUX.1": {"max_sequence_length": 64}}.get(family, {})

    def embeds() -> dict:
        with torch.no_grad():
            given = dict(zip(EMBEDDED[family], pipe.encode_prompt(PROMPT, **options)))
        if family == "PixArt sigma":
            given["negative_prompt"] = None
        return {"prompt": None} | given

    given = embeds()
    with spacetime_attention(pipe, LAYOUT):
        found = draw(pipe, **embeds() if within else given)
    torch.testing.assert_close(found, expected)


def test_negative_embeddings_of_flux_are_evaluated_by_themselves(evaluations):
    pipe = flux()
    with torch.no_grad():
        (embeds, pooled, _), (negative, negative_pooled, _) = (
            pipe.encode_prompt(text, max_sequence_length=64) for text in (PROMPT, "dark")
        )
    expected = controlled(pipe, NEGATED, **FLUX_GUIDED)
    evaluations.clear()
    given = {"prompt": None, "prompt_embeds": embeds, "pooled_prompt_embeds": pooled, "true_cfg_scale": 2.0}
    given |= {"negative_prompt_embeds": negative, "negative_pooled_prompt_embeds": negative_pooled}
    torch.testing.assert_close(controlled(pipe, NEGATED, **given), expected)
    assert [passes for _, passes in evaluations] == 3 * ["conditional", "unconditional"]


def test_what_redux_makes_of_a_picture_may_be_the_prompts_embeddings():
    pipe = flux()
    vision = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    redux = FluxPriorReduxPipeline.from_pipe(
        pipe,
        image_encoder=SiglipVisionModel(SiglipVisionConfig(**vision, image_size=16, patch_size=4)),
        feature_extractor=SiglipImageProcessor(size={"height": 16, "width": 16}),
        image_embedder=ReduxImageEncoder(redux_dim=16, txt_in_features=32),
    )
    given = redux(Image.new("RGB", (16, 16), "red"), prompt=PROMPT)
    assert given["prompt_embeds"].shape == (1, 512 + 16, 32)
    check_control(pipe, prompt=None, **given)


def test_stable_diffusion_3_may_be_without_t5():
    pipe = stable_diffusion_3()
    pipe.text_encoder_3 = pipe.tokenizer_3 = None
    check_control(pipe)


@pytest.mark.parametrize(
    "family, missing",
    [
        ("SD 3", ("text_encoder",)),
        ("SD 3", ("text_encoder", "tokenizer")),
        ("SD 3", ("text_encoder_2", "tokenizer_2")),
        ("SD 3", ("tokenizer_3",)),
        ("FLUX.1", ("text_encoder", "tokenizer")),
        ("FLUX.1", ("text_encoder_2",)),
        ("PixArt sigma", ("text_encoder", "tokenizer")),
    ],
)
def test_text_encoders_that_are_missing_are_named(family, missing):
    pipe = made(family)
    for name in missing:
        setattr(pipe, name, None)
    with pytest.raises(ValueError, match=f"the pipeline has no `{'` and no `'.join(missing)}`: load what is missing"):
        with spacetime_attention(pipe, LAYOUT):
            pass


@pytest.mark.parametrize("weights", [0.0, None])
def test_weights_with_which_nothing_acts_are_those_of_the_run(weights):
    pipe, still = made("SD 3"), LAYOUT.edit(0, strength=0).edit(1, strength=0)
    with spacetime_attention(pipe, still if weights is None else LAYOUT, weights=weights) as control:
        draw(pipe)
    assert control.blend == "guided" and control.weights.shape == (2, 3)
    assert control.weights.any() == (weights is None)


def test_without_regions_or_weights_no_text_encoder_is_needed():
    pipe = flux()
    with torch.no_grad():
        embeds, pooled, _ = pipe.encode_prompt(PROMPT, max_sequence_length=64)
    given = {"prompt": None, "prompt_embeds": embeds, "pooled_prompt_embeds": pooled}
    plain = draw(pipe, **given)
    pipe.text_encoder = pipe.text_encoder_2 = pipe.tokenizer = pipe.tokenizer_2 = None
    silent = LAYOUT.edit(0, strength=0).edit(1, strength=0)
    for layout, settings in ((Layout(), {}), (silent, {}), (LAYOUT, {"weights": 0.0})):
        assert torch.equal(controlled(pipe, layout, settings, **given), plain)
    with pytest.raises(ValueError, match="the pipeline has no .*: load what is missing, or pass weights=0"):
        controlled(pipe, **given)


def test_an_own_loop_on_a_pipeline_that_was_never_called_is_told_what_is_missing():
    pipe = stable_diffusion_3()
    texts, pooled = torch.randn(2, 100, 32), torch.randn(2, 32)
    with torch.no_grad(), spacetime_attention(pipe, LAYOUT) as control:
        pipe.scheduler.set_timesteps(3)
        states = torch.randn(2, 4, 16, 24), texts, pooled, pipe.scheduler.timesteps[0].expand(2)
        with pytest.raises(ValueError, match="not been called yet, .*: set `pipe._guidance_scale` before"):
            pipe.transformer(*states)
        pipe._guidance_scale = 4.5
        pipe.transformer(*states)
        assert control.placements


@pytest.mark.parametrize("family, length", [("SD 3", 77 + 40), ("FLUX.1", 64), ("PixArt sigma", 300)])
def test_local_texts_have_a_length_of_their_own(family, length):
    pipe, clips = made(family), 77 if family == "SD 3" else 0
    with spacetime_attention(pipe, NEGATED if family != "FLUX.1" else LAYOUT) as control:
        draw(pipe)
        assert control.contexts.shape[1] == length  # the prompt's, for it is short
    if family != "PixArt sigma":
        with spacetime_attention(pipe, LAYOUT) as control:
            draw(pipe, max_sequence_length=256)
            assert control.contexts.shape[1] == {"SD 3": 77 + 64, "FLUX.1": 128}[family]
    with spacetime_attention(pipe, LAYOUT, local_max_sequence_length=20) as control:
        draw(pipe)
        assert control.contexts.shape[1] == clips + 20


@pytest.mark.parametrize("length, error", [(0, ValueError), (2.5, ValueError), ("long", ValueError)])
def test_a_length_that_is_none_is_refused(length, error):
    with pytest.raises(error, match="`local_max_sequence_length` has to be a whole number from 1"):
        with spacetime_attention(flux(), LAYOUT, local_max_sequence_length=length):
            pass


def test_clip_skip_acts_on_local_texts_as_on_the_prompt():
    pipe = stable_diffusion_3()
    everywhere = Layout((Region(PROMPT, box=(0, 0, 1, 1)),))
    settings = {"blend": "convex", "weights": 1.0, "local_prompt_template": "{}"}
    plain = draw(pipe, clip_skip=1, num_inference_steps=2)
    assert not torch.allclose(plain, draw(pipe, num_inference_steps=2), atol=1e-3)
    found = controlled(pipe, everywhere, settings, clip_skip=1, num_inference_steps=2)
    torch.testing.assert_close(found, plain, atol=1e-4, rtol=0)
