"""The judge of real photographs: a zero-shot detector of transformers, such as OWLv2 or Grounding DINO."""

from collections.abc import Sequence
from itertools import chain

import torch
from PIL import Image
from transformers import AutoModelForZeroShotObjectDetection, AutoProcessor

from spacetime_attn.examples.icon_world.detection import Detection, intersection_over_union, keep_best
from spacetime_attn.examples.metrics import COLOURS, SYNONYMS, split_phrase


CANDIDATE_COLOURS = tuple(colour for colour in COLOURS if colour not in SYNONYMS)


class ZeroShotJudge:
    """
    Looks for the categories that a prompt names, and for nothing else: of things that the prompt does not name it
    knows nothing, so that spurious objects are only those that are there too often.

    Where the prompt gives a category colours, its colour is that of the query ("a red apple", "a green apple", ...)
    which fits the thing best.

    Args:
        model, processor: A zero-shot detector of transformers and what belongs to it.
        threshold (`float`): Of the detector's scores, 0..1.
    """

    def __init__(self, model, processor, threshold: float = 0.3):
        self.model = model.eval()
        self.processor = processor
        self.threshold = threshold

    @classmethod
    def from_pretrained(cls, name: str, device: str | torch.device = "cpu", **options) -> "ZeroShotJudge":
        """A model id of the Hub or a folder, for example `"google/owlv2-base-patch16-ensemble"`."""
        model = AutoModelForZeroShotObjectDetection.from_pretrained(name).to(device)
        return cls(model, AutoProcessor.from_pretrained(name), **options)

    def detect(self, image: Image.Image, phrases: Sequence[str]) -> list[Detection]:
        """
        Args:
            image (`PIL.Image.Image`): RGB.
            phrases (`Sequence[str]`): The objects to look for, for example `["red apple", "cat"]`.

        Returns:
            `list[Detection]`: Things of the phrases' categories.
        """
        wanted = [split_phrase(phrase) for phrase in phrases]
        has_colour = dict.fromkeys((category for category, _ in wanted), False)
        has_colour |= {category: True for category, colour in wanted if colour}
        return [thing for category, asked in has_colour.items() for thing in self._look_for(image, category, asked)]

    def _look_for(self, image: Image.Image, category: str, has_colour: bool) -> list[Detection]:
        things = keep_best(self._ask(image, f"a {category}", category))
        if not has_colour or not things:
            return things
        answers = [self._ask(image, f"a {colour} {category}", category, colour) for colour in CANDIDATE_COLOURS]
        return [_with_colour(thing, list(chain(*answers))) for thing in things]

    @torch.no_grad()
    def _ask(self, image: Image.Image, query: str, category: str, colour: str | None = None) -> list[Detection]:
        """What answers to one query; a detector that gets several at once may mix them up."""
        inputs = self.processor(images=image, text=[[query]], truncation=True, return_tensors="pt")
        outputs = self.model(**inputs.to(self.model.device))
        (result,) = self.processor.post_process_grounded_object_detection(
            outputs, threshold=self.threshold, target_sizes=[(image.height, image.width)]
        )
        scale = torch.tensor([image.width, image.height] * 2)
        boxes = (result["boxes"].cpu() / scale).clamp(0, 1).tolist()
        found = zip(result["scores"].tolist(), boxes)
        return [Detection(category, colour, (a, b, c, d), s) for s, (a, b, c, d) in found if a < c and b < d]


def _with_colour(thing: Detection, coloured: Sequence[Detection], overlap: float = 0.5) -> Detection:
    """The thing in the colour of the best answer at its place."""
    here = [seen for seen in coloured if intersection_over_union(seen.box, thing.box) >= overlap]
    colour = max(here, key=lambda seen: seen.score).colour if here else None
    return Detection(thing.category, colour, thing.box, thing.score)
