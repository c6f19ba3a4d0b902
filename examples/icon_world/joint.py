"""A small Stable Diffusion 3 around icon world's VAE and text encoder, and the attention that it is trained with."""

from pathlib import Path

import torch
from diffusers import AutoencoderKL, FlowMatchEulerDiscreteScheduler, SD3Transformer2DModel, StableDiffusion3Pipeline
from torch import nn
from transformers import CLIPTextModel, CLIPTextModelWithProjection, CLIPTokenizer

from .grounding import SIDE, beside
from .models import WIDTH


JOINT_TOKENS = 40  # all captions of up to three objects have room
NO_T5 = 1  # empty tokens in place of T5's: `max_sequence_length` of the pipeline's calls
PATCH, LAYERS, HEADS, HEAD_WIDTH = 2, 6, 4, 32
STATE_SCALE = 32.0  # of the text encoder's states, about their standard deviation


def make_transformer() -> SD3Transformer2DModel:
    """
    Six blocks of 128 channels on 8 x 8 patches; 3.5 M parameters. Each block starts as the identity, as in
    DiT (Peebles and Xie 2023), which diffusers leaves to the training.
    """
    transformer = SD3Transformer2DModel(
        sample_size=SIDE,
        patch_size=PATCH,
        in_channels=4,
        out_channels=4,
        num_layers=LAYERS,
        attention_head_dim=HEAD_WIDTH,
        num_attention_heads=HEADS,
        joint_attention_dim=2 * WIDTH,
        caption_projection_dim=HEADS * HEAD_WIDTH,
        pooled_projection_dim=2 * WIDTH,
        pos_embed_max_size=SIDE // PATCH,
        qk_norm="rms_norm",
    )
    modulations = [
        layer for name, layer in transformer.named_modules() if ".norm1" in name and name.endswith(".linear")
    ]
    for layer in (*modulations, transformer.norm_out.linear, transformer.proj_out):
        nn.init.zeros_(layer.weight)
        nn.init.zeros_(layer.bias)
    return transformer


@torch.no_grad()
def wrap_text_encoder(text_encoder: CLIPTextModel) -> CLIPTextModelWithProjection:
    """
    The text encoder as Stable Diffusion 3 takes it. What the pipeline reads are the states before the last layer, so
    one that changes nothing is appended, and the projection is the identity.

    Everything that is added to the states is divided by `STATE_SCALE`, for they go into the transformer as they are.
    The layer norms, whose epsilon is divided too, give what they gave.
    """
    config = text_encoder.config.to_dict()
    config |= {
        "num_hidden_layers": text_encoder.config.num_hidden_layers + 1,
        "projection_dim": text_encoder.config.hidden_size,
        "layer_norm_eps": text_encoder.config.layer_norm_eps / STATE_SCALE**2,
    }
    wrapped = CLIPTextModelWithProjection(type(text_encoder.config).from_dict(config))
    model = wrapped.text_model
    model.load_state_dict(text_encoder.state_dict(), strict=False)
    last = model.encoder.layers[-1]
    for layer in model.encoder.layers:
        for added in (layer.self_attn.out_proj, layer.mlp.fc2):
            added.weight *= 0 if layer is last else 1 / STATE_SCALE
            added.bias *= 0 if layer is last else 1 / STATE_SCALE
    model.embeddings.token_embedding.weight /= STATE_SCALE
    model.embeddings.position_embedding.weight /= STATE_SCALE
    nn.init.eye_(wrapped.text_projection.weight)
    return wrapped.requires_grad_(False).eval()


def make_joint_pipeline(
    vae: AutoencoderKL,
    text_encoder: CLIPTextModelWithProjection,
    tokenizer: CLIPTokenizer,
    transformer: SD3Transformer2DModel,
) -> StableDiffusion3Pipeline:
    """
    All in one; the text encoder serves twice, and there is no T5.

    Args:
        tokenizer (`CLIPTokenizer`): Its `model_max_length` is the number of tokens that the transformer reads.
    """
    vae.register_to_config(shift_factor=0.0)
    return StableDiffusion3Pipeline(
        transformer=transformer,
        scheduler=FlowMatchEulerDiscreteScheduler(),
        vae=vae,
        text_encoder=text_encoder,
        tokenizer=tokenizer,
        text_encoder_2=text_encoder,
        tokenizer_2=tokenizer,
        text_encoder_3=None,
        tokenizer_3=None,
    )


def load_joint_pipeline(folder: Path) -> StableDiffusion3Pipeline:
    """The pipeline that was saved; diffusers wants to be told that there is no T5."""
    return StableDiffusion3Pipeline.from_pretrained(folder, text_encoder_3=None, tokenizer_3=None)


def joint_texts(
    text_encoder: CLIPTextModelWithProjection, input_ids: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """
    What `StableDiffusion3Pipeline.encode_prompt` makes of prompts with `max_sequence_length=NO_T5`.

    Args:
        input_ids (tensor of shape (batch, tokens)): Of the prompts.

    Returns:
        The states, of shape (batch, tokens + NO_T5, 2 * WIDTH), and the pooled ones, of shape (batch, 2 * WIDTH).
    """
    read = text_encoder(input_ids, output_hidden_states=True)
    states = torch.cat([read.hidden_states[-2]] * 2, dim=-1)
    return nn.functional.pad(states, (0, 0, 0, NO_T5)), torch.cat([read.text_embeds] * 2, dim=-1)


class GroundedJointAttention:
    """
    Joint attention in plain operations, which trains faster on a CPU than the fused one, and which measures how far
    the picture's attention to nouns is from the places of their things, as [`GroundedAttention`] does.
    """

    loss: torch.Tensor  # of the last call

    def __call__(self, attn, hidden_states, encoder_hidden_states, attention_mask=None, *, places):
        """
        Args:
            hidden_states (tensor of shape (batch, patches, channels)): The picture's.
            encoder_hidden_states (tensor of shape (batch, texts, channels)): The text's.
            places (tensor of shape (batch, tokens, patches)): Where each of the first tokens has its things, 0 or 1.

        Returns:
            Both after attention.
        """
        patches = hidden_states.shape[1]
        query = self._join(attn, hidden_states, encoder_hidden_states, "q", attn.norm_q, attn.norm_added_q)
        key = self._join(attn, hidden_states, encoder_hidden_states, "k", attn.norm_k, attn.norm_added_k)
        value = self._join(attn, hidden_states, encoder_hidden_states, "v", None, None)
        weights = (query * attn.scale @ key.mT).softmax(-1)
        to_text = weights[:, :, :patches, patches:].float()
        to_text = (to_text / to_text.sum(3, keepdim=True)).mean(1).mT[:, : places.shape[1]]
        self.loss = beside(to_text, places)
        attended = (weights.to(value.dtype) @ value).transpose(1, 2).flatten(2)
        picture, text = attended[:, :patches], attended[:, patches:]
        return attn.to_out[0](picture), text if attn.context_pre_only else attn.to_add_out(text)

    @staticmethod
    def _join(attn, picture, text, kind, norm, added_norm) -> torch.Tensor:
        """The queries, keys or values of picture and text: (batch, heads, patches + texts, channels of a head)."""
        sides = (getattr(attn, f"to_{kind}")(picture), norm), (getattr(attn, f"add_{kind}_proj")(text), added_norm)
        heads = [(states.unflatten(-1, (attn.heads, -1)).transpose(1, 2), norm) for states, norm in sides]
        return torch.cat([norm(states) if norm is not None else states for states, norm in heads], dim=2)


def ground_joint(transformer: SD3Transformer2DModel) -> list[GroundedJointAttention]:
    """Sets a transformer's processors and returns them."""
    processors = {name: GroundedJointAttention() for name in transformer.attn_processors}
    transformer.set_attn_processor(dict(processors))
    return list(processors.values())
