"""What is read in a prompt, and where its objects go: `Reader`."""

import logging
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from threading import Lock, get_ident

import torch

from ..layout.language import read_prompt
from ..layout.learned import TransformerLayoutPredictor
from ..layout.objects import objects_of
from ..layout.prediction import named_predictor
from ..layout.prompt_syntax import parse_prompt
from ..layout.regions import Layout
from ..layout.weighted_text import PROMPT_SYNTAXES, named_syntax


LONGEST_PROMPT = 4000  # characters
SLOW = ("llm", "auto")  # predictors that may ask a language model
_PACKAGE = __name__.partition(".")[0]


@dataclass(frozen=True)
class Wishes:
    """
    How a prompt is to be read, and its objects placed.

    Args:
        width, height (`int`): Of the picture, in pixels.
        predictor (`str`): One of `Reader.predictors`.
        temperature (`float`): 0 for the likeliest layout; only the transformer draws others.
        seed (`int`): Of layouts that are drawn.
        struck, added (`tuple[str, ...]`): Words of the prompt that name no object, or one that was not read.
        syntax (`str`, *optional*): How weights stand in the prompt, one of `Reader.syntaxes`.
    """

    width: int
    height: int
    predictor: str
    temperature: float = 0.0
    seed: int = 0
    struck: tuple[str, ...] = ()
    added: tuple[str, ...] = ()
    syntax: str | None = None


@dataclass(frozen=True)
class Read:
    """
    Args:
        layout ([`Layout`]): Where the objects go.
        names (`tuple[str, ...]`): The prompt's words for the objects, struck ones and added ones too.
        placed (`tuple[str, ...]`): Those of them that have a region.
        told (`tuple[str, ...]`): What else was read, and what is to be said of it, in words.
    """

    layout: Layout = Layout()
    names: tuple[str, ...] = ()
    placed: tuple[str, ...] = ()
    told: tuple[str, ...] = ()


class Reader:
    """Reads and places for all visitors, one after the other, with the reader and the encoders of a pipeline."""

    def __init__(self, pipe):
        self._pipe, self._lock = pipe, Lock()
        named = isinstance(pipe.layout_predictor, str)
        self.default = pipe.layout_predictor if named else pipe.config.get("layout_predictor", "transformer")
        self.predictors = list(dict.fromkeys(["rules", "transformer", self.default]))
        if find_spec("xgrammar"):
            self.predictors = list(dict.fromkeys([*self.predictors, "llm"]))
        self._made = {self.default: pipe.layout_predictor}  # which keep what they have loaded
        self.syntax = getattr(pipe, "prompt_syntax", None)  # of the pipeline; families with transformers have none
        known = PROMPT_SYNTAXES if find_spec("compel") else PROMPT_SYNTAXES[:1]
        self.syntaxes = known if self.syntax else ()

    def read(self, prompt: str, wishes: Wishes) -> Read:
        """
        Raises:
            ValueError, TypeError: The prompt is too long, the size makes no sense, or an added word is not in it.
        """
        if len(prompt) > LONGEST_PROMPT:
            raise ValueError(f"The prompt has {len(prompt)} characters, more than {LONGEST_PROMPT}: shorten it.")
        if not prompt.strip():
            return Read()
        with self._lock, collected_warnings() as warned:
            self._pipe.layout_predictor = self._predictor(wishes)
            names = tuple(dict.fromkeys([*_names(_source(prompt, wishes.syntax)), *wishes.added]))
            placed = tuple(name for name in names if name not in wishes.struck)
            objects = placed if wishes.struck or wishes.added else None
            generator = torch.Generator().manual_seed(wishes.seed)
            written = {"prompt_syntax": wishes.syntax} if wishes.syntax else {}
            layout = self._pipe.predict_layout(
                prompt, wishes.height, wishes.width, objects=objects, generator=generator, **written
            )
            told = _told(layout, objects)
        return Read(layout, names, placed, tuple(dict.fromkeys([*told, *warned])))

    def text(self, prompt: str, syntax: str | None) -> str:
        """The words of a prompt, in which objects are named."""
        return parse_prompt(_source(prompt, syntax)).text

    def _predictor(self, wishes: Wishes) -> Callable[..., Layout]:
        nlp, model, llm = (getattr(self._pipe, name, None) for name in ("nlp", "layout_transformer", "llm"))
        if wishes.predictor == "transformer":
            return TransformerLayoutPredictor(model, nlp, wishes.temperature)
        if wishes.predictor not in self._made:
            self._made[wishes.predictor] = named_predictor(wishes.predictor, model, nlp, llm)
        return self._made[wishes.predictor]


def _source(prompt: str, syntax: str | None) -> str:
    """What a layout is predicted from."""
    syntax = named_syntax(syntax or "plain")
    return syntax.source(prompt) if syntax else prompt


def _names(prompt: str) -> list[str]:
    """The prompt's words for what gets a region."""
    reading = read_prompt(prompt)
    return [reading.prompt[thing.start : thing.end] for thing in objects_of(reading)[0]]


def _told(layout: Layout, objects: tuple[str, ...] | None) -> list[str]:
    """Relations, descriptions, what gets no region and what is absent."""
    reading = read_prompt(layout.prompt, objects=objects)
    lines = [layout.describe(relation) for relation in layout.relations]
    lines += [f"{part.phrase}: drawn as “{part.description}”" for part in layout if part.description]
    placed = {(thing.start, thing.end) for thing in objects_of(reading)[0]}
    others = [e for e in reading.entities if e.kind != "object" and (e.start, e.end) not in placed]
    lines += [f"without a region: {entity.phrase} ({entity.kind})" for entity in others]
    lines += [f"to be absent: {reading.negative_prompt}"] if reading.negative_prompt else []
    return lines


@contextmanager
def collected_warnings() -> Iterator[list[str]]:
    """What this package warns of in the block, in the thread that entered it."""
    found: list[str] = []
    thread = get_ident()

    class Collector(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if record.thread == thread:
                found.append(record.getMessage())

    logger, collector = logging.getLogger(_PACKAGE), Collector(logging.WARNING)
    logger.addHandler(collector)
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", UserWarning)
            yield found
    finally:
        logger.removeHandler(collector)
        found += [str(warning.message) for warning in caught]
