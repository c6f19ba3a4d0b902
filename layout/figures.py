"""Figures: which things a cue tells the place of."""

from collections.abc import Sequence

from .clauses import ClauseRow
from .holders import HolderReader
from .phrase import Phrase, are_persons
from .plurals import singular
from .pronouns import PronounReader, owner_in
from .sides import SINGLE_SUPPORTS
from .things import BODY_PARTS


class FigureReader:
    """Finds the things that a cue tells the place of: before it, or after it where it opens its clause."""

    def __init__(self, row: ClauseRow, phrases: Sequence[Phrase], pronouns: PronounReader):
        self.row = row
        self.phrases = phrases
        self.pronouns = pronouns
        self.holders = HolderReader(row, phrases)

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
        if standing := self.holders.who_stands(k):
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
                return self.holders.of(joined[0], k) + row.things_at(joined) + self._shared_support(k)
        return []

    def _is_item_of_its_own(self, i: int, k: int) -> bool:
        """Whether what gets no region has the place at k: "a castle at the top and a river | at the bottom"."""
        row, before = self.row, i - 1
        if row.kind(before) == "with" and row.is_thing(before - 1):  # "a hut with smoke | in the background"
            is_of_body = singular(row.text(i)) in BODY_PARTS  # "a bird with a yellow beak | on a branch"
            return i == k - 1 and not (row.following[k] and is_of_body)
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
        if self.holders.takes_clothes(k):
            return self.holders.may_wear(k - 1) or not self.holders.has_wearer_before(k)
        return element.text.startswith("riding") and not row.elements[k - 1].is_clothing

    def _supports_lower(self, k: int) -> bool:
        """ "A lamp above a cat | on a sofa": only the cat is on it."""
        is_held = self.row.elements[k].cue.relation in SINGLE_SUPPORTS and self.row.is_thing(k - 1)
        return is_held and self.row.elements[self.row.landmarks[k - 1]].cue.relation == "above"

    def _is_resumed(self, i: int) -> bool:
        """Whether a verb goes back to a subject: "X holds Y and stands", "X with Y below stands"."""
        before = self.row.kind(i - 1)
        return before == "join" or self.row.elements[i].is_finite and before in ("cue", "pronoun", "other")

    def _may_be_figure(self, i: int, k: int, only_subjects: bool) -> bool:
        """Whether the cue at k may tell the place of a thing before it, a landmark or not."""
        row = self.row
        if self.holders.has_owner(i) and row.kind(i - 1) == "with" and any(i < cue < k for cue in row.cues):
            return False  # "a man with his hand on a table next to a bed"
        if self.holders.takes_clothes(k) and not self.holders.may_wear(i) and self.holders.has_wearer_before(i):
            return False  # "a bear sits in a chair wearing a hat"
        if i in row.landmarks:  # "an owl above a fox above a mouse", "a cat in a box on a mat": the fox, the box
            cue = row.landmarks[i]
            relations = {row.elements[cue].cue.relation, row.elements[k].cue.relation}
            is_next = cue < i and all(row.kind(j) == "verb" and not row.elements[j].is_finite for j in range(i + 1, k))
            takes_clothes = row.elements[i].is_clothing or self.holders.takes_clothes(k)
            is_held = relations == set(SINGLE_SUPPORTS) and not takes_clothes
            return is_next and row.elements[cue].cue.landmark != "reversed" and (len(relations) == 1 or is_held)
        return not only_subjects or i in row.subjects or row.kind(i + 1) == "verb"

    def _shared_support(self, k: int) -> list[int]:
        """ "A cup to the left of a pot on the table": the pot is on the table, too."""
        row = self.row
        if row.elements[k].cue.relation not in SINGLE_SUPPORTS or k - 1 not in row.landmarks:
            return []
        is_held = row.elements[row.landmarks[k - 1]].cue.relation in SINGLE_SUPPORTS
        return [] if is_held else list(row.elements[k - 1].things)
