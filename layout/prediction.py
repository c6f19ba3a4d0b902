"""From a prompt to layouts by a predictor, in spite of what others' predictors may do; used beside every model."""

import inspect
import logging
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from .auto import AutoLayoutPredictor, llm_predictor
from .files import shortened
from .learned import TransformerLayoutPredictor
from .llm import LLMLayoutPredictor
from .regions import Layout
from .rules import RuleLayoutPredictor
from .transformer import LayoutTransformer
from .weighted_text import PromptSyntax


PREDICTORS = ("rules", "transformer", "llm", "auto")

_prediction_logger = logging.getLogger(__name__)


def named_predictor(
    name: str, layout_transformer: LayoutTransformer | None = None, nlp: Any = None, llm: Any = None
) -> Callable[..., Layout]:
    """
    One of the predictors that ship.

    Args:
        name (`str`): One of [`PREDICTORS`].
        layout_transformer ([`LayoutTransformer`], *optional*): In the place of the one that ships.
        nlp (`str` or `spacy.Language`, *optional*): The English spaCy pipeline that reads.
        llm (*optional*): The language model of `"llm"` and `"auto"`, see [`AutoLayoutPredictor`].
    """
    makers = {
        "rules": RuleLayoutPredictor,
        "transformer": partial(TransformerLayoutPredictor, layout_transformer),
        "llm": LLMLayoutPredictor if llm is None else partial(llm_predictor, llm),
        "auto": partial(AutoLayoutPredictor, llm, layout_transformer),
    }
    return makers[name](nlp=nlp)


def check_llm(llm: Any, layout_predictor: str | Callable[..., Layout]) -> None:
    """Raises a TypeError where a language model is given that the predictor would not ask."""
    if llm is not None and layout_predictor not in ("llm", "auto"):
        raise TypeError(f'`llm` is for the predictors "llm" and "auto", got {layout_predictor!r} with it.')


def predicted_layouts(
    predictor: Callable[..., Layout],
    text: str,
    aspect_ratio: float,
    objects: Sequence[str] | None,
    generators: Sequence,
    nlp: Any,
    syntax: PromptSyntax | None,
    fit: Callable[[Layout], Layout],
) -> list[Layout]:
    """
    A layout of a text by each of the generators. Where the predictor fails, the rules place the objects, with a
    warning; another tells of texts without objects.

    Args:
        predictor: Called as `predictor(text, aspect_ratio=width / height)`, and with `objects` and `generator` where
            it takes them.
        generators: Of random numbers, or `None`.
        syntax: That of the text, whose weights go into the descriptions.
        fit: Fits a layout of the predictors that ship to the checkpoint, see [`Defaults.fitted`].

    Raises:
        TypeError: `objects` are given, and the predictor takes none.
    """
    source = syntax.source(text) if syntax else text
    named, parameters = {} if objects is None else {"objects": objects}, _parameters(predictor)
    if named.keys() - parameters.keys() and all(x.kind is not x.VAR_KEYWORD for x in parameters.values()):
        raise TypeError("`objects` is given, and the `layout_predictor` takes no `objects`: leave them out.")

    def predict(predictor: Callable[..., Layout], **options) -> Layout:
        return Layout.coerce(predictor(source, aspect_ratio=aspect_ratio, **named, **options))

    try:
        draws = "generator" in parameters
        layouts = [predict(predictor, **({"generator": part} if draws else {})) for part in generators]
    except Exception as error:  # others' predictors may raise anything
        predictor = RuleLayoutPredictor(nlp)
        layouts = [predict(predictor)] * len(generators)  # raises what is the caller's own mistake
        _prediction_logger.warning(
            "The layout predictor failed, so the rules place the objects (%s: %s).", type(error).__name__, error
        )
    if not layouts[0].regions:
        _prediction_logger.warning(
            "No object was found in the prompt %s, which is read as English: the picture is made without regions.",
            shortened(source),
        )
    layouts = list(map(fit, layouts)) if getattr(predictor, "for_any_checkpoint", False) else layouts
    return [syntax.described(layout, text) for layout in layouts] if syntax else layouts


def _parameters(function: Callable) -> dict[str, inspect.Parameter]:
    """By name; none where Python does not know them."""
    try:
        return dict(inspect.signature(function).parameters)
    except (TypeError, ValueError):
        return {}
