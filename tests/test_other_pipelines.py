"""Control in a pipeline that changes under it, or draws in another way: it is right, or refused by name."""

import copy

import numpy as np
import pytest
import torch
from diffusers import (
    AnimateDiffPipeline,
    AnimateDiffSDXLPipeline,
    ControlNetXSAdapter,
    DDIMScheduler,
    LEditsPPPipelineStableDiffusionXL,
    MotionAdapter,
    StableDiffusionControlNetXSPipeline,
    StableDiffusionImg2ImgPipeline,
    StableDiffusionInpaintPipeline,
    StableDiffusionPAGPipeline,
    StableDiffusionPanoramaPipeline,
    StableDiffusionPipeline,
    StableDiffusionXLInpaintPipeline,
)
from diffusers.models.attention_processor import AttnProcessor, FusedAttnProcessor2_0, SlicedAttnProcessor
from PIL import Image
from test_adapters import LAYOUT, PROMPT, add_ip_adapter, embeds, run

from spacetime_attn import ControlledPipeline, Layout, Region, interpolated_layouts, spacetime_attention


@pytest.fixture
def stock(make, family):
    return make(family)[1]


def kinds_of_processors(unet) -> set[type]:
    return {type(processor) for processor in unet.attn_processors.values()}


# The UNet is changed within the block

CHANGES = {
    "attention slicing": (lambda pipe: pipe.enable_attention_slicing(1), SlicedAttnProcessor),
    "a processor for all layers": (lambda pipe: pipe.unet.set_attn_processor(AttnProcessor()), AttnProcessor),
    "a processor for each layer": (
        lambda pipe: pipe.unet.set_attn_processor({name: AttnProcessor() for name in pipe.unet.attn_processors}),
        AttnProcessor,
    ),
    "fused projections": (lambda pipe: pipe.fuse_qkv_projections(vae=False), FusedAttnProcessor2_0),
}


@pytest.mark.parametrize("change", CHANGES)
def test_control_acts_around_processors_that_are_set_within_the_block_and_leaves_them_there(stock, change):
    switch, kind = CHANGES[change]
    plain = run(stock)
    with spacetime_attention(stock, LAYOUT):
        before = run(stock)
        switch(stock)
        after = run(stock)
    torch.testing.assert_close(after, before, atol=1e-4, rtol=1e-4)
    assert kinds_of_processors(stock.unet) == {kind}
    torch.testing.assert_close(run(stock), plain, atol=1e-4, rtol=1e-4)
    assert not torch.allclose(before, plain, atol=1e-2)


def test_processors_may_be_set_between_two_steps_of_a_run(stock):
    def slice_attention(pipe, step, timestep, kwargs):
        pipe.enable_attention_slicing(1)
        return {}

    with spacetime_attention(stock, LAYOUT):
        expected = run(stock)
        found = run(stock, callback_on_step_end=slice_attention)
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-4)


def test_an_ip_adapter_may_be_loaded_scaled_and_unloaded_within_the_block(make, family):
    (_, stock), (_, fresh) = make(family), make(family)
    options = {"ip_adapter_image_embeds": [embeds(0)]}
    add_ip_adapter(fresh)
    with spacetime_attention(fresh, LAYOUT):
        expected = run(fresh, **options)
    with spacetime_attention(stock, LAYOUT):
        without = run(stock)
        add_ip_adapter(stock)
        found = run(stock, **options)
        stock.set_ip_adapter_scale(0.0)
        silent = run(stock, **options)
        stock.unload_ip_adapter()
        unloaded = run(stock)
    assert torch.equal(found, expected) and not torch.allclose(found, without)
    torch.testing.assert_close(silent, without, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(unloaded, without, atol=1e-4, rtol=1e-4)


def test_within_the_block_the_unet_shows_nothing_of_it(stock):
    before, weights = stock.unet.attn_processors, stock.unet.state_dict().keys()
    with spacetime_attention(stock, LAYOUT):
        inside = stock.unet.attn_processors
        assert inside.keys() == before.keys() and all(inside[name] is before[name] for name in before)
        assert stock.unet.state_dict().keys() == weights


def test_a_copy_of_the_unet_made_within_the_block_has_layers_of_its_own(stock):
    with spacetime_attention(stock, LAYOUT):
        controlled = run(stock)
        stock.unet = copy.deepcopy(stock.unet)
        assert torch.equal(run(stock), controlled)
        for weight in stock.unet.parameters():
            weight.data.zero_()
        assert not torch.equal(run(stock), controlled)


# Videos


def motion_adapter(**options) -> MotionAdapter:
    sizes = {"motion_layers_per_block": 1, "motion_num_attention_heads": 2, "motion_norm_num_groups": 8}
    return MotionAdapter(block_out_channels=(32, 64), **sizes | options)


def made_to_move(stock, moves: bool) -> AnimateDiffPipeline:
    """AnimateDiff from the pipeline for pictures, with motion modules that do something or not."""
    stock.scheduler = DDIMScheduler.from_config(stock.scheduler.config)
    adapter = motion_adapter()
    for name, weight in adapter.named_parameters():
        if "proj_out" in name and not moves:
            torch.nn.init.zeros_(weight)
    parts = {name: stock.components[name] for name in ("vae", "text_encoder", "tokenizer", "unet", "scheduler")}
    return AnimateDiffPipeline(**parts, motion_adapter=adapter)


@pytest.fixture
def animate(make):
    """Makes AnimateDiff, and the pipeline for pictures that it came from."""

    def both(moves: bool):
        torch.manual_seed(7)
        stock = make("SD")[1]
        return made_to_move(stock, moves), stock

    return both


FRAMES = 4


def video(pipe, latents, **options):
    """Latents of shape (videos, channels, frames, rows, columns)."""
    pipe.set_progress_bar_config(disable=True)
    options = {"prompt": PROMPT, "num_frames": FRAMES, "num_inference_steps": 3, "output_type": "latent"} | options
    return pipe(latents=latents, **options).frames


def noise(videos: int = 1) -> torch.Tensor:
    return torch.randn(videos, 4, FRAMES, 16, 16, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("moves", [False, True])
def test_one_layout_controls_all_frames_of_a_video(animate, moves):
    pipe, _ = animate(moves)
    plain = video(pipe, noise())
    with spacetime_attention(pipe, LAYOUT):
        controlled = video(pipe, noise())
    for change in (controlled - plain)[0].transpose(0, 1):  # of each frame
        columns = change.abs().mean(dim=(0, 1))
        assert columns[:6].mean() > columns[10:].mean() > 0
    assert torch.equal(video(pipe, noise()), plain)


LAYOUTS = [Layout((Region("a green bus", box=(x, 0, x + 0.4, 1)),)) for x in (0, 0.2, 0.4, 0.6)]


@pytest.mark.parametrize("layout", [LAYOUT, LAYOUTS], ids=["one layout", "one for each frame"])
def test_a_video_without_motion_is_the_pictures_of_its_frames(animate, layout):
    pipe, stock = animate(False)
    with spacetime_attention(pipe, layout):
        frames = video(pipe, noise())[0].transpose(0, 1)
    for number, frame in enumerate(frames):
        with spacetime_attention(stock, layout if layout is LAYOUT else layout[number]):
            picture = run(stock, latents=noise()[:, :, number])[0]
        torch.testing.assert_close(frame, picture, atol=1e-4, rtol=1e-4)


def test_an_object_that_moves_between_key_frames_is_controlled_in_every_frame(animate):
    pipe, _ = animate(True)
    plain = video(pipe, noise())
    first = Layout((Region("a green bus", box=(0, 0, 0.25, 1)),))
    key_frames = {0: first, FRAMES - 1: first.edit("a green bus", box=(0.75, 0, 1, 1))}
    with spacetime_attention(pipe, interpolated_layouts(key_frames, FRAMES)):
        change = (video(pipe, noise()) - plain)[0].abs().mean(dim=(0, 2))  # of each frame and column
    strongest = change.unflatten(1, (FRAMES, -1)).mean(dim=2).argmax(dim=1)
    assert strongest.tolist() == list(range(FRAMES)) and change.min() > 0


def test_several_videos_have_a_layout_for_each_prompt(animate):
    pipe, _ = animate(True)
    with spacetime_attention(pipe, LAYOUTS[:2]):
        found = video(pipe, noise(2), prompt=[PROMPT] * 2)
    for number in range(2):
        with spacetime_attention(pipe, LAYOUTS[number]):
            expected = video(pipe, noise(2)[number : number + 1])
        torch.testing.assert_close(found[number : number + 1], expected, atol=1e-4, rtol=1e-4)


def test_another_number_of_layouts_than_of_frames_is_refused(animate):
    pipe, _ = animate(True)
    with spacetime_attention(pipe, LAYOUTS[:2]):
        with pytest.raises(ValueError, match="2 prompts that have a layout.*or one for each of the 4 frames"):
            video(pipe, noise())


def test_videos_of_sdxl_are_refused_by_name_with_what_is_supported(make):
    parts = {name: part for name, part in make("SDXL")[1].components.items() if part is not None}
    pipe = AnimateDiffSDXLPipeline(**parts, motion_adapter=motion_adapter(use_motion_mid_block=False))
    told = "AnimateDiffSDXLPipeline cannot be controlled: .* videos with AnimateDiff and Stable Diffusion 1.x"
    with pytest.raises(TypeError, match=told):
        with spacetime_attention(pipe, LAYOUT):
            pass


# Pipelines that draw in other ways


def test_several_views_are_refused_by_name(make):
    parts = make("SD")[1].components | {"requires_safety_checker": False}
    panorama = StableDiffusionPanoramaPipeline(**parts | {"scheduler": DDIMScheduler.from_config({})})
    with pytest.raises(TypeError, match="StableDiffusionPanoramaPipeline cannot be .* it draws several views"):
        with spacetime_attention(panorama, LAYOUT):
            pass


def test_the_editing_of_inverted_pictures_is_refused_by_name(make):
    pipe = LEditsPPPipelineStableDiffusionXL(**make("SDXL")[1].components)
    with pytest.raises(TypeError, match="LEditsPP.* cannot be controlled: it inverts a picture"):
        with spacetime_attention(pipe, LAYOUT):
            pass


def test_perturbed_attention_guidance_is_refused_by_name(make):
    pipe = StableDiffusionPAGPipeline.from_pipe(make("SD")[1], pag_applied_layers=["mid"])
    with spacetime_attention(pipe, LAYOUT):
        run(pipe, pag_scale=0.0)
        with pytest.raises(ValueError, match="Perturbed-attention guidance .* switch it off"):
            run(pipe, pag_scale=3.0)


def test_a_unet_of_another_kind_is_refused_by_name(make_components):
    parts = make_components(layers_per_block=2) | {"requires_safety_checker": False}
    adapter = ControlNetXSAdapter.from_unet(parts["unet"], size_ratio=1.0)
    pipe = StableDiffusionControlNetXSPipeline(**parts, controlnet=adapter)
    with pytest.raises(TypeError, match="its denoiser is a UNetControlNetXSModel"):
        with spacetime_attention(pipe, LAYOUT):
            pass


def test_texts_that_are_not_the_cross_attentions_are_refused_by_name(make_components):
    parts = make_components(cross_attention_dim=24, encoder_hid_dim=32, encoder_hid_dim_type="text_proj")
    stock = StableDiffusionPipeline(**parts, requires_safety_checker=False)
    run(stock)
    with pytest.raises(ValueError, match="its texts have 32 channels, the UNet's cross-attention 24"):
        with spacetime_attention(stock, LAYOUT):
            pass


class TwiceAStep(StableDiffusionPipeline):
    """Evaluates its UNet for two halves of a batch, one after the other, as views are."""

    def __call__(self, prompt):
        self._guidance_scale, self._cross_attention_kwargs, self._clip_skip = 5.0, None, None
        text, negative = self.encode_prompt(prompt, "cpu", 1, True)
        self.scheduler.set_timesteps(3)
        for timestep in self.scheduler.timesteps:
            for _ in range(2):
                self.unet(torch.zeros(2, 4, 16, 16), timestep, torch.cat([negative, text]))


@torch.no_grad()
def test_evaluations_beside_the_schedulers_steps_are_refused(components):
    pipe = TwiceAStep(**components, requires_safety_checker=False)
    with spacetime_attention(pipe, LAYOUT):
        with pytest.raises(ValueError, match="timestep 667, which is none that PNDMScheduler has still to take"):
            pipe(PROMPT)


@pytest.mark.parametrize("as_numbers", [False, True])
@torch.no_grad()
def test_own_loops_set_their_timesteps_before_each_run(make, as_numbers):
    _, pipe = make("SD 2")
    pipe._guidance_scale, pipe._cross_attention_kwargs, pipe._clip_skip = 5.0, None, None
    texts = torch.randn(2, 77, 32)

    def sample():
        latents = torch.ones(1, 4, 16, 16)
        for timestep in pipe.scheduler.timesteps.tolist() if as_numbers else pipe.scheduler.timesteps:
            output = pipe.unet(torch.cat([latents] * 2), timestep, texts).sample
            latents = pipe.scheduler.step(output.mean(0, keepdim=True), timestep, latents).prev_sample
        return latents

    pipe.scheduler.set_timesteps(3)
    plain = sample()
    with spacetime_attention(pipe, LAYOUT):
        controlled = sample()
        with pytest.raises(ValueError, match="in own loops `set_timesteps` before each run"):
            sample()
        pipe.scheduler.set_timesteps(3)
        assert torch.equal(sample(), controlled) and not torch.equal(controlled, plain)


def test_a_pipeline_that_shares_the_unet_is_told_that_the_block_is_not_its_own(make):
    stock = make("SD")[1]
    other = StableDiffusionImg2ImgPipeline.from_pipe(stock)
    options = {"image": torch.rand(1, 3, 32, 32)}
    expected = run(other, **options)
    with spacetime_attention(stock, LAYOUT):
        with pytest.raises(ValueError, match="controls a StableDiffusionPipeline, and a StableDiffusionImg2ImgPipe"):
            run(other, **options)
    assert torch.equal(run(other, **options), expected)


def test_batches_that_are_split_within_the_unet_are_refused(make):
    stock = make("SD")[1]
    block = stock.unet.mid_block
    forward = block.forward

    def by_rows(states, *args, encoder_hidden_states, **options):
        temb, *rest = args
        return torch.cat(
            [
                forward(states[i : i + 1], temb[i : i + 1], *rest, encoder_hidden_states=text[None], **options)
                for i, text in enumerate(encoder_hidden_states)
            ]
        )

    plain = run(stock)
    block.forward = by_rows
    torch.testing.assert_close(run(stock), plain, atol=1e-4, rtol=1e-4)
    with spacetime_attention(stock, LAYOUT):
        with pytest.raises(ValueError, match="A layer runs on 1 rows of the 2 that the denoiser was given"):
            run(stock)


# Inpainting of a part


PICTURE = Image.fromarray(np.random.default_rng(0).integers(0, 255, (64, 64, 3), dtype=np.uint8))
WHOLE = Layout((Region("a green bus", box=(0, 0, 0.5, 1)), Region("a red cat", box=(0.75, 0, 1, 1), strength=2)))


def masked(left: int, top: int, right: int, bottom: int, size: tuple[int, int] = (64, 64)) -> Image.Image:
    mask = Image.new("L", size)
    mask.paste(255, (left, top, right, bottom))
    return mask


@pytest.fixture
def inpainting(stock, family):
    cls = StableDiffusionXLInpaintPipeline if family == "SDXL" else StableDiffusionInpaintPipeline
    return cls.from_pipe(stock)


def inpainted(pipe, image, mask_image, **options) -> torch.Tensor:
    """The last latents; with `padding_mask_crop` diffusers gives pictures only."""
    seen = []

    def keep(pipe, step, timestep, kwargs):
        seen.append(kwargs["latents"])
        return {}

    options |= {"image": image, "mask_image": mask_image, "height": 32, "width": 32, "strength": 0.99}
    run(pipe, **options, output_type="pil", callback_on_step_end=keep)
    return seen[-1]


def test_the_crop_around_a_mask_has_the_layout_of_that_part(inpainting):
    mask = masked(24, 20, 40, 44)
    box = 16, 16, 48, 48  # four pixels around the mask, and as wide as it is high
    by_hand = PICTURE.crop(box), mask.crop(box)
    with spacetime_attention(inpainting, WHOLE.cropped(tuple(side / 64 for side in box)), weights=2.0):
        expected = inpainted(inpainting, *by_hand)
    with spacetime_attention(inpainting, WHOLE, weights=2.0):
        found = inpainted(inpainting, PICTURE, mask, padding_mask_crop=4)
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-4)
    assert not torch.allclose(found, inpainted(inpainting, PICTURE, mask, padding_mask_crop=4), atol=1e-2)


def test_runs_with_and_without_a_crop_take_turns_in_one_block(inpainting):
    calls = (
        {"mask_image": masked(24, 20, 40, 44), "padding_mask_crop": 4},
        {"mask_image": masked(24, 20, 40, 44)},
        {"mask_image": masked(40, 20, 64, 44), "padding_mask_crop": 4},
    )
    alone = []
    for call in calls:
        with spacetime_attention(inpainting, WHOLE):
            alone.append(inpainted(inpainting, PICTURE, **call))
    with spacetime_attention(inpainting, WHOLE):
        for call, expected in [*zip(calls, alone), *zip(calls, alone)]:
            assert torch.equal(inpainted(inpainting, PICTURE, **call), expected)
    assert "preprocess" not in vars(inpainting.mask_processor)


def test_what_a_user_does_with_masks_goes_on(inpainting):
    """The mask becomes the user's, everywhere 1, in the block and after it."""
    preprocess = inpainting.mask_processor.preprocess
    inpainting.mask_processor.preprocess = everywhere = lambda *args, **options: torch.ones_like(
        preprocess(*args, **options)
    )
    mask = masked(24, 20, 40, 44)
    with spacetime_attention(inpainting, Layout([])):
        found = inpainted(inpainting, PICTURE, mask)
    assert inpainting.mask_processor.preprocess is everywhere
    assert torch.equal(found, inpainted(inpainting, PICTURE, Image.new("L", PICTURE.size, 255)))


def test_the_weights_of_objects_within_the_crop_are_those_that_were_given(inpainting):
    mask = masked(44, 20, 60, 36)  # where the cat is
    weights = torch.tensor([[3.0], [1.5]])
    with spacetime_attention(inpainting, Layout(WHOLE.regions[1:]), weights=weights[1:].expand(1, 3)):
        expected = inpainted(inpainting, PICTURE, mask, padding_mask_crop=2)
    with spacetime_attention(inpainting, WHOLE, weights=weights.expand(2, 3)):
        assert torch.equal(inpainted(inpainting, PICTURE, mask, padding_mask_crop=2), expected)


def test_a_crop_without_objects_is_the_stock_pipelines(inpainting):
    layout, mask = Layout(WHOLE.regions[:1]), masked(44, 20, 60, 36)
    expected = inpainted(inpainting, PICTURE, mask, padding_mask_crop=2)
    with spacetime_attention(inpainting, layout):
        assert torch.equal(inpainted(inpainting, PICTURE, mask, padding_mask_crop=2), expected)


def test_what_is_filled_up_beside_a_crop_belongs_to_its_part(make):
    """A wide mask in a wide picture, drawn as a square: diffusers fills up above and below."""
    pipe = StableDiffusionInpaintPipeline.from_pipe(make("SD")[1])
    picture, mask = PICTURE.resize((64, 32)), masked(0, 8, 64, 24, (64, 32))
    upper = Layout((Region("a green bus", box=(0, 0, 1, 0.5)),))
    filled = [pipe.image_processor._resize_and_fill(image.convert("RGB"), 32, 32) for image in (picture, mask)]
    with spacetime_attention(pipe, upper.cropped((0, -0.5, 1, 1.5))):
        expected = inpainted(pipe, *filled)
    with spacetime_attention(pipe, upper):
        found = inpainted(pipe, picture, mask, padding_mask_crop=0)
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-4)


def test_a_controlled_pipeline_tells_the_weights_of_what_is_in_the_crop(make):
    layout = Layout((Region("a red apple", box=(0, 0, 0.2, 0.2)), Region("a green bus", box=(0.7, 0.7, 1, 1))))
    pipe = ControlledPipeline(StableDiffusionInpaintPipeline.from_pipe(make("SD")[1]))
    pipe.set_progress_bar_config(disable=True)
    options = {"image": PICTURE, "mask_image": masked(48, 48, 60, 60), "padding_mask_crop": 1}
    out = pipe(PROMPT, layout, height=32, width=32, num_inference_steps=3, **options)
    assert out.layouts == [layout] and out.weights.shape == (1, 1, 3)


def test_a_model_may_have_a_size_of_two_sides(stock):
    stock.unet.register_to_config(sample_size=(4, 8))
    pipe, pixels = ControlledPipeline(stock), stock.vae_scale_factor
    assert pipe.picture_size() == (4 * pixels, 8 * pixels) and pipe.picture_size(width=24) == (4 * pixels, 24)


# Pictures that are none, and a pipeline that has control of its own


@pytest.mark.parametrize("options", [{}, {"num_images_per_prompt": 2}])
def test_weights_that_are_too_much_are_told_at_the_end_of_the_run(stock, options):
    with spacetime_attention(stock, LAYOUT, weights=1e38):
        with pytest.raises(ValueError, match="gave NaN or infinity for picture 1.* Lower `weights` and the regions'"):
            run(stock, **options)
    assert run(stock).isfinite().all()


def test_those_of_a_run_that_leaves_early_are_told_at_the_end_of_the_block(stock):
    def leave(pipe, step, timestep, kwargs):
        pipe._interrupt = True
        return {}

    with pytest.raises(ValueError, match="gave NaN or infinity for picture 1 of 1"):
        with spacetime_attention(stock, LAYOUT, weights=1e38):
            run(stock, callback_on_step_end=leave)


def test_a_block_around_a_pipeline_with_control_of_its_own_names_what_to_do(make, family):
    pipe = make(family)[0]
    with pytest.raises(TypeError, match="call it with `layout`, or pass `pipe.stock`"):
        with spacetime_attention(pipe, LAYOUT):
            pass


def test_no_layout_at_all_is_refused(inpainting):
    with pytest.raises(ValueError, match="`layout` is an empty list"), spacetime_attention(inpainting, []):
        pass
