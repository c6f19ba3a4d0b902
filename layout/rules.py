"""The rule-based layout predictor: the objects and relations of a prompt, then boxes that fulfil them."""

from collections.abc import Sequence

from spacy.language import Language

from .boxes import arrange_boxes
from .implied import with_stated_depth
from .language import load_language, read_prompt
from .objects import Thing, held_beside, held_pairs, objects_of
from .reading import check_aspect_ratio
from .regions import Layout, Region, Relation


class RuleLayoutPredictor:
    """
    Predicts where the objects of a prompt go from what the prompt says. Deterministic.

    Args:
        nlp (`str` or `spacy.Language`, *optional*):
            A spaCy pipeline for English, or the name or folder of one. By default the one that ships with the
            project, loaded at the first call (see `load_language`).

    Raises:
        TypeError, ValueError: `nlp` is none of these.
    """

    for_any_checkpoint = True  # its boxes know of none: a pipeline fits them to its own

    def __init__(self, nlp: str | Language | None = None):
        self._nlp = None if nlp is None else load_language(nlp)

    def __call__(self, prompt: str, *, aspect_ratio: float = 1.0, objects: Sequence[str] | None = None) -> Layout:
        """
        Args:
            prompt (`str`): English; without objects, or in another language, the layout is empty.
            aspect_ratio (`float`): Width of the picture divided by its height.
            objects (`Sequence[str]`, *optional*): The prompt's words for its objects, where the reading is to be
                corrected (see `read_prompt`).

        Returns:
            `Layout`: One box for each object, inside the picture, values rounded to 4 decimals.

        Raises:
            TypeError, ValueError: The prompt is no string, `aspect_ratio` is not a positive number, or one of
                `objects` does not stand in the prompt.
        """
        check_aspect_ratio(aspect_ratio)
        things, relations = objects_of(read_prompt(prompt, self._nlp, objects))
        return rule_layout(prompt, things, relations, aspect_ratio)


def rule_layout(prompt: str, things: Sequence[Thing], relations: Sequence[Relation], aspect_ratio: float) -> Layout:
    """The layout of things that have been read: see `arrange_boxes`."""
    modifiers = [thing.modifiers for thing in things]
    held = held_beside(things, relations)
    boxes = arrange_boxes([thing.head for thing in things], relations, aspect_ratio, modifiers, held)
    return with_stated_depth(Layout(regions_of(things, boxes), relations, prompt), held_pairs(things))


def regions_of(things: Sequence[Thing], boxes: Sequence[Sequence[float]]) -> list[Region]:
    """A region for each thing."""
    return [Region(thing.phrase, box=box, description=thing.description) for thing, box in zip(things, boxes)]
