"""Sums: the "three animals" of "three animals: a cat, a dog and a pig", which are no things of their own."""

import re
from collections.abc import Iterable, Sequence

from spacy.tokens import Doc

from .lexicon import lowered, spatial_expressions
from .phrase import Phrase, mentioned_again
from .things import HYPERNYMS, TOTALS
from .words import MOST_INSTANCES


_LEAD = re.compile(r"\s*[,(–—-]\s*,?\s*|(?:(?!\band\b)[^,.;:!?\n])*,?\s*:\s*,?\s*")
_LIST_GAP = re.compile(r"\s*(?:,|,?\s*and|&)\s*")
_DESCRIBED_GAP = re.compile(r"[^.;:!?\n]*(?:,|\band)\s*")  # "a man | in a coat, | a woman"


def without_sums(doc: Doc, found: list[list[Phrase]]) -> list[list[Phrase]]:
    """Leaves out the "three animals" of "three animals: a cat, a dog and a pig", which mean those three."""
    sums, plain = [], _without_orders(doc.text)
    for position, total in enumerate(found):
        later = [items for items in found[position + 1 :] if items[0].container is None][: 2 * MOST_INSTANCES]
        items = _listed(doc.text, plain, total, later) if len(total) > 1 or total[0].plural else []
        for item in items:
            item[:] = mentioned_again(item, total[0])
        sums += [position] if items or total[0].head in TOTALS else []
    return [instances for position, instances in enumerate(found) if position not in sums]


def _without_orders(text: str) -> str:
    """ "Three animals, from left to right a cat, ..." with blanks in place of the order."""
    for found in spatial_expressions(lowered(text)):
        if found.kind == "order":
            text = text[: found.start] + " " * (found.end - found.start) + text[found.end :]
    return text


def _listed(text: str, plain: str, total: list[Phrase], later: Sequence[list[Phrase]]) -> list[list[Phrase]]:
    """
    What a counted noun sums up, if anything: as many things in a list right after it, or after a colon; what a plural
    does: several of its kind after a colon.
    """
    kind = HYPERNYMS.get(total[0].head, (total[0].head,))
    items = _chained(plain, total, later, _LIST_GAP)
    gap = text[total[0].end : items[0][0].start].strip() if items else ""
    if gap.endswith(":") and len(items) < len(total):
        items = _chained(plain, total, [item for item in later if item[0].head in kind], _DESCRIBED_GAP) or items
    are_of_kind = all(item[0].head in kind for item in items)
    if len(total) == 1:
        are_kinds = are_of_kind or total[0].head in HYPERNYMS  # "some pets: ..."
        return items if gap.endswith(":") and len(items) > 1 and are_kinds else []
    is_apposed = gap != "," or are_of_kind  # else perhaps "two dogs, a cat and a pig"
    return items if is_apposed and sum(map(len, items)) == len(total) else []


def _chained(text: str, total: list[Phrase], later: Iterable[list[Phrase]], joint: re.Pattern) -> list[list[Phrase]]:
    """The things that follow a total one after the other, with nothing but a joint between any two."""
    items: list[list[Phrase]] = []
    for item in later:
        gap = text[(items[-1] if items else total)[0].end : item[0].start]
        if (joint if items else _LEAD).fullmatch(gap):
            items.append(item)
        elif items:
            break
    return items
