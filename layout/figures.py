"""Figures: which things a cue tells the place of."""

from bisect import bisect_left
from collections.abc import Sequence

from .clauses import ClauseRow
from .phrase import Phrase, are_persons
from .pronouns import PronounReader, owner_in
from .sides import SINGLE_SUPPORTS
from .things import CLOTHES, SEATS, WEARERS
from .words import HANDLING_PARTICIPLES, STANDING_PARTICIPLES


_SHARED_SIDES = ("left of", "right of", "above", "below", "next to", "in front of", "behind", "between")


class FigureReader:
    """Finds the things that a cue tells the place of: before it, or after it where it opens its clause."""

    def __init__(self, row: ClauseRow, phrases: Sequence[Phrase], pronouns: PronounReader):
        self.row = row
        self.phrases = phrases
        self.pronouns = pronouns
        self.wearers = [i for i, e in enumerate(row.elements) if e.kind == "thing" and self._may_wear(e.things)]

    def figure(self, k: int) -> list[int]:
        """The things that the cue at k tells the place of; of "above the bed hangs a lamp, and ..." not the lamp."""
        fronted, start = self.row.fronted, self.row.sentence_start(k)
        if k in fronted:
            return fronted[k]
        placed = {thing for cue in fronted if start <= cue < k for thing in fronted[cue]}
        figure = self._figure_before(k)
        return [thing for thing in figure if thing not in placed] or figure

    def _figure_before(self, k: int) -> list[int]:
        """The nearest thing before a cue that is no landmark, with those joined to it; of a relative, its noun."""
        row = self.row
        only_subjects = row.text(k - 1) == "," and row.is_in_with(k)  # "a pan with a lid, | left of ..."
        if k - 1 in row.landmarks and (self._describes_nearest(k) or self._supports_lower(k)):
            return list(row.elements[k - 1].things)
        if standing := self._who_stands(k):
            return standing
        for i in range(k - 1, row.sentence_start(k) - 1, -1):
            element = row.elements[i]
            if element.kind == "other" and self._is_item_of_its_own(i, k):
                return []
            if element.kind == "relative":
                return self._antecedent(i)
            if element.kind == "pronoun" and row.kind(i - 1) in ("", "stop", "join", "clause"):
                return self.pronouns.referents(element.text, i, ())
            if element.kind == "verb" and self._is_resumed(i):
                only_subjects = True
            if element.kind == "thing" and not row.is_aside(i, k) and self._may_be_figure(i, k, only_subjects):
                has_singular_verb = any(e.kind == "verb" and e.is_singular for e in row.elements[i:k])
                joined = row.joined_before(i, has_singular_verb)
                joined = [i] if self._is_new_subject(joined, k) else joined
                return self._owner_of(joined[0], k) + row.things_at(joined) + self._shared_support(k)
        return []

    def _is_item_of_its_own(self, i: int, k: int) -> bool:
        """Whether what gets no region has the place at k: "a castle at the top and a river | at the bottom"."""
        row, before = self.row, i - 1
        if row.kind(before) == "with" and row.is_thing(before - 1):  # "a man with a sunset | in the background"
            return i == k - 1 and not row.following[k]
        while row.kind(before) in ("join", "other"):
            before -= 1
        is_placed = row.kind(before) == "cue" or before in row.landmarks
        has_landmark = any(row.kind(landmark) != "pronoun" for landmark in row.following[k])
        is_joined = row.kind(before + 1) == "join"
        return i == k - 1 and is_joined and is_placed and not has_landmark

    def _antecedent(self, i: int) -> list[int]:
        """What a relative pronoun means: the thing before it, with those joined to it in "..., which are above"."""
        row = self.row
        position = next((j for j in reversed(range(i)) if row.is_thing(j)), None)
        if position is None:
            return []
        is_plural = row.kind(i + 1) == "verb" and row.elements[i + 1].text in ("are", "were")
        return row.things_at(row.joined_before(position, has_singular_verb=not is_plural))

    def _is_new_subject(self, joined: Sequence[int], k: int) -> bool:
        """Whether the last of joined things has a verb, the first being an object: "holds a cup and | a man holds"."""
        row = self.row
        verb = k if row.following[k] else k + 1
        element = row.elements[min(verb, len(row.elements) - 1)]
        is_reversed = element.cue is not None and element.cue.landmark == "reversed"
        is_active = is_reversed and element.text.endswith("s")  # "wears"
        has_verb = is_active or verb > k and element.kind == "verb" and element.is_finite
        return len(joined) > 1 and has_verb and row.kind(joined[0] - 1) == "verb"

    def _describes_nearest(self, k: int) -> bool:
        """ "... a man in a coat", "... a woman riding a horse", "a man walks past a dog on his left"."""
        row, element = self.row, self.row.elements[k]
        if not row.is_thing(k - 1):
            return False
        is_person = are_persons(self.phrases, row.elements[k - 1].things)
        if element.cue.landmark == "owner":
            return not is_person and owner_in(element.text) != "its"
        if self._holds_clothes(k):
            return self._may_wear(row.elements[k - 1].things) or not self._has_wearer(k)
        return element.text.startswith("riding") and not row.elements[k - 1].is_clothing

    def _may_wear(self, things: Sequence[int]) -> bool:
        return all(self.phrases[index].head in WEARERS for index in things)

    def _has_wearer(self, i: int) -> bool:
        """Whether somebody who may wear things stands before a position in its sentence."""
        first = bisect_left(self.wearers, self.row.sentence_start(i))
        return first < len(self.wearers) and self.wearers[first] < i

    def _who_stands(self, k: int) -> list[int]:
        """Of "next to an elephant standing | on a drum" the elephant, of "juggling pins standing | on it" who does."""
        row, verb = self.row, self.row.text(k - 1)
        if row.kind(k - 1) != "verb" or not verb.endswith("ing") or not row.is_thing(k - 2):
            return []
        nearest = list(row.elements[k - 2].things)
        if verb in STANDING_PARTICIPLES and row.text(k - 3) in HANDLING_PARTICIPLES and not self._may_wear(nearest):
            return row.things_at([k - 4]) if row.is_thing(k - 4) else []
        is_it = self._may_wear(nearest) or verb in STANDING_PARTICIPLES and not row.elements[k - 2].is_clothing
        return nearest if is_it and k - 2 in row.landmarks else []

    def _supports_lower(self, k: int) -> bool:
        """ "A lamp above a cat | on a sofa": only the cat is on it."""
        is_held = self.row.elements[k].cue.relation in SINGLE_SUPPORTS and self.row.is_thing(k - 1)
        return is_held and self.row.elements[self._cue_of(k - 1)].cue.relation == "above"

    def _holds_clothes(self, k: int) -> bool:
        return any(self.phrases[index].head in CLOTHES for index in self.row.things_at(self.row.following[k]))

    def _is_resumed(self, i: int) -> bool:
        """Whether a verb goes back to a subject: "X holds Y and stands", "X with Y below stands"."""
        before = self.row.kind(i - 1)
        return before == "join" or self.row.elements[i].is_finite and before in ("cue", "pronoun", "other")

    def _may_be_figure(self, i: int, k: int, only_subjects: bool) -> bool:
        """Whether the cue at k may tell the place of a thing before it, a landmark or not."""
        row = self.row
        if self._is_of_owner(i) and row.kind(i - 1) == "with" and any(i < cue < k for cue in row.cues):
            return False  # "a man with his hand on a table next to a bed"
        if self._holds_clothes(k) and not self._may_wear(row.elements[i].things) and self._has_wearer(i):
            return False  # "a bear sits in a chair wearing a hat"
        if i in row.landmarks:  # "an owl above a fox above a mouse", "a cat in a box on a mat": the fox, the box
            cue = self._cue_of(i)
            relations = {row.elements[cue].cue.relation, row.elements[k].cue.relation}
            is_next = cue < i and all(row.kind(j) == "verb" and not row.elements[j].is_finite for j in range(i + 1, k))
            is_held = relations == set(SINGLE_SUPPORTS) and not row.elements[i].is_clothing | self._holds_clothes(k)
            return is_next and row.elements[cue].cue.landmark != "reversed" and (len(relations) == 1 or is_held)
        return not only_subjects or i in row.subjects or row.kind(i + 1) == "verb"

    def _cue_of(self, i: int) -> int:
        """The cue whose landmark stands at a position."""
        return next(cue for cue in self.row.cues if i in self.row.following[cue])

    def _is_of_owner(self, i: int) -> bool:
        return any(self.phrases[index].owner is not None for index in self.row.elements[i].things)

    def _owner_of(self, i: int, k: int) -> list[int]:
        """ "A cup with a lid on a table", "a man reading a book on a bench": the cup and the man are, too."""
        row, cue = self.row, self.row.elements[k].cue
        landmark = row.things_at(row.following[k])
        if self._is_of_owner(i) or not row.is_thing(i - 2) or not landmark:  # "a man with his hand on a table"
            return []
        is_on = cue.relation in SINGLE_SUPPORTS and cue.landmark != "reversed"
        if row.kind(i - 1) == "with" and not any(row.kind(j) == "pronoun" for j in row.following[k]):
            is_worn = row.elements[i - 2].is_clothing and i - 2 in row.landmarks  # "a man in a coat with a bag"
            owner = self._cue_of(i - 2) - 1 if is_worn else i - 2
            return row.things_at([owner]) if is_on or cue.relation in _SHARED_SIDES else []
        if row.text(i - 1) in HANDLING_PARTICIPLES:
            is_shared = is_on and self.phrases[landmark[0]].head in SEATS or cue.relation in _SHARED_SIDES
            return row.things_at(row.joined_before(i - 2, has_singular_verb=False)) if is_shared else []
        return []

    def _shared_support(self, k: int) -> list[int]:
        """ "A cup to the left of a pot on the table": the pot is on the table, too."""
        row = self.row
        if row.elements[k].cue.relation not in SINGLE_SUPPORTS or k - 1 not in row.landmarks:
            return []
        is_held = row.elements[self._cue_of(k - 1)].cue.relation in SINGLE_SUPPORTS
        return [] if is_held else list(row.elements[k - 1].things)
