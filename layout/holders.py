"""Holders: who wears, has or handles a thing, and is where it is: "a man in a coat with a bag next to a car"."""

from bisect import bisect_left
from collections.abc import Sequence

from .clauses import ClauseRow
from .phrase import Phrase
from .sides import SINGLE_SUPPORTS
from .things import CLOTHES, SEATS, WEARERS
from .words import HANDLING_PARTICIPLES, STANDING_PARTICIPLES


_SHARED_SIDES = ("left of", "right of", "above", "below", "next to", "in front of", "behind", "between")


class HolderReader:
    """Tells of things in a row of clauses who holds them."""

    def __init__(self, row: ClauseRow, phrases: Sequence[Phrase]):
        self.row = row
        self.phrases = phrases
        self.wearers = [i for i in range(len(row.elements)) if row.is_thing(i) and self.may_wear(i)]

    def may_wear(self, i: int) -> bool:
        """Whether what is mentioned at a position may have clothes on."""
        return all(self.phrases[index].head in WEARERS for index in self.row.elements[i].things)

    def has_wearer_before(self, i: int) -> bool:
        """Whether somebody who may have clothes on is mentioned before a position, in its sentence."""
        first = bisect_left(self.wearers, self.row.sentence_start(i))
        return first < len(self.wearers) and self.wearers[first] < i

    def takes_clothes(self, k: int) -> bool:
        """Whether the landmark of a cue is worn: "in a coat"."""
        return any(self.phrases[index].head in CLOTHES for index in self.row.things_at(self.row.following[k]))

    def has_owner(self, i: int) -> bool:
        """Whether a part of somebody is mentioned there, "his hand"."""
        return any(self.phrases[index].owner is not None for index in self.row.elements[i].things)

    def who_stands(self, k: int) -> list[int]:
        """Of "next to an elephant standing | on a drum" the elephant, of "juggling pins standing | on it" who does."""
        row, verb = self.row, self.row.text(k - 1)
        if row.kind(k - 1) != "verb" or not verb.endswith("ing") or not row.is_thing(k - 2):
            return []
        is_posture = verb in STANDING_PARTICIPLES
        if is_posture and row.text(k - 3) in HANDLING_PARTICIPLES and not self.may_wear(k - 2):
            return row.things_at([k - 4]) if row.is_thing(k - 4) else []
        is_nearest = self.may_wear(k - 2) or is_posture and not row.elements[k - 2].is_clothing
        return row.things_at([k - 2]) if is_nearest and k - 2 in row.landmarks else []

    def of(self, i: int, k: int) -> list[int]:
        """Who holds what the cue at k places: "a cup with a lid on a table", "a man reading a book on a bench"."""
        row, cue = self.row, self.row.elements[k].cue
        landmark, holder = row.things_at(row.following[k]), self._behind_clothes(i - 2)
        if self.has_owner(i) or not row.is_thing(holder) or not landmark:  # "a man with his hand on a table"
            return []
        is_on = cue.relation in SINGLE_SUPPORTS and cue.landmark != "reversed"
        if row.kind(i - 1) == "with" and not any(row.kind(j) == "pronoun" for j in row.following[k]):
            return row.things_at([holder]) if is_on or cue.relation in _SHARED_SIDES else []
        if row.text(i - 1) in HANDLING_PARTICIPLES:
            is_shared = is_on and self.phrases[landmark[0]].head in SEATS or cue.relation in _SHARED_SIDES
            return row.things_at(row.joined_before(holder, has_singular_verb=False)) if is_shared else []
        return []

    def _behind_clothes(self, i: int) -> int:
        """The position of who wears what is mentioned at one, else that one: "a man in a coat | with a bag"."""
        if not self.row.is_thing(i) or not self.row.elements[i].is_clothing or i not in self.row.landmarks:
            return i
        before = bisect_left(self.wearers, self.row.landmarks[i])
        return self.wearers[before - 1] if before else i
