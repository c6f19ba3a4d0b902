"""What stands at the tokens of a text: the word at one, attributes, spatial expressions."""

from functools import lru_cache

from spacy.tokens import Doc, Span, Token

from .lexicon import FoundExpression, SpatialExpression, lowered, spatial_expressions
from .sides import OPPOSITES, PICTURE_PLACES
from .things import DIRECTION_WORDS, PEOPLE
from .words import COLOURS, DETERMINERS, NOUN_ADJECTIVES, PLAIN_MODIFIERS, SUPERLATIVES, collect_words


_PLACE_PREPOSITIONS = collect_words("above at below in left near on right to under")
_LONGEST_PLACE = 9  # tokens: "on the left - hand side of the picture"


def word_at(doc: Doc, index: int) -> str:
    """The lower-case word at a token, "" outside of the text."""
    return doc[index].lower_ if 0 <= index < len(doc) else ""


def is_attribute(token: Token) -> bool:
    """Whether a word is an adjective and nothing else; an orange or a square may be a thing."""
    word = token.lower_
    if word in NOUN_ADJECTIVES or word in DIRECTION_WORDS or word in PEOPLE or word in DETERMINERS:
        return False
    if word in SUPERLATIVES:
        return True
    return token.pos_ == "ADJ" if token.pos_ and word not in COLOURS else word in PLAIN_MODIFIERS


@lru_cache(maxsize=4)  # each step of reading a text asks for them
def spatial_spans(doc: Doc) -> tuple[tuple[FoundExpression, Span], ...]:
    """The spatial expressions of a text in order, each with its tokens; without those that end within a token."""
    found = spatial_expressions(lowered(doc.text))
    spans = [(expression, doc.char_span(expression.start, expression.end)) for expression in found]
    return tuple((expression, span) for expression, span in spans if span is not None)


def place_after(doc: Doc, index: int) -> tuple[str, int]:
    """The place in the picture that is told from a token on ("left" at "on the left"), and its end; or "", index."""
    found, end = _expression_at(doc, index)
    if found is None or found.landmark not in ("none", "picture"):
        return "", index
    place = found.relation.removesuffix(" of")
    return (place, end) if place in PICTURE_PLACES else ("", index)


def side_after(doc: Doc, index: int) -> tuple[str, str]:
    """The side that is told from a token on and of what: ("left of", "dog") at "to the left of a dog"; or ""s."""
    found, end = _expression_at(doc, index)
    if found is None or found.landmark not in ("after", "maybe") or found.relation not in OPPOSITES:
        return "", ""
    landmark = next((token.lower_ for token in doc[end : end + _LONGEST_PLACE] if token.pos_ == "NOUN"), "")
    return (found.relation, landmark) if landmark else ("", "")


def _expression_at(doc: Doc, index: int) -> tuple[SpatialExpression | None, int]:
    """The spatial expression that begins at a token, None for none, and its end."""
    span = doc[index : index + _LONGEST_PLACE]
    found = spatial_expressions(lowered(span.text)) if word_at(doc, index) in _PLACE_PREPOSITIONS else ()
    last = span.char_span(0, found[0].end) if found and found[0].start == 0 else None
    return (None, index) if last is None else (found[0].row, last.end)


def spatial_tokens(doc: Doc) -> set[int]:
    """Tokens of spatial expressions of several words ("to the immediate left of"): their nouns name no things."""
    return {token.i for _, span in spatial_spans(doc) if len(span) > 1 for token in span}
