"""The rule-based layout predictor: phrases and relations of the prompt, then boxes that fulfil them."""

import re

from spacy.language import Language

from .boxes import arrange_boxes
from .foreign import is_foreign
from .language import load_language
from .phrases import find_phrases
from .regions import Layout, Region
from .relations import find_relations


_PUNCTUATION_RUNS = re.compile(r"(?:[^\w\s]|_){9,}")  # blanked: spaCy's tokenizer takes minutes for thousands of them
_SURROGATES = re.compile("[\ud800-\udfff]")  # halves of characters, which spaCy cannot encode


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
        if not isinstance(prompt, str):
            raise TypeError(f"`prompt` has to be a string, got {type(prompt).__name__}: {prompt!r}.")
        if not 0 < aspect_ratio < float("inf"):
            raise ValueError(f"`aspect_ratio` has to be a positive number (width / height), got {aspect_ratio!r}.")
        if is_foreign(prompt):
            return Layout(prompt=prompt)
        text = _PUNCTUATION_RUNS.sub(lambda run: " " * len(run.group()), _SURROGATES.sub("\ufffd", prompt))
        doc = load_language(self._nlp)(text)
        phrases = find_phrases(doc)
        relations = find_relations(doc, phrases)
        modifiers = [phrase.modifiers for phrase in phrases]
        boxes = arrange_boxes([phrase.head for phrase in phrases], relations, aspect_ratio, modifiers)
        regions = [Region(phrase.text, box=box) for phrase, box in zip(phrases, boxes)]
        return Layout(tuple(regions), tuple(relations), prompt)
