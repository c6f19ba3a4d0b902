"""The learned layout predictor: a transformer that imagines how large things are and where they belong."""

import sys
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from typing import NamedTuple

import torch
import torch.nn.functional as F
from diffusers import ConfigMixin, ModelMixin
from diffusers.configuration_utils import register_to_config
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers
from torch import nn

from .things import NOUN_KINDS, name_and_factor


UNKNOWN, PADDING = "[UNK]", "[PAD]"
SIDES = 4  # of what is predicted: centre x, centre y, log width, log height


class LayoutTransformer(ModelMixin, ConfigMixin):
    """
    Boxes from words (arXiv:2304.03869, section 3.1): an encoder over the sub-word tokens of a prompt, in which the
    tokens of each object are marked, and for each object a mixture of Gaussians over its box. The paper's has centres
    only; this one has sizes too, and is told which kinds of things the objects are and, as far as its list
    goes, how large they are in reality, so that it has an idea of those whose names it has never read.

    Args:
        vocabulary (`Sequence[str]`): The sub-words, as WordPiece writes them ("lamp", "##post").
        sizes (`Mapping[str, float]`, *optional*): Things, in the singular, and the sides in metres of squares as large
            as they look.
        kinds (`int`): How many kinds of things there are.
        width (`int`): Channels.
        layers (`int`), heads (`int`): Of the encoder.
        components (`int`): Gaussians of each object.
        max_tokens (`int`): Where prompts are cut off.
        max_objects (`int`): How many objects are told apart by their number; further ones count from the first again.
    """

    @register_to_config
    def __init__(
        self,
        vocabulary: Sequence[str] = (PADDING, UNKNOWN),
        sizes: Mapping[str, float] | None = None,
        kinds: int = len(NOUN_KINDS),
        width: int = 128,
        layers: int = 3,
        heads: int = 4,
        components: int = 5,
        max_tokens: int = 96,
        max_objects: int = 16,
    ):
        super().__init__()
        self.words = nn.Embedding(len(vocabulary), width)
        self.places = nn.Embedding(max_tokens, width)
        self.marks = nn.Embedding(max_objects, width)
        self.by_kind = nn.Linear(kinds, width, bias=False)
        self.by_side = nn.Linear(2, width, bias=False)
        self.proportions = nn.Linear(1, width)
        layer = nn.TransformerEncoderLayer(
            width, heads, 4 * width, dropout=0.0, activation=F.gelu, batch_first=True, norm_first=True
        )
        self.encoder = nn.TransformerEncoder(layer, layers, nn.LayerNorm(width), enable_nested_tensor=False)
        self.head = nn.Sequential(nn.Linear(width, width), nn.GELU(), nn.Linear(width, components * (1 + 2 * SIDES)))

    def forward(
        self,
        input_ids: torch.Tensor,
        marked: torch.Tensor,
        kinds: torch.Tensor,
        sides: torch.Tensor,
        aspect_ratio: torch.Tensor,
    ) -> "BoxMixture":
        """
        Args:
            input_ids (`torch.Tensor` of shape (prompts, tokens), integer): Sub-words, padded with 0.
            marked (`torch.Tensor` of shape (prompts, objects, tokens), bool): Which tokens name each object.
            kinds (`torch.Tensor` of shape (prompts, objects, kinds), bool): What each object is, see `kinds_of`.
            sides (`torch.Tensor` of shape (prompts, objects)): Their real sizes, as sides of squares in metres; 0
                where unknown. See `side`.
            aspect_ratio (`torch.Tensor` of shape (prompts,)): Width of the picture divided by its height.
        """
        numbers = torch.arange(marked.shape[1], device=marked.device) % self.config.max_objects
        known = sides > 0
        sides = torch.stack([sides.where(known, 1).log(), known], dim=-1)
        marks = self.marks(numbers) + self.by_kind(kinds.to(self.dtype)) + self.by_side(sides.to(self.dtype))
        marked = marked.to(marks.dtype)
        states = self.words(input_ids) + self.places.weight[: input_ids.shape[1]] + marked.mT @ marks
        states = states + self.proportions(aspect_ratio.log().to(states)[:, None, None])
        states = self.encoder(states, src_key_padding_mask=input_ids == 0)
        objects = marked @ states / marked.sum(2).clamp(min=1)[..., None] + marks
        raw = self.head(objects).unflatten(-1, (self.config.components, 1 + 2 * SIDES)).float()
        weights, means, scales = raw.split([1, SIDES, SIDES], dim=-1)
        means = torch.cat([means[..., :2].sigmoid(), -F.softplus(means[..., 2:])], dim=-1)
        return BoxMixture(weights.squeeze(-1).log_softmax(-1), means, scales.clamp(-5, 1))

    @cached_property
    def tokenizer(self) -> Tokenizer:
        """Splits texts into the vocabulary's sub-words and tells where in the text they stand."""
        ids = {token: number for number, token in enumerate(self.config.vocabulary)}
        tokenizer = Tokenizer(models.WordPiece(ids, unk_token=UNKNOWN, max_input_chars_per_word=40))
        tokenizer.normalizer = normalizers.Lowercase()
        tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
        tokenizer.enable_truncation(self.config.max_tokens)
        return tokenizer

    def encode(self, prompt: str, spans: Sequence[tuple[int, int]]) -> tuple[list[int], list[list[bool]]]:
        """
        Args:
            prompt (`str`): The text.
            spans (`Sequence[tuple[int, int]]`): The characters of each object's phrase. Objects may share them, as
                those of "two dogs" do.

        Returns:
            `input_ids` and `marked` of `forward`, for one prompt.
        """
        encoding = self.tokenizer.encode(prompt)
        offsets = encoding.offsets
        return encoding.ids, [[start <= a and b <= end for a, b in offsets] for start, end in spans]

    def side(self, head: str, modifiers: Iterable[str] = ()) -> float:
        """
        The side in metres of a square as large as this thing, after the list `sizes` and the words that make it small
        or large; 0 if the list has none.
        """
        sizes = self.config.sizes or {}
        name, factor = name_and_factor(sizes, head, modifiers)
        return sizes.get(name, 0.0) * factor


# The same name wherever the file was loaded from, so that every pipeline with such a component can be loaded again.
sys.modules.setdefault("spacetime_attn_layout_transformer", sys.modules[__name__])
LayoutTransformer.__module__ = "spacetime_attn_layout_transformer"


class BoxMixture(NamedTuple):
    """
    A mixture of Gaussians for each object's box, as (centre x, centre y, log width, log height) in units of the
    picture's sides.
    """

    log_weights: torch.Tensor  # (prompts, objects, components), normalised
    means: torch.Tensor  # (prompts, objects, components, 4)
    log_scales: torch.Tensor  # the same

    def boxes(self, temperature: float = 0.0, generator: torch.Generator | None = None) -> torch.Tensor:
        """
        Args:
            temperature (`float`): 0 takes the middle of each object's likeliest Gaussian, 1 draws from the mixture.
            generator (`torch.Generator`, *optional*): For what is drawn.

        Returns:
            `torch.Tensor` of shape (prompts, objects, 4): `(x0, y0, x1, y1)`; may reach out of 0..1.
        """
        if temperature == 0:
            chosen = self.log_weights.argmax(-1)
        else:
            weights = (self.log_weights / temperature).softmax(-1)
            chosen = weights.flatten(0, 1).multinomial(1, generator=generator).view(weights.shape[:-1])
        chosen = chosen[..., None, None].expand(*chosen.shape, 1, SIDES)
        boxes = self.means.gather(-2, chosen).squeeze(-2)
        if temperature:
            scales = self.log_scales.gather(-2, chosen).squeeze(-2).exp()
            boxes = boxes + temperature * scales * torch.randn(boxes.shape, generator=generator)
        centres, halves = boxes[..., :2], boxes[..., 2:].exp() / 2
        return torch.cat([centres - halves, centres + halves], dim=-1)
