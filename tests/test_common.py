"""The behaviours that diffusers' common tests ask of a pipeline, for every family of checkpoints alike."""

import json

import huggingface_hub
import numpy as np
import pytest
import torch
from diffusers import (
    StableDiffusionImg2ImgPipeline,
    StableDiffusionXLImg2ImgPipeline,
    schedulers,
)
from diffusers.schedulers import KarrasDiffusionSchedulers
from fake_hub import FakeHub
from PIL import Image
from safetensors.torch import load_file
from sequential_offload import offload_sequentially

from spacetime_attn import Layout, Region, SpaceTimeAttnPipeline, spacetime_attention


PROMPT = "a red cat to the left of a green bus"
LAYOUT = Layout((Region("a red cat", box=(0, 0.2, 0.5, 0.8)), Region("a green bus", disc=(0.75, 0.5, 0.2))))
ONE = Layout((Region("a bird", box=(0.2, 0.2, 0.7, 0.7)),))
NONE = Layout()
TEXT = ("text_encoder", "text_encoder_2", "tokenizer", "tokenizer_2")


def run(pipe, prompt=PROMPT, seed=0, **options):
    pipe.set_progress_bar_config(disable=True)
    defaults = {"layout": LAYOUT, "num_inference_steps": 3, "output_type": "pt"}
    return pipe(prompt, **defaults | {"generator": torch.manual_seed(seed)} | options)


def models(pipe) -> dict[str, torch.nn.Module]:
    return {name: part for name, part in pipe.components.items() if isinstance(part, torch.nn.Module)}


def dtypes(pipe) -> set[torch.dtype]:
    return {weight.dtype for model in models(pipe).values() for weight in model.parameters()}


def assert_same(output, expected) -> None:
    """But for rounding, which depends on where weights lie in memory."""
    torch.testing.assert_close(output.images, expected.images, atol=1e-4, rtol=0)


def embeddings(pipe, negative_prompt=None) -> dict[str, torch.Tensor]:
    """The text as the arguments that take its place."""
    names = ["prompt_embeds", "negative_prompt_embeds", "pooled_prompt_embeds", "negative_pooled_prompt_embeds"]
    encoded = pipe.encode_prompt(
        PROMPT,
        device="cpu",
        num_images_per_prompt=1,
        do_classifier_free_guidance=True,
        negative_prompt=negative_prompt,
    )
    return dict(zip(names, encoded))


@pytest.fixture
def pipe(make, family) -> SpaceTimeAttnPipeline:
    return make(family)[0]


# Saving and loading


def test_what_is_saved_and_loaded_draws_the_same_picture(pipe, tmp_path):
    pipe.save_pretrained(tmp_path)
    assert any(tmp_path.rglob("*.safetensors")) and not any(tmp_path.rglob("*.bin"))
    for options in ({}, {"use_safetensors": True}):
        assert_same(run(SpaceTimeAttnPipeline.from_pretrained(tmp_path, **options)), run(pipe))


def test_weights_in_pytorchs_own_format_are_loaded(pipe, tmp_path):
    pipe.save_pretrained(tmp_path, safe_serialization=False)
    for file in tmp_path.glob("*/model.safetensors"):  # transformers 5 writes nothing else
        torch.save(load_file(file), file.with_name("pytorch_model.bin"))
        file.unlink()
    assert_same(run(SpaceTimeAttnPipeline.from_pretrained(tmp_path, use_safetensors=False)), run(pipe))


def test_safetensors_that_are_asked_for_and_missing_are_an_error(pipe, tmp_path):
    pipe.save_pretrained(tmp_path, safe_serialization=False)
    with pytest.raises(EnvironmentError, match="safetensors"):
        SpaceTimeAttnPipeline.from_pretrained(tmp_path, use_safetensors=True)


@pytest.fixture
def complete(make, family, vision, checker) -> SpaceTimeAttnPipeline:
    """A pipeline with all of its family's optional components."""
    return SpaceTimeAttnPipeline(**make(family)[0].components | ({} if family == "SDXL" else checker) | vision)


def test_optional_components_are_saved_and_loaded(complete, tmp_path):
    complete.save_pretrained(tmp_path)
    loaded = SpaceTimeAttnPipeline.from_pretrained(tmp_path)
    for name in complete.components:
        assert type(getattr(loaded, name)) is type(getattr(complete, name)) is not type(None), name
    found, expected = run(loaded), run(complete)
    assert_same(found, expected)
    assert found.nsfw_content_detected == expected.nsfw_content_detected


def test_optional_components_may_be_missing(complete, tmp_path):
    """All at once; of SDXL the text encoders are among them, without which embeddings are drawn."""
    optional = [name for name in complete._optional_components if name in complete.components]
    embeds = embeddings(complete)
    expected = run(complete, None, weights=0, output_type="latent", **embeds)
    for name in optional:
        assert getattr(complete, name) is not None, name
        setattr(complete, name, None)
    complete.save_pretrained(tmp_path)
    loaded = SpaceTimeAttnPipeline.from_pretrained(tmp_path)
    assert optional and all(getattr(loaded, name) is None for name in optional)
    assert_same(run(loaded, None, weights=0, output_type="latent", **embeds), expected)


def test_optional_components_may_be_left_out_when_loading(complete, tmp_path):
    expected = run(complete, output_type="latent")
    complete.save_pretrained(tmp_path)
    left_out = [name for name in complete._optional_components if name in complete.components and name not in TEXT]
    loaded = SpaceTimeAttnPipeline.from_pretrained(tmp_path, **dict.fromkeys(left_out))
    assert left_out and all(getattr(loaded, name) is None for name in left_out)
    assert_same(run(loaded, output_type="latent"), expected)


def test_text_encoders_may_be_left_out_when_loading(pipe, tmp_path):
    embeds = embeddings(pipe)
    expected = run(pipe, None, weights=0, **embeds)
    pipe.save_pretrained(tmp_path)
    text = {name: None for name in TEXT if name in pipe.components}
    loaded = SpaceTimeAttnPipeline.from_pretrained(tmp_path, **text)
    assert all(getattr(loaded, name) is None for name in text)
    assert_same(run(loaded, None, weights=0, **embeds), expected)


def test_half_precision_is_saved_and_loaded(pipe, tmp_path):
    pipe.to(torch.float16).save_pretrained(tmp_path)
    saved = load_file(tmp_path / "unet" / "diffusion_pytorch_model.safetensors")
    assert {weight.dtype for weight in saved.values()} == {torch.float16}
    loaded = SpaceTimeAttnPipeline.from_pretrained(tmp_path, dtype=torch.float16)
    assert dtypes(loaded) == {torch.float16}
    torch.testing.assert_close(run(loaded).images, run(pipe).images, atol=2e-2, rtol=0)


def test_a_variant_is_loaded(pipe, tmp_path):
    pipe.save_pretrained(tmp_path, variant="fp16")
    assert (tmp_path / "unet" / "diffusion_pytorch_model.fp16.safetensors").exists()
    loaded = SpaceTimeAttnPipeline.from_pretrained(tmp_path, variant="fp16")
    assert_same(run(loaded), run(pipe))


def test_a_variant_that_is_missing_is_an_error(pipe, tmp_path):
    pipe.save_pretrained(tmp_path)
    with pytest.raises((ValueError, EnvironmentError), match="fp16"):
        SpaceTimeAttnPipeline.from_pretrained(tmp_path, variant="fp16")


def test_a_pipeline_is_pushed_to_the_hub(pipe, tmp_path, monkeypatch):
    with FakeHub({"user/pushed": tmp_path / "pushed"}) as hub:
        monkeypatch.setattr(huggingface_hub.constants, "ENDPOINT", hub.url)
        files = hub.url + "/{repo_id}/resolve/{revision}/{filename}"
        monkeypatch.setattr(huggingface_hub.constants, "HUGGINGFACE_CO_URL_TEMPLATE", files)
        monkeypatch.setattr(huggingface_hub.hf_api.api, "endpoint", hub.url)
        pipe.push_to_hub("user/pushed", token="token")
    assert json.loads(hub.files("user/pushed")["model_index.json"])["_class_name"] == "SpaceTimeAttnPipeline"
    loaded = SpaceTimeAttnPipeline.from_pretrained(tmp_path / "pushed")
    assert_same(run(loaded), run(pipe))


# Devices and memory


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_dtype_moves_all_models(pipe, dtype):
    assert pipe.to(dtype) is pipe and pipe.dtype == dtype and dtypes(pipe) == {dtype}
    assert torch.isfinite(run(pipe).images).all()


def test_device_moves_all_models(pipe):
    pipe.to("meta")
    devices = {weight.device.type for model in models(pipe.stock).values() for weight in model.parameters()}
    assert pipe.device.type == pipe.stock.device.type == "meta" and devices == {"meta"}


def test_model_cpu_offload(pipe):
    """From a GPU where there is one; elsewhere the same hooks move the models from the CPU to itself."""
    expected = run(pipe).images
    pipe.enable_model_cpu_offload(device="cuda" if torch.cuda.is_available() else "cpu")
    torch.testing.assert_close(run(pipe).images.cpu(), expected, atol=1e-3, rtol=0)
    assert all(hasattr(model, "_hf_hook") and model.device.type == "cpu" for model in models(pipe).values())


def test_sequential_cpu_offload(pipe):
    expected = run(pipe).images
    offload_sequentially(pipe)
    torch.testing.assert_close(run(pipe).images.cpu(), expected, atol=1e-3, rtol=0)
    assert all(weight.device.type == "meta" for model in models(pipe).values() for weight in model.parameters())


@pytest.mark.parametrize("kind", [{"offload_type": "leaf_level"}, {"offload_type": "block_level"}], ids=str)
def test_group_offload(pipe, kind):
    expected = run(pipe).images
    blocks = {"num_blocks_per_group": 1} if kind["offload_type"] == "block_level" else {}
    pipe.enable_group_offload(torch.device("cpu"), torch.device("cpu"), **kind, **blocks)
    hooks = [getattr(module, "_diffusers_hook", None) for module in pipe.unet.modules()]
    assert any(hook is not None and hook.get_hook("group_offloading") is not None for hook in hooks)
    assert torch.equal(run(pipe).images, expected)


def test_attention_slicing_changes_nothing_but_rounding(pipe):
    expected = run(pipe).images
    for size in ("auto", 1, "max"):
        pipe.enable_attention_slicing(size)
        torch.testing.assert_close(run(pipe).images, expected, atol=1e-4, rtol=0)
    pipe.disable_attention_slicing()
    torch.testing.assert_close(run(pipe).images, expected, atol=1e-4, rtol=0)


def test_vae_slicing_and_tiling(pipe):
    batch = {"prompt": [PROMPT, "a bird"], "layout": [LAYOUT, ONE]}
    expected, large = run(pipe, **batch).images, run(pipe, height=64, width=64).images
    pipe.vae.enable_slicing()
    torch.testing.assert_close(run(pipe, **batch).images, expected, atol=1e-5, rtol=0)
    pipe.vae.enable_tiling()
    torch.testing.assert_close(run(pipe, **batch).images, expected, atol=1e-5, rtol=0)  # one tile
    assert 0 < (run(pipe, height=64, width=64).images - large).abs().mean() < 0.1  # tiles, blended at their seams


# Batches


def test_a_batch_of_one_equals_a_single_call(pipe):
    torch.testing.assert_close(run(pipe, [PROMPT], layout=[LAYOUT]).images, run(pipe).images, atol=0, rtol=0)


@pytest.mark.parametrize("size", [2, 3, 4])
def test_batches_of_any_size_equal_single_calls(pipe, size):
    prompts, layouts = ([PROMPT, "a bird", "fog"] * 2)[:size], ([LAYOUT, ONE, NONE] * 2)[:size]
    generators = [torch.Generator().manual_seed(seed) for seed in range(size)]
    batch = run(pipe, prompts, layout=layouts, generator=generators).images
    for seed in range(size):
        single = run(pipe, prompts[seed], layout=layouts[seed], seed=seed).images[0]
        torch.testing.assert_close(batch[seed], single, atol=1e-4, rtol=0)


@pytest.mark.parametrize("prompts", [1, 2])
@pytest.mark.parametrize("copies", [1, 2])
def test_several_pictures_a_prompt(pipe, prompts, copies):
    texts, layouts = [PROMPT, "a bird"][:prompts], [LAYOUT, ONE][:prompts]
    latents = torch.randn(prompts * copies, 4, 16, 16)
    output = run(pipe, texts, layout=layouts, num_images_per_prompt=copies, latents=latents)
    assert len(output.images) == len(output.layouts) == len(output.weights) == prompts * copies
    single = run(pipe, texts[-1], layout=layouts[-1], latents=latents[-1:])
    torch.testing.assert_close(output.images[-1], single.images[0], atol=1e-4, rtol=0)


# Text


@pytest.mark.parametrize("negative_prompt", [None, "fog"])
def test_prompt_embeds_equal_the_text_they_were_made_from(pipe, negative_prompt):
    output = run(pipe, None, **embeddings(pipe, negative_prompt))
    assert torch.equal(output.images, run(pipe, negative_prompt=negative_prompt).images)


def test_prompts_are_encoded_without_the_rest_of_the_pipeline(pipe):
    text = {name: part for name, part in pipe.components.items() if name in TEXT}
    rest = {name: None for name in pipe.components if name not in TEXT}
    alone = SpaceTimeAttnPipeline(**text | rest)
    expected, found = embeddings(pipe), embeddings(alone)
    assert found.keys() == expected.keys() and all(torch.equal(found[name], expected[name]) for name in found)


# Results, callbacks, schedulers


def test_a_tuple_holds_the_same_as_the_output(pipe):
    output, parts = run(pipe), run(pipe, return_dict=False)
    assert torch.equal(parts[0], output.images) and parts[1] is output.nsfw_content_detected
    assert parts[2] == output.layouts and torch.equal(parts[3], output.weights)


@pytest.mark.parametrize("kind", ["np", "pil", "latent"])
def test_output_types(pipe, kind):
    images = run(pipe, output_type=kind).images
    if kind == "latent":
        assert images.shape == (1, 4, 16, 16)
        return
    assert isinstance(images[0], Image.Image if kind == "pil" else np.ndarray)
    array = np.asarray(images[0], dtype=np.float32) / (255 if kind == "pil" else 1)
    np.testing.assert_allclose(array, run(pipe).images[0].permute(1, 2, 0), atol=1 / 255)


def test_callbacks_read_every_tensor_that_the_pipeline_names(pipe):
    seen = []

    def look(argument, step, timestep, kwargs):
        assert argument is pipe
        seen.append(set(kwargs))
        return kwargs

    names = pipe._callback_tensor_inputs
    expected = run(pipe).images
    assert torch.equal(run(pipe, callback_on_step_end=look, callback_on_step_end_tensor_inputs=names).images, expected)
    assert len(seen) == pipe.num_timesteps and all(given == set(names) for given in seen)


def test_callbacks_change_latents_and_guidance(pipe):
    def zero(argument, step, timestep, kwargs):
        return {"latents": torch.zeros_like(kwargs["latents"])}

    def guide(argument, step, timestep, kwargs):
        argument._guidance_scale = 2.0
        return kwargs

    assert not run(pipe, callback_on_step_end=zero, output_type="latent").images.any()
    expected = run(pipe).images
    assert not torch.allclose(run(pipe, callback_on_step_end=guide).images, expected) and pipe.guidance_scale == 2


def test_a_callback_may_interrupt(pipe):
    calls, latents = [], []

    def stop(argument, step, timestep, kwargs):
        calls.append(step)
        latents.append(kwargs["latents"])
        argument._interrupt = True
        return kwargs

    output = run(pipe, callback_on_step_end=stop, output_type="latent")
    assert calls == [0] and torch.equal(output.images, latents[0])


@pytest.mark.parametrize("scheduler", [member.name for member in KarrasDiffusionSchedulers])
def test_every_karras_scheduler(make, family, scheduler):
    pipe, stock = make(family)
    cls = getattr(schedulers, scheduler)
    pipe.scheduler, stock.scheduler = (cls.from_config(stock.scheduler.config) for _ in range(2))
    stock.set_progress_bar_config(disable=True)
    plain = stock(PROMPT, num_inference_steps=5, output_type="latent", generator=torch.manual_seed(0)).images
    options = {"num_inference_steps": 5, "output_type": "latent"}
    assert torch.equal(run(pipe, layout=NONE, **options).images, plain)
    output = run(pipe, weights=torch.ones(2, 5), **options)
    assert output.images.isfinite().all() and not torch.allclose(output.images, plain)
    assert output.weights.shape == (1, 2, 5)
    with spacetime_attention(stock, LAYOUT, weights=torch.ones(2, 5)):
        images = stock(PROMPT, generator=torch.manual_seed(0), **options).images
    assert torch.equal(images, output.images)


def test_progress_bar_settings_hold(pipe, capsys):
    options = {"layout": LAYOUT, "num_inference_steps": 2, "output_type": "latent"}
    pipe.set_progress_bar_config(disable=True)
    pipe(PROMPT, **options)
    assert "it/s" not in capsys.readouterr().err
    pipe.set_progress_bar_config(disable=False, desc="drawing")
    pipe(PROMPT, **options)
    assert "drawing" in capsys.readouterr().err


# Other pipelines on the same components


def test_components_and_from_pipe_take_no_memory(make, family):
    pipe, stock = make(family)
    image_to_image = StableDiffusionXLImg2ImgPipeline if family == "SDXL" else StableDiffusionImg2ImgPipeline
    assert pipe.components.keys() == stock.components.keys()
    weights = {weight.data_ptr() for model in models(pipe).values() for weight in model.parameters()}
    expected = run(pipe).images
    for other in (type(stock)(**pipe.components), type(stock).from_pipe(pipe), image_to_image.from_pipe(pipe)):
        for again in (other, SpaceTimeAttnPipeline(**other.components), SpaceTimeAttnPipeline.from_pipe(other)):
            assert {weight.data_ptr() for model in models(again).values() for weight in model.parameters()} == weights
        assert torch.equal(run(again).images, expected)
