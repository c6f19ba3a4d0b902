"""Regional attention: the cross-attention of the whole prompt blended with each object's own, inside its region."""

from collections.abc import Callable, Sequence
from itertools import groupby

import torch
import torch.nn.functional as F
from diffusers.models.attention_processor import Attention, AttnProcessor, AttnProcessor2_0

from .control import Placement, RegionalControl
from .region_adapters import of_layer


class RegionalAttnProcessor:
    r"""
    Cross-attention with regions, around another processor. With A(c) the layer's attention to context c, D the whole
    prompt, L_i and m_i the local description and region of object i, and c_i its weight at this step, the conditional
    half of the batch becomes

        guided: A(D) + sum_i m_i c_i (A(L_i) - A(uncond))        (official code of arXiv:2304.03869)
        convex: A(D) + sum_i m_i c_i (A(L_i) - A(D))             (the paper's text; sum_i m_i c_i at most 1)

    A(uncond) is the unconditional row's own output: its own queries on its own text. All of it happens before
    `to_out`, whose bias cancels. Only the queries inside a region attend to its description, and keys and values of
    all texts are projected once a run (at every evaluation where the UNet is compiled).

    Where object i has a negative prompt N_i of its own, A(N_i), the unconditional row's queries on that text, takes
    the place of A(uncond) in what concerns the object:

        guided: its term becomes m_i c_i (A(L_i) - A(N_i))
        convex: the unconditional half becomes A(uncond) + sum_i m_i c_i (A(N_i) - A(uncond)), i with an N_i only

    Guided control is guidance within the layer, away from what it subtracts, so that is where N_i belongs; the
    unconditional half stays as it is. Convex control subtracts nothing, but moves the conditional half from D to L_i
    by the share m_i c_i; the same share moves the unconditional half to N_i, so that with a share of 1 classifier-free
    guidance leads from N_i to L_i, as in a picture of these two texts alone. In both, an N_i that is the whole
    picture's negative prompt changes nothing.

    Args:
        inner: The other processor, or `Attention.forward`, which stands for the one that the layer has at the time.
            The standard ones are computed here; any other (IP-Adapter, xFormers, sliced attention) is called once
            more for the texts that its blend needs.
        control ([`RegionalControl`]): What all layers share.
        texts (`Callable`, *optional*): Gives its contexts and negatives as the layer reads them, if not as they are.
    """

    def __init__(self, inner: Callable, control: RegionalControl, texts: Callable[[], tuple] | None = None):
        self.inner = inner
        self.control = control
        self.texts = texts or (lambda: (control.contexts, control.negatives))
        self._cache: dict = {}

    def __call__(
        self,
        attn: Attention,
        hidden_states: torch.Tensor,
        encoder_hidden_states: torch.Tensor | tuple | None = None,
        attention_mask: torch.Tensor | None = None,
        ip_adapter_masks: list[torch.Tensor] | None = None,
        **options,
    ) -> torch.Tensor:
        """
        Args:
            hidden_states (`torch.Tensor` of shape (rows, queries, channels)): rows = [unconditional, conditional]
                under classifier-free guidance, otherwise conditional only, or unconditional only.
            encoder_hidden_states (`torch.Tensor` of shape (rows, tokens, channels)): One text for each row; with
                IP-Adapter a tuple of that and the image states.
            options: For the inner processor alone.

        Returns:
            `torch.Tensor` of the shape of `hidden_states`.
        """
        if ip_adapter_masks is not None:
            options["ip_adapter_masks"] = ip_adapter_masks
        if not self.control.acts or encoder_hidden_states is None:
            return self.inner(attn, hidden_states, encoder_hidden_states, attention_mask, **options)
        if is_standard(attn, self.inner) and not isinstance(encoder_hidden_states, tuple):
            return self._standard(attn, hidden_states, encoder_hidden_states, attention_mask)
        return self._around_inner(attn, hidden_states, encoder_hidden_states, attention_mask, options)

    def _standard(self, attn: Attention, hidden_states: torch.Tensor, texts, attention_mask) -> torch.Tensor:
        control, query = self.control, attn.to_q(hidden_states)
        output = _attend(attn, query, *self._key_value(attn, "prompt", texts), attention_mask)

        rows = control.conditional_rows(len(query))
        if control.adapting is not None:
            output = self._adapted(attn, query, texts, attention_mask, output)
        if control.step_weights is None:
            return attn.to_out[1](attn.to_out[0](output))
        place = control.placement(query.shape[1])
        contexts, negatives = self.texts()
        local = negative = None
        if rows.start < len(query):
            local_query = query[rows].flatten(0, 1)[place.index]  # (E, Q, channels)
            mask = _bias(control.context_masks, query)
            adapters = self._adapters_of()
            local = _attend(attn, local_query, *self._key_value(attn, "local", contexts, adapters), mask)
        if control.negates:
            negative_query = query[: rows.start].flatten(0, 1)[place.index[control.negated]]
            mask = _bias(control.negative_masks, query)
            adapters = self._adapters_of(control.negated)
            negative = _attend(attn, negative_query, *self._key_value(attn, "negative", negatives, adapters), mask)
        output = blended(control, output, rows, place, local, negative, output)
        return attn.to_out[1](attn.to_out[0](output))

    def _around_inner(self, attn, hidden_states, texts, attention_mask, options: dict) -> torch.Tensor:
        """The same sum around a foreign processor, after `to_out`. Image states take part in A(D) alone, once."""
        output = self.inner(attn, hidden_states, texts, attention_mask, **options)
        text_only = output
        if isinstance(texts, tuple):
            text_only = self.inner(attn, hidden_states, (texts[0], []), attention_mask)

        rows = self.control.conditional_rows(len(hidden_states))
        if self.control.adapting is not None:
            change = self._change_by_inner(attn, hidden_states, texts, attention_mask, options, output)
            output, text_only = output + change, text_only + change
        if self.control.step_weights is None:
            return output
        place = self.control.placement(hidden_states.shape[1])
        control, conditional, before = self.control, hidden_states[rows], hidden_states[: rows.start]
        contexts, negatives = self.texts()
        local = negative = None
        if len(conditional):
            adapters = self._adapters_of()
            local = self._by_inner(attn, conditional, contexts, control.context_masks, place.index, texts, adapters)
        if control.negates:
            index, adapters = place.index[control.negated], self._adapters_of(control.negated)
            negative = self._by_inner(attn, before, negatives, control.negative_masks, index, texts, adapters)
        return blended(control, output, rows, place, local, negative, text_only)

    def _by_inner(self, attn, hidden_states: torch.Tensor, contexts, masks, index, texts, adapters) -> torch.Tensor:
        """The inner processor's output for each context at its row of `index`, without images, (E, Q, channels)."""
        outputs, count = [], len(hidden_states)
        biases = [None] * len(contexts) if masks is None else _bias(masks, hidden_states)
        for context, bias, inside, own in zip(contexts, biases, index, adapters or [{}] * len(contexts)):
            context = context.expand(count, -1, -1)
            if isinstance(texts, tuple):
                context = context, []
            bias = None if bias is None else bias.expand(count, -1, -1)
            with self.control.reading([own]):
                outputs.append(self.inner(attn, hidden_states, context, bias).flatten(0, 1)[inside])
        return torch.stack(outputs)

    def _adapted(self, attn: Attention, query: torch.Tensor, texts, attention_mask, output) -> torch.Tensor:
        """A(D) and A(uncond) where regions have adapters: their queries attend to keys and values under these."""
        step = self.control.adapting
        place = of_layer(step.places, query.shape[1])
        key_value = self._key_value(attn, "prompt in regions", texts, step.adapters, step.rows)
        mask = None if attention_mask is None else attention_mask[step.rows]
        inside = _attend(attn, query.flatten(0, 1)[place.index], *key_value, mask)
        change = place.amount.to(output.dtype) * (inside - output.flatten(0, 1)[place.index])
        return _added(output, slice(None), place.index, change)

    def _change_by_inner(self, attn, hidden_states, texts, attention_mask, options: dict, output) -> torch.Tensor:
        """What that changes in a foreign processor's output."""
        step = self.control.adapting
        place = of_layer(step.places, hidden_states.shape[1])
        changes = []
        for names, rows in groupby(zip(step.adapters, place.index), key=lambda row: row[0]):
            with self.control.reading([names]):
                inside = self.inner(attn, hidden_states, texts, attention_mask, **options)
            changes += [(inside - output).flatten(0, 1)[index] for _, index in rows]
        change = place.amount.to(output.dtype) * torch.stack(changes)
        return _added(torch.zeros_like(output), slice(None), place.index, change)

    def _adapters_of(self, objects: Sequence[int] | None = None) -> tuple[dict[str, float], ...]:
        """The adapters that act now, of each object or of some; empty where none act."""
        if self.control.adapting is None:
            return ()
        strengths = self.control.adapting.strengths
        return strengths if objects is None else tuple(strengths[number] for number in objects)

    def _key_value(
        self, attn: Attention, name: str, texts: torch.Tensor, adapters: tuple = (), rows: list[int] | None = None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Keys and values of texts, or of some rows; projected once as long as texts, run and adapters stay."""
        if torch.compiler.is_compiling():  # a graph that asks for versions breaks, so the projections are part of it
            return self._project(attn, texts)
        untracked = texts.is_inference()  # without a version: nobody tells whether the prompt's embeddings changed
        version = None if untracked else texts._version
        state = (self.control.run, version, adapters, rows, *map(_adapters, (attn.to_k, attn.to_v)))
        source, source_state, projected = self._cache.get(name, (None, None, None))
        if source is texts and source_state == state:
            return projected
        with self.control.reading(adapters):
            projected = self._project(attn, texts if rows is None else texts[rows])
        if not projected[0].requires_grad and not (untracked and name.startswith("prompt")):
            self._cache[name] = texts, state, projected
        return projected

    @staticmethod
    def _project(attn: Attention, texts: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        states = attn.norm_encoder_hidden_states(texts) if attn.norm_cross else texts
        return attn.to_k(states), attn.to_v(states)


def _adapters(projection) -> tuple:
    """What a projection's LoRA layers would do now; callbacks may change it in mid-run."""
    scaling = vars(projection).get("scaling")
    return () if scaling is None else (projection.disable_adapters, *projection.active_adapters, *scaling.items())


def is_standard(attn: Attention, inner: Callable) -> bool:
    """Whether this file's own arithmetic equals the layer's: the standard processors without their extras."""
    processor = attn.processor if inner is Attention.forward else inner
    extras = (attn.spatial_norm, attn.group_norm, attn.norm_q, attn.norm_k)
    return (
        type(processor) in (AttnProcessor, AttnProcessor2_0)
        and all(extra is None for extra in extras)
        and not attn.residual_connection
        and attn.rescale_output_factor == 1
    )


def _attend(attn: Attention, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, bias) -> torch.Tensor:
    """Multi-head attention without projections; all of shape (rows, positions, channels), the bias (rows, 1, keys)."""
    query, key, value = (states.unflatten(-1, (attn.heads, -1)).transpose(1, 2) for states in (query, key, value))
    mask = None if bias is None else bias[:, None]
    return F.scaled_dot_product_attention(query, key, value, mask).transpose(1, 2).flatten(2)


def _bias(masks: torch.Tensor | None, like: torch.Tensor) -> torch.Tensor | None:
    """What masks (texts, tokens) add to the scores, (texts, 1, tokens), as diffusers' transformers have it."""
    return None if masks is None else (1 - masks.to(like)[:, None]) * -10000.0


def blended(
    control: RegionalControl,
    output: torch.Tensor,
    rows: slice,
    place: Placement,
    local,
    negative,
    text_only,
    base=None,
) -> torch.Tensor:
    """
    What attention gives, with the objects' terms of [`RegionalAttnProcessor`]'s formulas.

    Args:
        control ([`RegionalControl`]): Whose objects they are.
        output (`torch.Tensor` of shape (rows, queries, channels)): Attention to the prompts, A(D) and A(uncond).
        rows (`slice`): The conditional ones.
        place ([`Placement`]): Where the objects act.
        local (`torch.Tensor` of shape (E, Q, channels)): A(L_i) there; `None` where no row is conditional.
        negative (`torch.Tensor` of shape (M, Q, channels)): A(N_i), likewise.
        text_only (`torch.Tensor` of the shape of `output`): It without images.
        base (`torch.Tensor` of the shape of `local`, *optional*): What guided control subtracts from that.
    """
    guided, negated = control.blend == "guided", control.negated
    amount, unconditional = place.amount.to(output.dtype), slice(0, rows.start)
    if negative is not None and not guided:
        index = place.index[negated]
        change = amount[negated] * (negative - text_only[unconditional].flatten(0, 1)[index])
        output = _added(output, unconditional, index, change)
    if local is None:
        return output
    if base is None:
        base = text_only[unconditional if guided else rows].flatten(0, 1)[place.index]
        if negative is not None and guided:
            base[negated] = negative
    return _added(output, rows, place.index, amount * (local - base))


def _added(states: torch.Tensor, rows: slice, index: torch.Tensor, change: torch.Tensor) -> torch.Tensor:
    """States (rows, queries, channels) and what changes at flattened queries of some rows, (E, Q, channels)."""
    states = states.clone(memory_format=torch.contiguous_format)
    states[rows].flatten(0, 1).index_add_(0, index.flatten(), change.flatten(0, 1))
    return states
