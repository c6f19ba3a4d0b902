"""Adapters and other pipelines under the context manager, and in our pipeline where a feature lives in it."""

import copy

import numpy as np
import pytest
import torch
from diffusers import (
    AutoPipelineForImage2Image,
    ControlNetModel,
    StableDiffusionAdapterPipeline,
    StableDiffusionControlNetPipeline,
    StableDiffusionImg2ImgPipeline,
    StableDiffusionInpaintPipeline,
    StableDiffusionXLAdapterPipeline,
    StableDiffusionXLControlNetPipeline,
    StableDiffusionXLImg2ImgPipeline,
    StableDiffusionXLInpaintPipeline,
    T2IAdapter,
)
from diffusers.image_processor import IPAdapterMaskProcessor
from peft import LoraConfig, get_peft_model_state_dict
from PIL import Image

from spacetime_attn import Layout, Region, spacetime_attention


PROMPT = "a red cat"
LAYOUT = Layout((Region("a green bus", box=(0, 0, 0.4, 1)),))


def run(pipe, **options):
    pipe.set_progress_bar_config(disable=True)
    options = {"prompt": PROMPT, "num_inference_steps": 3, "output_type": "latent"} | options
    return pipe(**options, generator=torch.manual_seed(0)).images


def under_control(pipe, weights=None, **options):
    with spacetime_attention(pipe, LAYOUT, weights=weights):
        return run(pipe, **options)


def check_control(pipe, **options):
    """Off is exactly off, on acts where the region is, and afterwards nothing is left."""
    before, plain = pipe.unet.attn_processors, run(pipe, **options)
    assert torch.equal(under_control(pipe, weights=0.0, **options), plain)
    controlled = under_control(pipe, **options)
    assert controlled.isfinite().all() and not torch.allclose(controlled, plain)
    after = pipe.unet.attn_processors
    assert after.keys() == before.keys() and all(after[name] is before[name] for name in before)
    assert torch.equal(run(pipe, **options), plain)

    columns = (controlled - plain).abs().mean(dim=(0, 1, 2))
    assert columns[:6].mean() > columns[10:].mean()


def picture(seed: int = 0) -> torch.Tensor:
    return torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(seed))


def left_half() -> torch.Tensor:
    mask = torch.zeros(1, 1, 32, 32)
    mask[..., :16] = 1
    return mask


def image_to_image(family: str, stock):
    cls = StableDiffusionXLImg2ImgPipeline if family == "SDXL" else StableDiffusionImg2ImgPipeline
    return cls.from_pipe(stock), {"image": picture(), "strength": 0.99}


def inpainting(family: str, stock):
    cls = StableDiffusionXLInpaintPipeline if family == "SDXL" else StableDiffusionInpaintPipeline
    options = {"image": picture(), "mask_image": torch.ones(1, 1, 32, 32), "height": 32, "width": 32}
    return cls.from_pipe(stock), options | {"strength": 0.99}


def controlnet(family: str, stock):
    cls = StableDiffusionXLControlNetPipeline if family == "SDXL" else StableDiffusionControlNetPipeline
    torch.manual_seed(5)
    model = ControlNetModel.from_unet(stock.unet, conditioning_embedding_out_channels=(16, 32))
    for block in (*model.controlnet_down_blocks, model.controlnet_mid_block):
        torch.nn.init.normal_(block.weight, std=0.05)  # a new one is silent
    return cls.from_pipe(stock, controlnet=model.eval()), {"image": picture()}


def t2i_adapter(family: str, stock):
    torch.manual_seed(6)
    cls = StableDiffusionXLAdapterPipeline if family == "SDXL" else StableDiffusionAdapterPipeline
    kind = {"adapter_type": "full_adapter_xl", "downscale_factor": 4} if family == "SDXL" else {"downscale_factor": 2}
    model = T2IAdapter(in_channels=3, channels=[32, 64], num_res_blocks=1, **kind)
    image = Image.fromarray(np.random.default_rng(0).integers(0, 255, (32, 32, 3), dtype=np.uint8))
    return cls.from_pipe(stock, adapter=model.eval()), {"image": image}


@pytest.fixture
def stock(make, family):
    return make(family)[1]


# Other pipelines


@pytest.mark.parametrize("kind", [image_to_image, inpainting, controlnet, t2i_adapter])
def test_other_pipelines_are_controlled(stock, family, kind):
    pipe, options = kind(family, stock)
    check_control(pipe, **options)


def test_auto_pipelines_are_reached_through_the_stock_one(make, family):
    pipe, stock = make(family)
    found = AutoPipelineForImage2Image.from_pipe(pipe.stock)
    expected, options = image_to_image(family, stock)
    assert type(found) is type(expected)
    assert torch.equal(under_control(found, **options), under_control(expected, **options))


@pytest.mark.parametrize(
    "kind, name",
    [(controlnet, "controlnet_conditioning_scale"), (t2i_adapter, "adapter_conditioning_scale")],
)
def test_a_condition_acts_under_control(stock, family, kind, name):
    pipe, options = kind(family, stock)
    strong, weak = (under_control(pipe, **options, **{name: scale}) for scale in (1.0, 0.0))
    assert not torch.allclose(strong, weak)
    assert torch.equal(weak, under_control(stock))


def test_inpainting_checkpoints_with_nine_channels_are_controlled(make, family):
    pipe, options = inpainting(family, make(family, in_channels=9, out_channels=4)[1])
    check_control(pipe, **options)


@pytest.mark.parametrize("channels", [4, 9])
def test_what_the_inpainting_mask_leaves_out_stays(make, family, channels):
    """Under control, too, the unmasked half is the stock pipeline's: of the given picture with 4 channels."""
    pipe, options = inpainting(family, make(family, in_channels=channels, out_channels=4)[1])
    options["mask_image"] = left_half()
    check_control(pipe, **options)
    if channels == 4:
        torch.testing.assert_close(under_control(pipe, **options)[..., 8:], run(pipe, **options)[..., 8:])


# LoRA


def add_lora(pipe, stock, folder):
    """Loads one of the UNet and of every text encoder, by the pipeline's own method."""
    torch.manual_seed(3)
    layers = {}
    for name, targets in {
        "unet": ["to_q", "to_k", "to_v"],
        "text_encoder": ["q_proj"],
        "text_encoder_2": ["q_proj"],
    }.items():
        if model := pipe.components.get(name):
            adapted = copy.deepcopy(model)
            adapted.add_adapter(LoraConfig(r=2, target_modules=targets, init_lora_weights=False))
            layers[f"{name}_lora_layers"] = get_peft_model_state_dict(adapted)
    type(stock).save_lora_weights(folder, **layers)
    pipe.load_lora_weights(folder, adapter_name="one")


@pytest.mark.parametrize("which", ["pipeline", "context manager"])
def test_lora_is_loaded_scaled_fused_and_unfused_under_control(make, family, which, tmp_path):
    ours, stock = make(family)
    pipe = ours if which == "pipeline" else stock
    pipe.set_progress_bar_config(disable=True)

    def draw(**options):
        return run(pipe, layout=LAYOUT, **options) if pipe is ours else under_control(pipe, **options)

    without = draw()
    add_lora(pipe, stock, tmp_path)
    check_control(stock)  # on the same components
    loaded = draw()
    assert not torch.allclose(loaded, without)
    scaled, none, full = (draw(cross_attention_kwargs={"scale": scale}) for scale in (0.3, 0.0, 1.0))
    torch.testing.assert_close(none, without, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(full, loaded, atol=1e-4, rtol=1e-4)
    assert not torch.allclose(scaled, without) and not torch.allclose(scaled, loaded)
    pipe.fuse_lora()
    torch.testing.assert_close(draw(), loaded, atol=1e-3, rtol=1e-3)
    pipe.unfuse_lora()
    torch.testing.assert_close(draw(), loaded, atol=1e-3, rtol=1e-3)
    pipe.unload_lora_weights()
    torch.testing.assert_close(draw(), without, atol=1e-3, rtol=1e-3)


# IP-Adapter


def ip_adapter_state(unet) -> dict:
    """The weights of a random one."""
    width = unet.config.cross_attention_dim
    layers = [module for name, module in unet.named_modules() if name.endswith("attn2")]
    projection = {"proj.weight": torch.randn(4 * width, 8), "proj.bias": torch.zeros(4 * width)}
    projection |= {"norm.weight": torch.ones(width), "norm.bias": torch.zeros(width)}
    keys = {
        f"{2 * number + 1}.{name}_ip.weight": torch.randn(layer.inner_dim, width)
        for number, layer in enumerate(layers)
        for name in ("to_k", "to_v")
    }
    return {"image_proj": projection, "ip_adapter": keys}


def add_ip_adapter(pipe, count: int = 1):
    """Loads as many by the pipeline's own method, without an image encoder: images come as embeddings."""
    torch.manual_seed(4)
    states = [ip_adapter_state(pipe.unet) for _ in range(count)]
    pipe.load_ip_adapter(states, [""] * count, [""] * count, image_encoder_folder=None)


def embeds(seed: int, images: int = 1) -> torch.Tensor:
    return torch.randn(2, images, 8, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("which", ["pipeline", "context manager"])
def test_ip_adapter_acts_under_control(make, family, which):
    ours, stock = make(family)
    pipe = ours if which == "pipeline" else stock
    add_ip_adapter(pipe)
    stock = type(stock).from_pipe(stock) if which == "pipeline" else stock

    def draw(seed):
        options = {"ip_adapter_image_embeds": [embeds(seed)]}
        return run(pipe, layout=LAYOUT, **options) if pipe is ours else under_control(pipe, **options)

    check_control(stock, ip_adapter_image_embeds=[embeds(0)])
    assert not torch.allclose(draw(0), draw(1))


@pytest.mark.parametrize("which", ["pipeline", "context manager"])
def test_ip_adapter_looks_at_an_image_through_its_encoder(make, family, which, vision):
    ours, stock = make(family)
    pipe = ours if which == "pipeline" else stock
    add_ip_adapter(pipe)
    pipe.register_modules(**vision)

    def draw(**image):
        return run(pipe, layout=LAYOUT, **image) if pipe is ours else under_control(pipe, **image)

    first, second = (Image.fromarray(np.full((40, 40, 3), shade, dtype=np.uint8)) for shade in (20, 230))
    found = draw(ip_adapter_image=first)
    assert not torch.allclose(found, draw(ip_adapter_image=second))
    embeddings = pipe.prepare_ip_adapter_image_embeds(first, None, "cpu", 1, True)
    assert torch.equal(found, draw(ip_adapter_image_embeds=embeddings))


@pytest.mark.parametrize("count", [1, 2])
def test_ip_adapter_masks_act_under_control(make, family, count):
    pipe, stock = make(family)
    add_ip_adapter(stock, count)  # on the same components
    mask = IPAdapterMaskProcessor().preprocess([left_half()[0, 0].numpy()], height=32, width=32)
    masks = {"cross_attention_kwargs": {"ip_adapter_masks": [mask[None, 0]] * count}}
    options = {"ip_adapter_image_embeds": [embeds(seed) for seed in range(count)]}
    check_control(stock, **options, **masks)
    masked = under_control(stock, **options, **masks)
    assert not torch.allclose(masked, under_control(stock, **options))
    torch.testing.assert_close(run(pipe, layout=LAYOUT, **options, **masks), masked)


def test_the_image_part_is_added_once_whatever_the_weights(stock):
    """With the prompt as local description, convex control of any weight is the stock pipeline."""
    add_ip_adapter(stock)
    options = {"ip_adapter_image_embeds": [embeds(0)]}
    same = Layout((Region(PROMPT, box=(0, 0, 1, 1)),))
    plain = run(stock, **options)
    for weights in (0.3, 1.0):
        with spacetime_attention(stock, same, "convex", weights, local_prompt_template="{}"):
            torch.testing.assert_close(run(stock, **options), plain, atol=1e-4, rtol=1e-4)
