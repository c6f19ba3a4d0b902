"""The learned layout predictor: the prompt read by rules, its objects placed by a transformer, relations enforced."""

import warnings
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from functools import cache

import torch
from spacy.language import Language

from .assets import find_asset
from .boxes import with_contents, with_small_parts
from .contents import contained
from .phrase import owners_of
from .reading import check_aspect_ratio, read_prompt
from .regions import Layout, Region, Relation
from .repair import inside_picture, repair_layout
from .rules import RuleLayoutPredictor
from .things import kinds_of
from .transformer import LayoutTransformer


class TransformerLayoutPredictor:
    """
    Places objects where a [`LayoutTransformer`] has learned that such things are, and as large; then moves them as
    little as possible until all stated relations hold.

    Args:
        model ([`LayoutTransformer`] or `str`, *optional*): It, or its folder or id. By default the one that ships, for
            which [`RuleLayoutPredictor`] stands in, with a warning, where it is not to be found (see `find_asset`).
        nlp (`str` or `spacy.Language`, *optional*): See [`RuleLayoutPredictor`].
        temperature (`float`): 0 gives the likeliest layout, more gives others; 1 draws as the model believes.
        generator (`torch.Generator`, *optional*): For what is drawn, on the CPU, wherever the model is.
    """

    def __init__(
        self,
        model: LayoutTransformer | str | None = None,
        nlp: str | Language | None = None,
        temperature: float = 0.0,
        generator: torch.Generator | None = None,
    ):
        if not 0 <= temperature < float("inf"):
            raise ValueError(f"`temperature` has to be a number from 0, got {temperature!r}.")
        self._model = model
        self._nlp = nlp
        self.temperature = temperature
        self.generator = generator

    @property
    def model(self) -> LayoutTransformer | None:
        """The transformer, in single precision; loaded when it is first asked for. None if there is none."""
        if self._model is None:
            return _shipped_transformer()
        if not isinstance(self._model, torch.nn.Module):
            self._model = LayoutTransformer.from_pretrained(self._model, dtype=torch.float32).eval()
        return self._model

    @torch.no_grad()
    def __call__(self, prompt: str, *, aspect_ratio: float = 1.0) -> Layout:
        """See [`RuleLayoutPredictor`]."""
        check_aspect_ratio(aspect_ratio)
        model = self.model
        if model is None:
            return RuleLayoutPredictor(self._nlp)(prompt, aspect_ratio=aspect_ratio)
        phrases, relations = read_prompt(prompt, self._nlp)
        if not phrases:
            return Layout(prompt=prompt)
        ids, marked = model.encode(prompt, [(phrase.start, phrase.end) for phrase in phrases])
        kinds = [kinds_of(phrase.head) for phrase in phrases]
        sides = [model.side(phrase.head, phrase.modifiers) for phrase in phrases]
        inputs = [ids], [marked], [kinds], [sides], [float(aspect_ratio)]
        mixture = model(*(torch.tensor(part, device=model.device) for part in inputs)).cpu()
        boxes = mixture.boxes(self.temperature, self.generator)[0].double()
        boxes = with_small_parts([inside_picture(box) for box in boxes.tolist()], owners_of(phrases))
        regions = [Region(phrase.text, box=box) for phrase, box in zip(phrases, boxes)]
        layout = repair_layout(Layout(tuple(regions), tuple(relations), prompt))
        return _with_contents(layout, contained(phrases))


def _with_contents(layout: Layout, contained: Sequence[Relation]) -> Layout:
    """A layout with those contents in the middle of their containers of which nothing else is said."""
    told = Counter(index for r in layout.relations for index in (r.subject, r.object, r.second_object))
    holders = {r.subject: r.object for r in contained if told[r.subject] == 1}
    boxes = with_contents([region.box for region in layout.regions], holders)
    return replace(layout, regions=tuple(replace(region, box=box) for region, box in zip(layout.regions, boxes)))


@cache
def _shipped_transformer() -> LayoutTransformer | None:
    folder = find_asset("transformer", "config.json")
    if folder is None:
        warnings.warn(
            "the layout transformer that ships with spacetime_attn was not found, so the rules place the objects; "
            "install the project, or name another model",
            stacklevel=4,
        )
        return None
    return LayoutTransformer.from_pretrained(folder, dtype=torch.float32).eval()
