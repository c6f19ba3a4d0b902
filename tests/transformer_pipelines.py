"""Tiny random pipelines of the families with transformers: real classes, norms off 1, texts of different lengths."""

import torch
from conftest import tiny_tokenizer
from diffusers import (
    AutoencoderKL,
    DPMSolverMultistepScheduler,
    FlowMatchEulerDiscreteScheduler,
    FluxPipeline,
    FluxTransformer2DModel,
    PixArtAlphaPipeline,
    PixArtSigmaPipeline,
    PixArtTransformer2DModel,
    SD3Transformer2DModel,
    StableDiffusion3Pipeline,
)
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection, T5Config, T5EncoderModel

from spacetime_attn import Layout, Region


def tiny_vae(channels: int = 4, **options) -> AutoencoderKL:
    """Pictures are twice as large as latents."""
    return AutoencoderKL(
        block_out_channels=(8, 16),
        down_block_types=("DownEncoderBlock2D",) * 2,
        up_block_types=("UpDecoderBlock2D",) * 2,
        latent_channels=channels,
        norm_num_groups=4,
        sample_size=32,
        use_quant_conv=False,
        use_post_quant_conv=False,
        **options,
    ).eval()


def tiny_clip(kind: type, tokenizer, width: int):
    """A CLIP text model of so many channels."""
    config = CLIPTextConfig(
        vocab_size=len(tokenizer),
        hidden_size=width,
        intermediate_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        projection_dim=width,
        max_position_embeddings=tokenizer.model_max_length,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    return kind(config).eval()


def tiny_t5(tokenizer, width: int = 32) -> T5EncoderModel:
    """A T5 of one layer."""
    config = T5Config(
        vocab_size=len(tokenizer), d_model=width, d_kv=8, d_ff=32, num_layers=1, num_heads=2, decoder_start_token_id=0
    )
    return T5EncoderModel(config).eval()


def unsettled(model: torch.nn.Module) -> torch.nn.Module:
    """The model with norms whose weights are not 1."""
    for name, weight in model.named_parameters():
        if "norm" in name and weight.ndim == 1:
            weight.data += 0.3 * torch.randn_like(weight)
    return model.eval()


def stable_diffusion_3(**options) -> StableDiffusion3Pipeline:
    """Three blocks, of which the last is `context_pre_only`; 77 tokens of CLIP and what T5 is asked for."""
    torch.manual_seed(0)
    tokenizer = tiny_tokenizer()
    transformer = SD3Transformer2DModel(
        **{
            "sample_size": 16,
            "patch_size": 2,
            "in_channels": 4,
            "out_channels": 4,
            "num_layers": 3,
            "attention_head_dim": 8,
            "num_attention_heads": 2,
            "joint_attention_dim": 32,
            "caption_projection_dim": 16,
            "pooled_projection_dim": 32,
            "pos_embed_max_size": 24,
        }
        | options
    )
    return quiet(
        StableDiffusion3Pipeline(
            transformer=unsettled(transformer),
            scheduler=FlowMatchEulerDiscreteScheduler(shift=3.0),
            vae=tiny_vae(transformer.config.in_channels, shift_factor=0.1, scaling_factor=1.5),
            text_encoder=tiny_clip(CLIPTextModelWithProjection, tokenizer, 16),
            tokenizer=tokenizer,
            text_encoder_2=tiny_clip(CLIPTextModelWithProjection, tokenizer, 16),
            tokenizer_2=tokenizer,
            text_encoder_3=tiny_t5(tokenizer),
            tokenizer_3=tiny_tokenizer(256),
        )
    )


def stable_diffusion_35() -> StableDiffusion3Pipeline:
    """As 3.5 medium: norms of queries and keys, and attention of the picture alone beside the joint one."""
    return stable_diffusion_3(qk_norm="rms_norm", dual_attention_layers=(0, 1))


def flux(**options) -> FluxPipeline:
    """Two double and two single blocks."""
    torch.manual_seed(0)
    tokenizer = tiny_tokenizer()
    transformer = FluxTransformer2DModel(
        **{
            "patch_size": 1,
            "in_channels": 16,
            "num_layers": 2,
            "num_single_layers": 2,
            "attention_head_dim": 16,
            "num_attention_heads": 2,
            "joint_attention_dim": 32,
            "pooled_projection_dim": 16,
            "axes_dims_rope": (4, 4, 8),
            "guidance_embeds": True,
        }
        | options
    )
    return quiet(
        FluxPipeline(
            transformer=unsettled(transformer),
            scheduler=FlowMatchEulerDiscreteScheduler(use_dynamic_shifting=True),
            vae=tiny_vae(shift_factor=0.1, scaling_factor=1.5),
            text_encoder=tiny_clip(CLIPTextModel, tokenizer, 16),
            tokenizer=tokenizer,
            text_encoder_2=tiny_t5(tokenizer),
            tokenizer_2=tiny_tokenizer(512),
        )
    )


def pixart(kind: type = PixArtSigmaPipeline, sample_size: int = 16) -> PixArtAlphaPipeline | PixArtSigmaPipeline:
    """Two blocks, and a T5 whose padding is masked."""
    torch.manual_seed(0)
    transformer = PixArtTransformer2DModel(
        sample_size=sample_size,
        num_layers=2,
        patch_size=2,
        attention_head_dim=8,
        num_attention_heads=2,
        in_channels=4,
        out_channels=8,
        caption_channels=32,
        cross_attention_dim=16,
        norm_type="ada_norm_single",
        use_additional_conditions=False,
    )
    torch.nn.init.normal_(transformer.adaln_single.linear.weight, std=0.2)
    return quiet(
        kind(
            transformer=unsettled(transformer),
            scheduler=DPMSolverMultistepScheduler(),
            vae=tiny_vae(),
            text_encoder=tiny_t5(tiny_tokenizer()),
            tokenizer=tiny_tokenizer(300),
        )
    )


def quiet(pipe):
    """Without a progress bar."""
    pipe.set_progress_bar_config(disable=True)
    return pipe


OPTIONS = {  # of a call, by what the pipeline's name begins with; rows are unlike columns
    "StableDiffusion3": {"height": 32, "width": 48, "max_sequence_length": 40},
    "Flux": {"height": 32, "width": 48, "max_sequence_length": 64},
    "PixArt": {"height": 32, "width": 48, "use_resolution_binning": False, "clean_caption": False},
}
FAMILIES = {
    "SD 3": (stable_diffusion_3, OPTIONS["StableDiffusion3"]),
    "SD 3.5": (stable_diffusion_35, OPTIONS["StableDiffusion3"]),
    "FLUX.1": (flux, OPTIONS["Flux"]),
    "PixArt alpha": (lambda: pixart(PixArtAlphaPipeline), OPTIONS["PixArt"]),
    "PixArt sigma": (pixart, OPTIONS["PixArt"]),
}
PROMPT = "a red cat and a bus"
LAYOUT = Layout((Region("a green bus", box=(0, 0, 0.4, 1)), Region("an old red cat", box=(0.5, 0.2, 0.9, 0.8))))


def made(family: str):
    """A new pipeline of a family."""
    return FAMILIES[family][0]()


def draw(pipe, **options) -> torch.Tensor:
    """The latents of a run of three steps."""
    of_kind = next(options for name, options in OPTIONS.items() if type(pipe).__name__.startswith(name))
    usual = {"prompt": PROMPT, "num_inference_steps": 3, "output_type": "latent"}
    torch.manual_seed(0)  # of what pipelines draw beside their generator
    return pipe(**usual | of_kind | {"generator": torch.Generator().manual_seed(0)} | options).images
