"""Repeats: what stands several times where it is named once, "a star in each corner", "flanked by trees"."""

from collections.abc import Sequence
from math import prod

from spacy.tokens import Doc, Span

from .counts import count_of
from .groups import NounGroup
from .lexicon import CLAUSE_BOUNDS, FoundExpression, SpatialExpression
from .plurals import is_plural
from .tokens import spatial_spans, word_at


_TIMES = {"each corner": 4, "both sides": 2}
_MOST_REPEATED = 12  # groups; those of a long text that come later stay as they are, for the time it takes
_FLANKING = ("flanked", "sandwiched")


def repeated_groups(doc: Doc, groups: Sequence[NounGroup]) -> dict[NounGroup, int]:
    """How many there are of what is "in each corner" or "on each side", flanks something or stands in a grid."""
    repeated = {}
    for found, span in spatial_spans(doc):
        if found.row is not None and found.row.relation in _TIMES:
            chosen, times = _distributed(span, found.row, groups), _TIMES[found.row.relation]
        else:
            chosen, times = _following(span, found, groups), prod(found.shape) or 2
        is_each = times == 2 and "each" in span.text  # "two jugs on each side"
        repeated |= {group: times for group in chosen if is_each or count_of(doc, group)[0] == 1}
    return dict(list(repeated.items())[:_MOST_REPEATED])


def _distributed(span: Span, row: SpatialExpression, groups: Sequence[NounGroup]) -> Sequence[NounGroup]:
    """The star of "a star in each corner" and "in each corner of the yard there is a star", if any."""
    doc = span.doc
    if word_at(doc, span.start - 1) == "one":
        return []
    if span.start == 0 or doc[span.start - 1].lower_ in CLAUSE_BOUNDS:
        owners = 1 if row.landmark == "after" else 0
        return [group for group in groups if group.start >= span.end][owners : owners + 1]
    before = [group for group in groups if group.end <= span.start]
    is_listed = len(before) > 1 and doc[before[-2].end : before[-1].start].text == "and"
    return [] if is_listed and row.relation == "both sides" else before[-1:]  # "a cat and a dog on either side"


def _following(span: Span, found: FoundExpression, groups: Sequence[NounGroup]) -> Sequence[NounGroup]:
    """The tree of "flanked by trees", "flanked on each side by a tree" or "two rows of three trees", if any."""
    group = next((group for group in groups if group.start == span.end), None)
    if group is None:
        return []
    is_flanking = span[0].lower_ in _FLANKING and word_at(span.doc, group.end) != "and"
    is_one_each = is_flanking and "side" in span.text
    is_repeated = is_one_each or is_plural(span.doc[group.head].lower_) and (is_flanking or found.order == "grid")
    return [group] if is_repeated else []
