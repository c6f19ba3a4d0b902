"""The models, untrained, each of a size to be shipped, and the pipeline that they make."""

import torch
from diffusers import AutoencoderKL, DDIMScheduler, StableDiffusionPipeline, UNet2DConditionModel
from transformers import CLIPConfig, CLIPModel, CLIPTextConfig, CLIPTextModel, CLIPTokenizer, CLIPVisionConfig

from .things import SIZE
from .tokenizer import MAX_TOKENS


WIDTH = 160  # of both towers of CLIP, and of the UNet's cross-attention
PROJECTION = 128  # of CLIP's common space
VAE_FACTOR = 4
SCALING_FACTOR = 0.18215  # Stable Diffusion's
PIXEL_MEAN = (0.48145466, 0.4578275, 0.40821073)  # CLIP's
PIXEL_STD = (0.26862954, 0.26130258, 0.27577711)

_TOWER = {
    "hidden_size": WIDTH,
    "intermediate_size": 4 * WIDTH,
    "num_attention_heads": 5,
    "projection_dim": PROJECTION,
}


def make_vae() -> AutoencoderKL:
    """64 x 64 pixels to 16 x 16 latents of 4 channels; 0.65 M parameters."""
    return AutoencoderKL(
        block_out_channels=(16, 32, 64),
        down_block_types=("DownEncoderBlock2D",) * 3,
        up_block_types=("UpDecoderBlock2D",) * 3,
        layers_per_block=1,
        latent_channels=4,
        norm_num_groups=8,
        sample_size=SIZE,
        scaling_factor=SCALING_FACTOR,
        mid_block_add_attention=False,
    )


def make_unet() -> UNet2DConditionModel:
    """Two resolutions, 16 and 8 latents a side, with cross-attention at both; 4.3 M parameters."""
    return UNet2DConditionModel(
        sample_size=SIZE // VAE_FACTOR,
        block_out_channels=(64, 128),
        down_block_types=("CrossAttnDownBlock2D",) * 2,
        up_block_types=("CrossAttnUpBlock2D",) * 2,
        layers_per_block=1,
        cross_attention_dim=WIDTH,
        attention_head_dim=2,  # heads, despite the name
        norm_num_groups=16,
    )


def make_text_encoder(tokenizer: CLIPTokenizer) -> CLIPTextModel:
    """Three layers; 1.1 M parameters."""
    return CLIPTextModel(_text_config(tokenizer))


def make_clip(tokenizer: CLIPTokenizer) -> CLIPModel:
    """A CLIP of the text encoder and a vision tower of four layers; 2.4 M parameters."""
    vision = CLIPVisionConfig(**_TOWER, num_hidden_layers=4, image_size=SIZE, patch_size=8)
    return CLIPModel(
        CLIPConfig(
            text_config=_text_config(tokenizer).to_dict(), vision_config=vision.to_dict(), projection_dim=PROJECTION
        )
    )


def _text_config(tokenizer: CLIPTokenizer) -> CLIPTextConfig:
    return CLIPTextConfig(
        **_TOWER,
        num_hidden_layers=3,
        vocab_size=len(tokenizer),
        max_position_embeddings=MAX_TOKENS,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )


def make_scheduler() -> DDIMScheduler:
    """Stable Diffusion's noise schedule, for training and sampling; other schedulers can be made from its config."""
    return DDIMScheduler(
        beta_start=0.00085,
        beta_end=0.012,
        beta_schedule="scaled_linear",
        clip_sample=False,
        set_alpha_to_one=False,
        steps_offset=1,
    )


def make_pipeline(
    vae: AutoencoderKL, text_encoder: CLIPTextModel, tokenizer: CLIPTokenizer, unet: UNet2DConditionModel
) -> StableDiffusionPipeline:
    """All in one."""
    return StableDiffusionPipeline(
        vae=vae,
        text_encoder=text_encoder,
        tokenizer=tokenizer,
        unet=unet,
        scheduler=make_scheduler(),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )


class ExplicitAttention:
    """
    Attention in three plain operations. On a CPU, training is faster with it than with the fused one, whose backward
    pass is slow there.
    """

    def __call__(
        self, attn, hidden_states, encoder_hidden_states=None, attention_mask=None, *, places=None
    ) -> torch.Tensor:
        """
        Args:
            hidden_states (tensor of shape (batch, queries, channels)): Where to attend from.
            encoder_hidden_states (tensor of shape (batch, tokens, channels), *optional*): Where to attend to.
            places: For other processors; a UNet's `cross_attention_kwargs` reach all of them.

        Returns:
            Tensor of shape (batch, queries, channels).
        """
        query, key, value = self.project(attn, hidden_states, encoder_hidden_states)
        return self.finish(attn, self.weigh(attn, query, key), value)

    @staticmethod
    def project(attn, hidden_states, encoder_hidden_states=None) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Query, key and value, each of shape (batch, heads, positions, channels of a head)."""
        context = hidden_states if encoder_hidden_states is None else encoder_hidden_states
        projected = attn.to_q(hidden_states), attn.to_k(context), attn.to_v(context)
        return tuple(states.unflatten(-1, (attn.heads, -1)).transpose(1, 2) for states in projected)

    @staticmethod
    def weigh(attn, query: torch.Tensor, key: torch.Tensor) -> torch.Tensor:
        """The attention's weights, of shape (batch, heads, queries, keys)."""
        return (query * attn.scale @ key.mT).softmax(-1)

    @staticmethod
    def finish(attn, weights: torch.Tensor, value: torch.Tensor) -> torch.Tensor:
        """The output of shape (batch, queries, channels)."""
        return attn.to_out[0]((weights.to(value.dtype) @ value).transpose(1, 2).flatten(2))
