"""The learned layout predictor: the objects of a prompt placed by a transformer, relations enforced."""

import warnings
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from functools import cache

import numpy as np
import torch
from spacy.language import Language

from .assets import find_asset
from .implied import with_stated_depth
from .language import load_language, read_prompt
from .objects import held_beside, held_pairs, objects_of
from .reading import check_aspect_ratio
from .regions import Layout, grouped
from .repair import inside_picture, repair_layout
from .rules import regions_of, rule_layout
from .things import kinds_of
from .transformer import BoxMixture, LayoutTransformer


_FILLING = 0.9  # side of contents, at most, in that of their share of a container


class TransformerLayoutPredictor:
    """
    Places objects where a [`LayoutTransformer`] has learned that such things are, and as large; then moves them as
    little as possible until all stated relations hold.

    Args:
        model ([`LayoutTransformer`] or `str`, *optional*): It, or its folder or id. By default the one that ships, for
            which the rules stand in, with a warning, where it is not to be found (see `find_asset`).
        nlp (`str` or `spacy.Language`, *optional*): See [`RuleLayoutPredictor`].
        temperature (`float`): 0 gives the likeliest layout, more gives others; 1 draws as the model believes.
        generator (`torch.Generator`, *optional*): For what is drawn, on the CPU, wherever the model is. It comes
            before that of a call.
    """

    for_any_checkpoint = True  # its boxes know of none: a pipeline fits them to its own

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
        self._nlp = None if nlp is None else load_language(nlp)
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
    def __call__(
        self,
        prompt: str,
        *,
        aspect_ratio: float = 1.0,
        objects: Sequence[str] | None = None,
        generator: torch.Generator | None = None,
    ) -> Layout:
        """See [`RuleLayoutPredictor`]; and `generator` is for what is drawn."""
        check_aspect_ratio(aspect_ratio)
        reading, model = read_prompt(prompt, self._nlp, objects), self.model
        things, relations = objects_of(reading)
        if model is None or not things:
            return rule_layout(prompt, things, relations, aspect_ratio)
        ids, marked = model.encode(reading.prompt, [(thing.start, thing.end) for thing in things])
        kinds = [kinds_of(thing.head) for thing in things]
        sides = [model.side(thing.head, thing.modifiers) for thing in things]
        inputs = [ids], [marked], [kinds], [sides], [float(aspect_ratio)]
        mixture = model(*(torch.tensor(part, device=model.device) for part in inputs))
        drawn_by = generator if self.generator is None else self.generator
        boxes = BoxMixture(*(part.cpu() for part in mixture)).boxes(self.temperature, drawn_by)[0].double()
        regions = regions_of(things, [inside_picture(box) for box in boxes.tolist()])
        held = held_beside(things, relations)
        layout = with_contents(repair_layout(Layout(regions, relations, prompt), held))
        return with_stated_depth(layout, held_pairs(things))


def with_contents(layout: Layout) -> Layout:
    """A layout of boxes with what is inside something side by side in the middle of it, if nothing else is said."""
    told = Counter(index for relation in layout.relations for index in relation.ends)
    inside = (r for r in layout.relations if r.relation == "inside" and told[r.subject] == 1)
    contents = grouped((r.object, r.subject) for r in inside)
    boxes = np.array([region.box for region in layout.regions])
    regions = list(layout.regions)
    for holder, members in contents.items():
        corner, share = boxes[holder, :2], (boxes[holder, 2:] - boxes[holder, :2]) / (len(members), 1)
        for position, index in enumerate(members):
            size = boxes[index, 2:] - boxes[index, :2]
            size *= min(1.0, (_FILLING * share / size).min())
            low = corner + share * (position + 0.5, 0.5) - size / 2
            regions[index] = replace(regions[index], box=np.round([*low, *(low + size)], 4).tolist())
    return replace(layout, regions=regions)


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
