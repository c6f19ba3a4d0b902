"""What stands at the tokens of a text: the word at one, attributes, spatial expressions."""

from spacy.tokens import Doc, Span, Token

from .lexicon import FoundExpression, lowered, spatial_expressions
from .things import DIRECTION_WORDS, PEOPLE
from .words import COLOURS, DETERMINERS, NOUN_ADJECTIVES, PLAIN_MODIFIERS


def word_at(doc: Doc, index: int) -> str:
    """The lower-case word at a token, "" outside of the text."""
    return doc[index].lower_ if 0 <= index < len(doc) else ""


def is_attribute(token: Token) -> bool:
    """Whether a word is an adjective and nothing else; an orange or a square may be a thing."""
    word = token.lower_
    if word in NOUN_ADJECTIVES or word in DIRECTION_WORDS or word in PEOPLE or word in DETERMINERS:
        return False
    return token.pos_ == "ADJ" if token.pos_ and word not in COLOURS else word in PLAIN_MODIFIERS


def spatial_spans(doc: Doc) -> list[tuple[FoundExpression, Span]]:
    """The spatial expressions of a text in order, each with its tokens; without those that end within a token."""
    found = spatial_expressions(lowered(doc.text))
    spans = [(expression, doc.char_span(expression.start, expression.end)) for expression in found]
    return [(expression, span) for expression, span in spans if span is not None]


def spatial_tokens(doc: Doc) -> set[int]:
    """Tokens of spatial expressions of several words ("to the immediate left of"): their nouns name no things."""
    return {token.i for _, span in spatial_spans(doc) if len(span) > 1 for token in span}
