"""The layout predictor that asks a large language model, and trusts nothing of the answer that it has not checked."""

import logging
import os
from collections.abc import Callable, Sequence
from importlib.util import find_spec

from spacy.language import Language

from .answers import AnswerReader, quoted
from .conversation import complaint, constrained, opening, plain_text
from .implied import with_stated_depth
from .language import load_language, read_prompt
from .objects import held_pairs, objects_of
from .reading import check_aspect_ratio
from .regions import Layout
from .repair import repair_layout
from .rules import rule_layout


_llm_logger = logging.getLogger(__name__)


class LLMLayoutPredictor:
    """
    Asks a language model where the objects of a prompt go. It is told what the reader reads in the prompt, and may
    correct that: it may leave out things that stand in no relation, and name others in the prompt's words. It sees
    its mistakes once and may answer again; what is still wrong then is mended, which a warning tells: boxes are moved
    until the relations hold that the prompt states (as the reader reads them) and that the model states. If it does
    not answer, or nothing can be used, [`RuleLayoutPredictor`] takes over, with a warning.

    Args:
        model (`str`, `transformers.PreTrainedModel` or `Callable`):
            The id or folder of a causal language model, which is loaded at the first call, onto the accelerator if
            there is one; a loaded model; or a function from a text to the answer, for any service. Models of
            transformers cannot but write JSON of the right form (xgrammar); the answers of a function may have
            anything around it: see `ANSWER_SCHEMA`.
        tokenizer (`transformers.PreTrainedTokenizerBase`, *optional*): Of a loaded model.
        nlp (`str` or `spacy.Language`, *optional*): See [`RuleLayoutPredictor`].
        max_new_tokens (`int`): The longest answer. Of one that is cut off, the whole objects are used.

    Raises:
        TypeError, ValueError: `model` is none of these, or goes without its `tokenizer`; or `nlp` cannot be loaded.
        ImportError: A model of transformers is to answer, and xgrammar is not installed.
    """

    for_any_checkpoint = True  # its boxes know of none: a pipeline fits them to its own

    def __init__(
        self,
        model: str | os.PathLike | Callable = "Qwen/Qwen3-4B-Instruct-2507",
        tokenizer=None,
        nlp: str | Language | None = None,
        max_new_tokens: int = 1536,
    ):
        if not isinstance(model, (str, os.PathLike)) and not callable(model):
            raise TypeError(f"`model` has to be an id, a model or a function, got {type(model).__name__}: {model!r}.")
        if hasattr(model, "generate") != (tokenizer is not None):
            raise ValueError("A loaded `model` of transformers needs its `tokenizer`; nothing else takes one.")
        if max_new_tokens < 1:
            raise ValueError(f"`max_new_tokens` has to be at least 1, got {max_new_tokens!r}.")
        is_service = tokenizer is None and callable(model)
        if not is_service and find_spec("xgrammar") is None:
            raise ImportError(
                'A language model that answers in a given form needs xgrammar: pip install "spacetime_attn[llm]".'
                " Without it, pass a function as `model`, or take another predictor."
            )
        self.model = model
        self.tokenizer = tokenizer
        self.max_new_tokens = max_new_tokens
        self._nlp = None if nlp is None else load_language(nlp)
        self._write: Callable[[Sequence[dict]], str] | None = None

    def load(self) -> None:
        """Loads the model, if it is named. Errors are raised here; in a call, the rules take over."""
        if self._write is None and not (self.tokenizer is None and callable(self.model)):
            self._write = constrained(self.model, self.tokenizer, self.max_new_tokens)

    def __call__(self, prompt: str, *, aspect_ratio: float = 1.0, objects: Sequence[str] | None = None) -> Layout:
        """
        Args:
            prompt (`str`): In any language that the model knows; the reader checks English only.
            aspect_ratio (`float`): Width of the picture divided by its height.
            objects (`Sequence[str]`, *optional*): See [`RuleLayoutPredictor`].

        Returns:
            `Layout`: One box for each object, inside the picture.

        Raises:
            TypeError, ValueError: The prompt is no string, or `aspect_ratio` is not a positive number.
            TypeError: A function answers with something else than a string.
        """
        return self.answered(prompt, aspect_ratio=aspect_ratio, objects=objects)[0]

    def answered(
        self, prompt: str, *, aspect_ratio: float = 1.0, objects: Sequence[str] | None = None
    ) -> tuple[Layout, str | None]:
        """As a call; and the answer that the layout is made of, None where the rules made it."""
        check_aspect_ratio(aspect_ratio)
        things, relations = objects_of(read_prompt(prompt, self._nlp, objects))
        expected = rule_layout(prompt, things, relations, aspect_ratio)
        if not prompt.strip():
            return expected, None
        reader = AnswerReader(expected, things, is_settled=objects is not None)
        messages = opening(prompt, aspect_ratio, expected.phrases, relations)
        if (answer := self._ask(messages)) is None:
            return expected, None
        layout, problems = reader.read(answer)
        if problems and (corrected := self._ask([*messages, *complaint(answer, problems)])) is not None:
            second, remaining = reader.read(corrected)
            if len(second) and (len(remaining) <= len(problems) or not len(layout)):
                answer, layout, problems = corrected, second, remaining
        if not len(layout) and len(expected):
            _llm_logger.warning("The language model placed nothing (%s): the rules do it.", " ".join(problems))
            return expected, None
        places = reader.matches(layout.regions)
        held = [(places[a], places[b]) for a, b in held_pairs(things) if places.keys() >= {a, b}]
        return with_stated_depth(_mended(layout, problems), held), answer

    def _ask(self, messages: Sequence[dict]) -> str | None:
        """The answer; None, with a warning, if there is none."""
        try:
            self.load()
            answer = self._write(messages) if self._write else self.model(plain_text(messages))
        except Exception as error:  # services may fail in any way
            _llm_logger.warning(
                "The language model did not answer, so the layout is made without it (%s: %s).",
                type(error).__name__,
                error,
            )
            return None
        if not isinstance(answer, str):
            raise TypeError(f"`model` has to return the answer as a string, got {type(answer).__name__}: {answer!r}.")
        return answer


def _mended(layout: Layout, problems: Sequence[str]) -> Layout:
    """The layout with its boxes moved where they have to be; whatever had to be done is logged."""
    result = repair_layout(layout)
    moved = [a.phrase for a, b in zip(layout.regions, result.regions) if a != b]
    notes = list(problems) + ([f"Moved: {', '.join(map(quoted, moved))}."] if moved else [])
    if notes:
        _llm_logger.warning("The language model's layout was mended. %s", " ".join(notes))
    return result
