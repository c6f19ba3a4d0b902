"""Regional attention: the cross-attention of the whole prompt blended with each object's own, inside its region."""

import torch
import torch.nn.functional as F
from diffusers.models.attention_processor import Attention, AttnProcessor, AttnProcessor2_0
from torch import nn

from .control import Placement, RegionalControl


class RegionalAttnProcessor(nn.Module):
    r"""
    Cross-attention with regions, in the place of another processor. With A(c) the layer's attention to context c, D
    the whole prompt, L_i and m_i the local description and region of object i, and c_i its weight at this step, the
    conditional half of the batch becomes

        guided: A(D) + sum_i m_i c_i (A(L_i) - A(uncond))        (official code of arXiv:2304.03869)
        convex: A(D) + sum_i m_i c_i (A(L_i) - A(D))             (the paper's text; sum_i m_i c_i at most 1)

    A(uncond) is the unconditional row's own output. All of it happens before `to_out`, whose bias cancels. Only the
    queries inside a region attend to its description, and keys and values of all texts are projected once a run.

    Args:
        inner: The processor that is replaced. The standard ones are computed here; any other (IP-Adapter, xFormers,
            sliced attention) is called once more for the texts that its blend needs.
        control ([`RegionalControl`]): What all layers share.
    """

    def __init__(self, inner, control: RegionalControl):
        super().__init__()
        self.inner = inner
        self.control = control
        self._cache: dict = {}

    def __call__(
        self,
        attn: Attention,
        hidden_states: torch.Tensor,
        encoder_hidden_states: torch.Tensor | tuple | None = None,
        attention_mask: torch.Tensor | None = None,
        ip_adapter_masks: list[torch.Tensor] | None = None,
    ) -> torch.Tensor:
        """
        Args:
            hidden_states (`torch.Tensor` of shape (rows, queries, channels)): rows = [unconditional, conditional]
                under classifier-free guidance, otherwise conditional only.
            encoder_hidden_states (`torch.Tensor` of shape (rows, tokens, channels)): One text for each row; with
                IP-Adapter a tuple of that and the image states.

        Returns:
            `torch.Tensor` of the shape of `hidden_states`.
        """
        images = {} if ip_adapter_masks is None else {"ip_adapter_masks": ip_adapter_masks}
        if self.control.step_weights is None or encoder_hidden_states is None:
            return self.inner(attn, hidden_states, encoder_hidden_states, attention_mask, **images)
        if attention_mask is None and _is_standard(attn, self.inner):
            return self._standard(attn, hidden_states, encoder_hidden_states)
        return self._around_inner(attn, hidden_states, encoder_hidden_states, attention_mask, images)

    def _standard(self, attn: Attention, hidden_states: torch.Tensor, texts: torch.Tensor) -> torch.Tensor:
        query = attn.to_q(hidden_states)
        output = _attend(attn, query, *self._key_value(attn, "prompt", texts))

        rows = self.control.conditional_rows(len(query))
        place = self._place(query[rows])
        local_query = query[rows].flatten(0, 1)[place.index]  # (E, Q, channels)
        local = _attend(attn, local_query, *self._key_value(attn, "local", self.control.contexts))
        output = self._blend(output, rows, place, local, output)
        return attn.to_out[1](attn.to_out[0](output))

    def _around_inner(self, attn, hidden_states, texts, attention_mask, images) -> torch.Tensor:
        """The same sum around a foreign processor, after `to_out`. Image states take part in A(D) alone, once."""
        output = self.inner(attn, hidden_states, texts, attention_mask, **images)
        text_only = output
        if isinstance(texts, tuple):
            silent = texts[0], [torch.zeros_like(states) for states in texts[1]]
            text_only = self.inner(attn, hidden_states, silent, attention_mask)

        rows = self.control.conditional_rows(len(hidden_states))
        place = self._place(hidden_states[rows])
        local = self._local_outputs(attn, hidden_states[rows], texts).flatten(1, 2)
        local = local.take_along_dim(place.index[..., None], dim=1)
        return self._blend(output, rows, place, local, text_only)

    def _local_outputs(self, attn, hidden_states: torch.Tensor, texts) -> torch.Tensor:
        """A(L_i) of every object on every conditional row by the inner processor, (E, rows, queries, channels)."""
        outputs = []
        for context in self.control.contexts:
            context = context.expand(len(hidden_states), -1, -1)
            if isinstance(texts, tuple):
                context = context, [torch.zeros_like(states[: len(hidden_states)]) for states in texts[1]]
            outputs.append(self.inner(attn, hidden_states, context))
        return torch.stack(outputs)

    def _blend(self, output, rows: slice, place: Placement, local: torch.Tensor, text_only) -> torch.Tensor:
        """Adds sum_i m_i c_i (A(L_i) - base) to the conditional rows of `output`."""
        guided = self.control.blend == "guided"
        base = text_only[: rows.start] if guided else text_only[rows]
        amount = place.mask * self.control.step_weights
        if not guided:
            amount = _within_one(amount, place.index, base.shape[0] * base.shape[1])
        change = amount.to(local.dtype)[..., None] * (local - base.flatten(0, 1)[place.index])
        conditional = output[rows].flatten(0, 1).index_add(0, place.index.flatten(), change.flatten(0, 1))
        return torch.cat([output[: rows.start], conditional.unflatten(0, output[rows].shape[:2])])

    def _place(self, conditional: torch.Tensor) -> Placement:
        return self.control.placement(conditional.shape[0], conditional.shape[1], conditional.device)

    def get_processor(self):
        """The replaced processor: what looks for it by type in `unet.attn_processors` finds it during a run, too."""
        return self.inner

    def _key_value(self, attn: Attention, name: str, texts: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Keys and values of texts, projected once as long as texts, run and adapters are the same."""
        untracked = texts.is_inference()  # without a version: nobody tells whether the prompt's embeddings changed
        state = (self.control.run, None if untracked else texts._version, *map(_adapters, (attn.to_k, attn.to_v)))
        source, source_state, projected = self._cache.get(name, (None, None, None))
        if source is texts and source_state == state:
            return projected
        states = attn.norm_encoder_hidden_states(texts) if attn.norm_cross else texts
        projected = attn.to_k(states), attn.to_v(states)
        if not projected[0].requires_grad and not (untracked and name == "prompt"):
            self._cache[name] = texts, state, projected
        return projected


def _adapters(projection) -> tuple:
    """What a projection's LoRA layers would do now; callbacks may change it in mid-run."""
    scaling = getattr(projection, "scaling", {})
    return getattr(projection, "disable_adapters", None), *getattr(projection, "active_adapters", ()), *scaling.items()


def _is_standard(attn: Attention, processor) -> bool:
    """Whether this file's own arithmetic equals the layer's: the standard processors without their extras."""
    extras = (attn.spatial_norm, attn.group_norm, attn.norm_q, attn.norm_k)
    return (
        type(processor) in (AttnProcessor, AttnProcessor2_0)
        and all(extra is None for extra in extras)
        and not attn.residual_connection
        and attn.rescale_output_factor == 1
    )


def _attend(attn: Attention, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor) -> torch.Tensor:
    """Multi-head attention without projections; all of shape (rows, positions, channels)."""
    query, key, value = (states.unflatten(-1, (attn.heads, -1)).transpose(1, 2) for states in (query, key, value))
    return F.scaled_dot_product_attention(query, key, value).transpose(1, 2).flatten(2)


def _within_one(amount: torch.Tensor, index: torch.Tensor, pixels: int) -> torch.Tensor:
    """Scales amounts down where they add up to more than 1 at a pixel."""
    total = amount.new_zeros(pixels).index_add(0, index.flatten(), amount.flatten())
    return amount / total.clamp(min=1)[index]
