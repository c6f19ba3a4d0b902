"""`Phrase`: one object of the picture as the prompt names it, and what is said of it later."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from spacy.tokens import Doc, Span

from .colours import described
from .groups import NounGroup, split_number
from .lexicon import JOINING_WORDS
from .plurals import counted_singular, is_plural, singular
from .things import PEOPLE
from .words import COLOURS, DETERMINERS, NUMERALS, SINGULAR_DETERMINERS


@dataclass(frozen=True)
class Phrase:
    """
    One object of the picture.

    Args:
        text (`str`): As the prompt says it ("The silver bed"); one of several in the singular ("a dog"), and with the
            colour that is said of it later ("The red cup" of "The cup is red").
        start, end (`int`): Characters of the prompt that it was read from ("two dogs" for both of them).
        head (`str`): The noun, lower-case singular ("bed").
        modifiers (`frozenset[str]`): The other words, lower-case, without articles and numerals.
        mentions (`tuple[tuple[int, int], ...]`): All places where the prompt speaks of it, the first included.
        plural (`bool`): Whether "them" may mean it: skis, some birds, a person.
        owner (`int`, *optional*): Of a body part: the character at which the prompt names the one whose it is.
        container (`tuple[int, int]`, *optional*): The `start` and `end` of what it is in, the cup of "a cup of tea".
    """

    text: str
    start: int
    end: int
    head: str
    modifiers: frozenset[str] = frozenset()
    mentions: tuple[tuple[int, int], ...] = ()
    plural: bool = False
    owner: int | None = None
    container: tuple[int, int] | None = None

    @property
    def is_person(self) -> bool:
        """Whether it is "he", "she" or "they" rather than "it"."""
        return self.head in PEOPLE


def owners_of(phrases: Sequence[Phrase]) -> dict[int, int]:
    """Of all parts that belong to another phrase the index of that one: of "the man's foot" the man's."""
    mentions = {start: index for index, phrase in enumerate(phrases) for start, _ in phrase.mentions}
    owners = {index: mentions.get(phrase.owner) for index, phrase in enumerate(phrases)}
    return {index: owner for index, owner in owners.items() if owner is not None}


def are_persons(phrases: Sequence[Phrase], things: Iterable[int]) -> bool:
    """Whether all of those at some indices are persons."""
    return all(phrases[index].is_person for index in things)


def phrase_of(doc: Doc, group: NounGroup) -> Phrase:
    """What a noun group names, or one of what it counts, with the group as its only mention."""
    span, spans = doc[group.start : group.end], group.spans(doc)
    _, word = split_number(doc[group.head].lower_)
    words = {token.lower_ for part in spans for token in part if token.i != group.head and token.is_alpha}
    is_one = group.shared is not None and span[0].lower_ in SINGULAR_DETERMINERS  # "a red and two blue cups"
    return Phrase(
        text=text_of(spans, group.head if is_one else None),
        start=span.start_char,
        end=span.end_char,
        head=singular(word),
        modifiers=frozenset(words - DETERMINERS - NUMERALS.keys() - {"of"}),
        mentions=((span.start_char, span.end_char),),
        plural=is_plural(word) and not is_one,
    )


def text_of(spans: Sequence[Span], counted: int | None) -> str:
    """The words of some spans, single spaces between them, the noun at one token (if any) in the singular."""
    texts = (_with_singular(span, counted) if counted is not None else span.text for span in spans)
    return " ".join(" ".join(texts).split())


def _with_singular(span: Span, counted: int) -> str:
    words = [token.text_with_ws for token in span]
    if span.start <= counted < span.end:
        token = span.doc[counted]
        words[counted - span.start] = counted_singular(split_number(token.lower_)[1]) + token.whitespace_
    return "".join(words).strip()


def mentioned_again(same: list[Phrase], phrase: Phrase) -> list[Phrase]:
    """Instances with another place of the prompt added that speaks of them."""
    return [replace(one, mentions=one.mentions + phrase.mentions) for one in same]


def coloured(thing: Phrase, colours: tuple[str, ...]) -> Phrase:
    """ "A cup" that is said to be red: "a red cup"; what has a colour keeps it."""
    if not colours or not COLOURS.isdisjoint(thing.modifiers):
        return thing
    modifiers = thing.modifiers.union(colours) - JOINING_WORDS
    return replace(thing, text=described(thing.text, colours), modifiers=modifiers)
