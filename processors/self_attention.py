"""Self-attention that keeps neighbours apart."""

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from diffusers.models.attention_processor import Attention

from .attention import is_standard
from .control import RegionalControl
from .separation import Separation


_WIDTH = 8  # fused kernels want heads of a multiple of so many channels


class SeparatedAttnProcessor:
    """
    Self-attention under separation, around another processor.

    Args:
        inner: The other processor, or `Attention.forward`, which stands for the one that the layer has at the time.
            In the place of the standard ones, the factors of the bias are further channels of queries and keys, so
            that every kernel of attention will do. Any other is given the whole bias as its mask.
        control ([`RegionalControl`]): What all layers share.
    """

    def __init__(self, inner: Callable, control: RegionalControl):
        self.inner = inner
        self.control = control

    def __call__(
        self,
        attn: Attention,
        hidden_states: torch.Tensor,
        encoder_hidden_states: torch.Tensor | None = None,
        attention_mask: torch.Tensor | None = None,
        **options,
    ) -> torch.Tensor:
        """
        Args:
            hidden_states (`torch.Tensor` of shape (rows, tokens, channels)): The places of each picture.
            options: For the inner processor alone.

        Returns:
            `torch.Tensor` of the shape of `hidden_states`.
        """
        if not self.control.separates or encoder_hidden_states is not None:
            return self.inner(attn, hidden_states, encoder_hidden_states, attention_mask, **options)
        apart = self.control.separation(*hidden_states.shape[:2])
        if is_standard(attn, self.inner) and attention_mask is None:
            return attn.to_out[1](attn.to_out[0](_separated(attn, hidden_states, apart)))
        bias = apart.bias if attention_mask is None else attention_mask + apart.bias
        return self.inner(attn, hidden_states, None, bias, **options)


def _separated(attn: Attention, states: torch.Tensor, apart: Separation) -> torch.Tensor:
    """Multi-head self-attention before `to_out`; all of shape (rows, tokens, channels)."""
    query, key, value = (
        project(states).unflatten(-1, (attn.heads, -1)).transpose(1, 2)
        for project in (attn.to_q, attn.to_k, attn.to_v)
    )
    channels, heads = query.shape[-1], (-1, attn.heads, -1, -1)
    root = math.sqrt(channels)  # of which the kernel divides all logits
    query = torch.cat([query, root * apart.query.to(query)[:, None].expand(heads)], dim=-1)
    key = torch.cat([key, apart.key.to(key)[:, None].expand(heads)], dim=-1)
    wide = math.ceil(query.shape[-1] / _WIDTH) * _WIDTH
    query, key, value = (F.pad(part, (0, wide - part.shape[-1])) for part in (query, key, value))
    output = F.scaled_dot_product_attention(query, key, value, scale=1 / root)
    return output[..., :channels].transpose(1, 2).flatten(2)
