"""Models with random weights in the shapes of real ones: speed and memory do not depend on what was learned."""

import torch
from diffusers import AutoencoderKL, PNDMScheduler, StableDiffusionPipeline, UNet2DConditionModel
from tokenizers.pre_tokenizers import ByteLevel
from transformers import CLIPConfig, CLIPModel, CLIPTextConfig, CLIPTextModel, CLIPTokenizer


def unet_of_sd15(**options) -> UNet2DConditionModel:
    """The UNet of Stable Diffusion 1.x, 860 M parameters."""
    return UNet2DConditionModel(sample_size=64, cross_attention_dim=768, attention_head_dim=8, **options)


def vae_of_sd15() -> AutoencoderKL:
    """Its autoencoder, 84 M parameters."""
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
    text = CLIPTextConfig(hidden_size=768, intermediate_size=3072, num_hidden_layers=12, num_attention_heads=12)
    scheduler = PNDMScheduler(
        beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", skip_prk_steps=True, steps_offset=1
    )
    return StableDiffusionPipeline(
        vae=vae_of_sd15().to(dtype),
        text_encoder=CLIPTextModel(text).to(dtype),
        tokenizer=letters(),
        unet=unet_of_sd15().to(dtype),
        scheduler=scheduler,
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )


def clip_b32() -> CLIPModel:
    """CLIP ViT-B/32, 151 M parameters, in single precision."""
    return CLIPModel(CLIPConfig(projection_dim=512))
