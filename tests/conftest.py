"""Tiny random models, made here: tests that need no meaning run on them, and nothing is downloaded."""

import json
import os

import pytest
import torch
from diffusers import (
    AutoencoderKL,
    DDIMScheduler,
    EulerDiscreteScheduler,
    PNDMScheduler,
    StableDiffusionPipeline,
    StableDiffusionXLPipeline,
    UNet2DConditionModel,
)
from diffusers.pipelines.stable_diffusion.safety_checker import StableDiffusionSafetyChecker
from tokenizers.pre_tokenizers import ByteLevel
from transformers import (
    CLIPConfig,
    CLIPImageProcessor,
    CLIPModel,
    CLIPTextConfig,
    CLIPTextModel,
    CLIPTextModelWithProjection,
    CLIPTokenizer,
    CLIPVisionConfig,
    CLIPVisionModelWithProjection,
)


os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # of the processes that tests start
torch.set_num_threads(1)  # models this small gain nothing from a second thread and lose much on a busy machine


TINY_VISION = {
    "hidden_size": 16,
    "intermediate_size": 32,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "image_size": 32,
    "patch_size": 8,
}


def tiny_tokenizer(length: int = 77) -> CLIPTokenizer:
    """CLIP's tokenizer with a token for every letter."""
    letters = sorted(ByteLevel.alphabet())
    tokens = letters + [letter + "</w>" for letter in letters] + ["<|startoftext|>", "<|endoftext|>"]
    return CLIPTokenizer({token: i for i, token in enumerate(tokens)}, [], model_max_length=length)


def tiny_components(**unet_options) -> dict:
    """A random Stable Diffusion of 16 x 16 latents; pictures are 32 x 32."""
    torch.manual_seed(0)
    tokenizer = tiny_tokenizer()
    unet = UNet2DConditionModel(
        **{
            "sample_size": 16,
            "block_out_channels": (32, 64),
            "layers_per_block": 1,
            "cross_attention_dim": 32,
            "attention_head_dim": 4,
            "down_block_types": ("CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
            "up_block_types": ("CrossAttnUpBlock2D", "CrossAttnUpBlock2D"),
            "norm_num_groups": 8,
        }
        | unet_options
    )
    vae = AutoencoderKL(
        block_out_channels=(16, 32),
        down_block_types=("DownEncoderBlock2D",) * 2,
        up_block_types=("UpDecoderBlock2D",) * 2,
        latent_channels=4,
        norm_num_groups=8,
        sample_size=32,
    )
    text_encoder = CLIPTextModel(
        CLIPTextConfig(
            vocab_size=len(tokenizer),
            hidden_size=32,
            intermediate_size=64,
            num_hidden_layers=3,
            num_attention_heads=4,
            bos_token_id=tokenizer.bos_token_id,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
        )
    )
    scheduler = PNDMScheduler(
        beta_start=0.00085,
        beta_end=0.012,
        beta_schedule="scaled_linear",
        skip_prk_steps=True,
        steps_offset=1,
    )
    return {
        "vae": vae.eval(),
        "text_encoder": text_encoder.eval(),
        "tokenizer": tokenizer,
        "unet": unet.eval(),
        "scheduler": scheduler,
        "safety_checker": None,
        "feature_extractor": None,
    }


def tiny_sd2_components(**unet_options) -> dict:
    """A random Stable Diffusion 2: linear projections, heads of one size, and velocity is predicted."""
    options = {"use_linear_projection": True, "attention_head_dim": (2, 4), "upcast_attention": True}
    components = tiny_components(**options | unet_options)
    options = {"prediction_type": "v_prediction", "clip_sample": False}
    return components | {"scheduler": DDIMScheduler.from_config(components["scheduler"].config, **options)}


def tiny_sdxl_components(**unet_options) -> dict:
    """A random SDXL of 16 x 16 latents: no attention at full size, two transformer blocks in a layer at half size."""
    torch.manual_seed(0)
    tokenizer = tiny_tokenizer()
    options = {
        "sample_size": 16,
        "block_out_channels": (32, 64),
        "layers_per_block": 1,
        "cross_attention_dim": 32 + 24,
        "attention_head_dim": (2, 4),
        "transformer_layers_per_block": (1, 2),
        "use_linear_projection": True,
        "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D"),
        "up_block_types": ("CrossAttnUpBlock2D", "UpBlock2D"),
        "norm_num_groups": 8,
        "addition_embed_type": "text_time",
        "addition_time_embed_dim": 8,
        "projection_class_embeddings_input_dim": 6 * 8 + 16,
    }
    unet = UNet2DConditionModel(**options | unet_options)
    vae = AutoencoderKL(
        block_out_channels=(16, 32),
        down_block_types=("DownEncoderBlock2D",) * 2,
        up_block_types=("UpDecoderBlock2D",) * 2,
        latent_channels=4,
        norm_num_groups=8,
        sample_size=32,
        scaling_factor=0.13025,
    )
    text = {"vocab_size": len(tokenizer), "intermediate_size": 64, "num_hidden_layers": 3, "num_attention_heads": 4}
    text |= {name: getattr(tokenizer, name) for name in ("bos_token_id", "eos_token_id", "pad_token_id")}
    text_encoder = CLIPTextModel(CLIPTextConfig(hidden_size=32, **text))
    text_encoder_2 = CLIPTextModelWithProjection(CLIPTextConfig(hidden_size=24, projection_dim=16, **text))
    scheduler = EulerDiscreteScheduler(
        beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", timestep_spacing="leading", steps_offset=1
    )
    return {
        "vae": vae.eval(),
        "text_encoder": text_encoder.eval(),
        "text_encoder_2": text_encoder_2.eval(),
        "tokenizer": tokenizer,
        "tokenizer_2": tiny_tokenizer(),
        "unet": unet.eval(),
        "scheduler": scheduler,
    }


@pytest.fixture
def components() -> dict:
    """Components of a tiny random Stable Diffusion, new for every test."""
    return tiny_components()


@pytest.fixture
def make_components():
    """Makes such components with other options of the UNet."""
    return tiny_components


@pytest.fixture
def sdxl_components() -> dict:
    """Components of a tiny random SDXL, new for every test."""
    return tiny_sdxl_components()


@pytest.fixture
def make_sdxl_components():
    """Makes such components with other options of the UNet."""
    return tiny_sdxl_components


@pytest.fixture
def stock(components) -> StableDiffusionPipeline:
    """diffusers' own pipeline on the components."""
    pipe = StableDiffusionPipeline(**components, requires_safety_checker=False)
    pipe.set_progress_bar_config(disable=True)
    return pipe


@pytest.fixture
def pipe(components):
    """Our pipeline on the same components."""
    from spacetime_attn import SpaceTimeAttnPipeline

    pipe = SpaceTimeAttnPipeline(**components, requires_safety_checker=False)
    pipe.set_progress_bar_config(disable=True)
    return pipe


@pytest.fixture
def make():
    """Makes our pipeline and the stock one of a family, on the same components with other options of the UNet."""
    from spacetime_attn import SpaceTimeAttnPipeline

    def both(family: str, **unet_options):
        if family == "SDXL":
            parts = tiny_sdxl_components(**unet_options)
            return SpaceTimeAttnPipeline(**parts), StableDiffusionXLPipeline(**parts)
        parts = tiny_sd2_components(**unet_options) if family == "SD 2" else tiny_components(**unet_options)
        parts |= {"requires_safety_checker": False}
        return SpaceTimeAttnPipeline(**parts), StableDiffusionPipeline(**parts)

    return both


@pytest.fixture(params=["SD", "SD 2", "SDXL"])
def family(request) -> str:
    """Each family of checkpoints in turn."""
    return request.param


@pytest.fixture
def pipes(make, family) -> tuple:
    """Our pipeline and the stock one of each family in turn, on the same components."""
    pair = make(family)
    for pipe in pair:
        pipe.set_progress_bar_config(disable=True)
    return pair


@pytest.fixture
def vision() -> dict:
    """A tiny random image encoder, and what prepares images for it, as components."""
    encoder = CLIPVisionModelWithProjection(CLIPVisionConfig(**TINY_VISION, projection_dim=8))
    return {"image_encoder": encoder.eval(), "feature_extractor": CLIPImageProcessor(size=32, crop_size=32)}


@pytest.fixture
def checker() -> dict:
    """A tiny random safety checker, and what prepares images for it, as components."""
    model = StableDiffusionSafetyChecker(CLIPConfig(vision_config=TINY_VISION))
    return {"safety_checker": model.eval(), "feature_extractor": CLIPImageProcessor(size=32, crop_size=32)}


@pytest.fixture
def clip():
    """A tiny random CLIP that looks at 32 x 32 pixels."""
    from spacetime_attn.processors.clip_objective import ImageTextModel

    torch.manual_seed(3)
    tokenizer = tiny_tokenizer()
    tower = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4}
    ends = {"bos_token_id": tokenizer.bos_token_id, "eos_token_id": tokenizer.eos_token_id}
    text = {"vocab_size": len(tokenizer)} | ends
    vision = {"image_size": 32, "patch_size": 8}
    config = CLIPConfig(text_config=tower | text, vision_config=tower | vision, projection_dim=16)
    return ImageTextModel(CLIPModel(config), tokenizer)


@pytest.fixture
def prompts(tmp_path):
    """A file with two prompts."""
    path = tmp_path / "prompts.jsonl"
    lines = [
        {"id": "one", "prompt": "a red apple to the left of a blue car"},
        {"id": 2, "prompt": "a green cat\u2028above a cup"},
    ]
    path.write_text("\n".join(json.dumps(line, ensure_ascii=False) for line in lines) + "\n\n", encoding="utf-8")
    return path
