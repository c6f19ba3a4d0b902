"""The layout predictor that asks a language model only where the reader is not sure: `AutoLayoutPredictor`."""

import os
import re
import warnings
from collections.abc import Callable, Sequence

from spacy.language import Language

from .language import load_language, read_prompt
from .learned import TransformerLayoutPredictor
from .llm import LLMLayoutPredictor
from .reading import Reading
from .regions import Layout
from .transformer import LayoutTransformer


LEAST_SCORE = 0.85  # from development prompts: examples/reading/unsure.py


class AutoLayoutPredictor:
    """
    Places objects with the transformer. Where the reader is not sure of what a prompt says, or reads nothing in it
    (as where it is not English), a language model is asked, if there is one; but not where `objects` are named.

    Args:
        llm ([`LLMLayoutPredictor`], `str` or `Callable`, *optional*): The language model, or the `model` of an
            [`LLMLayoutPredictor`]: an id, a folder, or a function from a text to the answer. Without it, the
            transformer places everything.
        model ([`LayoutTransformer`] or `str`, *optional*), nlp (`str` or `spacy.Language`, *optional*): See
            [`TransformerLayoutPredictor`].
        least_score (`float`): The reader is sure where all scores of a reading are as high, 0..1.

    Raises:
        ValueError: `least_score` is not in 0..1.
        TypeError, ValueError, ImportError: See [`LLMLayoutPredictor`].
    """

    for_any_checkpoint = True  # its boxes know of none: a pipeline fits them to its own

    def __init__(
        self,
        llm: LLMLayoutPredictor | str | os.PathLike | Callable[[str], str] | None = None,
        model: LayoutTransformer | str | None = None,
        nlp: str | Language | None = None,
        least_score: float = LEAST_SCORE,
    ):
        if not 0 <= least_score <= 1:
            raise ValueError(f"`least_score` has to be a number in 0..1, got {least_score!r}.")
        self.llm = None if llm is None else llm_predictor(llm, nlp)
        self.transformer = TransformerLayoutPredictor(model, nlp)
        self.least_score = least_score
        self._nlp = None if nlp is None else load_language(nlp)

    def __call__(self, prompt: str, *, aspect_ratio: float = 1.0, objects: Sequence[str] | None = None) -> Layout:
        """See [`RuleLayoutPredictor`]."""
        asks = self.llm is not None and objects is None and not self._is_sure(prompt)
        return (self.llm if asks else self.transformer)(prompt, aspect_ratio=aspect_ratio, objects=objects)

    def _is_sure(self, prompt: str) -> bool:
        with warnings.catch_warnings():  # who places reads it again, and warns
            warnings.simplefilter("ignore")
            reading = read_prompt(prompt, self._nlp)
        return sureness(reading) >= self.least_score


def sureness(reading: Reading) -> float:
    """The least score of a reading's entities, relations and links, 0..1. Where words tell nothing, it is 0."""
    scores = [part.score for part in (*reading.entities, *reading.relations, *reading.links)]
    return min(scores, default=0.0 if re.search(r"\w", reading.prompt) else 1.0)


def llm_predictor(llm, nlp: str | Language | None = None) -> LLMLayoutPredictor:
    """A language model's predictor as it is, anything else as the `model` of one."""
    return llm if hasattr(llm, "for_any_checkpoint") else LLMLayoutPredictor(llm, nlp=nlp)
