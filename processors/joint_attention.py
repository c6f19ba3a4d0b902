"""Regional attention where picture and texts share one softmax, as in Stable Diffusion 3 and FLUX."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from diffusers.models.embeddings import apply_rotary_emb
from torch import nn

from .attention import blended
from .control import Evaluation, RegionalControl
from .denoiser import Denoiser, EncodedTexts
from .scheduler_clock import SchedulerClock
from .softmax_parts import attention_with_lse, gives_lse, merged


SIGHTS = "region", "picture"  # what local texts see of the picture: their region of it, or all


class JointDenoiser(Denoiser):
    """
    A transformer whose text stream takes the local texts in at its end, where the blocks begin, so that the model's
    own norms, modulations and feed-forwards act on them as on the prompt. Only attention knows them apart.
    """

    clock = SchedulerClock
    processors: tuple[type, ...]  # of its attention layers, whose arithmetic is known
    local_sequence_length: int  # of local texts, where no other is asked for
    local_sight: str = "region"  # one of `SIGHTS`

    def __init__(self, pipe, texts: EncodedTexts | None = None):
        super().__init__(pipe, texts)
        self.segments: Segments | None = None  # of the evaluation under way
        self._known: dict[tuple, Segments] = {}
        self._embed: nn.Module | None = None  # the model's own; a compiler must not meet the model itself once more

    def layers(self, contexts: torch.Tensor) -> list[nn.Module]:
        """See [`Denoiser.layers`]."""
        layers = [layer for name, layer in self.model.named_modules() if name.endswith(".attn")]
        for layer in layers:
            self.check_layer(layer)
        return layers

    def check_layer(self, layer: nn.Module) -> None:
        """Raises a ValueError if a layer's processor is not known."""
        if type(layer.processor) not in self.processors:
            raise ValueError(
                f"Regions do not go together with the attention processor {type(layer.processor).__name__} of"
                f" {self.kind}: unload what has set it (an IP-Adapter, for one), or set"
                f" {self.processors[0].__name__}."
            )

    def fused(self, layer: nn.Module) -> bool:
        """Whether a layer's projections are fused."""
        return layer.fused_projections

    def prepare(self, control: RegionalControl, evaluation: Evaluation) -> None:
        """See [`Denoiser.prepare`]."""
        if control.step_weights is None:
            return
        [(rows, columns)] = evaluation.grids
        key = control.run, control.passes, control.rows, rows * columns
        if key not in self._known:
            self._known = {known: segments for known, segments in self._known.items() if known[0] == control.run}
            self._known[key] = Segments.of(control, rows, columns)
        self.segments, self._embed = self._known[key], self.model.context_embedder

    def join(self, control: RegionalControl, arguments: dict[str, Any]) -> dict[str, Any]:
        """See [`Denoiser.join`]."""
        texts = arguments["encoder_hidden_states"]
        own = control.contexts if control.negatives is None else torch.cat([control.contexts, control.negatives])
        local = self._embed(own.to(texts.dtype))
        slots = local[self.segments.texts].flatten(1, 2)
        return arguments | {"encoder_hidden_states": torch.cat([texts, slots.to(texts.dtype)], dim=1)}

    def regional(self, plain: Callable, control: RegionalControl) -> Callable:
        """See [`Denoiser.regional`]."""
        return RegionalJointAttnProcessor(control, self)

    def local_length(self, max_sequence_length: int | None, of_run: int | None) -> int:
        """How long local texts are: what is asked for, else the family's length, or the prompt's if that is less."""
        return max_sequence_length or min(self.local_sequence_length, of_run or self.local_sequence_length)


@dataclass(frozen=True)
class Segments:
    """
    The local texts at the end of the text stream, which has as many slots in each row, of as many tokens each. A pair
    is a row and a slot that holds the text of an object there: first, object by object, the descriptions in the
    conditional rows, then the negative prompts in the unconditional ones.

    Args:
        picture (`int`): The tokens of each picture.
        texts (`torch.Tensor` of shape (rows, slots)): Which of [contexts, negatives] each slot holds. What is in no
            pair holds the first, and nothing reads it.
        length (`int`): The tokens of a slot.
        rows, slots (`torch.Tensor` of shape (pairs,)): Those of each pair.
        queries (`torch.Tensor` of shape (pairs, Q)): The picture's tokens inside each pair's region, as rows of the
            flattened tokens of all rows.
        inside (`torch.Tensor` of shape (pairs, Q), *optional*): Which of these are so, where smaller regions are
            filled up to the size of the largest.
        negatives (`int`): How many of the pairs are negative prompts.
    """

    picture: int
    texts: torch.Tensor
    length: int
    rows: torch.Tensor
    slots: torch.Tensor
    queries: torch.Tensor
    inside: torch.Tensor | None
    negatives: int

    @property
    def descriptions(self) -> int:
        """How many of the pairs these are, by a shape: a compiler may leave that open."""
        return len(self.rows) - self.negatives

    @property
    def tokens(self) -> int:
        """Of each row."""
        return self.texts.shape[1] * self.length

    @classmethod
    def of(cls, control: RegionalControl, height: int, width: int) -> "Segments":
        """Those of the evaluation that the control was prepared for, with pictures of so many tokens."""
        tokens = height * width
        place, start = control.placement(tokens), control.conditional_rows(control.rows).start
        device, owners = place.index.device, control.owners
        copies = (control.rows - start or control.rows) // control.num_prompts
        described = list(range(len(owners))) if start < control.rows else []
        negated = control.negated if control.negates else []
        firsts = torch.tensor([start + owners[e] * copies for e in described] + [owners[e] * copies for e in negated])
        numbers = torch.tensor([*described, *(len(owners) + number for number in range(len(negated)))])
        slots = torch.tensor([e - owners.index(owners[e]) for e in (*described, *negated)]).repeat_interleave(copies)
        rows = (firsts[:, None] + torch.arange(copies)).flatten()
        texts = torch.zeros(control.rows, max(map(owners.count, owners)), dtype=torch.long)
        texts[rows, slots] = numbers.repeat_interleave(copies)
        queries = place.index.unflatten(1, (copies, -1))
        sizes = control.masks(height, width).flatten(1).count_nonzero(1)[[*described, *negated]]
        inside = torch.arange(queries.shape[2]) < sizes.repeat_interleave(copies)[:, None]
        return cls(
            tokens,
            texts.to(device),
            control.contexts.shape[1],
            rows.to(device),
            slots.to(device),
            torch.cat([(queries[described] + start * tokens).flatten(0, 1), queries[negated].flatten(0, 1)]),
            None if inside.all() else inside.to(device),
            copies * len(negated),
        )


class Projected(NamedTuple):
    """Queries, keys and values of some tokens, each of shape (rows, heads, tokens, channels of a head)."""

    query: torch.Tensor
    key: torch.Tensor
    value: torch.Tensor

    def part(self, first: int | None, end: int | None) -> "Projected":
        """Those of the tokens from one to another."""
        return Projected(*(states[:, :, first:end] for states in self))

    def rotated(self, rotation: tuple[torch.Tensor, torch.Tensor]) -> "Projected":
        """With FLUX's rotary embedding of as many positions."""
        query, key = (apply_rotary_emb(states, rotation, sequence_dim=2) for states in (self.query, self.key))
        return Projected(query, key, self.value)


class RegionalJointAttnProcessor:
    r"""
    Joint attention with regions. The prompt's tokens attend to the picture and to the prompt, those of a local text to
    that text and to the picture inside its region, or, with the denoiser's `local_sight`, to all of it. The picture's
    tokens attend, with A([picture; t]) their attention to the picture and a text t, by

        guided: A([picture; D]) + sum_i m_i c_i (A([picture; L_i]) - A([picture; U]))
        convex: A([picture; D]) + sum_i m_i c_i (A([picture; L_i]) - A([picture; D]))

    with the names of [`RegionalAttnProcessor`], which also says what negative prompts of regions do. U is the text of
    the unconditional row, or the object's N_i. The picture is the conditional row's in all of them: those of both rows
    are different ones, and their difference is none of texts. All of it happens before `to_out`. What attends to the
    picture is computed once for all texts.

    Args:
        control ([`RegionalControl`]): What all layers share.
        denoiser ([`JointDenoiser`]): Tells where the local texts are.
    """

    def __init__(self, control: RegionalControl, denoiser: JointDenoiser):
        self.control = control
        self.denoiser = denoiser

    def __call__(
        self,
        attn: nn.Module,
        hidden_states: torch.Tensor,
        encoder_hidden_states: torch.Tensor | None = None,
        attention_mask: torch.Tensor | None = None,
        image_rotary_emb: tuple[torch.Tensor, torch.Tensor] | None = None,
        **options,
    ) -> torch.Tensor | tuple[torch.Tensor, torch.Tensor]:
        """
        Args:
            hidden_states (`torch.Tensor` of shape (rows, tokens, channels)): The picture; without
                `encoder_hidden_states` the texts and then the picture, as in FLUX's single blocks.
            encoder_hidden_states (`torch.Tensor` of shape (rows, tokens, channels), *optional*): The prompt, then the
                local texts.
            image_rotary_emb (`tuple` of two `torch.Tensor` of shape (tokens, channels of a head), *optional*): Of the
                prompt and the picture. Local texts stand at position 0, which rotates nothing.

        Returns:
            What the layer gives for each of the two.
        """
        self.denoiser.check_layer(attn)
        if attention_mask is not None or options:
            given = ["attention_mask"] if attention_mask is not None else list(options)
            raise ValueError(
                f"Regions do not go together with `{given[0]}` in `joint_attention_kwargs`: leave it out."
            )
        segments, fused = self.denoiser.segments, self.denoiser.fused(attn)
        if encoder_hidden_states is None:
            both = _projected(attn, hidden_states, fused)
            count = hidden_states.shape[1] - segments.picture
            texts, picture = both.part(None, count), both.part(count, None)
        else:
            picture = _projected(attn, hidden_states, fused)
            texts = _projected(attn, encoder_hidden_states, fused, added=True)
        count = texts.query.shape[2] - segments.tokens
        prompt, local = texts.part(None, count), texts.part(count, None)
        if image_rotary_emb is not None:
            prompt = prompt.rotated(tuple(part[:count] for part in image_rotary_emb))
            picture = picture.rotated(tuple(part[count:] for part in image_rotary_emb))
        picture_output, text_output = self._attend(segments, picture, prompt, local)
        if encoder_hidden_states is None:
            return torch.cat([text_output, picture_output], dim=1)
        text_output = text_output if attn.context_pre_only else attn.to_add_out(text_output)
        return attn.to_out[1](attn.to_out[0](picture_output)), text_output

    def _attend(
        self, segments: Segments, picture: Projected, prompt: Projected, local: Projected
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """The outputs of picture and texts, (rows, tokens, channels)."""
        slots = segments.texts.shape[1]
        own = Projected(*(_slots(states, slots)[segments.rows, segments.slots] for states in local))
        inside = _inside(picture.query, segments)
        others = self._subtracted(segments, prompt, own) if self.control.blend == "guided" else []
        parts = _in_parts if gives_lse(picture.query) else _at_once
        whole, of_pairs, bases = parts(segments, picture, prompt, own, inside, others)

        by_slot = _slots(torch.zeros_like(local.query), slots)
        by_slot[segments.rows, segments.slots] = self._local(segments, picture, own)
        tokens, local_states = picture.query.shape[2], by_slot.transpose(1, 2).flatten(2, 3)
        text_output = _flat(torch.cat([whole[:, :, tokens:], local_states], dim=2))
        bases = [_flat(base) for base in bases]
        return self._blended(segments, _flat(whole[:, :, :tokens]), _flat(of_pairs), bases), text_output

    def _local(self, segments: Segments, picture: Projected, own: Projected) -> torch.Tensor:
        """What the local texts attend to, (pairs, heads, tokens, channels)."""
        if self.denoiser.local_sight == "picture":
            key, value, seen = picture.key[segments.rows], picture.value[segments.rows], None
        else:
            key, value, seen = _inside(picture.key, segments), _inside(picture.value, segments), segments.inside
        if seen is not None:
            seen = F.pad(seen, (0, own.key.shape[2]), value=True)[:, None, None]
        key, value = torch.cat([key, own.key], dim=2), torch.cat([value, own.value], dim=2)
        return F.scaled_dot_product_attention(own.query, key, value, seen)

    def _subtracted(
        self, segments: Segments, prompt: Projected, own: Projected
    ) -> list[tuple[torch.Tensor, Projected]]:
        """The U of all descriptions, and those N_i that take its place, each with the pairs that they are for."""
        control, described = self.control, segments.descriptions
        pairs = torch.arange(described, device=segments.rows.device)
        rows = segments.rows[:described] - control.conditional_rows(control.rows).start
        subtracted = [(pairs, Projected(*(states[rows] for states in prompt)))]
        if control.negates:
            copies = segments.negatives // len(control.negated)
            of_negated = pairs.unflatten(0, (-1, copies))[control.negated].flatten()
            subtracted.append((of_negated, Projected(*(states[described:] for states in own))))
        return subtracted

    def _blended(
        self, segments: Segments, output: torch.Tensor, of_pairs: torch.Tensor, bases: list[torch.Tensor]
    ) -> torch.Tensor:
        control, described = self.control, segments.descriptions
        rows, place = control.conditional_rows(len(output)), control.placement(output.shape[1])
        objects, negated = len(place.index), len(control.negated)
        local = of_pairs[:described].unflatten(0, (objects, -1)).flatten(1, 2) if described else None
        negative = of_pairs[described:].unflatten(0, (negated, -1)).flatten(1, 2) if control.negates else None
        base = None
        if bases:
            base = bases[0].unflatten(0, (objects, -1)).flatten(1, 2).clone()  # what autograd keeps stays as it is
            for of_negative in bases[1:]:
                base[control.negated] = of_negative.unflatten(0, (negated, -1)).flatten(1, 2)
        return blended(control, output, rows, place, local, negative, output, base)


def _in_parts(
    segments: Segments, picture: Projected, prompt: Projected, own: Projected, inside: torch.Tensor, others: list
) -> tuple[torch.Tensor, torch.Tensor, list[torch.Tensor]]:
    """
    The picture's and the prompt's attention; that of the picture inside each pair's region to its text; and of some
    pairs' to others than that.
    """
    query = torch.cat([picture.query, prompt.query], dim=2)
    states, lse = attention_with_lse(query, picture.key, picture.value)
    whole = merged((states, lse), attention_with_lse(query, prompt.key, prompt.value))
    inner, sums = (_inside(part[:, :, : segments.picture], segments) for part in (states, lse[..., None]))
    to_picture = inner, sums[..., 0]
    of_pairs = merged(to_picture, attention_with_lse(inside, own.key, own.value))
    of_others = [
        merged([part[pairs] for part in to_picture], attention_with_lse(inside[pairs], text.key, text.value))
        for pairs, text in others
    ]
    return whole, of_pairs, of_others


def _at_once(
    segments: Segments, picture: Projected, prompt: Projected, own: Projected, inside: torch.Tensor, others: list
) -> tuple[torch.Tensor, torch.Tensor, list[torch.Tensor]]:
    """The same where no kernel gives the sums, or derivatives are wanted: each pair attends to the picture anew."""

    def attend(query: torch.Tensor, rows: torch.Tensor, text: Projected) -> torch.Tensor:
        sides = (picture.key, text.key), (picture.value, text.value)
        key, value = (torch.cat([of_picture[rows], of_text], dim=2) for of_picture, of_text in sides)
        return F.scaled_dot_product_attention(query, key, value)

    query, key, value = (torch.cat(both, dim=2) for both in zip(picture, prompt))
    whole, of_pairs = F.scaled_dot_product_attention(query, key, value), attend(inside, segments.rows, own)
    return whole, of_pairs, [attend(inside[pairs], segments.rows[pairs], text) for pairs, text in others]


def _projected(attn: nn.Module, states: torch.Tensor, fused: bool, added: bool = False) -> Projected:
    """Of the picture's tokens, or of those that an attention layer has `added` projections for."""
    if fused:
        projected = (attn.to_added_qkv if added else attn.to_qkv)(states).chunk(3, dim=-1)
    elif added:
        projected = attn.add_q_proj(states), attn.add_k_proj(states), attn.add_v_proj(states)
    else:
        projected = attn.to_q(states), attn.to_k(states), attn.to_v(states)
    query, key, value = (part.unflatten(-1, (attn.heads, -1)).transpose(1, 2) for part in projected)
    norms = (attn.norm_added_q, attn.norm_added_k) if added else (attn.norm_q, attn.norm_k)
    normed = (part if norm is None else norm(part) for part, norm in zip((query, key), norms))
    query, key = (part.to(value.dtype) for part in normed)  # autocast leaves norms as they are
    return Projected(query, key, value)


def _slots(states: torch.Tensor, slots: int) -> torch.Tensor:
    """The states (rows, heads, tokens, channels) of local texts by their slots, (rows, slots, heads, tokens, ...)."""
    return states.unflatten(2, (slots, -1)).transpose(1, 2)


def _inside(states: torch.Tensor, segments: Segments) -> torch.Tensor:
    """Of the picture's (rows, heads, tokens, channels) those of each pair's region, (pairs, heads, Q, channels)."""
    return states.transpose(1, 2).flatten(0, 1)[segments.queries].transpose(1, 2)


def _flat(states: torch.Tensor) -> torch.Tensor:
    """All heads' channels together, (rows, tokens, channels)."""
    return states.transpose(1, 2).flatten(2)
