"""Statements: what is said of several things as relations of single ones, "four stools around a table"."""

from collections.abc import Sequence
from itertools import cycle, product

from .phrase import Phrase, are_persons
from .regions import Relation
from .sides import OPPOSITES, PICTURE_PLACES, PLACES_OF_CORNERS, SIDES_OF_PLACES, SINGLE_SUPPORTS
from .things import CLOTHES, FOOTWEAR, WEARERS


_OTHER_SIDES = OPPOSITES | {"left": "right", "right": "left", "top": "bottom", "bottom": "top", "next to": "next to"}
# Where things stand "around" another, one after the other.
_PLACES_AROUND = (
    ("left of",), ("right of",), ("above",), ("below",),
    ("left of", "above"), ("right of", "above"), ("left of", "below"), ("right of", "below"),
)  # fmt: skip


class Statements:
    """
    Collects what a text states, as lists of `Relation`.

    Attributes:
        certain: In the order of the text.
        held: Of "in the left hand" and the like; what is said elsewhere counts more.
    """

    def __init__(self, phrases: Sequence[Phrase]):
        self.phrases = phrases
        self.certain: list[Relation] = []
        self.held: list[Relation] = []

    def add(self, figure: Sequence[int], relation: str, landmark: Sequence[int] = (), kind: str = "") -> None:
        """
        Adds a relation of each figure to each landmark; without landmarks, to the picture. The `kind` is that of the
        landmark in the lexicon.
        """
        if relation == "both sides" and len(figure) % 2 == 0:
            half = len(figure) // 2
            self.add(figure[:half], "left of" if landmark else "left", landmark)
            self.add(figure[half:], "right of" if landmark else "right", landmark)
            return
        if relation in PICTURE_PLACES or not landmark:
            self.certain += [Relation(subject, relation) for subject in figure if relation in PICTURE_PLACES]
            return
        if relation == "around":
            self._surround(figure, landmark, kind)
            return
        if relation == "between" and len(landmark) > 2 and len(landmark) % 2 == 0:  # "flanked by four guards"
            self.add(landmark, "both sides", figure)
            return
        if relation == "between" and len(landmark) > 1:
            self.certain += [Relation(a, relation, *landmark[:2]) for a in figure if a not in landmark[:2]]
            return
        if relation == "opposite":
            relation = self._opposite_side(landmark)
        relation = "next to" if relation in ("between", "both sides", *PLACES_OF_CORNERS) else relation
        if kind == "reversed" or relation == "inside" and self._are_worn(figure, landmark):
            figure, landmark = landmark, figure
        if relation == "inside" and self._are_worn(landmark, figure):  # "a man and a woman in a hat"
            landmark = landmark[-1:]
        pairs = product(figure, landmark)
        if relation == "inside" and len(landmark) > 1:  # "two cats in two boxes"
            are_several = len(figure) > 1 or any(self.phrases[index].plural for index in figure)
            pairs = zip(figure, cycle(landmark)) if are_several else ()
        stated = [Relation(a, relation, b) for a, b in pairs if a != b]
        (self.held if kind == "held" else self.certain).extend(stated)

    def oppose(self, figure: Sequence[int]) -> None:
        """ "On the other side": of what something has a side already, be it the picture."""
        sided = next((r for r in reversed(self.certain) if r.relation in _OTHER_SIDES), None)
        if sided is not None:
            landmark = [] if sided.object is None else [sided.object]
            self.add(figure, _OTHER_SIDES[sided.relation], landmark)

    def have_place(self, things: Sequence[int]) -> bool:
        """Whether one of them has a place in the picture: "a chair at the left, a desk ..."."""
        return any(r.object is None and r.subject in things for r in self.certain)

    def are_arranged(self, things: Sequence[int]) -> bool:
        """Whether it is said how some things stand to each other, or at which side of the picture one of them is."""
        told = (r for r in self.certain if r.subject in things)
        return any(r.object in things or r.relation in SIDES_OF_PLACES for r in told)

    def _surround(self, figure: Sequence[int], landmark: Sequence[int], kind: str) -> None:
        """Several things at all sides of another: of "a table surrounded by stools", or "stools around a table"."""
        outer, inner = (landmark, figure) if kind == "list" else (figure, landmark)
        if len(outer) < 3:
            self.add(figure, "between" if kind == "list" else "next to", landmark)
            return
        supports = {r.object for r in self.certain if r.relation in SINGLE_SUPPORTS and r.subject in inner}
        if kind == "list" and len(inner) > 1 and len(supports) == 1:  # "candles on a cake, surrounded by plates"
            inner = [thing for thing in supports if thing not in outer] or inner
        for thing, places in zip(outer, _PLACES_AROUND):
            for place in places:
                self.add([thing], place, inner)

    def _opposite_side(self, landmark: Sequence[int]) -> str:
        """ "On the other side of the fence": of the side that something is said to be on."""
        sides = [OPPOSITES.get(r.relation) for r in self.certain if r.object in landmark]
        return next(filter(None, reversed(sides)), "next to")

    def _are_worn(self, figure: Sequence[int], landmark: Sequence[int]) -> bool:
        """ "A man in a coat", "a cat in boots", but not "a mouse in a boot"."""
        if not figure or not landmark:
            return False
        garment = self.phrases[landmark[0]].head
        is_worn = garment in CLOTHES and (garment not in FOOTWEAR or are_persons(self.phrases, figure))
        return is_worn and all(self.phrases[index].head in WEARERS for index in figure)
