"""Noun phrases without a model: closed word lists and a few rules, for the day when no spaCy model can be had."""

from collections.abc import Sequence

from spacy.language import Language
from spacy.tokens import Doc

from .plurals import is_plural, singular
from .things import CONTAINERS, MEASURES
from .words import (
    ACTION_VERB_FORMS,
    ACTION_VERBS,
    DETERMINERS,
    ING_NOUNS,
    NUMERALS,
    PLAIN_MODIFIERS,
    PREPOSITIONS,
    STOP_WORDS,
    collect_words,
)


CHUNKER_NAME = "word_list_chunker"
PHRASES_KEY = "phrases"

_CHUNK_STOPS = PREPOSITIONS | STOP_WORDS
_CHUNK_DETERMINERS = (DETERMINERS | NUMERALS.keys() | {"single"}) - MEASURES - _CHUNK_STOPS
# Forms that the other lists leave to a tagger, as they name things too; without one they are verbs.
_CHUNK_VERBS = ACTION_VERB_FORMS | collect_words(
    "flies lands rolls watches pushes pulls throws kicks feeds catches hits touches uses shows points makes nears"
    " includes found left slung"
)
_CHUNK_NOT_VERBS = ING_NOUNS | collect_words(
    "bed red shed sled seed weed hundred painting dining washing parking fishing ironing rocking swimming shopping"
    " living frying cutting bowling"
)
_CHUNK_PLACES = collect_words(  # a noun may follow these ("the left shoe", "an image viewer"), else they end a phrase
    "left right top bottom front back middle center centre side sides corner edge foreground background distance upper"
    " lower image picture photo photograph painting drawing sketch illustration scene view"
)
_CHUNK_WHOLES = MEASURES | CONTAINERS


class WordListChunker:
    """A spaCy component that stores noun phrases, determiner and modifiers included, in ``doc.spans["phrases"]``.

    One span per thing that a prompt may want drawn, in order and without overlap: "a cat above a green bus" gives
    "a cat" and "a green bus". Pronouns, places ("the left") and pictures ("a photo of") are left out.
    """

    def __call__(self, doc: Doc) -> Doc:
        bounds = chunk_bounds([token.lower_ for token in doc])
        doc.spans[PHRASES_KEY] = [doc[start:end] for start, end in bounds]
        return doc


def chunk_bounds(words: Sequence[str]) -> list[tuple[int, int]]:
    """The noun phrases in lower-cased words, as (start, end) with the end excluded."""
    bounds = []
    start = 0
    while start < len(words):
        first = start
        while first < len(words) and _is_chunk_determiner(words[first]):
            first += 1
        end = _chunk_end(words, first)
        if end > first and _is_chunk_thing(words[start:end]):
            bounds.append((start, end))
        start = max(end, first, start + 1)
    return bounds


def _chunk_end(words: Sequence[str], first: int) -> int:
    """Where the phrase ends whose first word after the determiner is words[first]."""
    end = first
    while end < len(words) and _continues_chunk(words, first, end):
        end += 1
    if end > first and singular(words[end - 1]) in _CHUNK_WHOLES and words[end : end + 1] == ["of"]:
        content = _chunk_end(words, end + 1)
        return content if content > end + 1 else end
    return end


def _continues_chunk(words: Sequence[str], first: int, i: int) -> bool:
    """Whether words[i] belongs to the phrase whose first word after the determiner is words[first]."""
    word = words[i]
    previous = words[i - 1] if i else ""
    following = words[i + 1] if i + 1 < len(words) else ""
    if word == "-":
        return i > first and following.isalnum()
    if word in (",", "and"):
        joins_modifiers = i > first and _is_chunk_modifier(previous) and _is_chunk_content(following)
        return joins_modifiers and (word == "," or _is_chunk_modifier(following))
    if word in _CHUNK_PLACES:
        return _is_chunk_content(following) or following in _CHUNK_PLACES
    if not _is_chunk_content(word):
        return False
    if previous == "that" and (word in _CHUNK_VERBS or _is_participle_form(word)):  # "the owl that | chased the frog"
        return False
    if _is_chunk_determiner(previous):
        return True
    modified = i > first and (_is_chunk_modifier(previous) or previous in (",", "and"))
    if _is_participle_form(word):
        opens = i == first and (i == 0 or previous in _CHUNK_STOPS)
        return (modified or opens) and _is_chunk_content(following)
    if modified:
        return True
    if word in _CHUNK_VERBS or word in ACTION_VERBS and is_plural(previous):
        return False
    return not word.endswith("ly")


def _is_chunk_thing(words: Sequence[str]) -> bool:
    """Whether a phrase names a thing: not a place, and no mere quality ("is red"), though "orange" may be a fruit."""
    return words[-1] not in _CHUNK_PLACES and not all(word in PLAIN_MODIFIERS and word != "orange" for word in words)


def _is_chunk_determiner(word: str) -> bool:
    return word in _CHUNK_DETERMINERS or word.isdigit()


def _is_chunk_content(word: str) -> bool:
    """Whether it may be a noun or one of its modifiers, as far as closed classes tell."""
    return word[:1].isalnum() and word not in _CHUNK_STOPS and not _is_chunk_determiner(word)


def _is_chunk_modifier(word: str) -> bool:
    return word in PLAIN_MODIFIERS or _is_participle_form(word) or word.endswith("ly") or word == "-"


def _is_participle_form(word: str) -> bool:
    return word.endswith(("ing", "ed")) and word not in _CHUNK_NOT_VERBS


# The installed package and a copy that diffusers loaded may both be imported: the first one registers the name.
if not Language.has_factory(CHUNKER_NAME):

    @Language.factory(CHUNKER_NAME)
    def make_word_list_chunker(nlp: Language, name: str) -> WordListChunker:
        """Makes the component for ``nlp.add_pipe("word_list_chunker")``."""
        return WordListChunker()
