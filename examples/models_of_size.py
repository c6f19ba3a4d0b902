"""Models with random weights in the shapes of real ones: speed and memory do not depend on what was learned."""

import torch
from diffusers import (
    AutoencoderKL,
    EulerDiscreteScheduler,
    PNDMScheduler,
    StableDiffusionPipeline,
    StableDiffusionXLPipeline,
    UNet2DConditionModel,
)
from tokenizers.pre_tokenizers import ByteLevel
from transformers import (
    CLIPConfig,
    CLIPModel,
    CLIPTextConfig,
    CLIPTextModel,
    CLIPTextModelWithProjection,
    CLIPTokenizer,
)


SIZES = {"sd15": 512, "sdxl": 1024}  # pixels a side, as trained
_TEXT = {"hidden_size": 768, "intermediate_size": 3072, "num_hidden_layers": 12, "num_attention_heads": 12}
_LARGE_TEXT = {"hidden_size": 1280, "intermediate_size": 5120, "num_hidden_layers": 32, "num_attention_heads": 20}
_NOISE = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear", "steps_offset": 1}


def unet_of_sd15() -> UNet2DConditionModel:
    """The UNet of Stable Diffusion 1.x, 860 M parameters."""
    return UNet2DConditionModel(sample_size=64, cross_attention_dim=768, attention_head_dim=8)


def unet_of_sdxl() -> UNet2DConditionModel:
    """The UNet of Stable Diffusion XL, 2.6 billion parameters."""
    return UNet2DConditionModel(
        sample_size=128,
        block_out_channels=(320, 640, 1280),
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
        transformer_layers_per_block=(1, 2, 10),
        attention_head_dim=(5, 10, 20),
        cross_attention_dim=2048,
        use_linear_projection=True,
        addition_embed_type="text_time",
        addition_time_embed_dim=256,
        projection_class_embeddings_input_dim=2816,
    )


def unet_of(model: str, dtype: torch.dtype, device: torch.device | str = "cpu") -> UNet2DConditionModel:
    """The UNet of `"sd15"` or `"sdxl"`, made where it is to be and in the precision that it is to have."""
    default = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        with torch.device(device):
            return {"sd15": unet_of_sd15, "sdxl": unet_of_sdxl}[model]().eval()
    finally:
        torch.set_default_dtype(default)


def conditions(unet: UNet2DConditionModel, batch: int) -> dict[str, torch.Tensor | dict]:
    """Random text for a UNet, and what Stable Diffusion XL adds to it, as arguments of its call."""
    random = {"device": unet.device, "dtype": unet.dtype}
    result = {"encoder_hidden_states": torch.randn(batch, 77, unet.config.cross_attention_dim, **random)}
    if unet.config.addition_embed_type:
        added = {"text_embeds": torch.randn(batch, 1280, **random), "time_ids": torch.ones(batch, 6, **random)}
        result["added_cond_kwargs"] = added
    return result


def vae_of_sd15() -> AutoencoderKL:
    """The autoencoder of both, but for its scaling factor; 84 M parameters."""
    return AutoencoderKL(
        block_out_channels=(128, 256, 512, 512),
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        layers_per_block=2,
        sample_size=512,
    )


def letters() -> CLIPTokenizer:
    """A tokenizer of CLIP's kind that knows single letters only."""
    symbols = sorted(ByteLevel.alphabet())
    tokens = [*symbols, *(symbol + "</w>" for symbol in symbols), "<|startoftext|>", "<|endoftext|>"]
    return CLIPTokenizer({token: place for place, token in enumerate(tokens)}, [], model_max_length=77)


def sd15(dtype: torch.dtype) -> StableDiffusionPipeline:
    """A whole Stable Diffusion 1.x without its safety checker."""
    return StableDiffusionPipeline(
        vae=vae_of_sd15().to(dtype),
        text_encoder=CLIPTextModel(CLIPTextConfig(**_TEXT)).to(dtype),
        tokenizer=letters(),
        unet=unet_of("sd15", dtype),
        scheduler=PNDMScheduler(**_NOISE, skip_prk_steps=True),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )


def sdxl(dtype: torch.dtype) -> StableDiffusionXLPipeline:
    """A whole Stable Diffusion XL."""
    large = CLIPTextConfig(**_LARGE_TEXT, hidden_act="gelu", projection_dim=1280)
    return StableDiffusionXLPipeline(
        vae=vae_of_sd15().to(dtype),
        text_encoder=CLIPTextModel(CLIPTextConfig(**_TEXT)).to(dtype),
        text_encoder_2=CLIPTextModelWithProjection(large).to(dtype),
        tokenizer=letters(),
        tokenizer_2=letters(),
        unet=unet_of("sdxl", dtype),
        scheduler=EulerDiscreteScheduler(**_NOISE),
        add_watermarker=False,
    )


def clip_b32() -> CLIPModel:
    """CLIP ViT-B/32, 151 M parameters, in single precision."""
    return CLIPModel(CLIPConfig(projection_dim=512))
