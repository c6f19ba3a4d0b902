"""The rule-based layout predictor: phrases and relations of the prompt, then boxes that fulfil them."""

from spacy.language import Language

from .boxes import arrange_boxes, with_small_parts
from .phrase import owners_of
from .reading import check_aspect_ratio, read_prompt
from .regions import Layout, Region


class RuleLayoutPredictor:
    """
    Predicts where the objects of a prompt go from what the prompt says. Deterministic.

    Args:
        nlp (`str` or `spacy.Language`, *optional*):
            A spaCy pipeline for English, or the name or folder of one; loaded at the first call. By default the one
            that ships with the project (see `load_language`).
    """

    def __init__(self, nlp: str | Language | None = None):
        self._nlp = nlp

    def __call__(self, prompt: str, *, aspect_ratio: float = 1.0) -> Layout:
        """
        Args:
            prompt (`str`): English; without objects, or in another language, the layout is empty.
            aspect_ratio (`float`): Width of the picture divided by its height.

        Returns:
            `Layout`: One box for each object, inside the picture, values rounded to 4 decimals.

        Raises:
            TypeError, ValueError: The prompt is no string, or `aspect_ratio` is not a positive number.
        """
        check_aspect_ratio(aspect_ratio)
        phrases, relations = read_prompt(prompt, self._nlp)
        modifiers = [phrase.modifiers for phrase in phrases]
        boxes = arrange_boxes([phrase.head for phrase in phrases], relations, aspect_ratio, modifiers)
        boxes = with_small_parts(boxes, owners_of(phrases))
        regions = [Region(phrase.text, box=box) for phrase, box in zip(phrases, boxes)]
        return Layout(tuple(regions), tuple(relations), prompt)
