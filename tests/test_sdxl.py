"""SDXL, and whatever else a checkpoint may be: distilled, predicting velocity, made for inpainting."""

import json
import sys
from pathlib import Path

import pytest
import torch
from diffusers import (
    DDIMScheduler,
    DDPMPipeline,
    DiffusionPipeline,
    EulerAncestralDiscreteScheduler,
    EulerDiscreteScheduler,
    LCMScheduler,
    StableDiffusionInpaintPipeline,
    StableDiffusionPipeline,
    StableDiffusionXLImg2ImgPipeline,
    StableDiffusionXLInpaintPipeline,
    StableDiffusionXLPipeline,
    UNet2DModel,
)
from diffusers.callbacks import SDXLCFGCutoffCallback
from diffusers.utils import dynamic_modules_utils
from peft import LoraConfig, get_peft_model_state_dict

import spacetime_attn
from spacetime_attn import Layout, Region, SpaceTimeAttnPipeline, WeightOptimizer, spacetime_attention
from spacetime_attn.processors.optimized_run import decode


PROMPT = "a red cat to the left of a green bus"
LAYOUT = Layout((Region("a red cat", box=(0, 0.2, 0.5, 0.8)), Region("a green bus", disc=(0.75, 0.5, 0.2))))
ONE = Layout((Region("a bird", box=(0.2, 0.2, 0.7, 0.7)),))
NONE = Layout()


def run(pipe, prompt=PROMPT, seed=0, **options):
    pipe.set_progress_bar_config(disable=True)
    options = {"num_inference_steps": 3, "output_type": "pt", "generator": torch.manual_seed(seed)} | options
    return pipe(prompt, **options)


def encoders(pipe) -> list:
    return [pipe.text_encoder, pipe.text_encoder_2]


@pytest.fixture
def components(sdxl_components):
    return sdxl_components


@pytest.fixture
def stock(components) -> StableDiffusionXLPipeline:
    return StableDiffusionXLPipeline(**components)


@pytest.fixture
def pipe(components) -> SpaceTimeAttnPipeline:
    return SpaceTimeAttnPipeline(**components)


# Off is exactly off


@pytest.mark.parametrize(
    "options",
    [{"layout": NONE}, {"layout": LAYOUT, "weights": 0}, {"layout": LAYOUT, "weights": 0.0, "blend": "convex"}],
    ids=["no objects", "zero weights", "zero convex weights"],
)
def test_without_control_the_result_is_the_stock_pipelines_bit_for_bit(pipe, stock, options):
    assert torch.equal(run(pipe, **options).images, run(stock).images)


def test_a_controlled_call_leaves_no_trace(pipe, stock):
    before = pipe.unet.attn_processors
    controlled = run(pipe, layout=LAYOUT).images
    assert all(pipe.unet.attn_processors[name] is before[name] for name in before)
    plain = run(pipe, layout=NONE).images
    assert torch.equal(plain, run(stock).images) and not torch.allclose(plain, controlled)


@pytest.mark.parametrize(
    "options",
    [
        {"prompt_2": "a dark night"},
        {"negative_prompt": "fog"},
        {"negative_prompt": "fog", "negative_prompt_2": "rain"},
        {"guidance_scale": 9.0},
        {"guidance_rescale": 0.7},
        {"clip_skip": 1},
        {"height": 48, "width": 24},
        {"original_size": (16, 16)},
        {"crops_coords_top_left": (8, 4)},
        {"target_size": (64, 16)},
        {"negative_original_size": (8, 8), "negative_target_size": (8, 8), "negative_crops_coords_top_left": (4, 4)},
        {"denoising_end": 0.7},
    ],
    ids=str,
)
def test_arguments_of_the_stock_pipeline_act_with_and_without_control(pipe, stock, options):
    assert torch.equal(run(pipe, layout=NONE, **options).images, run(stock, **options).images)
    default, controlled = (run(pipe, layout=LAYOUT, **changes).images for changes in ({}, options))
    assert default.shape != controlled.shape or not torch.allclose(default, controlled)


def test_each_family_has_its_own_guidance_scale(make):
    for family, scale in {"SD": 7.5, "SD 2": 7.5, "SDXL": 5.0}.items():
        pipe, stock = make(family)
        assert torch.equal(run(pipe, layout=NONE).images, run(stock).images) and pipe.guidance_scale == scale
        assert torch.equal(run(pipe, layout=LAYOUT).images, run(pipe, layout=LAYOUT, guidance_scale=scale).images)


# Control


def test_a_region_that_is_the_whole_picture_draws_its_local_description(pipe, stock):
    """In every layer, however deep: the text of convex weight 1 takes the prompt's place, but for the pooled one."""
    everywhere = Layout((Region("a red cat", box=(0, 0, 1, 1)),))
    options = {"height": 48, "width": 40}
    controlled = run(pipe, layout=everywhere, blend="convex", weights=1.0, **options).images
    _, negative, pooled, negative_pooled = stock.encode_prompt(PROMPT)
    local = stock.encode_prompt("a photo of a red cat")[0]
    embeds = {"prompt_embeds": local, "negative_prompt_embeds": negative, "pooled_prompt_embeds": pooled}
    expected = run(stock, None, negative_pooled_prompt_embeds=negative_pooled, **embeds, **options).images
    torch.testing.assert_close(controlled, expected, atol=1e-4, rtol=0)


def test_local_descriptions_are_read_by_both_text_encoders(pipe, stock):
    with spacetime_attention(stock, LAYOUT) as control:
        contexts = control.contexts
    texts = ["a photo of a red cat", "a photo of a green bus"]
    ids = pipe.tokenizer(texts, padding="max_length", truncation=True, return_tensors="pt").input_ids
    layers = [encoder(ids, output_hidden_states=True).hidden_states for encoder in encoders(pipe)]
    torch.testing.assert_close(contexts, torch.cat([states[-2] for states in layers], dim=-1))


def test_the_pooled_embeddings_stay_the_whole_prompts(pipe):
    seen = []
    pipe.unet.register_forward_pre_hook(lambda _, args, kwargs: seen.append(kwargs), with_kwargs=True)
    run(pipe, layout=LAYOUT, num_inference_steps=1)
    pooled = pipe.encode_prompt(PROMPT)[2]
    assert torch.equal(seen[0]["added_cond_kwargs"]["text_embeds"], torch.cat([torch.zeros_like(pooled), pooled]))


def test_moving_a_region_moves_the_change(pipe):
    options = {"output_type": "latent", "num_inference_steps": 1}
    plain = run(pipe, layout=NONE, **options).images
    for box in ((0, 0, 0.4, 1), (0.6, 0, 1, 1)):
        change = run(pipe, layout=Layout((Region("a cat", box=box),)), **options).images - plain
        columns = change.abs().mean(dim=(0, 1, 2))
        assert (columns[:6].mean() > columns[10:].mean()) == (box[0] == 0)


def test_guided_weights_are_shared_by_the_objects_and_convex_ones_are_the_default_without_guidance(pipe):
    guided, convex = run(pipe, layout=LAYOUT), run(pipe, layout=LAYOUT, guidance_scale=1.0)
    assert guided.weights.unique().tolist() == [2.5] and guided.blend == "guided"
    assert convex.weights.unique().tolist() == [0.5] and convex.blend == "convex"
    assert guided.nsfw_content_detected is None


def test_the_prompts_own_layout_is_predicted(pipe):
    output = run(pipe)
    assert output.layouts[0].phrases == ["a red cat", "a green bus"]
    assert torch.equal(output.images, run(pipe, layout=pipe.predict_layout(PROMPT)).images)


def test_objects_that_one_of_the_text_encoders_does_not_read_get_no_region(pipe, caplog):
    prompt = "a cat above a green bus and a dog"
    assert "a dog" in pipe.predict_layout(prompt).phrases
    pipe.tokenizer_2.model_max_length = 25
    assert pipe.predict_layout(prompt).phrases == ["a cat", "a green bus"]
    assert "objects named there get no region: ' dog'" in caplog.text


def test_the_end_of_a_second_prompt_that_is_not_read_is_shown(pipe, caplog):
    run(pipe, prompt_2="a dark night " * 40)
    (record,) = caplog.records
    assert "does not read the end of `prompt_2`: ' night a dark night" in record.getMessage()


def test_a_batch_of_several_pictures_a_prompt_equals_single_calls(pipe):
    prompts, layouts = [PROMPT, "a bird", "fog"], [LAYOUT, ONE, NONE]
    latents = torch.randn(6, 4, 16, 16)
    batch = run(pipe, prompts, layout=layouts, latents=latents, num_images_per_prompt=2)
    assert batch.weights.shape == (6, 2, 3) and torch.equal(batch.weights[3, 1], torch.zeros(3))
    for i in range(6):
        single = run(pipe, prompts[i // 2], layout=layouts[i // 2], latents=latents[i : i + 1])
        torch.testing.assert_close(batch.images[i], single.images[0], atol=2e-5, rtol=0)


def test_one_negative_prompt_serves_several_prompts(pipe):
    prompts, layouts = [PROMPT, "a bird"], [LAYOUT, ONE]
    expected = run(pipe, prompts, layout=layouts, negative_prompt=["fog", "fog"]).images
    assert torch.equal(run(pipe, prompts, layout=layouts, negative_prompt="fog").images, expected)


def test_clip_skip_reads_an_earlier_layer_of_both_text_encoders(pipe):
    ids = pipe.tokenizer(PROMPT, padding="max_length", truncation=True, return_tensors="pt").input_ids
    layers = [encoder(ids, output_hidden_states=True).hidden_states for encoder in encoders(pipe)]
    skipped = pipe.encode_prompt(PROMPT, clip_skip=2)[0]
    assert torch.equal(skipped, torch.cat([states[-4] for states in layers], dim=-1))


def test_a_callback_may_switch_guidance_off_in_mid_run(pipe, stock):
    cutoff = {"callback_on_step_end": SDXLCFGCutoffCallback(None, 1)}
    assert torch.equal(run(pipe, layout=NONE, **cutoff).images, run(stock, **cutoff).images)
    output = run(pipe, layout=LAYOUT, blend="convex", **cutoff)
    assert torch.isfinite(output.images).all() and pipe.guidance_scale == 0
    assert "add_time_ids" in pipe._callback_tensor_inputs


def test_what_is_set_on_the_pipeline_holds_for_the_stock_one(pipe):
    class Negative:
        def apply_watermark(self, images):
            return -images

    plain = run(pipe, layout=LAYOUT).images
    pipe.watermark = Negative()
    torch.testing.assert_close(run(pipe, layout=LAYOUT).images, 1 - plain)
    pipe.watermark = None
    pipe.scheduler = DDIMScheduler.from_config(pipe.scheduler.config)
    assert pipe.stock.scheduler is pipe.scheduler and not torch.allclose(run(pipe, layout=LAYOUT).images, plain)
    pipe._offload_gpu_id, pipe.hf_device_map = 1, {"unet": 1}  # which loading a LoRA goes by
    assert (pipe.stock._offload_gpu_id, pipe.stock.hf_device_map) == (1, {"unet": 1})


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision(pipe, dtype):
    pipe.to(dtype)
    images = run(pipe, layout=LAYOUT).images
    assert torch.isfinite(images).all() and pipe.vae.dtype == dtype


def test_models_are_offloaded_in_the_stock_pipelines_order(make, family):
    pipe, stock = make(family)
    order = [name for name in pipe.model_cpu_offload_seq.split("->") if name in stock.components]
    assert order == stock.model_cpu_offload_seq.split("->")


# Optimised weights


def test_weights_are_optimised(make, family, clip):
    pipe, stock = make(family)
    optimizer = WeightOptimizer(epochs=3, noises=1, learning_rate=0.5, clip=clip)
    plain, found = run(pipe, layout=LAYOUT), run(pipe, layout=LAYOUT, optimize_weights=optimizer)
    assert found.loss_history.shape == (1, 3) and not torch.equal(found.weights, plain.weights)
    again = run(pipe, layout=LAYOUT, weights=found.weights)
    torch.testing.assert_close(again.images, found.images)
    with spacetime_attention(stock, LAYOUT, weights=found.weights[0]):
        assert torch.equal(run(stock).images, again.images)


@pytest.mark.parametrize("statistics", [None, ([0.5, -0.5, 0.1, 0.2], [2.0, 0.5, 1.5, 1.0])], ids=str)
def test_the_pictures_that_are_judged_are_those_of_the_stock_pipeline(pipe, stock, statistics):
    if statistics is not None:
        pipe.vae.register_to_config(latents_mean=statistics[0], latents_std=statistics[1])
    latents = run(stock, output_type="latent").images
    torch.testing.assert_close(decode(pipe.vae, latents), run(stock).images)


def test_the_vae_that_overflows_in_half_precision_judges_in_full(pipe, clip):
    pipe.to(torch.float16)
    pipe.vae.decoder.conv_in.weight.data *= 1e4
    latents = run(pipe, layout=LAYOUT, output_type="latent").images
    assert not decode(pipe.vae, latents).isfinite().all()
    found = run(pipe, layout=LAYOUT, optimize_weights=WeightOptimizer(epochs=2, noises=1, keep="last", clip=clip))
    assert found.loss_history.isfinite().all() and found.weights.isfinite().all()
    assert not torch.equal(found.weights, torch.full((1, 2, 3), 2.5))
    assert {weight.dtype for weight in pipe.vae.parameters()} == {torch.float16}


# Loading and saving


def test_the_unet_tells_the_family(make_components, make_sdxl_components):
    sd, sdxl = make_components(), make_sdxl_components()
    assert type(SpaceTimeAttnPipeline(**sd).stock) is StableDiffusionPipeline
    assert type(SpaceTimeAttnPipeline(**sdxl | {"text_encoder_2": None}).stock) is StableDiffusionXLPipeline
    assert type(SpaceTimeAttnPipeline(**sdxl | {"unet": None}).stock) is StableDiffusionXLPipeline
    with pytest.raises(ValueError, match="is Stable Diffusion 1.x or 2.x, which has no component `text_encoder_2`"):
        SpaceTimeAttnPipeline(**sd | {"text_encoder_2": sdxl["text_encoder_2"]})
    with pytest.raises(ValueError, match="is SDXL, which has no component `safety_checker`"):
        SpaceTimeAttnPipeline(**sdxl, safety_checker=sd["vae"])
    with pytest.raises(ValueError, match="is Stable Diffusion 1.x or 2.x, which has no setting `add_watermarker`"):
        SpaceTimeAttnPipeline(**sd, add_watermarker=True)
    with pytest.raises(ValueError, match="is SDXL, which has no setting `requires_safety_checker`"):
        SpaceTimeAttnPipeline(**sdxl, requires_safety_checker=False)


OTHERS = {
    "StableDiffusion3Pipeline": {"transformer": "SD3Transformer2DModel", "vae": "AutoencoderKL"},
    "FluxPipeline": {"transformer": "FluxTransformer2DModel", "vae": "AutoencoderKL"},
    "AnimateDiffPipeline": {"unet": "UNetMotionModel", "vae": "AutoencoderKL"},
    "KandinskyV22Pipeline": {"unet": "UNet2DConditionModel", "movq": "VQModel"},
}


@pytest.mark.parametrize("name", OTHERS)
@pytest.mark.parametrize("custom", [False, True], ids=["class", "custom pipeline"])
def test_checkpoints_of_other_families_are_told_before_they_are_loaded(name, custom, tmp_path, modules_cache):
    parts = {part: ["diffusers", kind] for part, kind in OTHERS[name].items()}
    (tmp_path / "model_index.json").write_text(
        json.dumps({"_class_name": name, "_diffusers_version": "0.42.1"} | parts)
    )
    message = f"cannot draw with a checkpoint of {name}: it supports .* Stable Diffusion 1.x or 2.x and SDXL"
    with pytest.raises(ValueError, match=message):
        if custom:
            DiffusionPipeline.from_pretrained(tmp_path, **CUSTOM)
        else:
            SpaceTimeAttnPipeline.from_pretrained(tmp_path)


def test_unets_and_pipelines_of_other_families_are_told(make_components, make_sdxl_components):
    kolors = make_sdxl_components(encoder_hid_dim_type="text_proj", encoder_hid_dim=56)
    upscaler = make_components(num_class_embeds=10)
    for components, what in ((kolors, "encoder_hid_dim_type='text_proj'"), (upscaler, "num_class_embeds=10")):
        with pytest.raises(ValueError, match=f"cannot draw with a UNet that has {what}: it supports"):
            SpaceTimeAttnPipeline(**components)
    unconditional = UNet2DModel(
        16, block_out_channels=(32, 32), down_block_types=["DownBlock2D"] * 2, up_block_types=["UpBlock2D"] * 2
    )
    with pytest.raises(ValueError, match="cannot draw with a UNet2DModel: it supports"):
        SpaceTimeAttnPipeline(**make_components() | {"unet": unconditional})
    with pytest.raises(ValueError, match="cannot draw with a checkpoint of DDPMPipeline: it supports"):
        SpaceTimeAttnPipeline.from_pipe(DDPMPipeline(unconditional, DDIMScheduler()))


def assert_the_same(pictures, expected):
    """But for rounding: loaded weights lie elsewhere in memory, where kernels may split their sums otherwise."""
    torch.testing.assert_close(pictures, expected, atol=1e-5, rtol=0)


def test_what_is_saved_loads_in_the_stock_pipeline_and_the_other_way_round(make, family, tmp_path):
    pipe, stock = make(family)
    pipe.save_pretrained(tmp_path / "ours")
    stock.save_pretrained(tmp_path / "stock")
    index = json.loads((tmp_path / "ours" / "model_index.json").read_text())
    assert {name for name, value in index.items() if isinstance(value, list)} <= stock.components.keys()
    kinds = {"ours": type(stock), "stock": SpaceTimeAttnPipeline}
    loaded = {folder: kind.from_pretrained(tmp_path / folder) for folder, kind in kinds.items()}
    assert_the_same(run(loaded["ours"]).images, run(stock).images)
    assert_the_same(run(loaded["stock"], layout=LAYOUT).images, run(pipe, layout=LAYOUT).images)


def test_settings_are_saved_and_loaded(components, tmp_path):
    settings = {"force_zeros_for_empty_prompt": False, "add_watermarker": False, "convex_weight": 0.25}
    pipe = SpaceTimeAttnPipeline(**components, **settings)
    pipe.save_pretrained(tmp_path)
    loaded = SpaceTimeAttnPipeline.from_pretrained(tmp_path)
    assert settings.items() <= dict(loaded.config).items()
    expected = StableDiffusionXLPipeline(**components, force_zeros_for_empty_prompt=False)
    assert_the_same(run(loaded, layout=NONE).images, run(expected).images)
    assert not torch.equal(run(expected).images, run(StableDiffusionXLPipeline(**components)).images)


CUSTOM = {
    "custom_pipeline": str(Path(spacetime_attn.__file__).with_name("pipeline_spacetime_attn.py")),
    "trust_remote_code": True,
}


@pytest.fixture
def modules_cache(tmp_path, monkeypatch):
    """Where diffusers copies custom pipelines to, for this test only."""
    monkeypatch.setattr(dynamic_modules_utils, "HF_MODULES_CACHE", str(tmp_path / "modules"))
    monkeypatch.setattr(sys, "path", list(sys.path))
    yield
    for name in [name for name in sys.modules if name.partition(".")[0] == "diffusers_modules"]:
        del sys.modules[name]


def test_the_file_is_a_custom_pipeline_of_sdxl(stock, pipe, tmp_path, modules_cache):
    stock.save_pretrained(tmp_path)
    expected = run(pipe, layout=LAYOUT).images
    loaded = DiffusionPipeline.from_pretrained(tmp_path, **CUSTOM)
    assert_the_same(run(loaded, layout=LAYOUT.to_dict()).images, expected)
    second = {name: stock.components[name] for name in ("text_encoder_2", "tokenizer_2")}
    made = DiffusionPipeline.from_pipe(stock, safety_checker=None, **second, **CUSTOM)
    assert torch.equal(run(made, layout=LAYOUT.to_dict()).images, expected)


def test_a_custom_pipeline_may_be_loaded_without_the_checkpoints_safety_checker(
    make, checker, tmp_path, modules_cache
):
    SpaceTimeAttnPipeline(**make("SD")[0].components | checker).save_pretrained(tmp_path)
    assert DiffusionPipeline.from_pretrained(tmp_path, **CUSTOM).safety_checker is not None
    assert DiffusionPipeline.from_pretrained(tmp_path, safety_checker=None, **CUSTOM).safety_checker is None


def test_without_text_encoders_embeddings_are_drawn_and_regions_are_refused(components, pipe):
    names = ("prompt_embeds", "negative_prompt_embeds", "pooled_prompt_embeds", "negative_pooled_prompt_embeds")
    embeds = dict(zip(names, pipe.encode_prompt(PROMPT)))
    text = dict.fromkeys(("text_encoder", "text_encoder_2", "tokenizer", "tokenizer_2"))
    textless = SpaceTimeAttnPipeline(**components | text)
    assert torch.equal(run(textless, None, layout=LAYOUT, weights=0, **embeds).images, run(pipe, layout=NONE).images)
    with pytest.raises(ValueError, match="has no `text_encoder_2` and no `tokenizer_2`: load what is missing"):
        run(textless, None, layout=LAYOUT, **embeds)


def test_a_checkpoint_may_have_the_second_text_encoder_alone(make_sdxl_components):
    components = make_sdxl_components(cross_attention_dim=24) | {"text_encoder": None, "tokenizer": None}
    pipe, stock = SpaceTimeAttnPipeline(**components), StableDiffusionXLPipeline(**components)
    plain = run(stock).images
    assert torch.equal(run(pipe, layout=NONE).images, plain) and not torch.allclose(run(pipe).images, plain)


# Adapters


@pytest.fixture
def lora(make, tmp_path):
    """Writes a LoRA of all that a family can adapt, saved by its stock class."""

    def write(family: str) -> Path:
        _, stock = make(family)
        layers = {}
        for name, targets in (
            ("unet", ["to_q", "to_k"]),
            ("text_encoder", ["q_proj"]),
            ("text_encoder_2", ["q_proj"]),
        ):
            if model := stock.components.get(name):
                model.add_adapter(LoraConfig(r=2, target_modules=targets, init_lora_weights=False))
                layers[f"{name}_lora_layers"] = get_peft_model_state_dict(model)
        type(stock).save_lora_weights(tmp_path, **layers)
        return tmp_path

    return write


def test_a_lora_is_loaded_scaled_fused_and_unloaded_as_in_the_stock_pipeline(make, lora, family):
    pipe, stock = make(family)
    adapter = lora(family)
    plain = run(stock).images
    pipe.load_lora_weights(adapter, adapter_name="one")
    adapted = run(stock).images  # on the same components
    fresh = make(family)[1]
    fresh.load_lora_weights(adapter, adapter_name="one")
    assert torch.equal(adapted, run(fresh).images) and not torch.allclose(adapted, plain)
    assert pipe.get_list_adapters() == fresh.get_list_adapters()
    assert torch.equal(run(pipe, layout=NONE).images, adapted)
    scaled = {"cross_attention_kwargs": {"scale": 0.3}}
    assert torch.equal(run(pipe, layout=NONE, **scaled).images, run(stock, **scaled).images)
    controlled = run(pipe, layout=LAYOUT).images

    pipe.fuse_lora()
    assert pipe.num_fused_loras == 1
    torch.testing.assert_close(run(pipe, layout=LAYOUT).images, controlled, atol=1e-4, rtol=0)
    pipe.unfuse_lora()
    pipe.unload_lora_weights()
    torch.testing.assert_close(run(pipe, layout=NONE).images, plain, atol=1e-4, rtol=0)
    assert not torch.allclose(run(pipe, layout=LAYOUT).images, controlled)


def test_a_textual_inversion_is_read_by_both_text_encoders_in_local_descriptions_too(pipe):
    layout = Layout((Region("a <thing>", box=(0, 0, 0.5, 1)),))
    before = run(pipe, layout=layout).images
    for name, width in (("", 32), ("_2", 24)):
        parts = {part: getattr(pipe, part + name) for part in ("tokenizer", "text_encoder")}
        pipe.load_textual_inversion(torch.ones(width) * 3, token="<thing>", **parts)
        after = run(pipe, layout=layout).images
        assert not torch.allclose(before, after)
        before = after


def test_an_ip_adapter_is_loaded(pipe, stock):
    torch.manual_seed(4)
    layers = [module for name, module in pipe.unet.named_modules() if name.endswith("attn2")]
    state = {"image_proj": {"proj.weight": torch.randn(4 * 56, 8), "proj.bias": torch.zeros(4 * 56)}}
    state["image_proj"] |= {"norm.weight": torch.ones(56), "norm.bias": torch.zeros(56)}
    state["ip_adapter"] = {
        f"{2 * number + 1}.{name}_ip.weight": torch.randn(layer.inner_dim, 56)
        for number, layer in enumerate(layers)
        for name in ("to_k", "to_v")
    }
    plain = run(stock).images
    pipe.load_ip_adapter(state, subfolder="", weight_name="", image_encoder_folder=None)
    assert pipe.feature_extractor is not None and pipe.stock.feature_extractor is pipe.feature_extractor
    image = {"ip_adapter_image_embeds": [torch.randn(2, 1, 8)]}
    expected = run(stock, **image).images
    assert torch.equal(run(pipe, layout=NONE, **image).images, expected) and not torch.allclose(expected, plain)
    assert not torch.allclose(run(pipe, layout=LAYOUT, **image).images, expected)
    pipe.unload_ip_adapter()
    assert torch.equal(run(pipe, layout=NONE).images, plain) and pipe.feature_extractor is None


# Stock pipelines within the context manager


def test_text_to_image_under_control_equals_the_pipeline(make, family):
    pipe, stock = make(family)
    with spacetime_attention(stock, LAYOUT):
        assert torch.equal(run(stock).images, run(make(family)[0], layout=LAYOUT).images)
    with spacetime_attention(stock, NONE):
        assert torch.equal(run(stock).images, run(make(family)[0], layout=NONE).images)


@pytest.mark.parametrize("options", [{"cross_attention_kwargs": {"scale": 0.3}}, {"clip_skip": 1}])
def test_local_descriptions_are_read_as_the_run_reads_its_prompt(make, lora, family, options):
    pipe, stock = make(family)
    pipe.load_lora_weights(lora(family))
    expected = run(pipe, layout=LAYOUT, **options).images
    with spacetime_attention(stock, LAYOUT):
        assert torch.equal(run(stock, **options).images, expected)
        assert not torch.allclose(run(stock).images, expected)


def test_a_refiner_goes_on_in_the_columns_where_the_base_stopped(pipe, components, make_sdxl_components):
    """One as SDXL's: with the second text encoder alone, and told how beautiful the picture is to be."""
    unet = make_sdxl_components(cross_attention_dim=24, projection_class_embeddings_input_dim=5 * 8 + 16)["unet"]
    latents = run(pipe, layout=LAYOUT, num_inference_steps=8, denoising_end=0.5, output_type="latent").images
    parts = components | {"unet": unet, "text_encoder": None, "tokenizer": None}
    refiner = StableDiffusionXLImg2ImgPipeline(**parts, requires_aesthetics_score=True)
    options = {"image": latents, "num_inference_steps": 8, "denoising_start": 0.5}
    plain = run(refiner, **options).images
    first, second = (torch.tensor([halves[:1] * 4 + halves[1:] * 4] * 2) for halves in ([2.0, 0.0], [0.0, 2.0]))
    for weights, acts in ((first, False), (second, True)):
        with spacetime_attention(refiner, LAYOUT, weights=weights):
            assert torch.equal(run(refiner, **options).images, plain) != acts


# Distilled checkpoints, other predictions, other channels


@pytest.mark.parametrize(
    "kind, unet_options, scheduler, options",
    [
        ("LCM", {"time_cond_proj_dim": 32}, LCMScheduler, {"num_inference_steps": 4, "guidance_scale": 8.0}),
        ("LCM-LoRA", {}, LCMScheduler, {"num_inference_steps": 8, "guidance_scale": 1.0}),
        ("Turbo", {}, EulerAncestralDiscreteScheduler, {"num_inference_steps": 1, "guidance_scale": 0.0}),
        ("Lightning", {}, EulerDiscreteScheduler, {"num_inference_steps": 4, "guidance_scale": 0}),
        ("Hyper", {}, DDIMScheduler, {"num_inference_steps": 2, "guidance_scale": 0}),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_distilled_checkpoints_are_controlled_without_guidance(make, family, kind, unet_options, scheduler, options):
    pipe, stock = make(family, **unet_options)
    pipe.scheduler = scheduler.from_config(stock.scheduler.config, timestep_spacing="trailing")
    stock.scheduler = scheduler.from_config(stock.scheduler.config, timestep_spacing="trailing")
    plain = run(stock, **options).images
    assert torch.equal(run(pipe, layout=NONE, **options).images, plain)
    output = run(pipe, layout=LAYOUT, **options)
    assert output.blend == "convex" and output.weights.shape == (1, 2, options["num_inference_steps"])
    assert output.images.isfinite().all() and not torch.allclose(output.images, plain)
    with spacetime_attention(stock, LAYOUT):
        assert torch.equal(run(stock, **options).images, output.images)


def test_velocity_is_predicted(make, family):
    pipe, stock = make(family)
    for either in (pipe, stock):
        either.scheduler = DDIMScheduler.from_config(stock.scheduler.config, prediction_type="v_prediction")
    velocity = run(stock).images
    assert torch.equal(run(pipe, layout=NONE).images, velocity)
    controlled = run(pipe, layout=LAYOUT).images
    assert not torch.allclose(controlled, velocity)
    with spacetime_attention(stock, LAYOUT):
        assert torch.equal(run(stock).images, controlled)
    stock.scheduler = DDIMScheduler.from_config(stock.scheduler.config, prediction_type="epsilon")
    assert not torch.allclose(run(stock).images, velocity)


def test_inpainting_checkpoints_are_refused_and_work_in_their_own_pipeline(make, family):
    pipe, _ = make(family, in_channels=9, out_channels=4)
    with pytest.raises(ValueError, match="takes 9 channels, 5 more .* within `spacetime_attention"):
        run(pipe, layout=LAYOUT)
    kind = StableDiffusionXLInpaintPipeline if family == "SDXL" else StableDiffusionInpaintPipeline
    inpaint = kind.from_pipe(pipe)
    options = {"image": torch.rand(1, 3, 32, 32), "mask_image": torch.ones(1, 1, 32, 32), "height": 32, "width": 32}
    plain = run(inpaint, **options).images
    with spacetime_attention(inpaint, LAYOUT):
        assert not torch.allclose(run(inpaint, **options).images, plain)
    assert torch.equal(run(inpaint, **options).images, plain)


# Bad input


@pytest.mark.parametrize(
    "family, options, message",
    [
        ("SD", {"prompt_2": "fog"}, "is Stable Diffusion 1.x or 2.x, which has no argument `prompt_2`: leave it out"),
        ("SD", {"negative_prompt_2": "fog"}, "no argument `negative_prompt_2`"),
        ("SD", {"pooled_prompt_embeds": torch.zeros(1, 16)}, "no argument `pooled_prompt_embeds`"),
        ("SD", {"negative_pooled_prompt_embeds": torch.zeros(1, 16)}, "no argument `negative_pooled_prompt_embeds`"),
        ("SD", {"denoising_end": 0.5}, "no argument `denoising_end`"),
        ("SD", {"original_size": (32, 32)}, "no argument `original_size`"),
        ("SD", {"crops_coords_top_left": (0, 0)}, "no argument `crops_coords_top_left`"),
        ("SD", {"target_size": (32, 32)}, "no argument `target_size`"),
        ("SD", {"negative_original_size": (32, 32)}, "no argument `negative_original_size`"),
        ("SD", {"negative_crops_coords_top_left": (0, 0)}, "no argument `negative_crops_coords_top_left`"),
        ("SD", {"negative_target_size": (32, 32)}, "no argument `negative_target_size`"),
        ("SDXL", {"prompt_2": 3}, "`prompt_2` has to be a string, or a list of at least one string, got 3"),
        ("SDXL", {"prompt": ["fog"] * 2, "prompt_2": "fog"}, "`prompt_2` holds 1 entries, but there are 2 prompts"),
        ("SDXL", {"prompt_2": ["fog"] * 2}, "`prompt_2` holds 2 entries, but there are 1 prompts"),
        ("SDXL", {"negative_prompt": ["fog"] * 2}, "`negative_prompt` holds 2 entries, but there are 1 prompts"),
        ("SDXL", {"negative_prompt_2": ["fog"] * 2}, "`negative_prompt_2` holds 2 entries, but there are 1 prompts"),
        ("SDXL", {"pooled_prompt_embeds": "fog"}, "`pooled_prompt_embeds` has to be a tensor .* got 'fog'"),
        ("SDXL", {"pooled_prompt_embeds": torch.zeros(2, 16)}, "`pooled_prompt_embeds` holds 2 entries, but there"),
        ("SDXL", {"prompt": None, "prompt_embeds": torch.zeros(1, 77, 56)}, "`pooled_prompt_embeds` also have to be"),
        (
            "SDXL",
            {"original_size": [32, 32]},
            r"`original_size` has to be a tuple .* got \[32, 32\]",
        ),
        ("SDXL", {"crops_coords_top_left": (1,)}, r"`crops_coords_top_left` has to be .*\(top, left\), got \(1,\)"),
        ("SDXL", {"denoising_end": 2}, r"`denoising_end` has to be a number in 0..1, got 2"),
        ("SDXL", {"denoising_end": 0.5, "optimize_weights": 2}, "finished pictures .* leave out `denoising_end`"),
        ("SDXL", {"clip_skip": 3}, "`clip_skip` is 3, but the text encoder has 2 layers to skip"),
        ("SDXL", {"height": 30}, "divisible by 8"),
        ("SDXL", {"layout": [LAYOUT, LAYOUT]}, "`layout` holds 2 entries, but there are 1 prompts"),
        ("SDXL", {"blend": "guided", "guidance_scale": 1.0}, "`blend='guided'` needs classifier-free guidance"),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, dict) else "",
)
def test_bad_input_is_refused_before_any_model_runs(make, family, options, message):
    def fail(*_):
        raise AssertionError("a model ran")

    pipe, _ = make(family)
    for model in pipe.components.values():
        if isinstance(model, torch.nn.Module):
            model.register_forward_pre_hook(fail)
    with pytest.raises((ValueError, TypeError), match=message):
        run(pipe, **{"prompt": PROMPT, "layout": LAYOUT} | options)


def test_embeddings_of_another_model_are_refused(pipe):
    embeds = {"prompt_embeds": torch.zeros(1, 77, 32), "pooled_prompt_embeds": torch.zeros(1, 16)}
    with pytest.raises(ValueError, match=r"of shape \(prompts, tokens, 56\), got \(1, 77, 32\)"):
        run(pipe, None, layout=LAYOUT, **embeds)
