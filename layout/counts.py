"""Counts: how many things a noun group names, "two ripe apples", and a phrase for each of them."""

from dataclasses import replace

from spacy.tokens import Doc

from .groups import NounGroup, split_number
from .phrase import Phrase, text_of
from .plurals import PAIRED_THINGS, counted_singular, is_plural, with_article
from .tokens import word_at
from .words import DETERMINERS, LARGE_NUMERALS, MOST_INSTANCES, number_of


def instances_of(doc: Doc, group: NounGroup, phrase: Phrase, times: int) -> list[Phrase]:
    """ "two ripe apples" -> "a ripe apple" twice; all of it, or each of a bare plural, so many times."""
    count, start = count_of(doc, group)
    is_bare = times > 1 and is_plural(doc[group.head if group.measure is None else group.measure].lower_)
    if count < 2 and not is_bare:
        return [phrase] * times
    if count < 2:
        start += doc[start].lower_ in DETERMINERS
    counted = group.measure if group.measure is not None and group.measure >= start else group.head
    text = text_of(replace(group, start=start).spans(doc), counted)
    head = counted_singular(phrase.head).split()[-1] if counted == group.head else phrase.head
    return [replace(phrase, text=with_article(text), head=head, plural=False)] * (count * times)


def count_of(doc: Doc, group: NounGroup) -> tuple[int, int]:
    """
    How many things a group names, and the token at which the words after the numeral start. Only plurals are counted:
    "a two-story house" and "a ten speed bike" are one each.
    """
    first, after = word_at(doc, group.start), word_at(doc, group.end)
    are_both = "both" in (first, word_at(doc, group.start - 1)) and after not in ("and", "or")
    if are_both and first in DETERMINERS and is_plural(doc[group.head].lower_):  # "both (the) cats"
        return 2, group.start + 1
    for token in doc[group.start : min(group.head, group.end)]:
        is_measure = token.i == group.measure  # "a couple of dogs"
        number = _number_at(doc, token.i)
        if number > 1:
            counted = group.measure if group.measure is not None and token.i < group.measure else group.head
            word = doc[counted].lower_
            is_one_pair = token.lower_ == "pair" and word in PAIRED_THINGS
            are_several = is_plural(word) or group.shared is not None  # "two red and one blue cup"
            is_counted = number <= MOST_INSTANCES and are_several and not is_one_pair
            return (number, token.i + (2 if is_measure else 1)) if is_counted else (1, group.start)
    number, _ = split_number(doc[group.head].lower_)
    return (number, group.head) if 1 < number <= MOST_INSTANCES else (1, group.start)


def _number_at(doc: Doc, index: int) -> int:
    """The number that begins at a token ("two", "two dozen", "dozen" after "half a"), 1 for none."""
    word, following = doc[index].lower_, word_at(doc, index + 1)
    if following == "-":  # "three-legged"
        return 1
    if word == "dozen" and "half" in (word_at(doc, index - 1), word_at(doc, index - 2)):
        return 6
    number = number_of(word)
    return number * LARGE_NUMERALS.get(following, 1) if number > 1 else 1
