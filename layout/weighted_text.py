"""Prompts with weights, in the syntax of other tools: what they say, and what a region's words weigh."""

import logging
import re
import string
from collections.abc import Iterable, Sequence
from dataclasses import replace
from importlib.util import find_spec
from itertools import accumulate, groupby

from .files import shortened
from .prompt_syntax import parse_prompt, split_negative
from .regions import Layout, Region
from .words import singular


PROMPT_SYNTAXES = ("plain", "a1111", "compel")
_SINGLE = (1.0, 1.1, 1 / 1.1, 1.05)  # what one pair of brackets weighs, which stand in plain texts, too
_MOST_LEVELS = 4  # of brackets: with each more compel's parser takes five times as long
_FOREIGN = re.compile(  # networks, prompt editing, compel's methods
    r"<\w+:[^<>]*>|\[[^\[\]]*(?::\s*[\d.]+|\|[^\[\]]*)\s*\]|\)\.(?:and|blend|swap)\("
)
_OF_A1111 = re.compile(r"(?:(?<!\d):\s*[+-]?\d+\.?|:\s*[+-]?\d*\.\d+)\s*\)")  # a weight within its brackets
_BEFORE_MARK = re.compile(r"\s+(?=[,.;:!?])")
_syntax_logger = logging.getLogger(__name__)

Words = list[tuple[str, float]]  # each word of a text with its weight


class PromptSyntax:
    """
    A way to write weights into a text. What it parses to is compel's `Conjunction`: parts that are encoded one by one,
    each of fragments of text with their weights.
    """

    splits_at: str  # where compel splits what is longer than an encoder reads: a name of its `SplitLongTextMode`
    marks: re.Pattern  # characters that are escaped
    with_weight: str  # how a text and its weight are written

    split = staticmethod(split_negative)

    def split_layout(self, layout: Layout) -> Layout:
        """
        A layout in which what a region's text says is to be absent joins the region's negative prompt.

        Raises:
            ValueError: The background says it, which has no negative prompt.
        """
        if layout.has_background and self.split(layout.background)[1]:
            raise ValueError(
                f"`background` {shortened(layout.background)} says what is to be absent, and a background has no"
                " negative prompt: say it in the `negative_prompt` of the call."
            )
        return replace(layout, regions=tuple(map(self._split_region, layout.regions)))

    def _split_region(self, region: Region) -> Region:
        kept, absent = self.split(region.local_text)
        negative = ", ".join(filter(None, (region.negative_prompt, absent)))
        return replace(region, description=kept, negative_prompt=negative) if absent else region

    def parse(self, text: str):
        """A text as compel encodes it."""
        raise NotImplementedError

    def text(self, text: str) -> str:
        """A text without syntax."""
        raise NotImplementedError

    def words(self, text: str) -> Words:
        """The words of a text, and what each weighs."""
        raise NotImplementedError

    def source(self, prompt: str) -> str:
        """What a layout is predicted from."""
        return self.text(self.split(prompt)[0])

    def weighted(self, text: str, weight: float) -> str:
        """A text without syntax, with a weight; the inverse of `words`."""
        escaped = self.marks.sub(r"\\\1", text)
        return escaped if weight == 1 else self.with_weight.format(escaped, weight)

    def described(self, layout: Layout, prompt: str) -> Layout:
        """
        A layout that was predicted from a prompt, with the prompt's weights in its descriptions: of "a (red:1.3) car"
        the phrase is "a red car" and the description "a (red:1.3) car".

        The words of a phrase are looked for where the prompt has most of them; those that a description adds, where
        the prompt goes on, or else nearest to the phrase.
        """
        words = [(_word_key(word), weight) for word, weight in self.words(self.split(prompt)[0])]
        words = [(word, weight) for word, weight in words if word]
        regions: list[Region] = []
        for region in layout.regions:
            earlier = sum(other.phrase == region.phrase for other in regions)
            text = self._written(_with_weights(region, words, earlier))
            regions.append(region if text == region.local_text else replace(region, description=text))
        return replace(layout, regions=tuple(regions))

    def _written(self, words: Words) -> str:
        runs = groupby(words, key=lambda pair: round(pair[1], 4))
        return " ".join(self.weighted(" ".join(word for word, _ in run), weight) for weight, run in runs)


class _A1111Syntax(PromptSyntax):
    """AUTOMATIC1111's, as [`parse_prompt`] reads it."""

    splits_at = "PHRASES"
    marks, with_weight = re.compile(r"([()\[\]{}\\])"), "({}:{:g})"

    def parse(self, text: str):
        from compel.prompt_parser import Conjunction, FlattenedPrompt

        runs = groupby(parse_prompt(text).pieces, key=lambda piece: piece.chunk)
        chunks = [[(piece.text, piece.weight) for piece in run if piece.text.strip()] for _, run in runs]
        for chunk in filter(None, chunks[:-1]):  # which end in the comma that stands for BREAK
            last, weight = chunk.pop()
            chunk += [(last.rstrip(" ,"), weight)] if last.strip(" ,") else []
        return Conjunction([FlattenedPrompt(chunk) for chunk in chunks if chunk] or [FlattenedPrompt([("", 1.0)])])

    def text(self, text: str) -> str:
        return parse_prompt(text).text

    def words(self, text: str) -> Words:
        parsed = parse_prompt(text)
        weights = [piece.weight for piece in parsed.pieces for _ in piece.text]
        # of "(a cat:1.2)'s toy" two pieces are one word
        return [(word[0], weights[word.start()]) for word in re.finditer(r"\S+", parsed.text)]

    def source(self, prompt: str) -> str:
        return self.split(prompt)[0]  # which every predictor that ships reads


class _CompelSyntax(PromptSyntax):
    """compel's own. Of texts that are blended the first one counts for the reading."""

    splits_at = "SENTENCES"
    marks, with_weight = re.compile(r'([()"])'), "({}){:g}"

    def parse(self, text: str):
        from compel import Compel

        if _OF_A1111.search(text):
            raise ValueError(
                f"{shortened(text)} has a weight as prompt_syntax='a1111' writes it, which compel would draw: write it"
                " as (text)1.3, or pass that syntax."
            )
        steps = ({"(": 1, ")": -1}.get(character, 0) for character in re.sub(r"\\.", "", text))
        if (levels := max(accumulate(steps), default=0)) > _MOST_LEVELS:
            raise ValueError(
                f"{shortened(text)} has brackets in {levels} levels, for which compel takes too long: write the weight"
                " as a number, such as (word)1.3."
            )
        try:
            return Compel.parse_prompt_string(text)
        except Exception as error:  # pyparsing's and its own
            raise ValueError(f"compel does not understand {shortened(text)}: {error}") from None

    def text(self, text: str) -> str:
        parts = (" ".join(fragment for fragment, _ in part) for part in self._parts(text))
        return _BEFORE_MARK.sub("", ", ".join(parts))

    def words(self, text: str) -> Words:
        fragments = (fragment for part in self._parts(text) for fragment in part)
        return [(word, weight) for fragment, weight in fragments for word in fragment.split()]

    def _parts(self, text: str) -> list[Words]:
        """The fragments of each part."""
        parts = (getattr(part, "prompts", [part])[0] for part in self.parse(text).prompts)
        return [[pair for child in part.children for pair in _fragments(child)] for part in parts]


def _fragments(child) -> Words:
    """Of what `.swap` would replace, and compel does not, the original."""
    return [(part.text, part.weight) for part in getattr(child, "original", [child])]


_SYNTAXES = {"plain": None, "a1111": _A1111Syntax(), "compel": _CompelSyntax()}


def named_syntax(name: str) -> PromptSyntax | None:
    """
    The syntax of that name; `None` for plain text.

    Raises:
        ValueError: There is none.
        ImportError: compel is not installed, which encodes weights.
    """
    if name not in PROMPT_SYNTAXES:
        raise ValueError(f"`prompt_syntax` has to be one of {', '.join(map(repr, PROMPT_SYNTAXES))}, got {name!r}.")
    if name != "plain" and find_spec("compel") is None:
        raise ImportError(
            f"prompt_syntax={name!r} needs compel, which encodes weights and long texts: pip install"
            ' "spacetime_attn[prompts]" (or ".[prompts]" in a clone).'
        )
    return _SYNTAXES[name]


def warn_of_syntax(texts: Iterable[str], of_absent: bool = True) -> None:
    """
    Tells of other tools' syntax in plain texts: weights, BREAK, networks and, if not told elsewhere, what is to be
    absent. Single brackets, which stand in English too, are none.
    """
    for text in texts:
        pieces = parse_prompt(text).pieces
        is_weighted = any(piece.chunk or all(abs(piece.weight - one) > 1e-9 for one in _SINGLE) for piece in pieces)
        if is_weighted or _OF_A1111.search(text) or _FOREIGN.search(text) or of_absent and split_negative(text)[1]:
            _syntax_logger.warning(
                "%s is written for other tools, and the model reads all of it as plain text: pass"
                ' `prompt_syntax="a1111"` or `"compel"` for weights and what is to be absent to act.',
                shortened(text),
            )
            return


def _word_key(word: str) -> str:
    """What is compared of a word."""
    return singular(word.strip(string.punctuation).lower())


def _with_weights(region: Region, words: Words, earlier: int) -> Words:
    """
    The words of a region's local text, each with the weight that it has among the bare words of a prompt; `earlier`
    regions have the same phrase.
    """
    phrase = list(filter(None, map(_word_key, region.phrase.split())))
    named = len(phrase) if region.local_text.startswith(region.phrase) else 0
    place = _place([word for word, _ in words], phrase, earlier)
    weighed, here = [], -1 if place is None else place - 1
    for number, word in enumerate(region.local_text.split()):
        same = [index for index, (other, _) in enumerate(words) if other == _word_key(word)]
        weight = 1.0
        if place is not None and (number < named or same):
            here = here + 1 if number < named or here + 1 in same else min(same, key=lambda n: abs(n - place))
            weight = words[here][1]
        weighed.append((word, weight))
    return weighed


def _place(words: Sequence[str], phrase: Sequence[str], earlier: int) -> int | None:
    """Where most words of a phrase stand in a row, and at least half of them; `None` where that is nowhere."""
    scores = [
        sum(map(str.__eq__, words[start : start + len(phrase)], phrase))
        for start in range(len(words) - len(phrase) + 1)
    ]
    best = max(scores, default=0)
    places = [start for start, score in enumerate(scores) if score == best]
    return places[earlier % len(places)] if 2 * best >= max(len(phrase), 1) else None
