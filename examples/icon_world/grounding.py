"""Where the UNet has to look while it trains: the noun of a thing belongs to the part of the picture that shows it."""

import torch
import torch.nn.functional as F
from diffusers import UNet2DConditionModel
from torch import nn
from transformers import CLIPTokenizer

from .models import VAE_FACTOR, ExplicitAttention
from .reader import PALETTE
from .scenes import SceneBatch
from .things import CATEGORIES, SIZE


SIDE = SIZE // VAE_FACTOR  # latents a side
HEED = 0.3  # the part of its attention that a thing's place pays to the noun, at least


class NounPlaces(nn.Module):
    """
    Says where the things are that a caption's tokens name.

    Args:
        tokenizer (`CLIPTokenizer`): Each category's singular and plural is one of its tokens.
    """

    def __init__(self, tokenizer: CLIPTokenizer):
        super().__init__()
        categories = torch.full((len(tokenizer),), -1)
        for number, (name, category) in enumerate(CATEGORIES.items()):
            for noun in (name, category.plural or f"{name}s"):
                categories[tokenizer.convert_tokens_to_ids(f"{noun}</w>")] = number
        self.register_buffer("categories", categories, persistent=False)

    def forward(self, input_ids: torch.Tensor, scenes: SceneBatch) -> torch.Tensor:
        """
        Args:
            input_ids (tensor of shape (batch, tokens)): Of captions.
            scenes ([`SceneBatch`]): What they describe.

        Returns:
            Tensor of shape (batch, tokens, SIDE, SIDE): 1 where a latent touches the box of a thing that the token
            names, all 0 for tokens that name nothing.
        """
        edges = torch.arange(SIDE + 1, device=input_ids.device) / SIDE
        x0, y0, x1, y1 = scenes.boxes.unbind(-1)
        across = (edges[:-1] < x1[..., None]) & (edges[1:] > x0[..., None])  # (batch, objects, SIDE)
        down = (edges[:-1] < y1[..., None]) & (edges[1:] > y0[..., None])
        inside = (down[..., :, None] & across[..., None, :]).float()
        shown = scenes.indices.div(PALETTE, rounding_mode="floor")  # (batch, objects); -1 for none
        named = self.categories[input_ids]
        same = (named[:, :, None] == shown[:, None, :]) & (named >= 0)[:, :, None]
        return torch.einsum("bto,boyx->btyx", same.float(), inside).clamp(max=1)


class GroundedAttention(ExplicitAttention):
    """Cross-attention that also measures how far the nouns' attention is from their places."""

    loss: torch.Tensor  # of the last call

    def __call__(self, attn, hidden_states, encoder_hidden_states, attention_mask=None, *, places) -> torch.Tensor:
        """
        As [`ExplicitAttention`], and leaves in `loss` how far the nouns' attention is from their places (`beside`).

        Args:
            places (tensor of shape (batch, tokens, SIDE, SIDE)): [`NounPlaces`]'.
        """
        query, key, value = self.project(attn, hidden_states, encoder_hidden_states)
        weights = self.weigh(attn, query, key)
        side = int(hidden_states.shape[1] ** 0.5)
        inside = F.adaptive_max_pool2d(places, side).flatten(2)  # (batch, tokens, queries)
        self.loss = beside(weights.float().mean(1).mT, inside)
        return self.finish(attn, weights, value)


def beside(attention: torch.Tensor, inside: torch.Tensor) -> torch.Tensor:
    """
    How far the nouns' attention is from their places: the mean over the nouns of two squares, of the share outside,
    the token-level loss of TokenCompose (Wang et al. 2024), and of what a noun's places lack in heed of it.

    Args:
        attention (tensor of shape (batch, tokens, queries)): What each query pays to each token.
        inside (tensor of shape (batch, tokens, queries)): 1 in the token's places, all 0 for what is no noun.
    """
    within = (attention * inside).sum(2)
    outside = 1 - within / attention.sum(2)
    lacking = (1 - within / inside.sum(2).clamp(min=1) / HEED).clamp(min=0)
    named = inside.amax(dim=2)
    return ((outside.square() + lacking.square()) * named).sum() / named.sum().clamp(min=1)


def ground(unet: UNet2DConditionModel) -> list[GroundedAttention]:
    """Sets a UNet's processors. Returns those that measure: of all cross-attention."""
    names = list(unet.attn_processors)
    measuring = {name: GroundedAttention() for name in names if "attn2" in name}
    unet.set_attn_processor({name: measuring.get(name) or ExplicitAttention() for name in names})
    return list(measuring.values())
