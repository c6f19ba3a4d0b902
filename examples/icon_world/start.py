"""A training's first weights: those of an earlier checkpoint, whose world may have had other words."""

from pathlib import Path

import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from transformers import CLIPModel, CLIPTextModel, CLIPTokenizer

from .models import make_clip, make_text_encoder


def start_vae(checkpoint: Path) -> AutoencoderKL:
    """The checkpoint's VAE in single precision."""
    return AutoencoderKL.from_pretrained(checkpoint, subfolder="vae", torch_dtype=torch.float32)


def start_unet(checkpoint: Path) -> UNet2DConditionModel:
    """The checkpoint's UNet in single precision."""
    return UNet2DConditionModel.from_pretrained(checkpoint, subfolder="unet", torch_dtype=torch.float32)


@torch.no_grad()
def start_text_encoder(checkpoint: Path, tokenizer: CLIPTokenizer) -> CLIPTextModel:
    """
    The checkpoint's text encoder with another vocabulary and room for longer prompts. Tokens that both vocabularies
    know keep their embeddings, other ones get random ones; positions beyond the checkpoint's last start as that one.
    """
    old = CLIPTextModel.from_pretrained(checkpoint, subfolder="text_encoder").state_dict()
    old_vocab = CLIPTokenizer.from_pretrained(checkpoint, subfolder="tokenizer").get_vocab()
    encoder = make_text_encoder(tokenizer)
    weights = encoder.state_dict()
    old_words, old_places = old["embeddings.token_embedding.weight"], old["embeddings.position_embedding.weight"]
    words, places = weights["embeddings.token_embedding.weight"], weights["embeddings.position_embedding.weight"]
    words.normal_(std=old_words.std().item())
    for token, number in tokenizer.get_vocab().items():
        if token in old_vocab:
            words[number] = old_words[old_vocab[token]]
    places[: len(old_places)] = old_places[: len(places)]
    places[len(old_places) :] = old_places[-1]
    own = {"embeddings.token_embedding.weight": words, "embeddings.position_embedding.weight": places}
    encoder.load_state_dict(weights | old | own)
    return encoder


def start_clip(checkpoint: Path, tokenizer: CLIPTokenizer) -> CLIPModel:
    """The checkpoint's CLIP in single precision; its text tower is a new one, for that is the pipeline's."""
    clip = make_clip(tokenizer)
    old = CLIPModel.from_pretrained(checkpoint, subfolder="clip", torch_dtype=torch.float32)
    for name, part in old.named_children():
        if name != "text_model":
            getattr(clip, name).load_state_dict(part.state_dict())
    clip.logit_scale.data.copy_(old.logit_scale)
    return clip
